"""Steps of a run: conditions, results, attempts, time limits, and what a failure leads to."""

from __future__ import annotations

import pytest

from playbooks import messages as m
from tests.unit.playbooks.driver import Driver

TWO = """
    steps:
      - {id: a, action: look, register: seen}
      - {id: b, action: poke}
"""


def test_steps_are_called_one_after_the_other() -> None:
    run = Driver(TWO).begin()
    assert run.calls() == ["a"]
    assert run.ok().called_now() == ["b"]
    assert run.ok().status == "succeeded"
    assert run.ended == m.Ended(m.Status.SUCCEEDED, m.Outcome("done, nothing to verify"))


def test_a_run_that_was_delayed_is_scheduled_until_it_begins() -> None:
    run = Driver(TWO).send(m.Delayed("r0 is running"))
    assert (run.status, run.calls()) == ("scheduled", [])
    assert run.reports("run.scheduled") == [{"run": "r1", "reason": "r0 is running"}]
    assert run.begin().status == "running"


def test_a_run_begins_once() -> None:
    run = Driver(TWO).begin().begin()
    assert run.calls() == ["a"]


def test_the_result_of_a_step_is_a_variable_of_later_ones() -> None:
    run = Driver(
        """
        steps:
          - {id: a, action: look, register: seen}
          - {id: b, action: scale, with: {workers: "{{ seen.data.n + 1 }}"}, when: [seen.ok, seen.data.n > 2]}
        """
    )
    run.begin().ok({"n": 4})
    assert run.call.params == {"workers": 5, "mode": "gentle"}


@pytest.mark.parametrize(("n", "called"), [(4, ["a", "b"]), (1, ["a"])])
def test_a_list_of_conditions_is_an_and(n: int, called: list[str]) -> None:
    run = Driver(
        """
        steps:
          - {id: a, action: look, register: seen}
          - {id: b, action: poke, when: [seen.ok, seen.data > 2]}
        """
    )
    assert run.begin().ok(n).calls() == called


def test_a_step_that_is_skipped_is_told_and_counts_as_not_ok() -> None:
    run = Driver(
        """
        steps:
          - {id: a, action: look, when: false, register: seen}
          - {id: b, action: scale, when: not seen.ok and seen.message == "skipped"}
        """
    )
    assert run.begin().calls() == ["b"]
    assert run.reports("step.skipped") == [{"run": "r1", "step": "a"}]


def test_a_condition_that_has_no_value_fails_the_step() -> None:
    run = Driver("steps: [{id: a, action: poke, when: issue.age_s > 3}]\n", issue={"kind": "x"}).begin()
    assert (run.status, run.calls()) == ("failed", [])
    assert run.message == "a: issue.age_s is missing; there is kind"


def test_a_parameter_of_the_wrong_type_fails_the_step_before_it_is_called() -> None:
    run = Driver('steps: [{id: a, action: scale, with: {workers: "{{ issue.n }}"}}]\n', issue={"n": "many"}).begin()
    assert (run.status, run.calls()) == ("failed", [])
    assert "workers is 'many', allowed: a value of type integer" in run.message


def test_missing_inputs_end_the_run_before_anything_is_called() -> None:
    body = "inputs: {kernel: {required: true}, n: {type: integer, default: 3}}\nsteps: [{action: poke}]\n"
    run = Driver(body, inputs={"kernal": "x"}).begin()
    assert (run.status, run.calls()) == ("failed", [])
    assert run.message == "inputs: unknown parameter 'kernal'; kernel is missing"
    assert Driver(body, inputs={"kernel": "x"}).begin().run.variables()["inputs"] == {"kernel": "x", "n": 3}


def test_a_step_that_fails_is_retried_after_the_delay_and_no_more_than_count_says() -> None:
    run = Driver("steps: [{id: a, action: poke, retry: {count: 2, delay: 3s}}]\n").begin()
    run.fails()
    assert run.called_now() == []
    assert run.advance(2.9).calls() == ["a"]
    assert run.advance(0.1).calls() == ["a", "a"]
    assert run.call.attempt == 2
    run.fails().advance(3)
    assert run.fails("still no").status == "failed"
    assert (len(run.calls()), run.message) == (3, "a: still no")


def test_a_step_that_succeeds_at_the_second_attempt_has_succeeded() -> None:
    run = Driver("steps: [{id: a, action: poke, retry: {count: 1}}]\n").begin().fails().advance(0).ok()
    assert (run.status, run.calls()) == ("succeeded", ["a", "a"])


def test_each_step_has_its_own_attempts() -> None:
    run = Driver(
        "steps: [{id: a, action: poke, retry: {count: 1}}, {id: b, action: poke, retry: {count: 1}}]\n"
    ).begin()
    run.fails().advance(0).ok().fails().advance(0)
    assert (run.calls(), run.call.attempt) == (["a", "a", "b", "b"], 2)


