"""The demonstration kernels on stage: started beside the runner for a drill, and gone when it is over.

They are children of the runner's own supervisor. Which kinds there are is `dummies.kinds`. Invariant: a dummy is noted
on the disk before it is started, so that the next life of the runner can take it off the stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, acts, ask, given, needed
from grace_actors.actions.tree import UP, find, nodes, until
from grace_actors.drills.dummies.kinds import KINDS
from grace_actors.errors import Refused, WorldFailed
from grace_actors.home import read_json_object
from grace_actors.kernel import Context, Data
from grace_actors.kernels.tree_nodes import TreeNode
from grace_actors.stores.files import replace
from supervisors.spec import Backoff, Budget, ChildSpec, Heartbeat, KernelStart, OnExhausted

READY_S = 20.0
RECORD = "stage.json"
NAME = needed("the name of the demonstration kernel")


def spec_of(name: str, kind: str, topic: str = "") -> ChildSpec:
    """The child spec of a demonstration kernel; `topic` in place of its own. Raises Refused."""
    if kind not in KINDS:
        raise Refused(f"there is no kind of demonstration kernel {kind!r:.60}", hint=f"known: {', '.join(KINDS)}")
    config = dict(KINDS[kind].config)
    return ChildSpec(
        id=name,
        start=KernelStart(path=KINDS[kind].path, config=config | ({"topic": topic} if topic else {})),
        start_timeout_s=READY_S,
        heartbeat=Heartbeat(interval_s=5.0, misses=3),
        backoff=Backoff(min_s=0.01, max_s=1.0, jitter=0.2),
        budget=Budget(intensity=25, period_s=60.0),
        on_exhausted=OnExhausted.QUARANTINE,
        tier="drills",
    )


@acts(
    name=NAME,
    kind=needed("what it does"),
    topic=given("", "the topic of a source or a sink, if not that of its kind"),
    timeout_s=2 * READY_S,
)
def start_dummy(call: Call) -> Steps:
    """Starts a demonstration kernel beside the runner."""
    name, spec = call["name"], spec_of(call["name"], call["kind"], call["topic"])
    found: list[TreeNode] = yield from nodes(call)
    if any(node.name == name for node in found):
        if name not in noted(call.ctx.data):
            raise Refused(f"{name} is in the tree and is no demonstration kernel", hint="give the dummy another name")
        return Result(True, message=f"{name} is on stage already")
    itself: TreeNode = yield from find(call, call.ctx.name)
    _note(call.ctx.data, {**noted(call.ctx.data), name: call["kind"]})
    answer: Data = yield from ask(itself.parent, "call", {"op": "start_child", "spec": spec}, timeout_s=READY_S)
    if answer["result"] not in ("ok", "already_started"):
        raise WorldFailed(f"{name} did not start: {answer['result']}", hint=f"see: status {name}, tail {name}")
    yield from until(call, name, UP, READY_S)
    return Result(True, changed=True, message=f"{name} is on stage")


@acts(name=NAME, timeout_s=2 * READY_S)
def stop_dummy(call: Call) -> Steps:
    """Ends a demonstration kernel and takes it out of the tree."""
    name = call["name"]
    if name not in noted(call.ctx.data):
        raise Refused(f"{name} is no demonstration kernel on stage", hint="only these are taken off")
    itself: TreeNode = yield from find(call, call.ctx.name)
    results = []
    for op in ("terminate_child", "delete_child"):
        answer: Data = yield from ask(itself.parent, "call", {"op": op, "child": name}, timeout_s=READY_S)
        results.append(answer["result"])
    if results[-1] not in ("ok", "not_found"):
        raise WorldFailed(f"{name} was not taken off the stage: {results[-1]}", hint=f"see: status {name}")
    _note(call.ctx.data, {other: kind for other, kind in noted(call.ctx.data).items() if other != name})
    return Result(True, changed=True, message=f"{name} is gone")


class Sweep:
    """Takes every dummy off the stage, once at a time."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._waiting: list[Callable[[list[str]], None]] = []
        self._left: list[str] = []

    def sweep(self, done: Callable[[list[str]], None]) -> None:
        """`done` is told those that would not go, in words. Who asks while it goes on is told its outcome, too."""
        self._waiting.append(done)
        if len(self._waiting) == 1:
            self._left = []
            self._next(sorted(noted(self._ctx.data)))

    def _next(self, names: list[str]) -> None:
        if not names:
            waiting, self._waiting = self._waiting, []
            for done in waiting:
                done(list(self._left))
            return

        def gone(result: Result) -> None:
            if not result.ok:
                self._left.append(f"{names[0]}: {result.message}")
            self._next(names[1:])

        stop_dummy.perform(self._ctx, {"name": names[0]}, False, gone)


def noted(data: Path) -> Data:
    """Name -> kind of the dummies that were started."""
    return dict(read_json_object(data / RECORD))


def _note(data: Path, names: Data) -> None:
    replace(data / RECORD, json.dumps(names).encode() + b"\n")
