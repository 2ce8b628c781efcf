"""Drills on a living tree, and everything that may come between: operators, incidents, deaths, disks, bad cards.

One instance for all tests but the last, which starts it again in its home.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.drills import marked
from grace_actors.kernel import Data
from tests.harness.drills import MICRO, Theatre, as_words
from tests.harness.instance import wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(240)]

KEYS = ("id", "passed", "gates", "detect_s", "heal_s", "journal")
NOTE, OTHER = "limit: 5\n", "limit: 9\n"
CARD = """
title: {id} - a drill of a test
description: What becomes of it is what the test makes of it.
tags: [test]
extensions:
  - name: grace
    card: {id}
    radius: [nobody]
    micro: {micro}
    weight: 10.0
    expect:
      trigger: {trigger}
      playbook: {playbook}
      detect_within: {within}
      heal_within: {within}
    timeout: 3m
steady-state-hypothesis:
  title: librarian runs
  probes:
    - type: probe
      name: librarian-runs
      tolerance: running
      provider: {{type: python, module: chaos.probes, func: kernel_state, arguments: {{kernel: {kernel}}}}}
method:
  - type: action
    name: change-a-file
    pauses: {{after: {pause}}}
    provider:
      type: python
      module: chaos.faults.files
      func: change
      arguments: {{path: notes/limits.yaml, text: "limit: 9\\n", seconds: 300.0}}
  - type: action
    name: somebody-notices
    provider:
      type: python
      module: chaos.steps
      func: act
      arguments: {{action: alert, params: {{message: the limits are wrong}}}}
{more}
runtime: {{hypothesis: {{strategy: default}}, rollbacks: {{strategy: always}}}}
"""
BURN = """
  - type: action
    name: burn
    provider: {type: python, module: chaos.faults.resources, func: burn, arguments: {cores: 1, seconds: 300.0}}
  - type: action
    name: slow-down
    provider:
      type: python
      module: chaos.faults.process
      func: slow
      arguments: {kernel: voice_conversation, seconds: 300.0, delay_ms: 20.0}
