"""What is done about a self_healing that is not well: every repair ends, whatever its acts come to."""

from __future__ import annotations

from itertools import product

import pytest

from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.mending.care import MEND, RUNS, Repair, Seen, Why, acts_for, next_step, why_of

CAUSE = {"criterion": "cpu_percent", "value": 99.0}


def played(why: Why, fates: tuple[bool, ...], *, is_safe: bool) -> Repair:
    """The repair in which the first act comes to the first fate, and so on."""
    repair, left = Repair(why, CAUSE, is_safe=is_safe), list(fates)
    while repair.next() is not None:
        repair.acted(Seen(ok=left.pop(0), message="seen"))
    return repair


@pytest.mark.parametrize("is_safe", [False, True])
@pytest.mark.parametrize("why", Why)
def test_whatever_its_acts_come_to_a_repair_ends_and_is_good_only_if_what_is_needed_succeeded(
    why: Why, is_safe: bool
) -> None:
    acts = acts_for(why, is_safe=is_safe)
    for fates in product([True, False], repeat=len(acts)):
        repair = played(why, fates, is_safe=is_safe)
        ids = [act.id for act, _ in repair.done]
        assert len(ids) == len(set(ids)) <= len(acts)
        assert repair.ok is all(seen.ok for act, seen in repair.done if act.needed)
        assert all(
            act.if_failed in {a.id for a, seen in repair.done if not seen.ok} for act, _ in repair.done if act.if_failed
        )
        wanted = repair.wanted()
        if not repair.ok:
            assert wanted is not None and wanted.priority == "critical"
            assert repair.failure in wanted.description
            assert (
                next_step(repair, "wo_1") == "see why self_healing; then: start self_healing, and: work-order show wo_1"
            )


@pytest.mark.parametrize("why", Why)
def test_every_act_is_an_action_there_is_with_parameters_it_takes(why: Why) -> None:
    for act in acts_for(why):
        if act.does not in (MEND, RUNS):
            assert set(act.params) <= set(CATALOGUE[act.does].spec.params)


def test_a_criterion_says_what_is_wrong() -> None:
    assert [why_of(name) for name in ("down", "failed_runs", "queue", "suspicion")] == [
        Why.DOWN,
        Why.FAILING,
        Why.STUCK,
        Why.STUCK,
    ]


def test_one_that_has_neither_a_store_nor_a_snapshot_is_started() -> None:
    """It begins with an empty store; it used to be given up without a start."""
    repair = played(Why.DOWN, (False, False, False, True, True, True, True), is_safe=False)
    assert [act.id for act, _ in repair.done] == ["up", "store", "store_back", "start", "again", "runs", "playbooks"]
    assert repair.ok


def test_of_one_that_came_back_by_itself_nothing_is_ordered() -> None:
    repair = played(Why.DOWN, (True,) * 10, is_safe=False)
    assert [act.id for act, _ in repair.done] == ["up", "runs", "playbooks"]
    assert (repair.wanted(), next_step(repair, "")) == (None, "")
