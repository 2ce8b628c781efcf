"""The host of drills under any order of people, events, time and deaths: one drill at a time, and all is undone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from grace_actors.drills.host import cards
from tests.harness.examples import examples
from tests.unit.drills_host.rig import GOOD, Rig, card

LONG_S = 600.0
"""More than any drill here may take."""
EVENTS = st.sampled_from(
    [
        ("till.noticed", "till", {}),
        ("drill.due", "drills", {}),
        ("incident.opened", "inc_1", {"kernel": "till"}),
        ("incident.healed", "inc_1", {"kernel": "till", "repair": "restart"}),
        ("incident.opened", "inc_2", {"kernel": "librarian"}),
        ("incident.resolved", "inc_2", {"kernel": "librarian"}),
    ]
)


class DrillHost(RuleBasedStateMachine):
    """Whatever is done, `teardown` finds every run judged and the file as it was."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.none = mock.patch.object(cards, "BUILT_IN", self.home / "no_cards")
        self.none.start()
        self.rig = Rig(self.home, a=card(micro="true"), b=card("TILL2", playbook="restart", radius='"*"')).up()

    @rule(id=st.sampled_from(["TILL1", "TILL2"]))
    def somebody_runs_one(self, id: str) -> None:
        self.rig.post("run_drill", id=id, by="ann")

    @rule()
    def somebody_halts(self) -> None:
        (answer,) = self.rig.post("halt", by="ben") or [None]
        self.rig.bench.advance(0.0)
        if answer is not None and answer.ok:
            assert answer.value["failed"] == []

    @rule(event=EVENTS)
    def something_happens(self, event: tuple[str, str, dict[str, str]]) -> None:
        self.rig.happen(*event)

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.rig.bench.advance(seconds)

    @rule()
    def the_runner_dies(self) -> None:
        self.rig.dies().up(0.0)
        assert self.rig.file.read_text() == GOOD

    @rule(is_open=st.booleans())
    def there_is_an_incident(self, is_open: bool) -> None:
        self.rig.incidents[:] = [{"id": "inc_3", "kernel": "till", "state": "open"}] if is_open else []

    @invariant()
    def one_at_most_runs(self) -> None:
        running = [run["id"] for run in self.rig.runner.runs.of() if run["status"] == "running"]
        assert running == [run for run in [self.rig.runner.drilling.running_id()] if run], running
        assert running or self.rig.file.read_text() == GOOD

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        self.rig.bench.advance(LONG_S)
        runs = self.rig.runner.runs.of()
        assert [run for run in runs if run["status"] == "running"] == []
        assert all(run["passed"] is None or run["status"] == "completed" for run in runs)
        assert (self.rig.file.read_text(), self.rig.ask("faults")["records"]) == (
            GOOD,
            [each for each in self.rig.ask("faults")["records"] if each["state"] == "undone"],
        )
        ended = [type for type in self.rig.bench.types() if type in ENDS]
        assert len(ended) == len(runs), (ended, runs)
        self.rig.dies()
        self.none.stop()
        shutil.rmtree(self.home)


ENDS = ("drill.passed", "drill.deviated", "drill.aborted", "drill.interrupted", "drill.failed")
DrillHost.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=20, deadline=None)
test_drills_never_overlap_end_and_leave_nothing = DrillHost.TestCase