"""


def card(id: str, **more: Any) -> str:
    """A card that passes by itself; it lasts as long as its pause."""
    usual = {"trigger": '{type: alert.raised, subject: "*"}', "playbook": "none", "within": "20s"}
    usual |= {"micro": "false", "kernel": "librarian", "pause": "0.0", "more": ""}
    return CARD.format(id=id, **usual | more)


CARDS = {
    "quick": card("QUICK1", micro="true"),
    "slowly": card("SLOW1", pause="3.0"),
    "long": card("LONG1", trigger="{type: what.never.happens}", within="90s", more=BURN),
    "gone": card("GONE1", kernel="libraryan"),
    "wrong": card("WRONG1", playbook="memory_pressure", within="2s"),
    "broken": "title: BROKEN1\nmethod: 7\n",
}


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path_factory.mktemp("drills"), CARDS, drills=MICRO)
    (theatre.home / "notes").mkdir(parents=True)
    note(theatre).write_text(NOTE)
    theatre.begin()
    try:
        yield theatre
    finally:
        theatre.close()


@pytest.fixture(autouse=True)
def settled(theatre: Theatre) -> Iterator[None]:
    """Each test begins on a tree that is well."""
    theatre.settle()
    yield
    assert note(theatre).read_text() == NOTE


def note(theatre: Theatre) -> Path:
    return theatre.home / "notes" / "limits.yaml"


def kill_runner(theatre: Theatre) -> None:
    pid = theatre.running.node("chaos_runner")["pid"]
    os.kill(pid, signal.SIGKILL)
    theatre.running.wait_new_pid("chaos_runner", pid)


# ---- running one ----------------------------------------------------------------------------------------------------


def test_drill_run_prints_what_was_promised_and_ends_with_0(theatre: Theatre) -> None:
    done = theatre.cli("drill", "run", "KH002", "--json")
    assert done.returncode == 0, as_words(done)
    found = json.loads(done.stdout)
    assert tuple(found) == KEYS
    assert found["gates"] == {"trigger": True, "playbook": True, "work_order": True, "slo": True}
    assert (found["id"], found["passed"]) == ("KH002", True)
    assert 0 <= found["detect_s"] <= found["heal_s"]
    written = json.loads(Path(found["journal"]).read_text())
    assert (written["status"], written["deviated"]) == ("completed", False)
    (row,) = [each for each in json.loads(theatre.cli("drill", "list", "--json").stdout) if each["id"] == "KH002"]
    assert (row["passed"], row["runs"]) == (True, 1)
    assert {"id", "title", "weight", "last_run", "passed"} <= set(row)


def test_of_two_operators_at_the_same_moment_one_is_refused_and_told_who_runs_what(theatre: Theatre) -> None:
    both = [theatre.cli_begins("drill", "run", "SLOW1", "--json") for _ in range(2)]
    ended = [(each.communicate(timeout=60), each.returncode) for each in both]
    assert sorted(code for _, code in ended) == [0, 5], ended
    ((out, err),) = [said for said, code in ended if code == 5]
    assert out == ""
    assert "drill SLOW1" in err
    assert "started by" in err


def test_card_about_somebody_who_is_not_there_is_refused_and_says_who_was_meant(theatre: Theatre) -> None:
    done = theatre.cli("drill", "run", "GONE1")
    assert done.returncode == 5
    assert "GONE1 needs libraryan, which is not in the tree; did you mean 'librarian'?" in done.stderr


def test_broken_card_is_told_with_its_place_and_hides_no_other(theatre: Theatre) -> None:
    done = theatre.cli("drill", "run", "BROKEN1")
    assert done.returncode == 4
    problems = theatre.ask("drills")["problems"]
    assert problems
    assert all("broken.yaml:" in problem for problem in problems)
    assert theatre.ask("drill", id="KH002")["title"].startswith("KH002")


def test_card_that_is_written_while_grace_runs_can_be_run(theatre: Theatre) -> None:
    theatre.write("later", card("LATER1"))
    wait_for(lambda: "LATER1" in {each["id"] for each in theatre.ask("drills")["drills"]}, "the card is read")
    assert theatre.judged(theatre.drill("LATER1"))["passed"] is True


# ---- what comes between ---------------------------------------------------------------------------------------------


def test_halt_undoes_everything_at_once(theatre: Theatre, record_property: Any) -> None:
    run = theatre.drill("LONG1")
    theatre.injected(run, "slow-down")
    records = [each["id"] for each in theatre.active()]
    assert len(records) == 3
    assert note(theatre).read_text() == OTHER
    burners = [pid for record in records for pid in marked.find(record)]
    assert burners
    before, since = time.time(), theatre.now()
    halted = theatre.ask("halt", by="ben")
    answered_s = time.time() - before
    assert (halted["halted"], sorted(halted["undone"]), halted["failed"]) == (run, sorted(records), [])
    assert (note(theatre).read_text(), theatre.active()) == (NOTE, [])
    assert [pid for record in records for pid in marked.find(record)] == []
    found = theatre.judged(run)
    assert (found["status"], found["passed"], found["reason"]) == ("interrupted", None, "halted by ben")
    told = lambda: {each["data"].get("record") for each in theatre.events("fault.undone", since)}  # noqa: E731
    wait_for(lambda: set(records) <= told(), "each undoing is told")
    record_property("halted_s", answered_s)
    print(f"everything was undone {answered_s:.3f} s after it was asked for")


def test_incident_of_the_operators_own_aborts_the_drill_and_undoes_it(theatre: Theatre) -> None:
    run = theatre.drill("LONG1")
    theatre.injected(run, "slow-down")
    words = ("kernel=scheduler", "kind=crash", "reason=ValueError: the operator did it")
    done = theatre.cli("ask", "self_healing", "report", *words)
    assert done.returncode == 0, as_words(done)
    found = theatre.judged(run)
    assert found["status"] == "aborted"
    assert "of scheduler, which is no part of the drill, is open" in found["reason"]
    assert (note(theatre).read_text(), theatre.active()) == (NOTE, [])
    refused = theatre.cli("drill", "run", "QUICK1")
    assert refused.returncode == 5
    assert "of scheduler is open" in refused.stderr


def test_runner_that_is_killed_undoes_in_its_next_life_and_drills_again(theatre: Theatre) -> None:
    run = theatre.drill("LONG1")
    theatre.injected(run, "slow-down")
    records = [each["id"] for each in theatre.active()]
    kill_runner(theatre)
    wait_for(lambda: theatre.active() == [], "its next life undoes all")
    assert [pid for record in records for pid in marked.find(record)] == []
    found = theatre.look(run)
    assert (found["status"], found["passed"]) == ("interrupted", None)
    history = theatre.ask("drill", id="LONG1")["history"]
    assert history[0]["run"] == run
    assert theatre.judged(theatre.drill("QUICK1"))["passed"] is True


def test_gate_that_fails_is_an_incident_and_a_work_order(theatre: Theatre) -> None:
    done = theatre.cli("drill", "run", "WRONG1", "--json")
    assert done.returncode == 1, as_words(done)
    found = json.loads(done.stdout)
    assert (found["passed"], found["gates"]["playbook"], found["gates"]["trigger"]) == (False, False, True)

    def ordered() -> Data | None:
        return next((row for row in theatre.incidents("chaos_runner") if row["work_order"]), None)

    incident: Data = wait_for(ordered, "the incident of the gate and its work order")
    assert incident["kind"] == "reported"
    assert "memory_pressure did not run" in incident["reason"]
    order = theatre.of("coding_agent", "show", id=incident["work_order"])
    assert order["status"] not in ("completed", "failed")
    assert theatre.judged(theatre.drill("QUICK1"))["passed"] is True, "it is in nobody's way"


def test_journal_that_cannot_be_written_loses_the_record_and_not_the_verdict(theatre: Theatre) -> None:
    journals = theatre.home / "data" / "chaos_runner" / "journals"
    kept = journals.rename(journals.with_name("kept"))
    journals.write_text("in the way")
    try:
        done = theatre.cli("drill", "run", "QUICK1", "--json")
        assert done.returncode == 0, as_words(done)
        found = json.loads(done.stdout)
        assert (found["passed"], found["journal"]) == (True, "")
        look = theatre.look("")
        assert "the journal could not be written" in look["reason"]
        said = lambda: theatre.running.node("chaos_runner")["degraded"]  # noqa: E731
        assert any("the journal could not be written" in text for text in wait_for(said, "status says so"))
    finally:
        journals.unlink()
        kept.rename(journals)


# ---- by themselves --------------------------------------------------------------------------------------------------


def test_drills_start_by_themselves_off_the_leash_and_not_during_an_incident(theatre: Theatre) -> None:
    plan = theatre.ask("schedule")
    assert (plan["leashed"], plan["every_s"], plan["min_gap_s"], plan["window"]) == (True, 1.0, 0.5, None)
    since = theatre.now()

    def begun() -> list[Data]:
        found = theatre.events("drill.started", since)
        assert {each["data"]["by"] for each in found} <= {"micro_chaos"}
        return found

    theatre.cli("chaos", "leash", "off")
    try:
        first = wait_for(begun, "a drill starts by itself")[0]
        told = theatre.cli("drill", "schedule").stdout
        assert "off: drills start by themselves" in told
        assert "one every 1.0s, at any time, at least 0.5s apart" in told, told
        card = theatre.ask("drill", id=first["data"]["card"])
        assert card["micro"] is True

        report = theatre.of("self_healing", "report", kernel="scheduler", kind="crash", reason="ValueError: mine")
        withheld = lambda: theatre.ask("schedule")["withheld"] == "an incident is open"  # noqa: E731
        wait_for(withheld, "the incident withholds drills", timeout_s=120.0)
        assert "an incident is open" in theatre.cli("drill", "schedule").stdout
        since = theatre.now()
        theatre.of("self_healing", "resolve", id=report["id"], by="the test", note="over")
        wait_for(begun, "drills go on when it is over")
    finally:
        theatre.cli("chaos", "leash", "on")
    wait_for(lambda: theatre.ask("schedule")["withheld"] == "leashed", "the leash holds")
    plan = theatre.ask("schedule")
    assert (plan["leashed"], plan["next_in_s"]) == (True, None)
    assert "on: no drill starts by itself" in theatre.cli("drill", "schedule").stdout
    theatre.settle()
    kill_runner(theatre)
    assert theatre.ask("schedule")["leashed"] is True


# ---- what cannot be undone ------------------------------------------------------------------------------------------


def test_undoing_that_fails_is_loud_and_tried_again_until_it_works(theatre: Theatre) -> None:
    run = theatre.drill("SLOW1")
    theatre.injected(run, "change-a-file")
    (record,) = theatre.active()
    (copy,) = (theatre.home / "chaos" / "kept" / record["id"]).iterdir()
    away = copy.rename(theatre.home / "away")
    since = theatre.now()
    found = theatre.judged(run)
    assert (found["status"], found["passed"]) == ("completed", False)
    assert record["id"] in found["reason"]
    failed = lambda: theatre.events("fault.undo_failed", since)  # noqa: E731
    assert wait_for(failed, "it is told")[0]["data"]["record"] == record["id"]
    listed = theatre.cli("chaos", "faults").stdout
    assert "undo_failed" in listed or "undo failed" in listed
    wait_for(lambda: theatre.incidents("chaos_runner"), "it is an incident")

    since = theatre.now()
    kill_runner(theatre)
    wait_for(failed, "the next life tries again")
    assert note(theatre).read_text() == OTHER

    theatre.kill()
    away.rename(copy)
    theatre.begin()
    assert (note(theatre).read_text(), theatre.active()) == (NOTE, [])
    undone = lambda: [e for e in theatre.events("fault.undone") if e["data"].get("record") == record["id"]]  # noqa: E731
    assert wait_for(undone, "the start tells it")[0]["data"]["by"] == "boot"
