"""coding_agent repairs self_healing: playbook files, and what was restarted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from grace_actors.actions.action import Result
from grace_actors.errors import StoreFailed
from grace_actors.kernels.coding_agent import CodingAgent
from grace_actors.mending import mending
from grace_actors.mending.care import Why, acts_for
from grace_actors.mending.mechanical import Judge, Mended, mend
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status

GOOD = """schema: grace.playbook/1
name: mine
title: Mine
steps:
  - id: one
    action: log
    with: {message: "it is well"}
verify: []
"""
SPELT = GOOD.replace("title: Mine", "title:Mine")
CUT = GOOD[:70]
ENDED = "coding_agent.repair_ended"


class Agent:
    """A coding_agent on a bench, with a status actor, and a self_healing that says what it was told to."""

    def __init__(self, home: Path) -> None:
        self.bench = Bench(home)
        self.folder = home / "playbooks"
        self.folder.mkdir(parents=True)
        self.status = cast(Status, self.bench.add("status", Status))
        self.reads = {"count": 1, "replaced": [], "faults": []}
        self.up()

    def up(self) -> None:
        self.bench.add("coding_agent", CodingAgent, scan=[str(self.folder)])
        self.bench.advance(0.1)

    def well(self, **answers: Any) -> None:
        runs = {"runs": [{"id": "r", "playbook": "p", "status": "failed", "ended_at": 1.0}], "count": 1}
        self.bench.add("self_healing", Fixed, **({"reload_playbooks": self.reads, "runs": runs, "ready": {}} | answers))

    @property
    def file(self) -> Path:
        return self.folder / "mine.yaml"

    def hear(self, type: str, subject: str, **data: Any) -> None:
        self.status.happen(type, subject, 1_700_000_000.0 + self.bench.clock, **data)

    def broken(self) -> None:
        """self_healing has read the file."""
        self.hear("playbook.broken", "mine", file=str(self.file), fault="x", line=1, faults=1, in_use="none")

    def told(self, type: str = ENDED) -> list[dict[str, Any]]:
        return [data for kind, _, data in self.bench.events if kind == type]

    def orders(self) -> list[dict[str, Any]]:
        return list(self.bench.ask("coding_agent", "list")["work_orders"])

    @property
    def copy(self) -> Path:
        return self.bench.home / "snapshots" / "playbooks" / "mine.yaml"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    cast(CodingAgent, agent.bench.kernels["coding_agent"]).stop("the test is over")


# ---- playbook files -------------------------------------------------------------------------------------------------


def test_a_misspelt_file_is_mended_at_once_when_self_healing_tells_of_it(agent: Agent) -> None:
    agent.well()
    agent.file.write_text(SPELT)
    agent.broken()
    assert agent.file.read_text() == GOOD
    (ended,) = agent.told()
    assert (ended["ok"], ended["work_order"]) == (True, "")
    assert "line 3: a space put after the colon" in ended["message"]
    (kept,) = (agent.bench.home / "quarantine").glob("playbooks-*/mine.yaml")
    assert kept.read_text() == SPELT
    assert ("coding_agent", "self_healing", "reload_playbooks", {}) in agent.bench.sent
    acted = agent.told("coding_agent.repair_acted")
    assert [(each["act"], each["ok"]) for each in acted] == [("mend", True), ("reload_playbooks", True)]
    assert (agent.orders(), len(agent.told("coding_agent.repair_started"))) == ([], 1)


def test_a_file_that_cannot_be_mended_is_replaced_by_its_last_good_copy(agent: Agent) -> None:
    agent.well()
    agent.file.write_text(GOOD)
    agent.bench.advance(40.0)
    assert agent.copy.read_text() == GOOD
    agent.file.write_text(CUT)
    agent.broken()
    assert agent.file.read_text() == GOOD
    (ended,) = agent.told()
    assert ended["ok"] is True
    assert "mine.yaml is restored: snapshots/playbooks/mine.yaml" in ended["message"]


def test_a_draft_is_left_alone_whoever_reads_it_meanwhile(agent: Agent) -> None:
    """The look of every half minute, or self_healing reading all files, used to replace what was being typed."""
    agent.well()
    agent.file.write_text(SPELT)
    written_at = 1_700_000_000.0 + agent.bench.clock
    os.utime(agent.file, (written_at, written_at))
    agent.broken()
    agent.bench.advance(mending.SETTLE_S - 0.5)
    assert (agent.file.read_text(), agent.told()) == (SPELT, [])
    agent.bench.advance(1.0)
    assert (agent.file.read_text(), len(agent.told())) == (GOOD, 1)


def test_a_file_that_is_written_while_it_is_mended_stays_as_it_was_written(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to be replaced by the mended text of what it had been."""

    def written_meanwhile(raw: bytes, judge: Judge) -> Mended | None:
        mended = mend(raw, judge)
        agent.file.write_text(GOOD + "# mine\n")
        return mended

    agent.well()
    agent.file.write_text(SPELT)
    monkeypatch.setattr("grace_actors.mending.playbook_files.mend", written_meanwhile)
    agent.broken()
    assert agent.file.read_text() == GOOD + "# mine\n"
    assert list((agent.bench.home / "quarantine").glob("playbooks-*")) == []


