"""Branches are restarted through their parents, kernels one after the other, pools change their size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from grace_actors.kernel import Kernel, Request
from tests.unit.actions.stage import PERFORMER, Stage, World


def test_a_branch_is_restarted_through_its_parent_and_seen_in_a_new_generation(stage: Stage) -> None:
    stage.world.add("execution", kind="supervisor", children=[{"name": "librarian"}])
    assert stage.perform("restart_supervisor", supervisor="execution", check=True).changed
    assert stage.world.done == []
    result = stage.ok("restart_supervisor", supervisor="execution")
    assert (result.changed, result.data["children"]) == (True, ["librarian"])
    assert stage.world.done == [("recycle", "execution")]


def test_the_root_and_the_branch_of_the_performer_are_refused(stage: Stage) -> None:
    assert "performs this action and is below branch" in stage.fails("restart_supervisor", supervisor="branch").message
    assert "is below root" in stage.fails("restart_supervisor", supervisor="root").message
    assert "is a kernel" in stage.fails("restart_supervisor", supervisor=PERFORMER).message


def test_a_branch_that_does_not_come_back_is_a_failure(stage: Stage) -> None:
    stage.world.add("execution", kind="supervisor")
    stage.world.is_idle = True
    assert "was not running" in stage.fails("restart_supervisor", supervisor="execution", wait_s=5.0).message


def test_a_kernel_is_killed_and_started_without_a_word(stage: Stage) -> None:
    stage.world.add("librarian")
    stage.ok("force_restart_kernel", kernel="librarian")
    assert stage.world.done == [("recycle", "librarian")]
    assert stage.world.asked[-1]["force"] is True
    assert "cannot restart itself" in stage.fails("force_restart_kernel", kernel=PERFORMER).message


def test_kernels_are_all_stopped_then_started_with_a_pause_between(stage: Stage) -> None:
    for name in ("librarian", "sandbox"):
        stage.world.add(name)
    stage.world.add("scheduler", state="quarantined")
    began = stage.bench.clock
    names = ["librarian", PERFORMER, "sandbox", "scheduler"]
    result = stage.ok("restart_staggered", kernels=names, stagger_s=7.0, mode="safe")
    assert stage.world.done == [
        ("terminate_child", "librarian"),
        ("terminate_child", "sandbox"),
        ("restart_child", "librarian"),
        ("restart_child", "sandbox"),
        ("reset", "scheduler"),
    ]
    assert [args.get("mode") for args in stage.world.asked[-3:]] == ["safe"] * 3
    assert result.data == {"value": 3, "skipped": [PERFORMER], "failed": {}}
    assert stage.world.times[-1] - stage.world.times[-3] >= 14.0
    assert stage.world.times[0] - began < 7.0


def test_a_kernel_that_does_not_come_back_keeps_no_other_down(stage: Stage) -> None:
    for name in ("librarian", "sandbox"):
        stage.world.add(name)
    stage.world.ends_as = "quarantined"
    result = stage.fails("restart_staggered", kernels=["librarian", "sandbox"], stagger_s=0.0)
    assert list(result.data["failed"]) == ["librarian", "sandbox"]
    assert ("restart_child", "sandbox") in stage.world.done


def test_the_performer_alone_is_refused_and_an_unknown_name_stops_nothing(stage: Stage) -> None:
    stage.world.add("librarian")
    assert "nothing to restart" in stage.fails("restart_staggered", kernels=[PERFORMER]).message
    assert "there is no 'x'" in stage.fails("restart_staggered", kernels=["librarian", "x"]).message
    assert stage.world.done == []


class FakePool(Kernel):
    """A dynamic supervisor with at most four children."""

    world: World
    workers: list[str]

    def do_call(self, request: Request) -> Any:
        op, child = request.args["op"], request.args.get("child")
        if op == "start_child":
            if len(self.workers) == 4:
                return {"result": "max_children", "value": 4}
            assert request.args["like"] == "worker"
            self.workers.append(request.args["id"])
            self.world.add(request.args["id"])
        else:
            self.workers.remove(child)
            del self.world.nodes[child]
        self.world.nodes["pool"]["children"] = [{"name": name} for name in self.workers]
        return {"result": "ok", "value": None}


@pytest.fixture
def pool(stage: Stage) -> Callable[[], list[str]]:
    stage.world.add("pool", kind="supervisor", strategy="dynamic", children=[{"name": "worker"}])
    stage.world.add("worker")
    played = type("FakePool", (FakePool,), {"world": stage.world, "workers": ["worker"]})
    stage.bench.add("pool", played)
    return lambda: played.workers


def test_a_pool_grows_by_workers_like_the_first_and_shrinks_by_the_newest(
    stage: Stage, pool: Callable[[], list[str]]
) -> None:
    stage.world.add("worker-3", kind="process")  # a name that somebody else has
    assert stage.perform("scale_workers", supervisor="pool", workers="+2", check=True).data["value"] == 3
    assert pool() == ["worker"]
    assert stage.ok("scale_workers", supervisor="pool", workers="+2").data["value"] == 3
    assert pool() == ["worker", "worker-2", "worker-4"]
    stage.ok("scale_workers", supervisor="pool", workers="-1")
    assert pool() == ["worker", "worker-2"]
    assert stage.ok("scale_workers", supervisor="pool", workers="1").changed
    assert pool() == ["worker"]
    assert not stage.ok("scale_workers", supervisor="pool", workers="1").changed


def test_what_a_pool_cannot_be_is_refused(stage: Stage, pool: Callable[[], list[str]]) -> None:
    assert "one at least stays" in stage.fails("scale_workers", supervisor="pool", workers="-1").message
    assert "are allowed" in stage.fails("scale_workers", supervisor="pool", workers="many").message
    assert "max_children" in stage.fails("scale_workers", supervisor="pool", workers="9").message
    assert "the strategy of branch is" in stage.fails("scale_workers", supervisor="branch", workers="+1").message
