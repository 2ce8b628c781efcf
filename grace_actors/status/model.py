"""Joins what the supervisors say about themselves and their children into one tree.

Pure: knows no clock, process or log. A supervisor is known twice, by its own description and by its parent's
view of it; which of the two is newer decides what is shown. Invariant: a child is shown as running only
while its supervisor is the incarnation that described it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grace_actors.errors import NotFound, Refused
from grace_actors.status.records import timestamp

Node = dict[str, Any]

STATES = (
    "running",
    "starting",
    "restarting",
    "stopping",
    "stopped",
    "waiting",
    "paused",
    "awaiting_repair",
    "quarantined",
    "failed",
)
SETTLED = "settled"
"""What one may wait for beside the states: that nothing is on its way to another state any more."""
KINDS = ("supervisor", "kernel", "actor", "process")
_ALIVE = frozenset({"running", "starting", "stopping", "paused"})
_ON_ITS_WAY = frozenset({"starting", "restarting", "stopping"})
_FAILED = frozenset({"failed", "quarantined", "awaiting_repair"})
_MAX_SUPERVISORS = 10_000
_REMEMBERED_PIDS = 8


@dataclass(slots=True)
class View:
    """The last description of one supervisor; `arrival` orders it among all descriptions."""

    args: Mapping[str, Any]
    arrival: int
    children: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class TreeModel:
    """The tree as far as it was described. `revision` grows with every description."""

    revision: int = 0
    _views: dict[str, View] = field(default_factory=dict)
    _gone: dict[str, list[int]] = field(default_factory=dict)

    # ---- writing --------------------------------------------------------------------------------

    def describe(self, args: Mapping[str, Any]) -> None:
        """Replace what is known of one supervisor. Raises Refused, changing nothing, for a malformed one."""
        check_description(args)
        name = args["name"]
        if name not in self._views and len(self._views) >= _MAX_SUPERVISORS:
            raise Refused(f"describe: more than {_MAX_SUPERVISORS} supervisors", hint=f"{name!r} was not taken in")
        self.revision += 1
        view = View(args, self.revision, {child["id"]: child for child in args["children"]})
        old = self._views.get(name)
        self._views[name] = view
        for child in view.children.values():
            if child["kind"] == "supervisor":
                self._note_gone(child, old.children.get(child["id"]) if old else None)
        for child_id, child in old.children.items() if old else ():
            if child["kind"] == "supervisor" and child_id not in view.children:
                self._forget(child_id)

    def _note_gone(self, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        """Remember pids that the parent has seen end: a late description by one of them counts nothing."""
        gone = self._gone.setdefault(now["id"], [])
        is_alive = now["state"] in _ALIVE
        ended: list[int | None] = [before["pid"] if before else None, None if is_alive else now["pid"]]
        own = self._views.get(now["id"])
        if own is not None and not is_alive and own.args["gen"] == now["gen"]:
            ended.append(own.args["pid"])
        if is_alive and now["pid"] in gone:
            gone.remove(now["pid"])
        gone.extend(
            pid for pid in dict.fromkeys(ended) if pid and pid not in gone and (not is_alive or pid != now["pid"])
        )
        del gone[:-_REMEMBERED_PIDS]

    def _forget(self, name: str) -> None:
        self._gone.pop(name, None)
        view = self._views.pop(name, None)
        for child_id, child in view.children.items() if view else ():
            if child["kind"] == "supervisor":
                self._forget(child_id)

    # ---- reading --------------------------------------------------------------------------------

    def tree(self, wall: float, memory: Callable[[int], float | None] = lambda pid: None) -> Node | None:
        """The whole tree from its root; None while the root has not described itself."""
        root = self._root()
        return None if root is None else _Builder(self, wall, memory).supervisor(root, None)

    def find(self, name: str, wall: float, memory: Callable[[int], float | None] = lambda pid: None) -> Node:
        """One node with everything below it. Raises NotFound naming the nearest match."""
        tree = self.tree(wall)
        for node in walk(tree):
            if node["name"] == name:
                for each in walk(node):
                    each["memory_mb"] = memory(each["pid"]) if each["pid"] else None
                return node
        known = [node["name"] for node in walk(tree)]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)[:30]) or 'nothing yet'}"
        raise NotFound(f"nothing in the tree is called {name!r}", hint=hint)

    def pending(self, state: str, names: list[str] | None = None) -> dict[str, str]:
        """What keeps the named nodes (or, without names, the whole tree) from being `state`: name -> its
        state, `unknown` for what was never described. `settled` is any state that lasts. A transient child that has
        done its work is no obstacle to a running tree."""
        tree = self.tree(0.0)
        if tree is None:
            return dict.fromkeys(names or ["the root"], "unknown")
        nodes = {node["name"]: node for node in walk(tree)}
        found: dict[str, str] = {}
        for name in nodes if names is None else names:
            node = nodes.get(name)
            if node is None or (node["kind"] == "supervisor" and not self._is_described(node)):
                found[name] = "unknown"
            elif state == SETTLED:
                if node["state"] in _ON_ITS_WAY:
                    found[name] = node["state"]
            elif node["state"] != state and not (names is None and state == "running" and _is_done(node)):
                found[name] = node["state"]
        return found

    def overall(self) -> str:
        """running, degraded, booting or stopping."""
        root = self._root()
        state = root.args["state"] if root else "starting"
        if state == "starting":
            return "booting"
        if state in ("stopping", "stopped"):
            return "stopping"
        pending = self.pending("running")
        if not pending:
            return "running"
        return "booting" if set(pending.values()) == {"unknown"} else "degraded"

    def view(self, name: str) -> View | None:
        return self._views.get(name)

    def is_gone(self, name: str, pid: int | None) -> bool:
        return pid in self._gone.get(name, ())

    def _root(self) -> View | None:
        return next((view for view in self._views.values() if view.args["parent"] is None), None)

    def _is_described(self, node: Node) -> bool:
        """Whether the shown incarnation of a supervisor is the one that described itself."""
        own = self._views.get(node["name"])
        return node["state"] not in _ALIVE or (own is not None and own.args["pid"] == node["pid"])


class _Builder:
    """Builds nodes for one answer."""

    def __init__(self, model: TreeModel, wall: float, memory: Callable[[int], float | None]) -> None:
        self._model, self._wall, self._memory = model, wall, memory

    def supervisor(self, own: View, seen: Mapping[str, Any] | None) -> Node:
        """A live supervisor: the parent's counts, its own pid, strategy and children."""
        args = own.args
        state = seen["state"] if seen and seen["state"] in ("starting", "stopping", "paused") else args["state"]
        node = self._node({**(seen or args), "id": args["name"], "kind": "supervisor"}, state)
        node |= {"pid": args["pid"], "generation": args["gen"], "uptime_s": self._uptime(state, args["started_at"])}
        node["memory_mb"] = self._memory(args["pid"]) if args["pid"] else None
        node |= {"strategy": args.get("strategy"), "policies": list(args.get("policies") or [])}
        node["children"] = [self._child(child, own) for child in own.children.values()]
        return node

    def _child(self, seen: Mapping[str, Any], parent: View) -> Node:
        if seen["kind"] != "supervisor":
            return self._node(seen, seen["state"])
        own = self._model.view(seen["id"])
        if own is not None and self._is_live(own, seen, parent):
            return self.supervisor(own, seen)
        node = self._node(seen, seen["state"])
        if own is not None and own.args["parent"] == parent.args["name"]:
            below = "restarting" if seen["state"] in ("restarting", "starting") else "stopped"
            node |= {"strategy": own.args.get("strategy"), "policies": list(own.args.get("policies") or [])}
            node["children"] = [self._stale(child, below, seen["id"]) for child in own.children.values()]
        return node

    def _is_live(self, own: View, seen: Mapping[str, Any], parent: View) -> bool:
        """Whether `own` comes from the incarnation that runs now. A description that arrived after the
        parent's is newer than the parent's view, unless its sender is known to have ended."""
        if own.args["parent"] != parent.args["name"] or self._model.is_gone(seen["id"], own.args["pid"]):
            return False
        if own.args["gen"] == seen["gen"] and own.args["pid"] == seen["pid"]:
            return seen["state"] in _ALIVE
        if own.args["gen"] == seen["gen"] and seen["pid"] is None:
            return bool(seen["state"] == "starting")
        return own.arrival > parent.arrival

    def _stale(self, seen: Mapping[str, Any], state: str, parent: str) -> Node:
        """A child of a supervisor that is gone: it is gone as well, whatever was said of it."""
        node = self._node({**seen, "pid": None, "mailbox": None, "does": None}, state)
        own = self._model.view(seen["id"]) if seen["kind"] == "supervisor" else None
        if own is not None and own.args["parent"] == parent:
            node["children"] = [self._stale(child, state, seen["id"]) for child in own.children.values()]
        return node

    def _node(self, seen: Mapping[str, Any], state: str) -> Node:
        pid = seen["pid"] if state in _ALIVE else None
        return {
            "name": seen["id"],
            "kind": seen["kind"],
            "state": state,
            "pid": pid,
            "generation": seen["gen"],
            "restarts": seen.get("restarts") or 0,
            "uptime_s": self._uptime(state, seen.get("started_at")),
            "last_exit": _exit(seen.get("last_exit")),
            "memory_mb": self._memory(pid) if pid else None,
            "mailbox": seen.get("mailbox"),
            "does": seen.get("does"),
            "strategy": None,
            "policies": [],
            "critical": bool(seen.get("critical")),
            "tier": seen.get("tier") or None,
            "degraded": list(seen.get("degraded") or []),
            "cause": (seen.get("cause") or None) if state in _FAILED else None,
            "next_step": (seen.get("next_step") or None) if state in _FAILED else None,
            "children": [],
        }

    def _uptime(self, state: str, started_at: float | None) -> float | None:
        if started_at is None or state not in _ALIVE:
            return None
        return round(max(0.0, self._wall - started_at), 1)


