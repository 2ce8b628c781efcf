"""self_healing on a bench, with a catalogue of actions that exist only here and playbooks written by the test.

An action answers when the test says so (`World.answer`), so that everything can stop in between.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from grace_actors.actions.action import Action, Result
from grace_actors.healing.verbs import PlaybookVerbs
from grace_actors.kernels.governance import Governance
from grace_actors.kernels.self_healing import SelfHealing
from playbooks.spec import ActionKind, ActionSpec, Param
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Status

SPECS = {
    spec.name: spec
    for spec in (
        ActionSpec(name="look", kind=ActionKind.READS, idempotent=True, timeout_s=5.0),
        ActionSpec(name="set_flag", kind=ActionKind.ACTS, idempotent=True, params={"to": Param(default="on")}),
        ActionSpec(name="poke", kind=ActionKind.ACTS, idempotent=False, timeout_s=10.0),
    )
}


@dataclass
class World:
    """What was called and not answered yet; `calls` are all, as (action, check)."""

    calls: list[tuple[str, bool]] = field(default_factory=list)
    open: list[tuple[str, Callable[[Result], None]]] = field(default_factory=list)

    def catalogue(self) -> Mapping[str, Action]:
        return {name: cast(Action, Scripted(self, spec)) for name, spec in SPECS.items()}

    def answer(self, action: str, **result: Any) -> None:
        """The oldest open call of the action comes back."""
        at = next(n for n, (name, _) in enumerate(self.open) if name == action)
        _, done = self.open.pop(at)
        done(Result(**{"ok": True, **result}))


@dataclass
class Scripted:
    """An action that waits for the test."""

    world: World
    spec: ActionSpec

    def perform(self, ctx: Any, params: Mapping[str, Any], check: bool, done: Callable[[Result], None]) -> None:
        self.world.calls.append((self.spec.name, check))
        self.world.open.append((self.spec.name, done))


class Stage:
    """A bench with self_healing and governance."""

    def __init__(self, home: Path, monkeypatch: Any) -> None:
        self.world = World()
        self.home = home
        monkeypatch.setattr("grace_actors.healing.verbs.CATALOGUE", self.world.catalogue())
        monkeypatch.setattr("grace_actors.healing.verbs.specs", lambda: SPECS)
        monkeypatch.setattr("grace_actors.mending.mending.specs", lambda: SPECS)
        monkeypatch.setattr("grace_actors.healing.library.PACKS", home / "no_packs")
        self.bench = Bench(home)
        (home / "playbooks").mkdir(parents=True)

    def write(self, name: str, body: str, *, verify: str = "verify: []\n") -> None:
        text = f"schema: grace.playbook/1\nname: {name}\ntitle: T\n{textwrap.dedent(body)}{verify}"
        (self.home / "playbooks" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def up(self) -> Stage:
        status = cast(Status, self.bench.add("status", Status))
        self.bench.on_emit.append(lambda type, subject, data: status.happen(type, subject, 1.7e9, **data))
        self.bench.add("governance", Governance)
        self.bench.add("self_healing", SelfHealing)
        self.bench.advance(0.0)
        return self

    def crash(self) -> Stage:
        """Killed and started again; whatever was called never comes back."""
        self.bench.crash("self_healing")
        self.world.open.clear()
        self.bench.add("self_healing", SelfHealing)
        self.bench.advance(0.0)
        return self

    def ask(self, verb: str, **args: Any) -> Any:
        return self.bench.ask("self_healing", verb, **args)

    def begin(self, name: str = "p", **args: Any) -> str:
        id: str = self.ask("run_playbook", name=name, **args)["id"]
        return id

    def run(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("run", id=id)
        return found

    def steps(self, id: str) -> list[tuple[str, str]]:
        return [(step["id"], step["status"]) for step in self.run(id)["steps"]]

    def called(self) -> list[str]:
        return [name for name, _ in self.world.calls]

    @property
    def kernel(self) -> PlaybookVerbs:
        return cast(PlaybookVerbs, self.bench.kernels["self_healing"])

    def events(self, type: str) -> list[dict[str, Any]]:
        return [data for each, _, data in self.bench.events if each == type]
