"""Checks of a running instance from inside: is what runs what the tree says, and nothing else.

Reads processes, the tree and the log; changes nothing. Invariant: a failed check names what it found.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psutil

from grace_actors.errors import GraceError
from grace_actors.kernel import Data

if TYPE_CHECKING:
    from grace_actors.outside import Outside
    from grace_actors.system import System


def examine(system: System, tree: Data, outside: Outside) -> list[Data]:
    """The checks of `doctor` that need the instance."""
    return [
        _check("tree", *_all_running(tree)),
        _check("registry", *_registered(tree, outside)),
        _check("processes", *_no_strangers(system, tree)),
        _check("immutable_log", *_log_verifies(tree, outside)),
    ]


def _check(name: str, ok: bool, detail: str) -> Data:
    return {"name": name, "ok": ok, "detail": detail}


def walk(node: Data) -> list[Data]:
    """The node and everything below it."""
    return [node, *(found for child in node["children"] for found in walk(child))]


def _all_running(tree: Data) -> tuple[bool, str]:
    down = [f"{node['name']} {node['state']}" for node in walk(tree) if node["state"] != "running"]
    return not down, ", ".join(down) or f"{len(walk(tree))} actors running"


def _registered(tree: Data, outside: Outside) -> tuple[bool, str]:
    known = set(outside.ask("registry", "names", {}, timeout_s=5.0))
    missing = [node["name"] for node in walk(tree) if node["pid"] and node["name"] not in known]
    return not missing, f"not registered: {', '.join(missing)}" if missing else f"{len(known)} names"


def _no_strangers(system: System, tree: Data) -> tuple[bool, str]:
    """Every process that is an orphan of the tree is our direct child (we adopt orphans) and is not expected."""
    expected = {node["pid"] for node in walk(tree)} | {system.admin_pid}
    mine = psutil.Process().children()
    strangers = []
    for process in mine:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.pid not in expected and process.status() != psutil.STATUS_ZOMBIE:
                strangers.append(f"{process.pid} {' '.join(process.cmdline())[:60]}")
    return not strangers, "; ".join(strangers) or "no process is left over"


def _log_verifies(tree: Data, outside: Outside) -> tuple[bool, str]:
    if not any(node["name"] == "immutable_log" for node in walk(tree)):
        return True, "not in this tree"
    try:
        answer: Any = outside.ask("immutable_log", "verify", {}, timeout_s=20.0)
    except GraceError as error:
        return False, error.message
    if not answer["ok"]:
        return False, str(answer["problem"])
    return True, f"{answer['records_checked']} records, {answer['segments_checked']} segments"