def walk(node: Node | None) -> Iterator[Node]:
    """The node and everything below it, parents first."""
    if node is not None:
        yield node
        for child in node["children"]:
            yield from walk(child)


def kernel_counts(tree: Node | None) -> dict[str, int]:
    """total, running, degraded (running with less than its full function) and failed kernels."""
    kernels = [node for node in walk(tree) if node["kind"] == "kernel"]
    running = [node for node in kernels if node["state"] == "running"]
    return {
        "total": len(kernels),
        "running": len(running),
        "degraded": sum(bool(node["degraded"]) for node in running),
        "failed": sum(node["state"] in _FAILED for node in kernels),
    }


def check_description(args: Mapping[str, Any]) -> None:
    """Raises Refused naming the first thing that is not as a description must be."""
    _check(args, "name", "describe", str)
    where = f"describe of {args['name']}"
    _check(args, "children", where, list)
    _check(args, "parent", where, str, type(None))
    _check_one(args, where)
    for child in args["children"]:
        if not isinstance(child, dict):
            raise Refused(f"{where}: a child must be a mapping, not {type(child).__name__}")
        _check(child, "id", where, str)
        if child.get("kind") not in KINDS:
            raise Refused(f"{where}: {child['id']} has kind {child.get('kind')!r}", hint=f"allowed: {', '.join(KINDS)}")
        _check_one(child, f"{where}: {child['id']}")


