"""chaos_runner on a bench, between a status actor, a self_healing and a supervisor that answer what the test says.

The cards are those that the test writes. For tests only.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, cast

from grace_actors.kernel import Answer, Data, Request
from grace_actors.kernels.chaos_runner import ChaosRunner
from tests.harness.instance import walk
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status, child

GOOD = "limit: 5\n"
BAD = "limit: 9\n"
CARD = """
title: {id} - a file is changed
description: It must be noticed.
tags: [files]
extensions:
  - name: grace
    card: {id}
    weight: {weight}
    micro: {micro}
    radius: [{radius}]
    expect:
      trigger: {{type: till.noticed, subject: till}}
      playbook: {playbook}
      detect_within: 5s
      heal_within: 10s
    timeout: 60s
steady-state-hypothesis:
  title: the till runs
  probes:
    - type: probe
      name: till-runs
      tolerance: running
      provider: {{type: python, module: chaos.probes, func: kernel_state, arguments: {{kernel: {kernel}}}}}
method:
{method}
runtime: {{hypothesis: {{strategy: default}}, rollbacks: {{strategy: always}}}}
"""
CHANGE = """
- type: action
  name: change-it
  provider:
    type: python
    module: chaos.faults.files
    func: change
    arguments: {path: config/till.yaml, text: "limit: 9\\n", seconds: 300.0}
"""


def card(id: str = "TILL1", **more: Any) -> str:
    """A card in words; what is not given is usual."""
    usual = {"weight": 1.0, "micro": "false", "radius": "till", "playbook": "none", "kernel": "till", "method": CHANGE}
    given = usual | more
    given["method"] = textwrap.indent(given["method"].strip("\n"), "  ")
    return CARD.format(id=id, **given)


class Log(Status):
    """A status actor that also tells where the log stands, and finds a node at any depth. The tree is there since
    `born`."""

    born = 0.0

    def do_events(self, request: Request) -> Data:
        if "since" in request.args:
            return super().do_events(request)
        found = [each for each in self.log if each["type"] == request.args.get("type", each["type"])]
        return {"events": found[-1:], "last": len(self.log), "oldest": 1}

    def do_status(self, request: Request) -> Data:
        name = request.args.get("name")
        if name is None:
            return super().do_status(request)
        return next(each for each in walk(self.tree) if each["name"] == name) | {"uptime_s": self.ctx.now() - self.born}


class Supervisor(Fixed):
    """Takes observations; its policies are `answers["policies"]`."""

    def observed(self) -> list[tuple[str, str, Data]]:
        asked = (each.args for each in self.asked if each.verb == "observe")
        return [(args["topic"], args["subject"], args["data"]) for args in asked]

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.observed()]


class Rig:
    """A bench with the runner on it."""

    def __init__(self, home: Path, **cards: str) -> None:
        self.home = home
        self.bench = Bench(home)
        for name, text in (cards or {"till1": card()}).items():
            self.write(name, text)
        self.file = home / "config" / "till.yaml"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(GOOD)
        self.status = cast(Log, self.bench.add("status", Log))
        self.status.tree["children"] = [self._branch("drills", "chaos_runner"), self._branch("repair", "self_healing")]
        self.status.tree["children"].append(child("till"))
        self.bench.on_emit.append(self.happen)
        self.incidents: list[Data] = []
        self.healer = cast(
            Fixed, self.bench.add("self_healing", Fixed, incidents=self._incidents, report={"id": "inc"})
        )
        policy = {"name": "micro_chaos", "params": {"every_s": 30.0, "windows": ["mon-fri 09:00-15:00"]}}
        answers = {"observe": None, "policies": [policy], "call": {"result": "ok"}}
        self.supervisor = cast(Supervisor, self.bench.add("drills", Supervisor, **answers))

    def _branch(self, name: str, *children: str) -> Data:
        return child(name, kind="supervisor") | {"children": [child(each) for each in children]}

    def _incidents(self, request: Request) -> Data:
        return {"incidents": self.incidents, "count": len(self.incidents)}

    def write(self, name: str, text: str) -> None:
        """A card of the user."""
        path = self.home / "drills" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def up(self, seconds: float = 1.0) -> Rig:
        """Start the runner and let it find its feet."""
        self.bench.add("chaos_runner", ChaosRunner)
        self.bench.advance(seconds)
        return self

    def dies(self) -> Rig:
        """The runner dies without a word."""
        self.runner.store.close()
        self.runner._files.close()
        self.bench.crash("chaos_runner")
        return self

    @property
    def runner(self) -> ChaosRunner:
        return cast(ChaosRunner, self.bench.kernels["chaos_runner"])

    def happen(self, type: str, subject: str, data: Data | None = None) -> None:
        """An event of the log, now."""
        self.status.happen(type, subject, 1_700_000_000.0 + self.bench.clock, **(data or {}))

    def post(self, verb: str, **args: Any) -> list[Answer]:
        """Ask the runner; the answer is in the list once it has come."""
        got: list[Answer] = []
        self.bench.post("test", "chaos_runner", verb, args, got.append)
        return got

    def ask(self, verb: str, *, wait_s: float = 1.0, **args: Any) -> Any:
        """Its answer, which must come within the time."""
        got = self.post(verb, **args)
        if not got:
            self.bench.advance(wait_s)
        assert got, f"{verb} was not answered"
        return got[0].value if got[0].ok else got[0].error

    def run(self, id: str = "TILL1", by: str = "ann") -> str:
        """Begin a drill, and let it inject; its run."""
        answer = self.ask("run_drill", id=id, by=by)
        assert "run" in answer, answer
        return str(answer["run"])

    def look(self, run: str = "") -> Data:
        found: Data = self.ask("drill_run", run=run)
        return found

    def told(self, type: str) -> list[Data]:
        """The data of the events of a type that were emitted."""
        return [data for each, _, data in self.bench.events if each == type]

    def passes(self) -> None:
        """What the card waits for happens, and nothing else."""
        self.happen("till.noticed", "till")
        self.bench.advance(30.0)