def test_a_step_without_an_answer_fails_after_its_own_time_or_that_of_the_action() -> None:
    own = Driver("steps: [{id: a, action: look, timeout: 2s}]\n").begin()
    assert own.advance(1.9).status == "running"
    assert own.advance(0.1).message == "a: no answer of look within 2 s"
    assert Driver("steps: [{id: a, action: look}]\n").begin().advance(4.9).status == "running"


def test_an_idempotent_action_is_called_again_after_a_silence() -> None:
    run = Driver("steps: [{id: a, action: set_flag, retry: {count: 1}}]\n").begin().advance(10).advance(0)
    assert run.calls() == ["a", "a"]


def test_an_action_that_is_not_idempotent_is_not_called_again_after_a_silence() -> None:
    run = Driver("steps: [{id: a, action: poke, retry: {count: 5}}]\n").begin().advance(100)
    assert (run.status, run.calls()) == ("failed", ["a"])


def test_a_late_answer_changes_nothing() -> None:
    run = Driver("steps: [{id: a, action: set_flag, retry: {count: 1}}, {id: b, action: poke}]\n").begin()
    late = run.call
    run.advance(10).advance(0)
    assert run.send(m.ActionDone(late.token, True)).sent == []
    assert run.calls() == ["a", "a"]
    assert run.ok().calls() == ["a", "a", "b"]


def test_a_failure_with_continue_is_remembered_by_its_result_alone() -> None:
    run = Driver(
        """
        steps:
          - {id: a, action: look, register: seen, on_failure: continue}
          - {id: b, action: poke, when: not seen.ok and seen.data == 7}
        """
    )
    run.begin().send(m.ActionDone(run.call.token, False, data=7))
    assert run.called_now() == ["b"]
    assert run.ok().status == "succeeded"
    assert run.ended and run.ended.outcome.failed_step is None


RESCUE = """
    steps:
      - {id: a, action: poke, on_failure: rescue}
      - {id: b, action: poke}
    rescue:
      - {id: c, action: set_flag, when: run.failed_step == "a" and run.failure == "no"}
    always:
      - {id: z, action: look}
"""


def test_rescue_follows_a_failure_that_asks_for_it_and_its_success_is_the_runs() -> None:
    run = Driver(RESCUE).begin().fails()
    assert run.called_now() == ["c"]
    assert run.ok().called_now() == ["z"]
    assert run.ok().status == "succeeded"
    assert run.ended and run.ended.outcome.failed_step == "a"


def test_rescue_is_left_out_when_all_went_well() -> None:
    assert Driver(RESCUE).begin().ok().ok().calls() == ["a", "b", "z"]


def test_a_failure_in_rescue_fails_the_run() -> None:
    run = Driver(RESCUE).begin().fails().fails("worse").ok()
    assert (run.status, run.message) == ("failed", "c: worse")
    assert run.calls() == ["a", "c", "z"]


def test_a_failure_by_default_leaves_the_rest_out_and_does_the_always_block() -> None:
    run = Driver("steps: [{id: a, action: poke}, {id: b, action: poke}]\nalways: [{id: z, action: look}]\n")
    assert run.begin().fails().called_now() == ["z"]
    assert run.ok().status == "failed"


def test_every_step_of_the_always_block_is_done_and_one_that_fails_fails_the_run() -> None:
    body = "steps: [{id: a, action: poke}]\nalways: [{id: y, action: look}, {id: z, action: set_flag}]\n"
    run = Driver(body).begin().ok().fails("dirty")
    assert run.called_now() == ["z"]
    assert (run.ok().status, run.message) == ("failed", "y: dirty")


def test_a_failure_in_always_that_may_be_leaves_the_run_as_it_was() -> None:
    body = "steps: [{id: a, action: poke}]\nalways: [{id: z, action: look, on_failure: continue}]\n"
    assert Driver(body).begin().ok().fails().status == "succeeded"


def test_check_mode_asks_what_acts_for_no_effect_and_changes_nothing_else() -> None:
    body = "steps: [{id: a, action: look}, {id: b, action: poke}]\nalways: [{id: z, action: set_flag}]\n"
    live, check = Driver(body), Driver(body, check=True)
    for run in (live, check):
        run.begin().ok().ok(changed=True).ok()
    told = [(each.step, each.check) for each in check.done if isinstance(each, m.CallAction)]
    assert told == [("a", False), ("b", True), ("z", True)]
    assert check.calls() == live.calls()
    assert check.ended == live.ended
    assert live.ended and live.ended.outcome.changed


def test_an_ended_run_does_nothing_more() -> None:
    run = Driver(TWO).begin().ok().ok()
    for event in (m.Begin(), m.Cancel(), m.Abandon(), m.Restored(), m.ActionDone(1, True), m.TimerFired(1)):
        assert run.send(event).sent == []
    assert run.timers() == {}
