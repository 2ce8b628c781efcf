"""The verb that shows how a failure is recognised: the text of a traceback in, hashes and what went into them out.

What counts is decided in `playbooks.recognition`; here the text is read and the answer shown. Needs no instance.
Invariant: the same text, kernel, kind and rules give the same answer on every machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.offline import Invalid
from grace_actors.console.out import Out
from grace_actors.console.parse import readable_file
from grace_actors.console.table import Arg, Args, Kind, Option, Takes, Verb
from grace_actors.console.text import wrapped
from grace_actors.errors import WorldFailed

if TYPE_CHECKING:
    from playbooks.recognition import Rules, Signature

ACTIONS = ("explain",)
KERNEL = "kernel"
"""What the failure is filed under when nobody says whose it is."""


def signature(client: Client, args: Args, out: Out) -> ExitCode:
    """Explain the signature of a failure."""
    from playbooks.recognition import Failure, FailureKind, signature_of

    _one_of(args["action"], ACTIONS, "action")
    _one_of(args["kind"], [kind.value for kind in FailureKind], "kind")
    rules = _rules(args["rules"])
    failure = Failure(
        kernel=args["kernel"],
        kind=FailureKind(args["kind"]),
        reason=args["reason"] or "",
        detail=_text(args["file"]),
    )
    found = signature_of(failure, rules)
    if out.json:
        out.value(found.as_dict())
    else:
        out.say(wrapped(explained(found), out.console.width, hang=6))
    return ExitCode.OK


def explained(found: Signature) -> str:
    """The id, the hashes, and every component with its reason."""
    lines = [found.id, f"  algorithm {found.algo}"]
    lines += [f"  {name:<9} {value}" for name, value in zip(("specific", "full", "broad"), found.hashes, strict=True)]
    for title, is_in in (("what went in", True), ("what did not", False)):
        parts = [part for part in found.components if part.contributes is is_in]
        if parts:
            lines += ["", f"{title}:"]
        for part in parts:
            where = f" [{', '.join(hash.value for hash in part.into)}]" if is_in else ""
            value = f" {part.value}" if part.value else ""
            lines.append(f"  {part.name}{value}{where}: {part.hint}")
    return "\n".join(lines)


def _one_of(word: str, allowed: tuple[str, ...] | list[str], what: str) -> None:
    if word not in allowed:
        raise UsageError(f"signature: unknown {what} {word!r}", allowed=allowed, near=nearest(word, allowed))


def _text(word: str) -> str:
    if word != "-":
        return _read(readable_file(word)).decode(errors="replace")
    if sys.stdin.isatty():
        raise UsageError("signature: standard input is a terminal", hint="name a file, or pipe the traceback in")
    return sys.stdin.buffer.read().decode(errors="replace")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorldFailed(f"{path} cannot be read: {error}") from error


def _rules(word: str | None) -> Rules:
    from playbooks.recognition import NO_RULES, RulesRefused, parse_rules

    if word is None:
        return NO_RULES
    path = readable_file(word)
    try:
        return parse_rules(_yaml(path))
    except RulesRefused as error:
        raise Invalid(f"{path} cannot be used:\n{error}") from None


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(_read(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path}: not YAML: {error}") from None


VERBS = (
    Verb(
        name="signature",
        summary="explain how a failure is recognised again",
        help=(
            "`signature explain FILE` reads a traceback, or the last output of a process, and prints its three hashes, "
            "what went into each and what did not, and why. A repair is applied by itself only on the specific hash. "
            "With text that holds several tracebacks the last one counts."
        ),
        example="signature explain crash.txt --kernel librarian",
        kind=Kind.LOCAL,
        run=signature,
        args=(
            Arg(name="action", takes=Takes.TEXT, help=", ".join(ACTIONS)),
            Arg(name="file", takes=Takes.FILE, help="a file with the text, or `-` for standard input"),
        ),
        options=(
            Option(name="kernel", help="whose failure it is", takes=Takes.NAME, default=KERNEL),
            Option(name="kind", help="how it failed: crash, killed, hung ...", takes=Takes.TEXT, default="crash"),
            Option(name="reason", help="its reason, such as `exit 3` or SIGKILL", takes=Takes.TEXT),
            Option(name="rules", help="a file with rules of your own", takes=Takes.FILE),
        ),
    ),
)
