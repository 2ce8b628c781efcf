"""A run between its steps: approval, patches, cancellation, its own time, and a restart of everything."""

from __future__ import annotations

import pytest

from playbooks import messages as m
from playbooks.engine import Run
from playbooks.state import RunDataError
from tests.unit.playbooks.driver import ACTIONS, Driver, playbook

ASKED = """
    approval: {required: true, route: owners, ttl: 1h}
    steps: [{id: a, action: poke}]
    always: [{id: z, action: look}]
"""
PLAIN = """
    policy: {timeout: 30s}
    steps: [{id: a, action: poke}, {id: b, action: poke}]
    always: [{id: z, action: look}]
"""


def question(run: Driver) -> m.AskApproval:
    return next(each for each in reversed(run.done) if isinstance(each, m.AskApproval))


def patch(run: Driver) -> m.AwaitPatch:
    return next(each for each in reversed(run.done) if isinstance(each, m.AwaitPatch))


def test_a_run_that_needs_approval_waits_for_it() -> None:
    run = Driver(ASKED).begin()
    assert (run.status, run.calls()) == ("paused", [])
    assert question(run) == m.AskApproval(question(run).token, "owners", 3600.0)
    assert run.advance(7200).status == "paused"
    assert run.send(m.Approved(question(run).token, "ann")).called_now() == ["a"]
    assert run.reports("run.approved") == [{"run": "r1", "by": "ann"}]


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (m.Rejected(1, "ann", "not now"), "canceled", "rejected by ann: not now"),
        (m.ApprovalExpired(1), "timed_out", "nobody answered the question in time"),
        (m.Cancel("gone", "bob"), "canceled", "canceled by bob: gone"),
    ],
)
def test_a_run_without_approval_ends_without_a_step(answer: m.Event, status: str, message: str) -> None:
    run = Driver(ASKED).begin().send(answer)
    assert (run.status, run.message, run.calls()) == (status, message, [])


def test_an_answer_to_another_question_is_ignored() -> None:
    assert Driver(ASKED).begin().send(m.Approved(99)).status == "paused"


def test_a_step_with_a_work_order_is_done_when_that_is() -> None:
    run = Driver(PLAIN).begin().ok(work_order="wo-7")
    assert (run.status, patch(run).work_order) == ("paused", "wo-7")
    run.send(m.PatchDone(patch(run).token, True, message="patched"))
    assert run.called_now() == ["b"]
    assert run.status == "running"


def test_a_work_order_that_fails_fails_its_step() -> None:
    run = Driver(PLAIN).begin().ok(work_order="wo-7")
    run.send(m.PatchDone(patch(run).token, False, message="tests fail")).ok()
    assert (run.status, run.message) == ("failed", "a: tests fail")


def test_the_wait_for_a_patch_ends_with_the_time_of_the_step_and_not_with_that_of_the_run() -> None:
    body = PLAIN.replace("action: poke}", "action: poke, timeout: 10m}")
    run = Driver(body).begin().advance(20).ok(work_order="wo-7").advance(599)
    assert run.status == "paused"
    assert Driver(body).begin().ok(work_order="w").advance(600).called_now() == ["z"]
    run.send(m.PatchDone(patch(run).token, True))
    assert run.advance(9.9).called_now() != ["z"]
    assert run.advance(0.1).called_now() == ["z"]
    assert run.ok().message == "not done within 30 s"


def test_a_run_that_takes_too_long_does_its_always_block_and_has_timed_out() -> None:
    body = PLAIN.replace("{id: a, action: poke}", "{id: a, action: poke, timeout: 10m}")
    run = Driver(body).begin().advance(30)
    assert run.called_now() == ["z"]
    assert (run.ok().status, run.message) == ("timed_out", "not done within 30 s")


def test_the_always_block_is_not_cut_short_by_the_time_of_the_run() -> None:
    run = Driver(PLAIN).begin().fails().advance(4)
    assert run.status == "running"
    run = Driver("policy: {timeout: 2s}\nsteps: [{id: a, action: poke}]\nalways: [{id: z, action: look}]\n").begin()
    assert run.ok().advance(4.9).status == "running"


def test_a_cancelled_run_lets_the_call_under_way_answer_and_does_its_always_block() -> None:
    run = Driver(PLAIN).begin().send(m.Cancel("wrong one", "ann"))
    assert (run.status, run.called_now()) == ("canceling", [])
    assert run.ok(changed=True).called_now() == ["z"]
    assert (run.ok().status, run.message) == ("canceled", "canceled by ann: wrong one")
    assert run.ended and run.ended.outcome.changed


def test_a_cancelled_run_does_not_wait_for_ever() -> None:
    run = Driver(PLAIN).begin().send(m.Cancel()).advance(10)
    assert run.called_now() == ["z"]


def test_a_cancelled_run_retries_nothing_and_waits_for_no_patch() -> None:
    retried = Driver("steps: [{id: a, action: poke, retry: {count: 3}}]\nalways: [{id: z, action: look}]\n").begin()
    assert retried.send(m.Cancel()).fails().called_now() == ["z"]
    waiting = Driver(PLAIN).begin().ok(work_order="wo").send(m.Cancel())
    assert waiting.called_now() == ["z"]
    assert Driver(PLAIN).begin().send(m.Cancel()).ok(work_order="wo").called_now() == ["z"]


def test_the_always_block_of_a_cancelled_run_is_done_with_all_its_attempts() -> None:
    body = "steps: [{id: a, action: poke}]\nalways: [{id: z, action: look, retry: {count: 1}}]\n"
    run = Driver(body).begin().send(m.Cancel()).ok().fails().advance(0)
    assert (run.calls(), run.status) == (["a", "z", "z"], "canceling")
    assert run.ok().status == "canceled"


