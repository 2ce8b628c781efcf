"""The scenarios of `examples/policies`: one file for each policy that acts by itself, and what must come of it.

A policy that joins brings its file and its rows here.
"""

import json
from pathlib import Path

import pytest

from supervisors import POLICIES, simulate

FOLDER = Path(__file__).parents[3] / "examples" / "policies"
SHOWN_ELSEWHERE = {"watchdog", "recycle", "repair"}
QUIET = ("child.started", "child.exited", "child.stopped", "child.start_failed", "child.restart_delayed")

EXPECTED = {
    ("mutual_repair", "stuck_partner"): [
        "1 mutual_repair.requested writer",
        "1 child.recycled writer",
        "2 mutual_repair.healed writer",
    ],
    ("mutual_repair", "failing_partner_never_recovers"): [
        "1 mutual_repair.requested healer",
        "1 child.recycled healer",
        "2 mutual_repair.failed healer",
        "2 mutual_repair.requested healer",
        "2 child.recycled healer",
        "2 mutual_repair.failed healer",
        "2 mutual_repair.exhausted healer",
    ],
    ("mutual_repair", "both_unwell"): [
        "4 mutual_repair.both_unwell both_unwell",
        "5 mutual_repair.requested writer",  # healer is up again
        "5 mutual_repair.healed writer",
    ],
    ("load_shed", "pressure_comes_and_goes"): [
        "1 load.shed window",
        "3 load.shed prices",
        "3 load.unrelieved pressure_comes_and_goes",
        "5 load.restored prices",
        "5 load.restored window",
    ],
    ("load_shed", "measurements_stop"): ["1 load.shed prices", "2 load.restored prices"],
    ("quarantine", "released_and_proved"): ["3 child.quarantined prices", "4 quarantine.released prices"],
    ("quarantine", "never_gets_well"): [
        "3 child.quarantined prices",
        "4 quarantine.released prices",
        "4 quarantine.released prices",
        "4 quarantine.exhausted prices",
    ],
    ("emergency", "two_of_three_down"): [
        "2 emergency.warned bus",
        "4 emergency.declared two_of_three_down",
        "6 emergency.ended two_of_three_down",
    ],
    ("emergency", "restarted_at_once"): [],
    ("staggered_restart", "two_wait_for_each_other"): [
        "3 deadlock.found two_wait_for_each_other",
        "3 deadlock.broken two_wait_for_each_other",
        "4 child.recycled credits",  # back to its normal settings
        "4 child.recycled debits",
    ],
    ("staggered_restart", "slow_but_nobody_owes"): [],
    ("staggered_restart", "comes_again_and_again"): [
        "1 deadlock.found comes_again_and_again",
        "1 deadlock.broken comes_again_and_again",
        "3 deadlock.unresolved comes_again_and_again",
    ],
    ("micro_chaos", "leashed_until_somebody_says_so"): [
        "2 drill.planned leashed_until_somebody_says_so",
        "3 drill.due leashed_until_somebody_says_so",
        "3 drill.planned leashed_until_somebody_says_so",
        "6 drill.withheld leashed_until_somebody_says_so",
    ],
    ("micro_chaos", "never_during_an_incident"): [
        "1 drill.planned never_during_an_incident",
        "3 drill.withheld never_during_an_incident",
        "5 drill.due never_during_an_incident",
        "5 drill.planned never_during_an_incident",
    ],
    ("micro_chaos", "only_in_its_hours"): [
        "2 drill.planned only_in_its_hours",
        "3 drill.withheld only_in_its_hours",
        "4 drill.due only_in_its_hours",
        "4 drill.planned only_in_its_hours",
    ],
    ("micro_chaos", "the_error_budget_is_spent"): [
        "3 drill.planned the_error_budget_is_spent",
        "4 drill.withheld the_error_budget_is_spent",
        "5 drill.due the_error_budget_is_spent",
        "5 drill.planned the_error_budget_is_spent",
    ],
}


def scenarios(policy):
    return {scenario["id"]: scenario for scenario in json.loads((FOLDER / f"{policy}.json").read_text())}


def told(moments):
    return [
        f"{number} {report.type} {report.subject}"
        for number, moment in enumerate(moments)
        for report in moment.reports
        if report.type not in QUIET
    ]


@pytest.mark.parametrize("policy", sorted({policy for policy, _ in EXPECTED}))
def test_every_scenario_of_the_folder_has_its_expectation(policy):
    assert set(scenarios(policy)) == {id for name, id in EXPECTED if name == policy}


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - SHOWN_ELSEWHERE))
def test_every_policy_that_acts_has_a_scenario(policy):
    file = FOLDER / f"{policy}.json"
    assert file.exists(), f"write {file} and its rows in EXPECTED"
    assert [s for s in scenarios(policy).values() if policy in [p["name"] for p in s["policies"]]]


@pytest.mark.parametrize(("policy", "id"), list(EXPECTED), ids=lambda word: word)
def test_scenario_plays_out_as_described(policy, id):
    assert told(simulate(scenarios(policy)[id])) == EXPECTED[policy, id]


def test_a_moment_tells_who_is_paused():
    paused = [moment.paused for moment in simulate(scenarios("load_shed")["pressure_comes_and_goes"])]
    assert paused == [(), ("window",), ("window",), ("prices", "window"), ("prices", "window"), ()]


def test_a_repair_of_failing_runs_starts_in_safe_mode():
    moments = simulate(scenarios("mutual_repair")["failing_partner_never_recovers"])
    assert {child.id: child.mode for child in moments[1].children} == {"healer": "safe", "writer": ""}