def test_a_file_that_cannot_be_replaced_pushes_nothing_out_of_quarantine(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt used to leave one more copy there, and ten are kept."""

    def refuse(*args: Any, **more: Any) -> None:
        raise StoreFailed("no permission")

    agent.well()
    older = agent.bench.home / "quarantine" / "playbooks-20200101T000000.000000Z" / "older.yaml"
    older.parent.mkdir(parents=True)
    older.write_text("a draft of before")
    agent.file.write_text(SPELT)
    monkeypatch.setattr("grace_actors.mending.playbook_files.replace", refuse)
    agent.bench.advance(20 * mending.LOOK_S)
    assert agent.bench.kernels["coding_agent"].degraded == ["no permission"]
    assert [path.name for path in older.parent.parent.iterdir()] == [older.parent.name]


def test_a_link_is_not_replaced_by_a_file(agent: Agent) -> None:
    """It used to be, while what it leads to stayed as faulty as it was."""
    agent.well()
    target, link = agent.folder / "drafts" / "any.txt", agent.folder / "mine.yaml"
    target.parent.mkdir()
    target.write_text(SPELT)
    link.symlink_to(target)
    agent.broken()
    assert (link.is_symlink(), target.read_text(), agent.told()) == (True, SPELT, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_mended_file_of_a_user_belonged_to_root_where_grace_is_roots(agent: Agent) -> None:
    agent.file.write_text(SPELT)
    os.chown(agent.file, 1234, 1235)
    agent.file.chmod(0o664)
    agent.broken()
    agent.bench.advance(1.0)
    found = agent.file.stat()
    assert agent.file.read_text() == GOOD
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 1235, 0o664)


def test_a_file_that_is_put_back_with_its_old_time_is_seen(agent: Agent) -> None:
    """Only the time it was written at used to count, which a copy brings along; a change of permissions has none."""
    agent.well()
    agent.file.write_text(GOOD.replace("title:", "titel:"))
    agent.bench.advance(mending.LOOK_S + 1.0)
    before = agent.file.stat()
    agent.file.write_text(GOOD)
    os.utime(agent.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    agent.bench.advance(mending.LOOK_S + 1.0)
    assert agent.copy.read_text() == GOOD


def test_a_file_that_somebody_removed_stays_removed(agent: Agent) -> None:
    agent.well()
    agent.file.write_text(GOOD)
    agent.bench.advance(40.0)
    agent.file.unlink()
    agent.broken()
    agent.bench.advance(40.0)
    assert (agent.file.exists(), agent.copy.exists(), agent.told()) == (False, True, [])


def test_a_damaged_copy_is_passed_over_for_that_of_a_snapshot_set(agent: Agent) -> None:
    agent.well()
    for place, text in ((agent.copy, CUT), (agent.bench.home / "snapshots/sets/set_1/playbooks/mine.yaml", GOOD)):
        place.parent.mkdir(parents=True)
        place.write_text(text)
    agent.file.write_text(CUT)
    agent.broken()
    assert agent.file.read_text() == GOOD
    assert "snapshots/sets/set_1" in agent.told()[0]["message"]


def test_a_file_that_was_never_good_stays_and_is_ordered_once(agent: Agent) -> None:
    agent.well()
    agent.file.write_text(CUT)
    agent.broken()
    agent.broken()
    agent.bench.advance(200.0)
    assert agent.file.read_text() == CUT
    (order,) = agent.orders()
    assert order["context"]["file"] == str(agent.file)
    (ended,) = agent.told()
    assert (ended["ok"], ended["next_step"]) == (False, f"work-order show {order['id']}")
    assert not (agent.bench.home / "quarantine").exists()


def test_a_change_of_the_folder_is_seen_at_once_and_looked_at_when_it_is_still(agent: Agent) -> None:
    agent.well()
    agent.file.write_text(SPELT)
    deadline = time.monotonic() + 5.0
    while not agent.bench.poll(0.1) and time.monotonic() < deadline:
        pass
    agent.bench.advance(mending.SETTLE_S - 0.5)
    assert agent.file.read_text() == SPELT, "whoever writes it may not be done"
    agent.bench.advance(1.0)
    assert agent.file.read_text() == GOOD


def test_a_file_is_mended_also_when_self_healing_is_away(agent: Agent) -> None:
    agent.file.write_text(SPELT)
    agent.bench.advance(60.0)
    assert agent.file.read_text() == GOOD
    (ended,) = agent.told()
    assert ended["ok"] is True
    acted = agent.told("coding_agent.repair_acted")
    assert (acted[-1]["ok"], "reads the file when it starts" in acted[-1]["seen"]) == (False, True)


def test_what_self_healing_does_not_take_is_no_success(agent: Agent) -> None:
    fault = {"file": str(agent.file), "text": "mine.yaml:1:1: no"}
    agent.well(reload_playbooks={"count": 0, "replaced": [], "faults": [fault]})
    agent.file.write_text(SPELT)
    agent.broken()
    (ended,) = agent.told()
    assert (ended["ok"], ended["message"]) == (False, "mine.yaml:1:1: no")


def test_a_file_outside_the_users_folder_is_never_touched(agent: Agent, tmp_path: Path) -> None:
    agent.well()
    other = tmp_path / "other.yaml"
    other.write_text(SPELT)
    (agent.folder / "link.yaml").symlink_to(other)
    for path in (other, agent.folder / "link.yaml"):
        agent.hear("playbook.broken", path.stem, file=str(path))
    assert (other.read_text(), agent.told()) == (SPELT, [])


def test_a_full_disk_leaves_the_file_as_it_was(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **more: Any) -> None:
        raise StoreFailed("the disk is full")

    agent.well()
    agent.file.write_text(SPELT)
    monkeypatch.setattr("grace_actors.mending.playbook_files.quarantine", refuse)
    agent.broken()
    assert agent.file.read_text() == SPELT
    assert agent.bench.kernels["coding_agent"].degraded == ["the disk is full"]
    monkeypatch.undo()
    agent.bench.advance(40.0)
    assert (agent.file.read_text(), agent.bench.kernels["coding_agent"].degraded) == (GOOD, [])


@pytest.mark.parametrize("given", ["soon", -1, []])
def test_a_wrong_rest_is_refused_at_the_start(tmp_path: Path, given: object) -> None:
    with pytest.raises(Exception, match="mend_after"):
        Bench(tmp_path).add("coding_agent", CodingAgent, mend_after=given)


# ---- self_healing itself --------------------------------------------------------------------------------------------


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Result]:
    """The actions that were performed, in order, with their results; those that are put in before come out so."""
    results: dict[str, Result] = {}

    class Scripted:
        def __init__(self, name: str) -> None:
            self.name = name

        def perform(self, ctx: Any, params: Any, check: bool, done: Callable[[Result], None]) -> None:
            result = results.pop(self.name, Result(True, message=f"{self.name} is done"))
            results[self.name] = result
            done(result)

    class Catalogue(dict[str, Any]):
        def __missing__(self, name: str) -> Scripted:
            return Scripted(name)

    monkeypatch.setattr(mending, "CATALOGUE", Catalogue())
    return results


def requested(agent: Agent, criterion: str, **more: Any) -> None:
    data = {"by": "coding_agent", "criterion": criterion, "value": 97.0, "attempt": 1, "repair": "recycle", "mode": ""}
    agent.hear("mutual_repair.requested", "self_healing", **(data | more))


def test_one_that_was_stuck_is_checked_and_its_cause_ordered_with_the_stack(
    agent: Agent, acts: dict[str, Result]
) -> None:
    agent.well()
    acts["capture_stack_trace"] = Result(True, message="1 thread", data={"stack": "in f"})
    requested(agent, "cpu_percent")
    assert list(acts) == ["capture_stack_trace", "wait_until_ready"]
    (order,) = agent.orders()
    assert (order["type"], order["context"]["stack"]) == ("refactor", "in f")
    assert "cpu_percent 97" in order["description"]
    (ended,) = agent.told()
    assert (ended["ok"], ended["why"], ended["work_order"]) == (True, "stuck", order["id"])


def test_a_failing_engine_is_started_safely_and_its_playbooks_and_knowledge_are_checked(
    agent: Agent, acts: dict[str, Result]
) -> None:
    agent.well()
    agent.file.write_text(SPELT)
    acts["verify_kernel_store"] = Result(False, message="damaged")
    requested(agent, "failed_runs", repair="none")
    assert list(acts) == ["restart_staggered", "wait_until_ready", "verify_kernel_store", "restore_from_snapshot"]
    assert agent.file.read_text() == GOOD
    assert "playbooks of self_healing fail (failed_runs 97): p" in agent.orders()[0]["description"]


def test_what_the_supervisor_restarts_already_is_not_restarted_once_more(agent: Agent, acts: dict[str, Result]) -> None:
    agent.well()
    requested(agent, "failed_runs", mode="safe")
    assert "restart_staggered" not in acts


def test_one_that_does_not_come_back_has_its_store_checked_and_is_started(
    agent: Agent, acts: dict[str, Result]
) -> None:
    agent.well()
    acts["wait_until_ready"] = Result(False, message="not within 20 s")
    acts["verify_kernel_store"] = Result(False, message="damaged")
    requested(agent, "down")
    assert list(acts) == ["verify_kernel_store", "restore_from_snapshot", "start_kernel", "wait_until_ready"]
    (ended,), (order,) = agent.told(), agent.orders()
    assert (ended["ok"], order["priority"]) == (False, "critical")
    assert ended["next_step"] == f"see why self_healing; then: start self_healing, and: work-order show {order['id']}"


def test_one_that_came_back_by_itself_is_only_checked(agent: Agent, acts: dict[str, Result]) -> None:
    agent.well()
    requested(agent, "down")
    assert list(acts) == ["wait_until_ready"]
    assert (agent.told()[0]["ok"], agent.orders()) == (True, [])


def test_after_both_were_unwell_self_healing_is_checked(agent: Agent, acts: dict[str, Result]) -> None:
    agent.well()
    agent.hear("mutual_repair.both_unwell", "repair", unwell={"coding_agent": {}, "self_healing": {}})
    assert agent.told()[0]["why"] == "down"


def test_when_repairs_are_used_up_a_person_is_told(agent: Agent, acts: dict[str, Result]) -> None:
    agent.hear("mutual_repair.exhausted", "self_healing", attempts=3, next_step="see why self_healing")
    assert list(acts) == ["alert"]
    (order,) = agent.orders()
    assert (order["priority"], agent.told()[0]["next_step"]) == ("critical", "see why self_healing")


def test_knowledge_that_was_replaced_is_seen_to_only_while_self_healing_cannot(
    agent: Agent, acts: dict[str, Result]
) -> None:
    agent.well()
    agent.hear("store.restored", "signature", problem="x")
    agent.bench.advance(3.0)
    assert list(acts) == []
    agent.bench.kernels.pop("self_healing")
    agent.hear("store.recreated", "signature", problem="x")
    agent.bench.advance(3.0)
    assert list(acts) == ["verify_kernel_store", "wait_until_ready", "capture_store_snapshot"]


def test_what_is_asked_of_another_or_was_asked_long_ago_is_left(agent: Agent, acts: dict[str, Result]) -> None:
    agent.well()
    requested(agent, "down", by="repair")
    agent.hear("mutual_repair.requested", "coding_agent", by="self_healing", criterion="down")
    agent.status.happen("mutual_repair.exhausted", "self_healing", 1.0)
    assert (acts, agent.told()) == ({}, [])


def test_after_a_crash_no_order_is_made_twice(agent: Agent, acts: dict[str, Result]) -> None:
    agent.well()
    requested(agent, "cpu_percent")
    before = agent.orders()
    agent.bench.crash("coding_agent")
    agent.up()
    assert len(agent.told()) == 2, "what was read is read again"
    assert agent.orders() == before


@pytest.mark.parametrize("why", Why)
def test_every_repair_has_acts_of_its_own_names_and_conditions_on_earlier_ones(why: Why) -> None:
    for safe in (False, True):
        acts = acts_for(why, is_safe=safe)
        ids = [act.id for act in acts]
        assert len(ids) == len(set(ids))
        assert all(act.if_failed in ids[: ids.index(act.id)] for act in acts if act.if_failed)
        assert any(act.needed for act in acts)
