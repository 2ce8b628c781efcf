"""voice_conversation: questions in plain language, answers from live data."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels import voice_conversation
from grace_actors.kernels.dependencies import dependencies, tree_file
from grace_actors.kernels.intents import EXAMPLES, Intent, understand
from grace_actors.kernels.voice_conversation import VoiceConversation
from tests.harness.kernels import Bench
from tests.unit.kernels_mind.stubs import Fixed, Status, child

NAMES = ("message_bus", "immutable_log", "librarian", "scheduler", "governance", "health_monitor", "status")
INCIDENT = {
    "id": "inc_20231114_0001",
    "kind": "crash",
    "reason": "ValueError: bad port",
    "count": 2,
    "last": "2023-11-14T22:30:00Z",
    "state": "healed",
    "recovery_s": 0.25,
}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(voice_conversation, "ENGINES", ("no-such-engine",))
    bench = Bench(tmp_path)
    bench.add("status", Status).tree["children"] = [child(name) for name in NAMES]
    bench.add("voice_conversation", VoiceConversation)
    return bench


def change(bench, name, **values):
    for node in bench.kernels["status"].tree["children"]:
        if node["name"] == name:
            node.update(values)


def ask(bench, question):
    return bench.ask("voice_conversation", "ask", question=question)


@pytest.mark.parametrize(
    ("question", "intent", "subject"),
    [
        ("What is down?", Intent.DOWN, ""),
        ("is everything ok", Intent.DOWN, ""),
        ("how are you?", Intent.DOWN, ""),
        ("Why did the message bus restart?", Intent.WHY_ENDED, "message_bus"),
        ("why is immutable_log down", Intent.WHY_ENDED, "immutable_log"),
        ("what happened to librarian", Intent.WHY_ENDED, "librarian"),
        ("How many times did scheduler crash?", Intent.RESTARTS, "scheduler"),
        ("restarts", Intent.RESTARTS, ""),
        ("who depends on governance?", Intent.DEPENDENTS, "governance"),
        ("what did the libarian do?", Intent.DID, "librarian"),
        ("what is health_monitor doing", Intent.DID, "health_monitor"),
        ("scheduler", Intent.DID, "scheduler"),
        ("what next?", Intent.NEXT, ""),
        ("any pending approvals?", Intent.NEEDS_ME, ""),
        ("how much memory is free", Intent.HOST, ""),
        ("which kernel is likely to fail?", Intent.RISK, ""),
        ("work orders", Intent.WORK, ""),
        ("how big is the log", Intent.LOG, ""),
        ("help", Intent.HELP, ""),
        ("???", Intent.HELP, ""),
        ("sing me a song", Intent.UNKNOWN, ""),
    ],
)
def test_a_question_is_understood_by_its_words(question, intent, subject):
    understood = understand(question, NAMES)
    assert (understood.intent, understood.subject) == (intent, subject)


def test_every_example_of_the_help_is_understood(bench):
    for intent, example in EXAMPLES.items():
        assert understand(example, NAMES).intent is intent
    assert set(EXAMPLES) == set(Intent) - {Intent.HELP, Intent.UNKNOWN}


def test_what_is_down_is_named_with_its_last_exit(bench):
    assert "Nothing is down: all 7" in ask(bench, "what is down?")["text"]
    change(bench, "librarian", state="restarting", last_exit={"reason": "ValueError: x", "detail": "", "at": ""})
    change(bench, "scheduler", degraded=["no disk"])
    assert ask(bench, "what is down?")["text"] == (
        "1 down, 6 running: librarian is restarting (ValueError: x). Degraded: scheduler: no disk."
    )


def test_why_something_ended_is_told_from_its_incident(bench):
    bench.add("self_healing", Fixed, incidents={"incidents": [INCIDENT]})
    change(bench, "librarian", restarts=2, last_exit={"reason": "ValueError: bad port", "detail": "", "at": ""})
    answer = ask(bench, "why did librarian restart?")
    for part in ("restarted twice", "bad port", "inc_20231114_0001", "0.25 s"):
        assert part in answer["text"]
    assert answer["sources"] == ["self_healing", "status"]


def test_a_silent_source_is_said_and_not_guessed(bench):
    got = []
    bench.post("test", "voice_conversation", "ask", {"question": "why did librarian restart?"}, got.append)
    bench.advance(4)
    assert "self_healing is silent" in got[0].value["text"]
    assert got[0].value["silent"] == ["self_healing"]


def test_without_the_status_actor_it_says_that_it_cannot_see(bench):
    bench.crash("status")
    got = []
    bench.post("test", "voice_conversation", "ask", {"question": "what is down?"}, got.append)
    bench.advance(4)
    assert got[0].value["text"] == "I cannot see the tree: the status actor is silent."


def test_restarts_are_counted(bench):
    assert ask(bench, "how many restarts were there?")["text"] == "Nothing was restarted."
    change(bench, "librarian", restarts=3)
    change(bench, "scheduler", restarts=1)
    assert ask(bench, "how many restarts were there?")["text"] == "4 restarts in all: librarian 3, scheduler 1."
    assert ask(bench, "how often did scheduler crash?")["text"] == "scheduler was restarted once."


def test_dependents_are_told_directly_and_through_others(bench):
    change(bench, "governance", depends_on=["message_bus"])
    change(bench, "scheduler", depends_on=["governance"])
    assert ask(bench, "who depends on message_bus?")["text"] == (
        "governance depends on message_bus. Through them: scheduler."
    )


def test_dependents_come_from_the_tree_file_when_the_tree_does_not_tell_them(bench):
    assert "verification_framework" in ask(bench, "who depends on governance?")["text"]


def test_the_tree_file_of_the_instance_is_used(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("name: x\nchildren:\n  - {id: a, depends_on: [b]}\n  - {id: b}\n")
    (tmp_path / "instance.json").write_text(f'{{"tree": "{own}"}}')
    assert dependencies(tree_file(tmp_path)) == {"a": ("b",), "b": ()}
    own.write_text("a: [")
    assert dependencies(tree_file(tmp_path)) is None


def test_what_a_kernel_did_is_what_it_says_itself(bench):
    assert ask(bench, "what did the scheduler do?")["text"] == "scheduler is running: scheduler works."


def test_answers_of_the_other_kernels_are_put_into_words(bench):
    bench.add("agentic_spine", Fixed, next={"next": None, "text": "Nothing needs attention."})
    pending = {"approvals": [{"id": "ap_1", "actor": "meta_loop", "action": "threshold.change", "risk": "amber"}]}
    bench.add("governance", Fixed, approvals=pending | {"pending": 1})
    top = [{"name": "librarian", "risk": 0.25, "failures": 3}]
    bench.add("learning_integration", Fixed, top={"horizon_s": 600.0, "kernels": top})
    orders = {"total_work_orders": 3, "queued": 1, "in_progress": 1, "completed": 1, "failed": 0}
    bench.add("coding_agent", Fixed, stats=orders | {"last_scan": {"files": 9, "errors": 0}})
    bench.add("immutable_log", Fixed, stats={"records": 12, "last_hash": "0" * 64})
    sample = {"cpu_percent": None, "memory_percent": 40.0, "memory_free_mb": 10.0, "disk_percent": 1.0}
    bench.add("infrastructure_manager", Fixed, sample=sample | {"disk_free_mb": 5.0, "load_1m": 0.5})
    assert "Nothing needs attention" in ask(bench, "what next?")["text"]
    assert "ap_1: meta_loop wants threshold.change (amber)" in ask(bench, "any approvals?")["text"]
    assert "librarian 25.0% (3 failures seen)" in ask(bench, "what is likely to fail?")["text"]
    assert "1 queued, 1 in progress" in ask(bench, "work orders?")["text"]
    assert "records 12" in ask(bench, "how large is the log?")["text"]
    assert "CPU not measured yet, memory 40 %" in ask(bench, "cpu?")["text"]


def test_a_question_about_nobody_asks_back(bench):
    assert "Name a kernel" in ask(bench, "why did it crash?")["text"]
    assert "Name a kernel" in ask(bench, "who depends on it?")["text"]


def test_what_is_not_understood_is_answered_with_what_can_be_asked(bench):
    answer = ask(bench, "sing me a song")
    assert (answer["intent"], "what is down?" in answer["text"]) == ("unknown", True)


def test_without_a_synthesiser_it_says_so_and_is_not_degraded(bench):
    kernel = bench.kernels["voice_conversation"]
    assert (kernel.degraded, "text only" in kernel.does()) == ([], True)
    with pytest.raises(GraceError, match="text only"):
        bench.ask("voice_conversation", "say", text="hello")


def engine(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_synthesiser_gives_a_wav_file_of_the_text(bench, tmp_path):
    program = tmp_path / "espeak-ng"
    engine(program, 'printf "RIFF%100s" x > "$4"; cat >> "$4"')
    bench.kernels["voice_conversation"].engine = str(program)
    answer = bench.ask("voice_conversation", "say", text="all is well")
    assert Path(answer["path"]).read_bytes().endswith(b"all is well")


def test_a_synthesiser_that_gives_no_sound_is_an_error_and_not_a_success(bench, tmp_path):
    program = tmp_path / "espeak-ng"
    engine(program, 'touch "$4"')
    bench.kernels["voice_conversation"].engine = str(program)
    with pytest.raises(GraceError, match="no sound"):
        bench.ask("voice_conversation", "say", text="all is well")


def test_bad_input_is_refused(bench):
    for verb, args in (("ask", {}), ("ask", {"question": " "}), ("ask", {"question": "x" * 501}), ("say", {"text": 3})):
        with pytest.raises(GraceError):
            bench.ask("voice_conversation", verb, **args)
