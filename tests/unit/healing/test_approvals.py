"""Runs that wait for people, or are stopped by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grace_actors.errors import GraceError
from grace_actors.healing.questions import Question, Questions
from grace_actors.kernel import Answer
from tests.harness.kernels import Bench, BenchContext
from tests.unit.healing.stage import Stage
from tests.unit.healing.test_runs import ALWAYS, ONE, THREE

ASKS = "approval: {required: true, ttl: 1h}\n" + ONE


def approval(stage: Stage) -> str:
    stage.bench.advance(0.0)
    (found,) = stage.bench.ask("governance", "approvals", state="pending")["approvals"]
    assert (found["action"], found["context"]["route"]) == ("playbook.p", "operators")
    return str(found["id"])


def respond(stage: Stage, id: str, response: str) -> None:
    stage.bench.ask("governance", "respond", id=id, response=response, by="ada", reason="so it is")
    stage.bench.advance(1.0)


def test_a_run_that_needs_approval_begins_when_somebody_agrees(stage: Stage) -> None:
    stage.write("p", ASKS)
    id = stage.up().begin()
    assert (stage.run(id)["status"], stage.called()) == ("paused", [])
    assert stage.run(id)["approval"] == approval(stage)
    assert stage.events("run.paused") == [{"playbook": "p", "waits_for": "approval", "route": "operators"}]
    respond(stage, approval(stage), "approve")
    assert (stage.run(id)["status"], stage.called()) == ("running", ["poke"])
    assert stage.bench.ask("governance", "approval", id=stage.run(id)["approval"])["state"] == "used"


def test_a_run_that_is_rejected_does_nothing(stage: Stage) -> None:
    stage.write("p", ASKS)
    id = stage.up().begin()
    respond(stage, approval(stage), "reject")
    assert (stage.run(id)["status"], stage.called()) == ("canceled", [])
    assert stage.run(id)["message"] == "rejected by ada: so it is"


def test_a_question_that_nobody_answers_ends_the_run_at_its_time(stage: Stage) -> None:
    stage.write("p", ASKS)
    id = stage.up().begin()
    stage.bench.advance(3590.0)
    assert stage.run(id)["status"] == "paused"
    stage.bench.advance(20.0)
    assert (stage.run(id)["status"], stage.called()) == ("timed_out", [])


def test_a_question_that_stands_for_ever_is_asked_again_when_governance_gives_it_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace_actors.healing.questions.MAX_TTL_S", 60.0)
    stage.write("p", ASKS.replace("1h", "0s"))
    id = stage.up().begin()
    first = approval(stage)
    stage.bench.advance(65.0)
    assert (stage.run(id)["status"], approval(stage) != first) == ("paused", True)
    respond(stage, approval(stage), "approve")
    assert stage.run(id)["status"] == "running"


@pytest.mark.parametrize("meanwhile", [True, False])
def test_after_a_crash_the_same_question_stands(stage: Stage, meanwhile: bool) -> None:
    stage.write("p", ASKS)
    id = stage.up().begin()
    question = approval(stage)
    if meanwhile:
        stage.bench.crash("self_healing")
        respond(stage, question, "approve")
        stage.up()
        stage.bench.advance(1.0)
    else:
        stage.crash()
        assert approval(stage) == question
        respond(stage, question, "approve")
    assert (stage.run(id)["status"], stage.called()) == ("running", ["poke"])
    assert stage.bench.ask("governance", "stats")["approvals"] == {"used": 1}


def test_a_policy_decides_without_people(stage: Stage) -> None:
    stage.write("p", ASKS)
    stage.write("q", ASKS)
    (stage.home / "config").mkdir()
    (stage.home / "config" / "governance.yaml").write_text(
        "rules:\n  - {action: playbook.p, risk: green}\n  - {action: playbook.q, risk: red, decision: deny}\n"
    )
    allowed, denied = stage.up().begin("p"), stage.begin("q")
    assert (stage.run(allowed)["status"], stage.run(denied)["status"]) == ("running", "canceled")
    assert "rejected by governance" in stage.run(denied)["message"]


def test_a_run_waits_while_governance_is_down(stage: Stage) -> None:
    stage.write("p", ASKS)
    stage.up().bench.crash("governance")
    id = stage.begin()
    stage.bench.advance(20.0)
    assert stage.run(id)["status"] == "paused"
    stage.up()
    stage.bench.advance(10.0)
    respond(stage, approval(stage), "approve")
    assert stage.run(id)["status"] == "running"


def test_a_run_that_is_cancelled_does_its_always_block_and_nothing_else(stage: Stage) -> None:
    stage.write("p", THREE + ALWAYS)
    id = stage.up().begin()
    assert stage.ask("cancel_run", id=id, reason="enough", by="ada")["status"] == "canceling"
    stage.world.answer("look")
    assert stage.called() == ["look", "set_flag"]
    stage.world.answer("set_flag")
    assert (stage.run(id)["status"], stage.run(id)["message"]) == ("canceled", "canceled by ada: enough")
    with pytest.raises(GraceError, match="is canceled already"):
        stage.ask("cancel_run", id=id)
    with pytest.raises(GraceError, match="there is no run"):
        stage.ask("cancel_run", id="run_1")


def test_a_question_that_is_over_before_people_were_asked_is_withdrawn(tmp_path: Path) -> None:
    """It used to stay with the people until its time was over."""
    bench, decided = Bench(tmp_path), []
    ctx = BenchContext(bench, "self_healing", tmp_path, tmp_path, {})
    questions = Questions(ctx, lambda *each: decided.append(each), lambda *each: decided.append(each))
    late: list[Callable[[Answer], None]] = []
    ctx.ask = lambda to, verb, args, on_answer, **more: late.append(on_answer)  # type: ignore[assignment,method-assign]
    questions.ask(Question(run="r", token=1, action="playbook.p", context={}, reason="", ttl_s=60.0))
    questions.forget("r")
    late[0](Answer(ok=True, value={"decision": "needs_approval", "approval": {"id": "ap_1", "state": "pending"}}))
    (told,) = [args for _, to, verb, args in bench.sent if (to, verb) == ("governance", "respond")]
    assert (told["id"], told["response"], decided) == ("ap_1", "reject", [])


def test_a_run_that_waits_for_people_can_be_cancelled(stage: Stage) -> None:
    stage.write("p", ASKS)
    id = stage.up().begin()
    asked = approval(stage)
    assert stage.ask("cancel_run", id=id)["status"] == "canceled"
    stage.bench.advance(0.0)
    assert stage.bench.ask("governance", "approval", id=asked)["state"] == "rejected", "nobody is asked any more"
    assert stage.called() == []
