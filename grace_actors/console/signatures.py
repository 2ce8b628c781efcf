"""The verb signature: how a failure is recognised, and what an instance knows of repairing it.

`explain` needs no instance: the text of a traceback in, hashes and what went into them out. What counts is decided in
`playbooks.recognition`, what is known is asked for in `signature_base`. Invariant: the same text, kernel, kind and
rules are explained in the same way on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace_actors.console import signature_base
from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError, nearest
from grace_actors.console.offline import Invalid
from grace_actors.console.out import Out
from grace_actors.console.parse import readable_file
from grace_actors.console.table import Arg, Args, Kind, Many, Option, Takes, Verb
from grace_actors.console.text import wrapped
from grace_actors.errors import WorldFailed

if TYPE_CHECKING:
    from playbooks.recognition import Rules, Signature

KERNEL = "kernel"
"""What the failure is filed under when nobody says whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action: how it is typed, how many words it takes besides its name, and the options that are for it."""

    run: Callable[[Client, Args, Out], ExitCode]
    usage: str
    words: tuple[int, ...]
    options: tuple[str, ...] = ()


def signature(client: Client, args: Args, out: Out) -> ExitCode:
    """Explain, list, show, merge, forget, export or import."""
    _one_of(args["action"], ACTIONS, "action")
    action = ACTIONS[args["action"]]
    _check_words(args, action)
    for option in OPTIONS:
        if args[option.name] not in (None, False) and option.name not in action.options:
            fit = [name for name, each in ACTIONS.items() if option.name in each.options]
            raise UsageError(f"signature {args['action']} with --{option.name}", hint=f"that is for: {', '.join(fit)}")
    return action.run(client, args, out)


def _check_words(args: Args, action: Action) -> None:
    given = sum(args[name] is not None for name in ("target", "into"))
    least, most = min(action.words), max(action.words)
    if least <= given <= most:
        return
    missing = action.usage.split()[1 + given : 1 + least]
    wrong = f"missing: {' '.join(missing)}" if missing else f"{args['into'] or args['target']!r} is one word too many"
    raise UsageError(f"signature {args['action']}: {wrong}", hint=f"usage: signature {action.usage}")


def explain(client: Client, args: Args, out: Out) -> ExitCode:
    """Show the signature of the failure in a file, and why it is that."""
    from playbooks.recognition import Failure, FailureKind, signature_of

    kind = args["kind"] or FailureKind.CRASH.value
    _one_of(kind, [kind.value for kind in FailureKind], "kind")
    rules = _rules(args["rules"])
    failure = Failure(
        kernel=args["kernel"] or KERNEL,
        kind=FailureKind(kind),
        reason=args["reason"] or "",
        detail=_text(args["target"]),
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


def _one_of(word: str, allowed: Iterable[str], what: str) -> None:
    allowed = list(allowed)
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


ACTIONS: Mapping[str, Action] = {
    "list": Action(run=signature_base.list_all, usage="list", words=(0,), options=("kernel",)),
    "show": Action(run=signature_base.show_one, usage="show SIGNATURE", words=(1,)),
    "explain": Action(run=explain, usage="explain FILE", words=(1,), options=("kernel", "kind", "reason", "rules")),
    "merge": Action(run=signature_base.merge, usage="merge FROM INTO", words=(2,)),
    "forget": Action(run=signature_base.forget, usage="forget SIGNATURE", words=(1,), options=("yes",)),
    "export": Action(run=signature_base.export, usage="export [FILE]", words=(0, 1)),
    "import": Action(run=signature_base.import_file, usage="import FILE", words=(1,), options=("replace",)),
}
OPTIONS = (
    Option(name="kernel", help="for `explain`: whose failure it is; for `list`: only this one's", takes=Takes.NAME),
    Option(name="kind", help="for `explain`: how it failed: crash (default), killed, hung ...", takes=Takes.TEXT),
    Option(name="reason", help="for `explain`: its reason, such as `exit 3` or SIGKILL", takes=Takes.TEXT),
    Option(name="rules", help="for `explain`: a file with rules of your own", takes=Takes.FILE),
    Option(name="yes", help="for `forget`: do not ask"),
    Option(name="replace", help="for `import`: put the file's repairs in the place of those known"),
)
VERBS = (
    Verb(
        name="signature",
        summary="show what is known of failures and their repairs, and how one is recognised",
        help=(
            "`list` shows every repair of every signature, `show SIGNATURE` one signature: how its repairs went, what "
            "is done next time, why it is automatic or not, and what it was made of. A unique beginning, an alias or a "
            "hash will do. `merge FROM INTO` makes one signature an alias of another, with all repairs; `forget` "
            "deletes one. `export` and `import` write and read the knowledge as JSON (`-`: standard output and input); "
            "an import is taken as a whole or not at all, and lowers nothing without --replace. `explain FILE` needs "
            "no instance: it reads a traceback, or the last output of a process, and prints its three hashes, what "
            "went into each and what did not, and why; with several tracebacks the last one counts. A repair is "
            "applied by itself only on the specific hash."
        ),
        example="signature show librarian_NotReady_a3f2",
        kind=Kind.REMOTE,
        run=signature,
        args=(
            Arg(name="action", takes=Takes.TEXT, help=", ".join(ACTIONS), words=tuple(ACTIONS)),
            Arg(
                name="target",
                takes=Takes.FILE,
                help="a signature for `show`, `merge` and `forget`, else a file",
                many=Many.OPTIONAL,
            ),
            Arg(name="into", takes=Takes.TEXT, help="for `merge`: the one that stays", many=Many.OPTIONAL),
        ),
        options=OPTIONS,
    ),
)
