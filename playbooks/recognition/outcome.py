"""What makes the signature of a failure that left no traceback: how it ended, and what it said last.

A hang, a kill and a start that took too long are known by just that. An OS process is known by its status or signal
and by its last lines that read like errors; other lines are progress and differ each time.
Invariant: different kinds never have the same specific parts.
"""

from __future__ import annotations

import re

from playbooks.recognition.masking import masked
from playbooks.recognition.signature import (
    EVERYWHERE,
    NOWHERE,
    Component,
    Evidence,
    Failure,
    FailureKind,
)
from playbooks.recognition.traceback_text import error_line

HAS_NO_TRACEBACK = frozenset({FailureKind.HUNG, FailureKind.START_TIMEOUT, FailureKind.KILLED})
"""What stands in the detail of these is older than the failure, or differs from time to time."""

_ENDS_SILENTLY = frozenset({FailureKind.HUNG, FailureKind.START_TIMEOUT})
_IS_NAMED = frozenset({FailureKind.NOT_READY, FailureKind.TRIGGER})
MAX_LINES = 3
_TAIL = 40
_STATUS = re.compile(r"(?:exit|status) -?[0-9]{1,6}$|SIG[A-Z0-9+]{2,10}$|signal [0-9]{1,4}$")
_TYPE = re.compile(r"(?:\w+\.)*_?[A-Z]\w*$")
_BAD = re.compile(
    r"\w*error\b|\w*exception\b|\b(?:fatal|panic|panicked|fail|fails|failed|failure|abort|aborted|assertion|cannot|can't"
    r"|could not|couldn't|unable|denied|refused|invalid|illegal|unknown|undefined|missing|not found|no such"
    r"|not permitted|out of memory|segmentation fault|corrupt|corrupted|timed out|timeout|bad|usage)\b",
    re.IGNORECASE,
)


def outcome(failure: Failure) -> Evidence:
    """The parts of the hashes, and why each is or is not among them."""
    said = _Said(failure)
    lines = [] if failure.kind in _ENDS_SILENTLY else error_lines(failure.detail)
    known = [part for part in (said.status, said.name, said.message, *lines) if part]
    is_bare = not (said.message or lines or said.name)
    parts = (failure.kind.value, *said.parts, *lines)
    components = [
        Component("kind", failure.kind.value, EVERYWHERE, "how it was seen to fail"),
        *said.components,
        *(
            Component("output", line, EVERYWHERE, "masked; among the last lines that read like errors")
            for line in lines
        ),
        *_left_out(failure, lines),
    ]
    return Evidence(
        error=said.short or failure.kind.value,
        types=(said.name,) if said.is_type else (),
        message=failure.reason or (known[-1] if known else ""),
        specific=(failure.kernel, *parts),
        broad=(failure.kernel, *parts) if is_bare else parts,
        full=(failure.kernel, *parts),
        components=tuple(components),
        is_bare=is_bare,
    )


class _Said:
    """What the reason tells: a status, a name, or a type and a message."""

    def __init__(self, failure: Failure) -> None:
        reason = failure.reason.partition("\n")[0].strip()
        self.status = self.name = self.message = ""
        self.is_type = False
        self.components: list[Component] = []
        if failure.kind in _IS_NAMED and failure.check:
            self.name = failure.check
            self._add("check", self.name, "what was found")
            if reason and failure.kind is FailureKind.NOT_READY:
                self.message = masked(reason)
                self._add("message", self.message, "masked; one check may fail for several reasons")
            elif reason:
                self.components.append(Component("reason", reason, NOWHERE, "the check says it without figures"))
        elif failure.kind in _ENDS_SILENTLY:
            if reason:
                self.components.append(Component("reason", reason, NOWHERE, "the kind says it without figures"))
        elif _STATUS.match(reason):
            self.status = reason
            self._add("status", reason, "of the process")
        elif reason:
            self._worded(reason)

    def _worded(self, reason: str) -> None:
        error = error_line(reason)
        if error is not None and _TYPE.match(error[0]):
            self.name, message = error
            self.is_type = True
            self._add("type", self.name, "as the reason names it")
            self.message = masked(message)
        else:
            self.message = masked(reason)
        if self.message:
            self._add("message", self.message, "masked; there is no traceback to say more")

    def _add(self, name: str, value: str, hint: str) -> None:
        self.components.append(Component(name, value, EVERYWHERE, hint))

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.status, self.name, self.message)

    @property
    def short(self) -> str:
        return self.status or self.name.rpartition(".")[2]


def error_lines(detail: str) -> list[str]:
    """The last lines that read like errors, masked, each once."""
    found: dict[str, None] = {}
    for line in reversed(detail.split("\n")[-_TAIL:]):
        if _BAD.search(line[:500]):
            found[masked(line)] = None
            if len(found) == MAX_LINES:
                break
    return list(reversed(found))


def _left_out(failure: Failure, lines: list[str]) -> list[Component]:
    if not failure.detail.strip() or lines:
        return []
    why = "no line of it reads like an error"
    if failure.kind in _ENDS_SILENTLY:
        why = "where it was at that moment differs from time to time"
    return [Component("output", "", NOWHERE, why)]
