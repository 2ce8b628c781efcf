"""Which cards there are, what is wrong with those that are none, and what is told of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.drills_host.rig import Rig, card

BROKEN = "title: X\nmethod: 7\n"


def test_broken_card_is_told_with_its_place_and_hides_none(make: Callable[..., Rig]) -> None:
    rig = make(a=BROKEN, b=card("OTHER1"), c=card("OTHER1")).up()
    found = rig.ask("drills")
    assert [each["id"] for each in found["drills"]] == ["OTHER1"]
    assert all(str(rig.home / "drills") in problem for problem in found["problems"])
    assert any("a.yaml:2:9" in problem for problem in found["problems"])
    assert any("c.yaml:1:1: the card OTHER1 for the second time" in problem for problem in found["problems"])
    assert next(each.detail for each in rig.runner.ready() if each.name == "cards_readable").startswith("1 cards; not")


def test_unknown_card_is_told_with_those_there_are_and_what_could_not_be_read(make: Callable[..., Rig]) -> None:
    rig = make(a=BROKEN, b=card("OTHER1")).up()
    for verb in ("drill", "run_drill"):
        error = rig.ask(verb, id="X1")
        assert (error["code"], error["message"]) == ("not_found", "there is no drill 'X1'")
        assert "known: OTHER1; not readable: " in error["hint"]
        assert "a.yaml:" in error["hint"]


def test_card_is_found_in_small_letters(rig: Rig) -> None:
    assert rig.ask("drill", id="till1")["id"] == "TILL1"


def test_card_that_is_written_or_mended_later_counts_at_once(make: Callable[..., Rig]) -> None:
    rig = make(a=BROKEN, b=card()).up()
    rig.write("a", card("LATER1"))
    rig.bench.poll(1.0)
    assert [each["id"] for each in rig.ask("drills")["drills"]] == ["LATER1", "TILL1"]
    rig.write("d", card("LATER2"))
    assert rig.ask("read_drills") == {"cards": 3, "problems": []}


def test_trigger_of_a_new_card_is_listened_for(make: Callable[..., Rig]) -> None:
    rig = make(a=card().replace("till.noticed", "till.seen")).up()
    assert "till.noticed" not in rig.status.subscribers["chaos_runner"]
    rig.write("b", card("LATER1"))
    rig.bench.poll(1.0)
    assert {"till.seen", "till.noticed"} <= set(rig.status.subscribers["chaos_runner"])


def test_runner_without_any_card_is_not_ready(make: Callable[..., Rig]) -> None:
    rig = make(a=BROKEN)
    with pytest.raises(AssertionError, match="cards_readable"):
        rig.up()


def test_row_of_a_card_tells_its_last_run_and_the_last_verdict(make: Callable[..., Rig]) -> None:
    rig = make(a=card(), b=card("NEVER1", weight=2.5, micro="true")).up()
    never, _ = rig.ask("drills")["drills"]
    assert never == {
        "id": "NEVER1",
        "title": "NEVER1 - a file is changed",
        "category": "files",
        "weight": 2.5,
        "micro": True,
        "last_run": None,
        "passed": None,
        "runs": 0,
        "deviations": 0,
        "detect_s": None,
        "heal_s": None,
        "due": True,
    }
    first = rig.run()
    rig.passes()
    second = rig.run()
    rig.ask("halt")
    rig.bench.advance(5.0)
    row = rig.ask("drill", id="TILL1")
    assert (row["runs"], row["deviations"], row["passed"], row["due"]) == (2, 0, True, False)
    assert row["last_run"] == rig.look(second)["started_at"]
    assert [(each["run"], each["status"]) for each in row["history"]] == [(second, "interrupted"), (first, "completed")]
    assert row["card"]["title"] == "TILL1 - a file is changed"


def test_coverage_and_report_are_of_the_runs_there_were(make: Callable[..., Rig]) -> None:
    rig = make(a=card(playbook="restart"), b=card("NEVER1", weight=2.5)).up()
    run = rig.run()
    rig.passes()
    found = rig.ask("coverage")
    assert (found["total"], found["never"], found["high_risk_pending"]) == (2, ["NEVER1"], ["NEVER1"])
    assert [each["run"] for each in found["deviated"]] == [run]
    report = rig.ask("report")
    assert report["coverage"] == found
    assert found["no_drill"] == ["chaos_runner", "drills", "repair", "self_healing", "till"]
    (line,) = report["runs"]
    assert (line["run"], line["id"], line["passed"], report["kong"]) == (run, "TILL1", False, [])
    assert next(each["what"] for each in line["timeline"]) == "injected"
    assert rig.ask("report", limit=1)["runs"][0]["journal"].endswith(f"{run}.json")
    rig.bench.crash("status")
    assert rig.ask("coverage", wait_s=60.0)["no_drill"] is None, "status was not there to show the tree"


@pytest.mark.parametrize(
    ("verb", "args", "told"),
    [
        ("drill", {}, "id"),
        ("drill", {"id": 7}, "id"),
        ("run_drill", {"id": ""}, "id"),
        ("run_drill", {"id": "TILL1", "by": 7}, "by"),
        ("drill_run", {"run": "drill_x"}, "no drill run 'drill_x'"),
        ("journal", {}, "run"),
        ("journal", {"run": "../../secret"}, "no journal"),
        ("report", {"limit": 0}, "limit"),
        ("leash", {}, "on"),
        ("leash", {"on": "off"}, "on"),
        ("kong", {"seconds": 1}, "seconds"),
        ("kong", {"load": 1e9}, "load"),
        ("kong", {"seed": "x"}, "seed"),
        ("inject", {"target": "till"}, "fault"),
        ("inject", {"fault": "kil", "target": "till"}, "kill"),
        ("inject", {"fault": "change", "target": "home", "params": {"path": "../x", "text": "y"}}, "outside"),
        ("inject", {"fault": "change", "params": 7, "target": "home"}, "params"),
        ("inject", {"fault": "kill", "target": "tilll"}, "tilll"),
        ("undo", {}, "record"),
        ("undo", {"record": "../x"}, "no record"),
        ("step", {"func": "jump"}, "no step 'jump'"),
        ("step", {"func": "act", "args": {"action": "explode"}}, "no action 'explode'"),
        ("step", {"func": "tell", "args": {"kernel": "till", "verb": "x", "times": 0}}, "times is 0"),
        ("step", {"func": "tell", "args": {"kernel": "till", "verb": "x", "every_s": 1e9}}, "every_s"),
        ("step", {"func": "start_dummy", "args": {"name": "d", "kind": "dancer"}}, "importer"),
        ("step", {"func": "start_dummy", "args": {"name": "till", "kind": "clerk"}}, "is no demonstration kernel"),
        ("step", {"func": "stop_dummy", "args": {"name": "till"}}, "is no demonstration kernel"),
        ("probe", {"func": "restart_kernel", "args": {"kernel": "till"}}, "acts"),
        ("probe", {"func": "kernel_state", "args": {"kernle": "till"}}, "kernel"),
        ("event", {}, "type"),
        ("dance", {}, "no verb 'dance'"),
    ],
)
def test_bad_arguments_are_refused_and_say_what_is_wrong(rig: Rig, verb: str, args: dict[str, Any], told: str) -> None:
    error = rig.ask(verb, wait_s=30.0, **args)
    assert set(error) == {"code", "message", "hint"}, error
    assert told in f"{error['message']} {error['hint']}"
    assert rig.ask("faults") == {"records": []}
    rig.run()


def test_journal_of_a_run_that_goes_on_is_not_there_yet(rig: Rig) -> None:
    error = rig.ask("journal", run=rig.run())
    assert (error["code"], "it runs still" in error["hint"]) == ("not_found", True)


def test_before_the_first_drill_there_is_no_newest_run(rig: Rig) -> None:
    assert rig.ask("drill_run")["hint"] == "see: drill list; begin one: drill run ID"


def test_single_faults_steps_and_probes_are_carried_out(rig: Rig) -> None:
    made = rig.ask("inject", fault="change", target="home", params={"path": "config/till.yaml", "text": "limit: 9\n"})
    assert (made["result"], rig.file.read_text()) == ("injected", "limit: 9\n")
    assert rig.ask("undo", record=made["record"])["record"] == made["record"]
    assert rig.file.read_text() == "limit: 5\n"
    assert rig.ask("probe", func="kernel_state", args={"kernel": "till"})["value"] == "running"
    sent = {"kernel": "till", "verb": "sell", "args": {"what": "tea"}, "times": 3, "every_s": 0.1}
    rig.ask("step", func="tell", args=sent)
    assert [each for each in rig.bench.sent if each[1] == "till"] == [
        ("chaos_runner", "till", "sell", {"what": "tea"})
    ] * 3
