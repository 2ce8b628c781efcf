"""The recipe: which facts of a failure make its signature, and which are left out because they differ each time.

A failure with a traceback is known by kernel, type and the project's own calls; without project code by type,
message and library calls; one without a traceback by what `outcome` finds. It must not see a clock, a file or a
store. Invariant: whatever it is given, it answers, and the same again.

Any change of what goes into a hash is a new ALGO: hashes of two recipes must never meet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from playbooks.recognition.frames import INLINED, Call, Places, named_once
from playbooks.recognition.leading import Lead, leads_of
from playbooks.recognition.masking import masked, outline
from playbooks.recognition.outcome import HAS_NO_TRACEBACK, outcome
from playbooks.recognition.rules import NO_RULES, Rules
from playbooks.recognition.signature import (
    BROADLY,
    EVERYWHERE,
    FULLY,
    NARROWLY,
    NOWHERE,
    SPECIFICALLY,
    Component,
    Evidence,
    Failure,
    Hash,
    Signature,
)
from playbooks.recognition.traceback_text import Frame, Raised, parse

ALGO = "grace.signature/1"
HEX_DIGITS = 32
ID_DIGITS = 8
MAX_TEXT = 200_000
"""Characters of a detail that are read, from its end."""

_UNFIT = re.compile(r"[^\w.-]+")
_ERRNO = re.compile(r"\[Errno (-?[0-9]{1,6})\]")


def signature_of(failure: Failure, rules: Rules = NO_RULES) -> Signature:
    """The signature of one failure. Raises nothing, whatever the texts hold."""
    roots = () if failure.kind in HAS_NO_TRACEBACK else parse(failure.detail[-MAX_TEXT:])
    evidence = _of_traceback(failure, roots[-1], rules) if roots else outcome(failure)
    specific, full = evidence.specific, evidence.full
    components = [_kernel(failure, evidence), *evidence.components]
    if rules.rules and (rule := rules.first(facts := _facts(failure, evidence))):
        specific = rule.expanded(specific, facts)
        full = (*full, "rule", *rule.expanded((), facts))
        components.append(Component("rule", rule.name, NARROWLY, "the first rule that fits makes the specific hash"))
    narrow = hash_of(Hash.SPECIFIC, specific)
    error = _UNFIT.sub("-", evidence.error).strip("-") or "unknown"
    return Signature(
        algo=ALGO,
        id=f"{_UNFIT.sub('-', failure.kernel)}_{error}_{narrow[:ID_DIGITS]}",
        kernel=failure.kernel,
        kind=failure.kind,
        error=error,
        specific=narrow,
        broad=hash_of(Hash.BROAD, evidence.broad),
        full=hash_of(Hash.FULL, full),
        components=tuple(components),
    )


def hash_of(hash: Hash, parts: Iterable[str]) -> str:
    """Parts to hexadecimal digits; where one part ends and the next begins counts too."""
    text = "".join([f"{len(part)}:{part}" for part in (ALGO, hash.value, *parts)])
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:HEX_DIGITS]


def _kernel(failure: Failure, evidence: Evidence) -> Component:
    into = EVERYWHERE if evidence.is_bare else SPECIFICALLY
    return Component("kernel", failure.kernel, into, "the same error elsewhere may need another repair")


def _facts(failure: Failure, evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """What rules look at; the first value of each is what they may put into a hash."""
    types = evidence.types or ("",)
    return {
        "kernel": (failure.kernel,),
        "kind": (failure.kind.value,),
        "type": (types[0], *types[1:], *(name.rpartition(".")[2] for name in types)),
        "message": (masked(evidence.message), evidence.message),
        "place": tuple(c.value for c in evidence.components if c.name == "call" and Hash.SPECIFIC in c.into),
    }


# ---- a failure with a traceback --------------------------------------------------------------------


def _of_traceback(failure: Failure, root: Raised, rules: Rules) -> Evidence:
    places = Places(rules)
    leads = sorted((_Led(lead, places) for lead in leads_of(root, places.is_own)), key=lambda led: led.parts)
    different = {led.parts: led for led in leads}
    first = leads[0]
    components = [part for led in different.values() for part in led.components()]
    components += _others(root, leads)
    components += [
        Component("kind", failure.kind.value, NOWHERE, "the traceback says more"),
        Component("lines", "", NOWHERE, "line numbers and notes change without the failure changing"),
    ]
    return Evidence(
        error=first.name.rpartition(".")[2],
        types=tuple(dict.fromkeys(led.name for led in leads)),
        message=first.message,
        specific=(failure.kernel, *(part for parts in different for part in (str(len(parts)), *parts))),
        broad=(first.name, first.masked),
        full=(failure.kernel, *_everything(root, leads, Places(NO_RULES) if rules.judges_code else places)),
        components=tuple(components),
        is_bare=False,
    )


class _Led:
    """One exception that leads, and its part of the specific hash."""

    def __init__(self, lead: Lead, places: Places) -> None:
        self.raised = lead.raised
        self.is_own = lead.is_own
        self.message = lead.raised.message.partition("\n")[0]
        self.name = _named(lead.raised)
        self.masked = masked(self.message)
        self.frames = [frame for frame in lead.stack if frame.function not in INLINED]
        self.calls = places.calls_of(self.frames)
        self.outline, self.why = _fixed_words(self.message, lead.raised.frames[-1:], places)
        self.path = self._path()
        said = (self.outline,) if self.is_own else (self.masked,)
        self.parts = (self.name, *self.path, *said)

    def _path(self) -> list[str]:
        if not self.is_own:
            return named_once(call.place for call in self.calls)
        own = [call.place for call in self.calls if call.is_own]
        path = named_once(own)
        if self.name.endswith("RecursionError"):  # where the stack ended among what it calls is chance
            times = Counter(own)
            repeated = {call.place for call, frame in zip(self.calls, self.frames, strict=True) if frame.repeats}
            last = max((n for n, place in enumerate(path) if times[place] > 1 or place in repeated), default=-1)
            path = path[: last + 1] or path
        return path

    def components(self) -> list[Component]:
        found = [Component("type", self.name, EVERYWHERE, "what leads: the first failure in project code")]
        if not self.is_own:
            found[0] = Component("type", self.name, EVERYWHERE, "no project code is on the way to it")
        seen: set[str] = set()
        for call in self.calls:
            found.append(self._component(call, seen))
            seen.add(call.place)
        if self.is_own:
            found.append(Component("outline", self.outline, SPECIFICALLY if self.outline else NOWHERE, self.why))
            found.append(Component("message", self.masked, BROADLY, "masked; in the specific hash the calls say more"))
        else:
            found.append(
                Component("message", self.masked, EVERYWHERE, "masked; there are no project calls to say more")
            )
        return found

    def _component(self, call: Call, seen: set[str]) -> Component:
        if call.place in seen:
            return Component("call", call.place, NOWHERE, "named once, however often it is called")
        if not self.is_own:
            return Component("call", call.place, SPECIFICALLY, f"{call.why}; there is no project code")
        if not call.is_own:
            return Component("call", call.place, FULLY, call.why)
        if call.place not in self.path:
            return Component("call", call.place, FULLY, "where in the recursion the stack ended is chance")
        return Component("call", call.place, SPECIFICALLY, call.why)


def _named(raised: Raised) -> str:
    """The type. An OSError without a class of its own is told apart by its number."""
    if raised.qualname == "OSError" and (found := _ERRNO.match(raised.message)):
        return f"OSError.{found[1]}"
    return raised.qualname or "unknown"


def _others(root: Raised, leads: list[_Led]) -> list[Component]:
    leading = {id(led.raised) for led in leads}
    return [
        Component("exception", one.qualname, FULLY, "a group" if one.members else "came before or after what leads")
        for one in root.everything()
        if id(one) not in leading
    ]


def _everything(root: Raised, leads: Sequence[_Led], free: Places) -> list[str]:
    """Every exception and call by names on which rules have no say: a changed rule must not change this hash. It has
    all that the specific hash has, so that what this one joins, that one never parts."""
    printed = list(root.everything())
    calls = iter(free.calls_of([frame for one in printed for frame in one.frames]))
    parts: list[str] = []
    for one in printed:
        places = [(next(calls).place, frame.function) for frame in one.frames]
        named = named_once(place for place, function in places if function not in INLINED)
        said, _ = _fixed_words(one.message.partition("\n")[0], one.frames[-1:], free)
        parts += [_named(one), str(len(named)), *named, said]
    return [*parts, *(led.masked for led in leads if not led.is_own)]


def _fixed_words(message: str, last: Sequence[Frame], places: Places) -> tuple[str, str]:
    """Words that are the same each time and tell failures in one function apart, and why. The interpreter and libraries
    have fixed messages; of the project's own, which may hold values in plain words, the line that raises is fixed.
    `last` is the frame where it was raised, if there is one."""
    if not last:
        return "", "where it was raised is not known"
    source = last[0].source
    if not places.is_library(last[0]):
        if not source:
            return "", "who made the message is not known without the source line"
        if source.startswith("raise"):
            return " ".join(source.split()), "the line that raises; the project's own message may hold values"
    if not message:
        return "", "there is no message"
    return outline(message), "fixed words of the interpreter or a library, up to the first colon"
