"""A living tree on which drills are run: the built-in one with the cards of a test beside its own.

It knows how a drill is begun and followed, and nothing of what one does. For tests only. Invariant: what was started is
ended, also by a test that fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.kernel import Data
from tests.harness.instance import ROOT, Running, run_cli, wait_for
from tests.harness.packs import CALM, Patient, tree

RUNNER = "chaos_runner"
OPEN = ("open", "repairing", "awaiting_approval", "awaiting_patch")
MICRO: Data = {"policies": [{"micro_chaos": {"every": "1s", "min_gap": "500ms"}}, "staggered_restart"]}
"""A schedule that does not let a test wait."""
PAIR = ["self_healing", "coding_agent"]
SLOW_PULSE: Data = {"heartbeat": {"interval": "2s", "misses": 10}}
DOWN = [{"down": "10s"}]
PATIENT: dict[str, Data] = {
    "trigger_mesh": {"with": CALM},
    "api_server": {"with": {"port": 0}},
    **dict.fromkeys(PAIR, SLOW_PULSE),
    "repair": {
        "policies": [
            {"repair": {"except": ["self_healing"]}},
            {"mutual_repair": {"pair": PAIR, "criteria": DOWN}},
            {"staggered_restart": {"group": PAIR, "after": "2s", "criteria": DOWN}},
        ]
    },
}
"""How busy the machine is that runs the tests is nobody's incident, which would abort a drill."""
ACTIVE = ("prepared", "injected", "undo_failed")


class Theatre:
    """A home, and the instance that lives in it."""

    def __init__(self, folder: Path, cards: Mapping[str, str] = {}, **changes: Data) -> None:
        self.home = folder / "home"
        self.tree = tree(folder, PATIENT | changes)
        for name, text in cards.items():
            self.write(name, text)
        self.lives: list[Running] = []

    def write(self, name: str, text: str) -> None:
        """A card of the user."""
        path = self.home / "drills" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    # ---- lives ------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """An instance, until it runs."""
        self.lives.append(Running(self.home, self.tree))
        self.running.wait_running()

    def kill(self) -> None:
        """run.py dies without a word, and all that was its with it."""
        self.running.kill(self.running.process.pid)
        self.running.process.wait()
        wait_for(lambda: not self.running.leftovers(), "what outlives run.py is gone")

    def close(self) -> None:
        for life in reversed(self.lives):
            life.close()

    @property
    def running(self) -> Running:
        return self.lives[-1]

    # ---- asking -----------------------------------------------------------------------------------------

    def ask(self, verb: str, /, **args: Any) -> Any:
        """The answer of the runner, which may be on its way back."""
        return Patient(self.running).ask(RUNNER, verb, **args)

    def of(self, name: str, verb: str, /, **args: Any) -> Any:
        """The answer of another one."""
        return Patient(self.running).ask(name, verb, **args)

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A verb of the console."""
        return run_cli(*words, home=self.home, timeout_s=120.0)

    def cli_begins(self, *words: str) -> subprocess.Popen[str]:
        """A verb of the console that goes on."""
        command = [sys.executable, str(ROOT / "run.py"), *words, "--home", str(self.home)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    # ---- drills -----------------------------------------------------------------------------------------

    def drill(self, id: str, by: str = "ann") -> str:
        """Begin a drill as soon as nothing is in its way; its run."""
        why: list[str] = []

        def begun() -> str:
            try:
                answer = self.running.client.call(
                    "ask", {"name": RUNNER, "verb": "run_drill", "args": {"id": id, "by": by}}
                )
            except (RemoteFailed, Interrupted, NotRunning) as error:
                why[:] = [str(error)]
                return ""
            return str(answer["run"])

        try:
            run: str = wait_for(begun, f"{id} begins", step_s=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}: {why}") from None
        return run

    def look(self, run: str) -> Data:
        found: Data = self.ask("drill_run", run=run)
        return found

    def injected(self, run: str, name: str) -> None:
        """Until the activity called so was begun and is over."""

        def is_done() -> bool:
            look = self.look(run)
            assert look["status"] == "running", (look["status"], look["reason"], look["activities"])
            return any(each["name"] == name and each["state"] == "ok" for each in look["activities"])

        wait_for(is_done, f"{name} of {run}", timeout_s=120.0, step_s=0.05)

    def judged(self, run: str) -> Data:
        """The run when it is over."""

        def over() -> Data | None:
            look = self.look(run)
            return look if look["status"] != "running" else None

        found: Data = wait_for(over, f"the end of {run}: {self.look(run)}", timeout_s=120.0, step_s=0.05)
        return found

    def active(self) -> list[Data]:
        """The faults that may still break something."""
        return [each for each in self.ask("faults")["records"] if each["state"] in ACTIVE]

    def events(self, type: str, since: int = 0) -> list[Data]:
        return self.running.events(type=type, since=since, limit=1000)

    def now(self) -> int:
        """The number of the newest event."""
        events = self.running.events(limit=1)
        return int(events[-1]["seq"]) if events else 0

    def incidents(self, kernel: str = "") -> list[Data]:
        """Those that go on."""
        rows = self.of("self_healing", "incidents", kernel=kernel, limit=500)["incidents"]
        return [row for row in rows if row["state"] in OPEN]

    def settle(self) -> None:
        """No drill runs, nothing is broken, and no incident is open."""
        self.ask("halt", by="the test")
        wait_for(lambda: self.ask("schedule")["running"] is None, "the drill is over", step_s=0.05)

        def is_calm() -> bool:
            for row in self.incidents():
                self.of("self_healing", "resolve", id=row["id"], by="the test", note="over")
            return not self.incidents()

        wait_for(is_calm, "no incident is open", step_s=0.2)


def as_words(done: subprocess.CompletedProcess[str]) -> str:
    """All that a verb said, for the words of a failed assertion."""
    return json.dumps({"status": done.returncode, "out": done.stdout, "err": done.stderr}, indent=1)