def test_a_run_that_is_at_its_end_is_not_cancelled_any_more() -> None:
    run = Driver(PLAIN).begin().ok().ok().send(m.Cancel())
    assert run.ok().status == "succeeded"


def test_a_run_that_has_not_begun_is_cancelled_at_once() -> None:
    assert Driver(PLAIN).send(m.Cancel()).status == "canceled"
    assert Driver(PLAIN).send(m.Delayed("x")).send(m.Cancel()).status == "canceled"


def test_an_abandoned_run_calls_nothing_more() -> None:
    run = Driver(PLAIN).begin().send(m.Abandon("its playbook is gone"))
    assert (run.status, run.message, run.calls()) == ("abandoned", "its playbook is gone", ["a"])
    assert run.timers() == {}


# ---- a restart of everything ---------------------------------------------------------------------------


def test_an_idempotent_action_under_way_is_called_again_as_the_same_attempt() -> None:
    run = Driver("steps: [{id: a, action: set_flag}]\n").begin()
    before = run.call
    run.restart()
    assert run.call.attempt == before.attempt == 1
    assert run.call.token != before.token
    assert run.send(m.ActionDone(before.token, True)).sent == []
    assert run.ok().status == "succeeded"


def test_an_action_that_is_not_idempotent_is_told_as_interrupted_and_fails() -> None:
    run = (
        Driver("steps: [{id: a, action: poke, retry: {count: 3}}]\nalways: [{id: z, action: look}]\n").begin().restart()
    )
    assert run.called_now() == ["z"]
    assert run.reports("step.failed")[0]["message"] == "poke was interrupted; whether it was done is unknown"
    assert run.ok().status == "failed"


def test_an_interrupted_action_without_effect_is_called_again() -> None:
    run = Driver("steps: [{id: a, action: poke}]\n", check=True).begin().restart()
    assert run.called_now() == ["a"]


def test_timers_are_set_again_for_their_old_times() -> None:
    run = Driver(PLAIN.replace("poke}, {id: b", "poke, retry: {count: 1, delay: 9s}}, {id: b")).begin().fails()
    before = run.timers()
    run.restart(after=5)
    assert {each.token: each.at for each in run.sent if isinstance(each, m.SetTimer)} == before
    assert run.advance(4).calls() == ["a", "a"]


def test_a_run_whose_time_ran_out_meanwhile_has_timed_out() -> None:
    run = Driver(PLAIN.replace("id: a, action: poke", "id: a, action: set_flag")).begin().restart(after=40)
    assert run.called_now() == ["z"]
    assert run.ok().status == "timed_out"


def test_an_open_question_and_an_open_patch_are_the_same_after_a_restart() -> None:
    asked = Driver(ASKED).begin()
    before = question(asked)
    assert question(asked.restart()) == before
    assert asked.send(m.Approved(before.token)).called_now() == ["a"]
    patched = Driver(PLAIN).begin().ok(work_order="wo")
    wait = patch(patched)
    patched.restart()
    assert wait in patched.sent
    assert patched.send(m.PatchDone(wait.token, True)).called_now() == ["b"]


def test_a_cancelled_call_is_not_made_again_after_a_restart() -> None:
    run = Driver("steps: [{id: a, action: look}]\nalways: [{id: z, action: look}]\n").begin().send(m.Cancel()).restart()
    assert run.called_now() == ["z"]
    assert run.restart().called_now() == ["z"]


def test_what_was_learnt_before_a_restart_is_known_after_it() -> None:
    body = "steps: [{id: a, action: look, register: s}, {id: b, action: scale, with: {workers: '{{ s.data }}'}}]\n"
    run = Driver(body, issue={"kind": "x"}).begin().ok(6)
    seen = run.run.variables()
    assert run.restart().run.variables() == seen
    assert run.call.params["workers"] == 6


def test_an_ended_run_stays_as_it_was() -> None:
    verify = "verify: [{action: look, tolerance: 3}]\n"
    run = Driver("steps: [{action: poke}]\n", verify=verify).begin().ok().ok(4)
    data = run.run.to_data()
    assert run.restart().sent == []
    assert run.run.to_data() == data
    assert run.status == "failed"


def test_a_run_goes_on_only_with_the_playbook_it_began_with() -> None:
    run = Driver(PLAIN).begin()
    other = playbook("steps: [{action: poke}]\n")
    with pytest.raises(RunDataError, match="of another text of the playbook 'p'"):
        Run.from_data(run.run.to_data(), other, ACTIONS)


@pytest.mark.parametrize("change", [{"schema": "grace.run/9"}, {"status": "lost"}, {"block": "coda"}, {"timers": 3}])
def test_data_that_is_not_a_run_is_refused(change: dict[str, object]) -> None:
    run = Driver(PLAIN).begin()
    with pytest.raises(RunDataError):
        Run.from_data({**run.run.to_data(), **change}, run.playbook, ACTIONS)


def test_an_action_that_is_gone_after_a_restart_fails_its_step() -> None:
    run = Driver("steps: [{id: a, action: set_flag}]\n").begin()
    less = {name: spec for name, spec in ACTIONS.items() if name != "set_flag"}
    restored = Run.from_data(run.run.to_data(), run.playbook, less)
    commands = restored.handle(m.Restored(), run.now)
    assert restored.status == "failed"
    assert not [each for each in commands if isinstance(each, m.CallAction)]
