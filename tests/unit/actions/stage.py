"""A tree that is played: a status actor and one supervisor that do what the real ones do, on a Bench.

`Stage.perform` performs an action of the catalogue to its end under the virtual clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace_actors.actions.action import Result
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import LATER, Data, Kernel, Request
from tests.harness.kernels import Bench, BenchContext

PERFORMER = "self_healing"
LONG_S = 2000.0


@dataclass
class World:
    """What the tree looks like, and how the supervisor misbehaves."""

    nodes: dict[str, Data] = field(default_factory=dict)
    result: str = "ok"
    """What the supervisor answers."""
    is_idle: bool = False
    """It answers, and does nothing."""
    is_silent: bool = False
    """It does not answer at all."""
    ends_as: str = "running"
    """What a start leads to."""
    lag: int = 0
    """So often status still shows what was, after each change."""
    done: list[tuple[str, str]] = field(default_factory=list)
    stale: list[Data] = field(default_factory=list)
    asked: list[Data] = field(default_factory=list)
    """What the supervisor was asked to do, whole, and when."""
    times: list[float] = field(default_factory=list)

    def add(self, name: str, kind: str = "kernel", state: str = "running", **more: Any) -> None:
        self.nodes[name] = {
            **dict.fromkeys(("last_exit", "memory_mb", "tier", "does")),
            "name": name,
            "kind": kind,
            "state": state,
            "pid": 100 + len(self.nodes),
            "generation": 1,
            "restarts": 0,
            "critical": False,
            "children": [],
            **more,
        }

    def do(self, op: str, name: str) -> None:
        self.done.append((op, name))
        node = self.nodes[name]
        if self.is_idle:
            return
        self.stale = [dict(node)] * self.lag
        if op == "terminate_child":
            node |= {"state": "stopped", "pid": None}
        elif op in ("pause", "resume"):
            node["state"] = f"{op}d" if op == "pause" else "running"
        else:
            node |= {"state": self.ends_as, "generation": node["generation"] + 1}


class FakeStatus(Kernel):
    world: World

    def do_status(self, request: Request) -> Any:
        name = request.args.get("name")
        if name is None:
            branch = {"name": "branch", "kind": "supervisor", "state": "running", "tier": None, "pid": 2}
            tree = {"name": "root", "kind": "supervisor", "state": "running", "tier": None, "pid": 1}
            below = [{**branch, "children": [dict(node) for node in self.world.nodes.values()]}]
            return {"state": "running", "kernels": {}, "tree": {**tree, "children": below}}
        if name not in self.world.nodes:
            raise NotFound(f"nothing in the tree is called {name!r}")
        return self.world.stale.pop() if self.world.stale else dict(self.world.nodes[name])

    def do_events(self, request: Request) -> Any:
        event = {"seq": 3, "type": request.args.get("type") or "x", "subject": request.args.get("subject") or "y"}
        return {"events": [event], "last": 3}


class FakeSupervisor(Kernel):
    world: World

    def do_call(self, request: Request) -> Any:
        if self.world.is_silent:
            return LATER
        state = self.world.nodes.get(request.args["child"], {}).get("state")
        if request.args["op"] == "restart_child" and state == "running" and self.world.result == "ok":
            return {"result": "running", "value": None}
        self.world.asked.append(request.args)
        self.world.times.append(self.ctx.now())
        if self.world.result == "ok":
            self.world.do(request.args["op"], request.args["child"])
        return {"result": self.world.result, "value": None}

    def do_inject(self, request: Request) -> None:
        self.world.done.append((request.args["fault"], request.args["child"]))

    def do_pause(self, request: Request) -> None:
        self._switch(request)

    def do_resume(self, request: Request) -> None:
        self._switch(request)

    def _switch(self, request: Request) -> None:
        if self.world.result != "ok":
            raise Refused(f"{request.args['child']} has no process now")
        self.world.do(request.verb, request.args["child"])


class Answering(Kernel):
    """Answers every verb with what its config says, after as many seconds as that says."""

    def handle(self, request: Request) -> Any:
        value = self.ctx.config[request.verb]
        if callable(value):
            value = value(request)
        late_s = self.ctx.config.get("late_s", 0.0)
        if not late_s:
            return value
        self.ctx.after(late_s, lambda: self.ctx.answer(request, value))
        return LATER


@dataclass
class Stage:
    """One bench with a played tree."""

    home: Path
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.bench = Bench(self.home)
        for name in ("logs", "snapshots", "quarantine"):
            (self.home / name).mkdir()
        for name, cls in (("status", FakeStatus), ("branch", FakeSupervisor)):
            played = type(cls.__name__, (cls,), {"world": self.world})
            self.bench.add(name, played)
        self.world.add(PERFORMER)

    def perform(self, name: str, *, check: bool = False, by: str = PERFORMER, **params: Any) -> Result:
        data = self.home / "data" / by
        data.mkdir(parents=True, exist_ok=True)
        results: list[Result] = []
        context = BenchContext(self.bench, by, self.home, data, {})
        CATALOGUE[name].perform(context, params, check, results.append)
        assert results == [], "done was called before perform returned"
        self.bench.advance(LONG_S)
        assert len(results) == 1, results
        return results[0]

    def ok(self, name: str, **params: Any) -> Result:
        result = self.perform(name, **params)
        assert result.ok, result.message
        assert result.message
        return result

    def fails(self, name: str, **params: Any) -> Result:
        """A failure says what was seen, and after a semicolon what to do."""
        result = self.perform(name, **params)
        assert not result.ok, result
        assert ";" in result.message, result.message
        return result
