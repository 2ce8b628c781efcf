"""What the verbs about kept records (incidents, approvals, work orders) share: their actions, and ids as people type
them.

Must not know any record. Invariant: an id never stands for two records, and one that stands for none changes nothing.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, RemoteFailed, Unknown, UsageError, nearest
from grace_actors.console.names import pick
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Many, Takes

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST = 500
"""So many records are looked through for the one that a prefix means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of a verb: what it does, whether it takes an id (None: it may), and the options that are for it."""

    run: Callable[[Client, Args, Out], ExitCode]
    id: bool | None = True
    options: tuple[str, ...] = ()


def perform(
    verb: str, actions: Mapping[str, Action], client: Client, args: Args, out: Out, *, lister: str = "list"
) -> ExitCode:
    """Check the words, then do what they say; `lister` is the action that lists ids. Raises UsageError for words that
    do not belong together."""
    word, id = args["action"], args["id"]
    if word not in actions:
        raise UsageError(f"{verb}: unknown action {word!r}", allowed=actions, near=nearest(word, actions))
    action = actions[word]
    if action.id is not None and (id is not None) is not action.id:
        shown = f"{verb} show {id if isinstance(id, str) else id[0]}" if not action.id and "show" in actions else ""
        hint = f"{verb} {lister} shows them" if action.id else shown
        raise UsageError(f"{verb} {word} {'without' if action.id else 'with'} an ID", hint=hint)
    options = {option for each in actions.values() for option in each.options}
    for option in sorted(options.difference(action.options)):
        if args[option] not in (None, False):
            told = [name for name, each in actions.items() if option in each.options]
            raise UsageError(f"{verb} {word} with --{_dashed(option)}", hint=f"that is for: {', '.join(told)}")
    return action.run(client, args, out)


def _dashed(option: str) -> str:
    return option.replace("_", "-")


def arguments(actions: Mapping[str, Action], what: str) -> tuple[Arg, Arg]:
    """The arguments of a verb with these actions."""
    return (
        Arg(name="action", takes=Takes.TEXT, help=", ".join(actions), words=tuple(actions)),
        Arg(name="id", takes=Takes.TEXT, help=f"{what}; a unique prefix will do", many=Many.OPTIONAL),
    )


# ---- asking ---------------------------------------------------------------------------------------------------------


def ask(client: Client, kernel: str, verb: str, args: Args | None = None) -> Any:
    """The answer of a kernel. Raises what `Client.call` raises."""
    return client.call("ask", {"name": kernel, "verb": verb, "args": dict(args or {})})


def by_id(word: str, call: Callable[[str], Any], known: Callable[[], Sequence[str]], what: str, *, hint: str) -> Any:
    """The answer about the record whose id is `word` or begins with it. The records are listed only when there is none
    of that very id. Raises UsageError when there are several, Unknown with the `hint` when there is none."""
    try:
        return call(word)
    except RemoteFailed as error:
        if error.code != "not_found":
            raise
        ids = known()
        if word in ids:  # something else was not found
            raise
    if not word or not any(id.startswith(word) for id in ids):
        raise Unknown(f"there is no {what} {word!r:.80}", near=nearest(word, ids), hint=hint)
    return call(pick(word, ids, what))


def user() -> str:
    """Who sits at the console, by the name the OS has for them."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def show(out: Out, value: Any, view: Callable[[], Iterable[RenderableType]]) -> ExitCode:
    """Print an answer: as JSON, or what `view` makes of it."""
    if out.json:
        out.value(value)
    else:
        out.show(*view())
    return ExitCode.OK
