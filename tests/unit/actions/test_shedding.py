"""Load is shed by pausing what is not critical, and given back to exactly those."""

from __future__ import annotations

import json

import pytest

from tests.unit.actions.stage import PERFORMER, Answering, Stage


@pytest.fixture
def loaded(stage: Stage) -> Stage:
    stage.world.add("message_bus", critical=True)
    stage.world.add("governance", tier="governance")
    stage.world.add("infrastructure_manager")
    stage.world.add("trigger_mesh")
    stage.world.add("librarian", pid=7)
    stage.world.add("sandbox", pid=8)
    stage.world.add("window", kind="process")
    stage.world.add("scheduler", state="stopped")
    rows = [{"pid": 7, "cpu_percent": 5.0, "memory_mb": 90.0}, {"pid": 8, "cpu_percent": 80.0, "memory_mb": 9.0}]
    stage.bench.add("infrastructure_manager", Answering, processes={"processes": rows})
    return stage


def paused(stage: Stage) -> list[str]:
    return [name for name, node in stage.world.nodes.items() if node["state"] == "paused"]


def test_everything_that_may_be_paused_is_but_not_who_measures_and_notices(loaded: Stage) -> None:
    assert loaded.ok("pause_non_critical_kernels").data["kernels"] == ["librarian", "sandbox"]
    assert paused(loaded) == ["librarian", "sandbox"]


def test_kernels_can_be_kept_from_being_paused(loaded: Stage) -> None:
    loaded.ok("pause_non_critical_kernels", keep=["sandbox"])
    assert paused(loaded) == ["librarian"]


@pytest.mark.parametrize(("resource", "name"), [("cpu", "sandbox"), ("memory", "librarian")])
def test_the_largest_user_of_what_is_short_is_paused_first(loaded: Stage, resource: str, name: str) -> None:
    used = loaded.ok("shed_load", resource=resource).data["used"]
    assert (paused(loaded), used) == ([name], {name: 80.0 if resource == "cpu" else 90.0})


def test_load_is_not_shed_blindly_when_nobody_measures(loaded: Stage) -> None:
    loaded.bench.crash("infrastructure_manager")
    assert "infrastructure_manager did not answer" in loaded.fails("shed_load").message
    assert paused(loaded) == []


def test_a_count_of_none_is_refused(loaded: Stage) -> None:
    assert "from 1" in loaded.fails("shed_load", count=0).message


def test_where_everything_is_critical_nothing_is_paused_and_it_fails(stage: Stage) -> None:
    stage.world.add("message_bus", critical=True)
    assert "no running kernel may be paused" in stage.fails("pause_non_critical_kernels").message


def test_what_these_actions_paused_is_resumed_and_what_others_paused_is_not(loaded: Stage) -> None:
    loaded.ok("shed_load")
    loaded.world.nodes["librarian"]["state"] = "paused"
    assert loaded.ok("resume_paused_kernels").data["kernels"] == ["sandbox"]
    assert paused(loaded) == ["librarian"]
    assert not loaded.ok("resume_paused_kernels").changed


def test_a_kernel_that_was_restarted_or_resumed_meanwhile_is_left_alone(loaded: Stage) -> None:
    loaded.ok("pause_non_critical_kernels")
    loaded.world.nodes["sandbox"]["state"] = "running"
    loaded.world.done.clear()
    loaded.ok("resume_paused_kernels")
    assert loaded.world.done == [("resume", "librarian")]


def test_what_is_about_to_be_paused_is_noted_before_it_is(loaded: Stage) -> None:
    loaded.world.result = "not now"
    loaded.fails("shed_load", reason="too hot")
    noted = json.loads((loaded.home / "data" / PERFORMER / "paused_kernels.json").read_text())
    assert noted["sandbox"]["reason"] == "too hot"


def test_a_resume_that_is_refused_keeps_the_note(loaded: Stage) -> None:
    loaded.ok("shed_load")
    loaded.world.result = "not now"
    assert "sandbox has no process now" in loaded.fails("resume_paused_kernels").message
    loaded.world.result = "ok"
    assert loaded.ok("resume_paused_kernels").data["kernels"] == ["sandbox"]
