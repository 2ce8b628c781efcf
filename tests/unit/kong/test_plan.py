"""Chaos Kong's plan: everything at once and again, within its time, and no more than the machine and the tree bear."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.table import checked
from chaos.kong import KINDS, Blast, Kind, plan
from chaos.kong.plan import BRANCHES, BUS, CORRUPTIBLE, HEALERS, KEEPER, LOG
from grace_actors.actions.catalogue import CATALOGUE
from tests.harness.examples import examples
from tests.harness.instance import ROOT

GRACE = ROOT / "supervisors" / "grace.yaml"
TREE = [
    ("message_bus", "core", True),
    ("immutable_log", "core", True),
    ("self_healing", "core", False),
    ("coding_agent", "core", False),
    ("governance", "governance", False),
    ("clarity_framework", "governance", False),
    ("infrastructure_manager", "execution", False),
    ("librarian", "execution", False),
    ("meta_loop", "agentic", False),
    ("health_monitor", "services", True),
    ("scheduler", "services", False),
    ("agentic", "", False),
    ("execution", "", False),
    ("services", "", False),
    ("chaos_runner", "services", False),
    ("drill_source", "services", False),
    ("drill_sink", "services", True),
]
BEARS_A_MINUTE = 20
"""Half of what a branch of the built-in tree bears, so that what follows from a kill has room beside it."""
times = st.floats(10, 3600, allow_nan=False).map(lambda seconds: round(seconds, 3))
seeds = st.integers(-(2**40), 2**40)


@settings(max_examples=examples(60), deadline=None)
@given(times, seeds)
def test_every_kind_of_blast_is_in_every_plan(seconds: float, seed: int) -> None:
    assert {blast.kind for blast in plan(seconds, seed, TREE)} == set(KINDS)


def ends_s(blast: Blast) -> float:
    """When it is over by itself; that of one without a duration is when it comes."""
    return blast.at_s + float(blast.params.get("seconds", 0.0))


@settings(max_examples=examples(60), deadline=None)
@given(times, seeds)
def test_nothing_begins_or_lasts_beyond_the_end(seconds: float, seed: int) -> None:
    blasts = plan(seconds, seed, TREE)
    assert [blast for blast in blasts if not 0 <= blast.at_s <= ends_s(blast) <= seconds] == []
    assert blasts == sorted(blasts, key=lambda blast: blast.at_s)


@settings(max_examples=examples(60), deadline=None)
@given(times, seeds)
def test_what_takes_the_machine_never_overlaps_itself(seconds: float, seed: int) -> None:
    for kind in (Kind.CPU, Kind.MEMORY):
        mine = [blast for blast in plan(seconds, seed, TREE) if blast.kind is kind]
        assert all(ends_s(before) <= after.at_s for before, after in itertools.pairwise(mine))
    for blast in plan(seconds, seed, TREE):
        assert blast.params.get("cores", 0) <= 2 and blast.params.get("mb", 0) <= 512


@settings(max_examples=examples(60), deadline=None)
@given(times, seeds)
def test_the_runner_and_demonstration_kernels_are_never_a_target(seconds: float, seed: int) -> None:
    targets = {blast.target for blast in plan(seconds, seed, TREE)}
    assert targets <= {name for name, _, _ in TREE if not name.startswith("drill_")} - {"chaos_runner"} | {"host"}


def kills_a_minute(blasts: list[Blast]) -> int:
    """The most kills of one target within any minute."""
    kills = [blast for blast in blasts if blast.fault in ("kill", "corrupt", "mute")]
    counts = [
        Counter(other.target for other in kills if blast.at_s <= other.at_s < blast.at_s + 60).most_common(1)[0][1]
        for blast in kills
    ]
    return max(counts)


@settings(max_examples=examples(30), deadline=None)
@given(times, seeds)
def test_no_target_is_killed_more_often_than_its_supervisor_bears(seconds: float, seed: int) -> None:
    assert kills_a_minute(plan(seconds, seed, TREE)) <= BEARS_A_MINUTE


@settings(max_examples=examples(30), deadline=None)
@given(times, seeds)
def test_the_same_seed_gives_the_same_plan(seconds: float, seed: int) -> None:
    assert plan(seconds, seed, TREE) == plan(seconds, seed, list(TREE))


def test_another_seed_gives_another_plan() -> None:
    assert plan(300, 1, TREE) != plan(300, 2, TREE)


def test_the_first_wave_has_everything_at_once() -> None:
    assert {blast.kind for blast in plan(300, 7, TREE) if blast.at_s == 0} == set(KINDS)


def test_it_goes_on_until_shortly_before_its_end() -> None:
    assert {max(blast.at_s for blast in plan(300, seed, TREE)) for seed in range(20)} == {298.0}


def test_no_blast_damages_the_store_of_what_has_acknowledged_something() -> None:
    damaged = {blast.target for seed in range(50) for blast in plan(300, seed, TREE) if blast.fault == "corrupt"}
    assert damaged
    assert damaged.isdisjoint({"message_bus", "immutable_log", "coding_agent", "self_healing", "secret_manager"})


def test_every_blast_is_a_fault_or_an_action_there_is_with_its_parameters() -> None:
    for blast in plan(300, 3, TREE):
        if blast.via == "fault":
            assert checked(blast.fault, dict(blast.params)).keys() >= blast.params.keys()
        elif blast.via == "act":
            assert blast.fault in CATALOGUE
        else:
            assert blast.via == "ask" and blast.why


@pytest.mark.parametrize("seconds", [0, 9.9, -1, 3601, float("nan"), float("inf")])
def test_a_time_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="allowed are 10 s"):
        plan(seconds, 0, TREE)


def test_the_built_in_tree_has_everything_that_is_hit() -> None:
    tree = yaml.safe_load(GRACE.read_text(encoding="utf-8"))
    names = {branch["supervisor"] for branch in tree["children"]}
    names |= {child.get("id") or child["actor"] for branch in tree["children"] for child in branch["children"]}
    kernels = [(name, "core", False) for name in sorted(names)]
    assert names >= {*HEALERS, *CORRUPTIBLE, *BRANCHES, BUS, LOG, KEEPER}
    assert {blast.target for blast in plan(300, 1, kernels)} <= names | {"host"}
