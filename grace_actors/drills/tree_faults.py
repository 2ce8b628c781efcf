"""Faults that the supervisor of the target, or the target itself, carries out: asked for, and taken back, by request.

Finds the supervisor in the tree and asks its verb `inject`. It must not know records. Invariant: `done` is called
exactly once for each request, within its deadline.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grace_actors.drills.paths import MOST_BYTES
from grace_actors.drills.records import Step
from grace_actors.errors import GraceError
from grace_actors.kernel import Answer, Context, Data
from grace_actors.stores import damage

ASK_S = 5.0
PARDON_S = 0.7
"""Of `halt` a second is asked."""
RELEASED = ("hang", "corrupt")
"""These stop the process; its supervisor lets it go on."""
_NOBODY = ("refused", "not_found", "died")
"""Answers of a supervisor whose child has no such process any more."""

Told = Callable[[str, str], None]
"""Called with (what was found, what is wrong); one of them is empty."""


def find(ctx: Context, target: str, done: Callable[[Data | None, str], None]) -> None:
    """The node {parent, gen, kind, ...} of a name in the tree, or what is wrong."""

    def on_answer(answer: Answer) -> None:
        if not answer.ok:
            done(None, f"the tree is not known: {(answer.error or {}).get('message', 'no answer')}")
            return
        node = _search(answer.value.get("tree") or {}, target, "")
        if node is None:
            done(None, f"there is no {target!r:.80} in the tree; see: tree")
        elif not node["parent"]:
            done(None, f"{target} is the root of the tree: nobody above it could let it go again")
        else:
            done(node, "")

    ctx.ask("status", "status", {}, on_answer, timeout_s=ASK_S)


def _search(node: Data, name: str, parent: str) -> Data | None:
    if node.get("name") == name:
        return {**node, "parent": parent}
    for child in node.get("children", ()):
        if (found := _search(child, name, node["name"])) is not None:
            return found
    return None


def steps(fault: str, target: str, node: Data, *, lasts: bool) -> tuple[Step, ...]:
    """How it is taken back. What strikes once and is over needs nothing."""
    if not lasts and fault not in RELEASED:
        return ()
    step = {"do": "pardon", "supervisor": node["parent"], "child": target, "fault": fault, "gen": node.get("gen")}
    return (step,)


def inject(ctx: Context, fault: str, target: str, params: Data, node: Data, room: Path, done: Told) -> None:
    """Ask the supervisor for it."""

    def on_answer(answer: Answer) -> None:
        if answer.ok:
            done(f"{fault} of {target}", "")
        else:
            done("", _words(answer))

    if fault == "corrupt":
        _corrupt(ctx, target, params, node["parent"], room, done)
    else:
        args = {"fault": fault, "child": target, "params": params}
        ctx.ask(node["parent"], "inject", args, on_answer, timeout_s=ASK_S)


def let_go(ctx: Context, step: Step) -> None:
    """Have it taken back, and do not wait for that."""
    ctx.tell(step["supervisor"], "inject", _pardoned(step))


def _pardoned(step: Step) -> Data:
    """What a supervisor is asked for."""
    if step["fault"] in RELEASED:
        return {"fault": "release", "child": step["child"], "params": {}}
    return {"fault": "pardon", "child": step["child"], "params": {"fault": step["fault"]}}


def pardon(ctx: Context, step: Step, done: Told) -> None:
    """Take it back."""
    child = step["child"]

    def on_answer(answer: Answer) -> None:
        if answer.ok:
            done(f"{child} is let go", "")
        elif (answer.error or {}).get("code") in _NOBODY:
            done(f"{child}: its process has ended", "")
        else:
            done("", f"{child} could not be let go: {_words(answer)}")

    ctx.ask(step["supervisor"], "inject", _pardoned(step), on_answer, timeout_s=PARDON_S)


def _corrupt(ctx: Context, target: str, params: Data, parent: str, room: Path, done: Told) -> None:
    """Damage the store while its owner stands still, then end it: its next start meets the damage and mends it from
    its own copies. A copy of what it was is kept for people."""

    def ask(fault: str, more: Data, then: Callable[[], None]) -> None:
        def on_answer(answer: Answer) -> None:
            then() if answer.ok else done("", _words(answer))

        ctx.ask(parent, "inject", {"fault": fault, "child": target, "params": more}, on_answer, timeout_s=ASK_S)

    def damage_it() -> None:
        try:
            file = damage.chosen(ctx.home / "data", target)
            _keep(file, room)
            found: dict[str, Any] = damage.damage(file, params["bytes"])
        except (GraceError, OSError, sqlite3.Error) as error:
            why = str(error)
            ask("release", {}, lambda: done("", why))
            return
        ask("corrupt", found, lambda: done(f"{found['bytes']} bytes of {found['file']} are damaged", ""))

    ask("hold", {}, damage_it)


def _keep(file: Path, room: Path) -> None:
    if file.stat().st_size > MOST_BYTES:
        return
    with (
        contextlib.closing(sqlite3.connect(file, timeout=damage.BUSY_S)) as source,
        contextlib.closing(sqlite3.connect(room / file.name)) as copy,
    ):
        source.backup(copy)


def _words(answer: Answer) -> str:
    error = answer.error or {}
    return "; ".join(filter(None, (error.get("message", "no answer"), error.get("hint", ""))))