def _check_one(args: Mapping[str, Any], where: str) -> None:
    """What a supervisor's own description and its parent's have in common."""
    _check(args, "gen", where, int)
    _check(args, "pid", where, int, type(None))
    _check(args, "started_at", where, int, float, type(None))
    if not math.isfinite(args.get("started_at") or 0.0):
        raise Refused(f"{where}: started_at is {args['started_at']!r}", hint="seconds since 1970, or null")
    if args.get("state") not in STATES:
        raise Refused(f"{where}: unknown state {args.get('state')!r:.80}", hint=f"allowed: {', '.join(STATES)}")


def _check(args: Mapping[str, Any], key: str, where: str, *kinds: type) -> None:
    if not isinstance(args.get(key), kinds) or isinstance(args.get(key), bool):
        allowed = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise Refused(f"{where}: {key} must be {allowed}, not {args.get(key)!r:.80}")


def _is_done(node: Node) -> bool:
    return node["state"] == "stopped" and (node["last_exit"] or {}).get("reason") == "normal"


def _exit(exit: Any) -> dict[str, Any] | None:
    """The last exit with its time as RFC 3339."""
    if not isinstance(exit, dict):
        return None
    at = exit.get("at")
    try:
        when = timestamp(at) if isinstance(at, int | float) else at
    except ValueError:
        when = None
    return {"reason": exit.get("reason"), "detail": exit.get("detail"), "at": when}
