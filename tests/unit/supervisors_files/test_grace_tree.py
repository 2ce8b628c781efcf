"""Grace's own tree: who is in it, in which order, and that its limits bear a storm of kills."""

from __future__ import annotations

import random

import pytest

from supervisors.loader import BUILT_IN, Tree, load_tree, with_runtime
from supervisors.spec import ChildType, KernelStart, SupervisorSpec
from supervisors.tree_file.keys import ACTORS
from tests.unit.supervisors_files.tree_clock import TreeClock

BRANCHES = {
    "core": ["message_bus", "immutable_log"],
    "memory": ["registry", "signature", "status"],
    "repair": ["self_healing", "coding_agent"],
    "governance_tier": ["secret_manager", "governance", "verification_framework", "clarity_framework"],
    "execution": ["infrastructure_manager", "memory_fusion", "librarian", "sandbox"],
    "agentic": ["agentic_spine", "voice_conversation", "meta_loop", "learning_integration"],
    "services": ["health_monitor", "trigger_mesh", "scheduler", "api_server"],
    "drills": ["chaos_runner"],
}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return load_tree(BUILT_IN)


def test_the_branches_hold_the_twenty_kernels_the_runner_of_drills_and_the_built_in_actors(tree: Tree) -> None:
    found = {branch.id: [child.id for child in branch.start.children] for branch in tree.root.children}
    assert found == BRANCHES
    kernels = [c for c in tree.children() if isinstance(c.start, KernelStart) and ".kernels." in c.start.path]
    assert len(kernels) == 21


def test_each_kernel_is_the_class_named_after_it(tree: Tree) -> None:
    for child in tree.children():
        if isinstance(child.start, KernelStart) and child.id not in ACTORS:
            camel = "".join(word.capitalize() for word in child.id.split("_"))
            assert child.start.path == f"grace_actors.kernels.{child.id}:{camel}"


def test_the_system_is_down_without_three_kernels(tree: Tree) -> None:
    assert {child.id for child in tree.children() if child.critical} == {
        "message_bus",
        "immutable_log",
        "health_monitor",
    }


def test_every_worker_has_a_heartbeat_a_tier_and_a_start_timeout(tree: Tree) -> None:
    for child in tree.children():
        if child.type is ChildType.WORKER:
            assert child.heartbeat is not None
            is_repairer = child.id in BRANCHES["repair"]
            assert (child.heartbeat.interval_s, child.heartbeat.misses) == ((0.75, 4) if is_repairer else (5.0, 3))
            assert child.tier in ("core", "governance", "execution", "agentic", "services", "drills")
            assert child.start_timeout_s in (10.0, 20.0, 30.0)


def test_the_tree_needs_no_runtime_added(tree: Tree) -> None:
    assert with_runtime(tree) is tree


def booted(root: SupervisorSpec, seed: int) -> TreeClock:
    clock = TreeClock(root, seed)
    clock.advance(30.0)
    return clock


def names_ready(clock: TreeClock) -> set[str]:
    return {life.name for life in clock.alive() if life.is_ready}


def all_names(tree: Tree) -> set[str]:
    return {tree.root.name, *(child.id for child in tree.children())}


def test_a_branch_starts_once_the_branches_it_needs_are_ready(tree: Tree) -> None:
    clock = booted(tree.root, seed=1)
    ready_at = {subject: at for at, type, subject in clock.events if type == "child.started"}
    assert ready_at.keys() == all_names(tree) - {tree.root.name}
    for child in tree.children():
        for needed in child.depends_on:
            assert ready_at[needed] <= ready_at[child.id]
    assert ready_at["immutable_log"] < min(ready_at[name] for name in BRANCHES["governance_tier"])
    assert ready_at["governance"] < ready_at["librarian"]


@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_random_kills_in_a_minute_leave_the_tree_whole(tree: Tree, seed: int) -> None:
    clock = booted(tree.root, seed)
    chance = random.Random(seed)
    for _ in range(200):
        clock.advance(60.0 / 200)
        victims = [life for life in clock.alive() if life is not clock.root]
        if victims:  # for an instant all may be on their way
            clock.kill(chance.choice(victims))
    clock.advance(60.0)
    assert clock.root_exit is None
    assert names_ready(clock) == all_names(tree)


@pytest.mark.parametrize("victim", ["librarian", "scheduler", "self_healing"])
def test_a_kernel_in_a_crash_loop_is_quarantined_and_the_rest_stays(tree: Tree, victim: str) -> None:
    clock = booted(tree.root, seed=3)
    for _ in range(3000):
        clock.advance(0.1)
        for life in clock.alive():
            if life.name == victim and life.is_ready:
                clock.kill(life)
    assert clock.root_exit is None
    assert names_ready(clock) == all_names(tree) - {victim}
    restarted = {subject for _, type, subject in clock.events if type == "child.exited"}
    assert restarted.isdisjoint(BRANCHES)
