"""Actions on single kernels and processes: they ask supervisors and believe what status shows."""

from __future__ import annotations

import pytest

from tests.unit.actions.stage import PERFORMER, Answering, Stage

SOUND = {"checks": [{"name": "setup", "ok": True, "detail": ""}]}
BROKEN = {"checks": [{"name": "disk", "ok": False, "detail": "full"}]}


def test_a_running_kernel_is_recycled_and_seen_in_a_new_generation(stage: Stage) -> None:
    stage.world.add("librarian")
    result = stage.ok("restart_kernel", kernel="librarian")
    assert (result.changed, result.data["value"], result.data["generation"]) == (True, "running", 2)
    assert stage.world.done == [("recycle", "librarian")]


@pytest.mark.parametrize(
    ("state", "op"),
    [("stopped", "restart_child"), ("failed", "reset"), ("quarantined", "reset"), ("paused", "recycle")],
)
def test_restart_and_start_bring_up_what_is_down_by_the_fitting_operation(stage: Stage, state: str, op: str) -> None:
    stage.world.add("librarian", state=state)
    stage.ok("restart_kernel", kernel="librarian")
    assert stage.world.done == [(op, "librarian")]


def test_a_restart_that_shows_no_new_generation_is_a_failure(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.world.is_idle = True
    result = stage.fails("restart_kernel", kernel="librarian", wait_s=5.0)
    assert "was not running or paused after 5 s: it is running" in result.message
    assert result.changed


def test_a_kernel_that_fails_again_fails_its_restart_at_once(stage: Stage) -> None:
    stage.world.add("librarian", last_exit={"reason": "ValueError: boom", "detail": "", "at": ""})
    stage.world.ends_as = "quarantined"
    assert "librarian is quarantined: ValueError: boom" in stage.fails("restart_kernel", kernel="librarian").message


def test_a_supervisor_that_does_not_answer_is_a_failure(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.world.is_silent = True
    assert "branch: call failed: branch did not answer" in stage.fails("restart_kernel", kernel="librarian").message


def test_what_the_supervisor_refuses_is_told_in_words(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.world.result = "temporary"
    assert "it is temporary" in stage.fails("restart_kernel", kernel="librarian").message


def test_a_status_actor_that_is_gone_is_a_failure(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.bench.crash("status")
    assert "status did not answer" in stage.fails("restart_kernel", kernel="librarian").message


@pytest.mark.parametrize("name", ["restart_kernel", "stop_kernel", "pause_kernel", "restore_from_snapshot"])
def test_the_performer_is_not_made_to_end_or_hold_itself(stage: Stage, name: str) -> None:
    result = stage.fails(name, kernel=PERFORMER)
    assert f"{PERFORMER} performs this action" in result.message
    assert stage.world.done == []


def test_another_performer_may_restart_self_healing(stage: Stage) -> None:
    stage.ok("restart_kernel", kernel=PERFORMER, by="coding_agent")
    assert stage.world.done == [("recycle", PERFORMER)]


def test_a_name_that_is_unknown_is_refused_with_the_nearest(stage: Stage) -> None:
    stage.world.add("librarian")
    assert "did you mean librarian?" in stage.fails("restart_kernel", kernel="libarian").message


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("restart_kernel", {"kernel": "window"}),
        ("restart_service", {"service": "librarian"}),
        ("stop_kernel", {"kernel": "registry"}),
        ("pause_kernel", {"kernel": "registry"}),
        ("restart_kernel", {"kernel": "branch"}),
    ],
)
def test_a_node_of_another_kind_is_refused(stage: Stage, name: str, params: dict[str, str]) -> None:
    stage.world.add("window", kind="process")
    stage.world.add("librarian")
    stage.world.add("registry", kind="actor")
    assert "this action is for a" in stage.fails(name, **params).message
    assert stage.world.done == []


def test_a_service_is_restarted_as_a_kernel_is(stage: Stage) -> None:
    stage.world.add("window", kind="process")
    assert stage.ok("restart_service", service="window").data["generation"] == 2


def test_a_service_that_stays_down_fails(stage: Stage) -> None:
    stage.world.add("window", kind="process")
    stage.world.ends_as = "failed"
    assert "window is failed" in stage.fails("restart_service", service="window").message


def test_a_stopped_kernel_is_started_and_one_that_runs_is_left_alone(stage: Stage) -> None:
    stage.world.add("librarian", state="stopped")
    assert stage.ok("start_kernel", kernel="librarian").changed
    assert not stage.ok("start_kernel", kernel="librarian").changed
    assert stage.world.done == [("restart_child", "librarian")]


def test_what_status_still_tells_of_the_life_before_is_not_taken_for_the_new_one(stage: Stage) -> None:
    stage.world.add("librarian", state="quarantined", last_exit={"reason": "ValueError: boom", "detail": "", "at": ""})
    stage.world.lag = 3
    assert stage.ok("start_kernel", kernel="librarian").data["value"] == "running"


def test_a_start_that_fails_is_a_failure(stage: Stage) -> None:
    stage.world.add("librarian", state="stopped")
    stage.world.result = "start_failed"
    assert "its start failed" in stage.fails("start_kernel", kernel="librarian").message


def test_a_kernel_is_stopped_once(stage: Stage) -> None:
    stage.world.add("librarian")
    assert stage.ok("stop_kernel", kernel="librarian").data["value"] == "stopped"
    assert not stage.ok("stop_kernel", kernel="librarian").changed


def test_a_stop_that_is_not_seen_is_a_failure(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.world.is_idle = True
    assert "it is running" in stage.fails("stop_kernel", kernel="librarian", wait_s=1.0).message


def test_a_kernel_is_paused_and_resumed(stage: Stage) -> None:
    stage.world.add("librarian")
    assert stage.ok("pause_kernel", kernel="librarian").data["value"] == "paused"
    assert not stage.ok("pause_kernel", kernel="librarian").changed
    assert stage.ok("resume_kernel", kernel="librarian").data["value"] == "running"
    assert not stage.ok("resume_kernel", kernel="librarian").changed


@pytest.mark.parametrize("name", ["pause_kernel", "resume_kernel"])
def test_a_kernel_that_is_down_is_neither_paused_nor_resumed(stage: Stage, name: str) -> None:
    stage.world.add("librarian", state="stopped")
    assert "librarian is stopped" in stage.fails(name, kernel="librarian").message


def test_a_pause_that_is_not_seen_is_a_failure(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.world.is_idle = True
    assert "was not paused" in stage.fails("pause_kernel", kernel="librarian").message


def test_the_state_of_a_kernel_is_its_value_whatever_it_is(stage: Stage) -> None:
    stage.world.add("librarian", state="quarantined")
    result = stage.ok("kernel_state", kernel="librarian")
    assert (result.data["value"], result.changed) == ("quarantined", False)
    assert "there is no 'nobody'" in stage.fails("kernel_state", kernel="nobody").message


def test_a_kernel_is_ready_when_its_self_test_passes(stage: Stage) -> None:
    stage.world.add("librarian", state="starting")
    stage.bench.add("librarian", Answering).ready = list  # type: ignore[method-assign]
    stage.bench.kernels["librarian"].ctx.config["ready"] = SOUND  # type: ignore[index]
    stage.bench.at(3.0, lambda: stage.world.nodes["librarian"].update(state="running"), "test")
    assert stage.ok("wait_until_ready", kernel="librarian").data["value"] == "running"


def test_a_kernel_whose_self_test_fails_is_not_ready(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.bench.add("librarian", Answering, ready=BROKEN)
    assert "disk: full" in stage.fails("wait_until_ready", kernel="librarian", wait_s=2.0).message


def test_kernels_that_do_not_run_are_named(stage: Stage) -> None:
    stage.world.add("librarian", state="failed")
    assert stage.fails("verify_kernels_running").data["down"] == {"librarian": "failed"}
    assert stage.ok("verify_kernels_running", kernels=[PERFORMER]).data["value"] == 1
    assert "not in the tree" in stage.fails("verify_kernels_running", kernels=["nobody"]).message
