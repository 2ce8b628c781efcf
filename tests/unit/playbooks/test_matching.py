"""Which playbooks an event starts, and why not the others."""

from __future__ import annotations

from playbooks.matching import Criterion, TriggerEvent, match, matching
from tests.unit.playbooks.driver import playbook

GAP = playbook(
    """
    inputs:
      kernel: {required: true}
      n: {type: integer, default: 1}
    triggers:
      - type: drill
      - type: gap
        when: [issue.age_s > 30, issue.kind == "heartbeat_gap"]
      - type: silence
        with: {kernel: "{{ issue.target }}"}
    steps: [{action: poke}]
    """
)
ISSUE = {"age_s": 40, "kind": "heartbeat_gap", "kernel": "librarian"}


def test_an_event_that_fits_starts_the_playbook_with_the_fields_of_the_issue() -> None:
    event = TriggerEvent(type="gap", issue={**ISSUE, "n": 7})
    assert matching([GAP], event) == [(GAP, {"kernel": "librarian", "n": 7})]


def test_a_trigger_may_make_the_inputs_itself() -> None:
    event = TriggerEvent(type="silence", issue={"target": "sandbox", "kernel": "other"})
    assert matching([GAP], event) == [(GAP, {"kernel": "sandbox", "n": 1})]


def test_every_condition_is_told_with_what_was_seen() -> None:
    found = match(GAP, TriggerEvent(type="gap", issue={"age_s": 20, "kernel": "a"}))
    assert found.attempt is None
    assert [each.trigger for each in found.attempts] == ["drill", "gap", "silence"]
    assert found.attempts[1].criteria == (
        Criterion(text="type is gap", place="", holds=True, seen={"type": "gap"}),
        Criterion(text="issue.age_s > 30", place="p.yaml:11:12", holds=False, seen={"issue.age_s": 20}),
        Criterion(
            text='issue.kind == "heartbeat_gap"',
            place="p.yaml:11:30",
            holds=False,
            problem="issue.kind is missing; there is age_s, kernel",
        ),
    )


def test_an_event_of_another_type_is_told_by_its_type_alone() -> None:
    found = match(GAP, TriggerEvent(type="spike", issue=ISSUE))
    assert [[each.text for each in attempt.criteria] for attempt in found.attempts] == [
        ["type is drill"],
        ["type is gap"],
        ["type is silence"],
    ]
    assert not any(attempt.matches for attempt in found.attempts)


def test_inputs_that_cannot_be_had_are_a_reason() -> None:
    for issue, problem in (
        ({"age_s": 40, "kind": "heartbeat_gap"}, "kernel is missing"),
        ({**ISSUE, "n": "x"}, "n is 'x', allowed: a value of type integer"),
    ):
        found = match(GAP, TriggerEvent(type="gap", issue=issue))
        assert found.attempt is None
        assert [each.problem for each in found.attempts[1].criteria if not each.holds] == [problem]
    lost = match(GAP, TriggerEvent(type="silence"))
    assert [each.problem for each in lost.attempts[2].criteria if not each.holds] == [
        "issue.target is missing; there is nothing"
    ]


def test_a_playbook_that_is_disabled_matches_nothing() -> None:
    off = playbook("enabled: false\ntriggers: [{type: gap}]\nsteps: [{action: poke}]\n")
    found = match(off, TriggerEvent(type="gap"))
    assert (found.enabled, found.attempt) == (False, None)
    assert found.attempts[0].matches
