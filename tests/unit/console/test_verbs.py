"""Each verb against an instance that answers from a script: what is asked, what is printed, which exit code."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.dispatch import dispatch
from grace_actors.home import Home
from tests.unit.console.fake import HANG_UP, STATUS, TREE, FakeInstance, Items, RemoteError, kernel

Captured = pytest.CaptureFixture[str]


def run(fake: FakeInstance, line: str) -> int:
    import shlex

    return dispatch(shlex.split(line), fake.home)


@pytest.mark.parametrize(("state", "code"), [("running", 0), ("degraded", 1), ("booting", 1), ("stopping", 1)])
def test_status_ends_with_0_only_when_all_is_up(root: Path, state: str, code: int, capsys: Captured) -> None:
    with FakeInstance(root, {"status": {**STATUS, "state": state}}) as fake:
        assert run(fake, "status") == code
        assert state in capsys.readouterr().out


@pytest.mark.parametrize("line", ["status", "tree", "events", "kill a", "inject kill a", "shutdown"])
def test_verbs_that_need_an_instance_end_with_3_without_one(root: Path, line: str, capsys: Captured) -> None:
    assert dispatch(line.split(), Home(root)) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("grace: no instance is running in")
    assert not root.exists()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("status --json", STATUS),
        ("tree --json", TREE),
        ("doctor --json", None),
        ("restart message_bus --json", {"result": "ok", "name": "message_bus"}),
        ("inject kill message_bus --json", {"result": "injected"}),
    ],
)
def test_json_is_exactly_the_answer(root: Path, line: str, value: Any, capsys: Captured) -> None:
    script = {"restart": {"result": "ok", "name": "message_bus"}, "inject": {"result": "injected"}}
    with FakeInstance(root, script) as fake:
        run(fake, line)
    found = json.loads(capsys.readouterr().out)
    assert value in (None, found)


def test_json_is_indented_and_keeps_every_character(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"status": {"state": "running", "text": "ä\n"}}) as fake:
        run(fake, "status --json")
    assert capsys.readouterr().out == '{\n  "state": "running",\n  "text": "ä\\n"\n}\n'


def test_status_of_a_name_takes_a_unique_prefix(root: Path, capsys: Captured) -> None:
    script = {"status": lambda args: {"node": kernel(args["name"]), "checks": [], "metrics": {}}}
    with FakeInstance(root, script) as fake:
        assert run(fake, "status mess") == 0
        assert fake.requests[-1] == ("status", {"name": "message_bus"})
    assert "message_bus ● running" in capsys.readouterr().out


def test_status_of_a_failed_node_ends_with_1(root: Path) -> None:
    with FakeInstance(root, {"status": {"node": kernel("message_bus", state="failed")}}) as fake:
        assert run(fake, "status message_bus") == 1


def test_ambiguous_prefix_lists_the_candidates_and_does_nothing(root: Path, capsys: Captured) -> None:
    with FakeInstance(root) as fake:
        assert run(fake, "kill m") == 2
        assert "kill" not in fake.verbs()
    assert "allowed: message_bus, memory_fusion" in capsys.readouterr().err


def test_unknown_name_names_the_nearest(root: Path, capsys: Captured) -> None:
    with FakeInstance(root) as fake:
        assert run(fake, "kill mesage_bus") == 4
        assert "kill" not in fake.verbs()
    assert "did you mean: message_bus?" in capsys.readouterr().err


def test_names_that_cannot_be_listed_are_left_to_the_instance(root: Path) -> None:
    script = {"names": RemoteError(code="timed_out", message="status did not answer"), "kill": {"result": "injected"}}
    with FakeInstance(root, script) as fake:
        assert run(fake, "kill anything") == 0
        assert fake.requests[-1] == ("kill", {"name": "anything"})


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("start", "message_bus started"),
        ("stop", "message_bus stopped"),
        ("restart", "message_bus restarted"),
        ("kill", "message_bus killed"),
        ("pause", "message_bus paused"),
        ("resume", "message_bus resumed"),
    ],
)
def test_action_on_a_name_asks_once_and_says_what_was_done(root: Path, verb: str, told: str, capsys: Captured) -> None:
    with FakeInstance(root, {verb: {"result": "ok"}}) as fake:
        assert run(fake, f"{verb} message_bus") == 0
        assert [request for request in fake.requests if request[0] == verb] == [(verb, {"name": "message_bus"})]
    assert capsys.readouterr().out == f"{told}\n"


def test_action_that_was_not_needed_is_not_told_as_done(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"start": {"result": "running", "message": "it is running already"}}) as fake:
        assert run(fake, "start message_bus") == 0
    assert capsys.readouterr().out == "message_bus was not started: it is running already\n"


def test_one_name_that_fails_does_not_keep_the_others_from_being_tried(root: Path, capsys: Captured) -> None:
    def stop(args: dict[str, Any]) -> Any:
        if args["name"] == "core":
            return RemoteError(code="refused", message="core: its start failed", hint="see: status core")
        return {"result": "ok"}

    with FakeInstance(root, {"stop": stop}) as fake:
        assert run(fake, "stop core message_bus message_bus") == 5
        assert fake.verbs().count("stop") == 2
    told = capsys.readouterr()
    assert told.out == "message_bus stopped\n"
    assert told.err == "grace: core: its start failed\n  see: status core\n"


def test_json_of_several_names_is_an_object_by_name(root: Path, capsys: Captured) -> None:
    error = RemoteError(code="refused", message="no", hint="")
    with FakeInstance(root, {"stop": lambda args: error if args["name"] == "core" else {"result": "ok"}}) as fake:
        assert run(fake, "stop core message_bus --json") == 5
    assert json.loads(capsys.readouterr().out) == {"core": {"error": dict(error)}, "message_bus": {"result": "ok"}}


def test_events_are_one_line_each_and_one_json_object_each(root: Path, capsys: Captured) -> None:
    items = [{"seq": 1, "at": None, "type": "child.started", "subject": "a", "data": {}}, {"seq": 2, "type": "x.y"}]
    with FakeInstance(root, {"events": Items(items)}) as fake:
        assert run(fake, "events --json") == 0
        assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == items
        assert run(fake, "events") == 0
        assert len(capsys.readouterr().out.splitlines()) == 2


def test_events_send_only_the_filters_given(root: Path) -> None:
    with FakeInstance(root, {"events": Items([])}) as fake:
        run(fake, "events --type child.* --limit 3")
        run(fake, "events")
        assert fake.requests == [("events", {"type": "child.*", "limit": 3}), ("events", {})]


def test_answer_cut_off_in_the_middle_ends_with_1(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"status": HANG_UP}) as fake:
        assert run(fake, "status") == 1
    assert "before its answer was complete" in capsys.readouterr().err


def test_inject_sends_typed_parameters_with_defaults(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"inject": {"result": "injected"}}) as fake:
        assert run(fake, "inject crash mess message='bad port'") == 0
        assert run(fake, "inject hang message_bus") == 0
        assert run(fake, "inject leak message_bus mb=7") == 0
        sent = [args for verb, args in fake.requests if verb == "inject"]
    assert sent == [
        {"fault": "crash", "target": "message_bus", "params": {"message": "bad port"}},
        {"fault": "hang", "target": "message_bus", "params": {"seconds": 60.0}},
        {"fault": "leak", "target": "message_bus", "params": {"mb": 7}},
    ]
    assert capsys.readouterr().out.splitlines() == [
        "injected crash message='bad port' into message_bus",
        "injected hang seconds=60.0 into message_bus",
        "  it ends by itself after 60 s",
        "injected leak mb=7 into message_bus",
    ]


def test_inject_knows_what_has_no_name_in_the_tree_and_how_it_ends(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"inject": {"result": "injected", "record": "burn-1"}}) as fake:
        assert run(fake, "inject burn ho cores=1") == 0
        assert run(fake, "inject pard mess") == 0
        sent = [args for verb, args in fake.requests if verb == "inject"]
    assert sent == [
        {"fault": "burn", "target": "host", "params": {"cores": 1, "seconds": 60.0}},
        {"fault": "pardon", "target": "message_bus", "params": {"fault": "*"}},
    ]
    assert capsys.readouterr().out.splitlines() == [
        "injected burn cores=1 seconds=60.0 into host",
        "  it ends by itself after 60 s; now: chaos undo burn-1",
        "ended what lasted in message_bus",
    ]


def test_a_fault_of_the_host_or_the_home_needs_no_target_and_any_other_does(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"inject": {"result": "injected"}}) as fake:
        assert run(fake, "inject burn") == 0
        assert run(fake, "inject delete path=config/a.yaml") == 0
        assert run(fake, "inject hang") == 2
        assert run(fake, "inject hang seconds=2") == 2
        sent = [args for verb, args in fake.requests if verb == "inject"]
    assert [each["target"] for each in sent] == ["host", "home"]
    assert sent[1]["params"] == {"path": "config/a.yaml", "seconds": 300.0}
    assert capsys.readouterr().err.count("inject hang: missing: TARGET") == 2


def test_what_lasts_without_a_record_is_ended_by_a_pardon(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"inject": {"result": "injected"}}) as fake:
        assert run(fake, "inject mute message_bus") == 0
    assert "it ends by itself after 40 s; now: inject pardon message_bus" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("inject crush message_bus", "did you mean: crash?"),
        ("inject kill message_bus seconds=1", "allowed: no parameters"),
        ("inject hang message_bus second=1", "did you mean: seconds?"),
        ("inject hang message_bus seconds", "unknown parameter 'seconds'"),
        ("inject hang message_bus seconds=x", "allowed: a number above 0"),
        ("inject hang message_bus seconds=nan", "allowed: a number above 0"),
        ("inject hang message_bus seconds=-1", "allowed: a number above 0"),
        ("inject leak message_bus mb=1.5", "allowed: a whole number above 0"),
        ("inject leak message_bus mb=1 mb=2", "mb is given twice"),
        ("inject quota message_bus mb=-1", "allowed: a whole number from 0 to 1e+06"),
        ("inject drop message_bus share=1.1", "allowed: a number above 0 to 1"),
        ("inject toxic message_bus toxic=rain", "allowed: latency, bandwidth"),
        ("inject flood message_bus", "missing: verb="),
        ("inject burn message_bus", "allowed: host"),
        ("inject del message_bus", "fault 'del' is ambiguous"),
    ],
)
def test_wrong_fault_or_parameter_is_told_and_nothing_is_injected(
    root: Path, line: str, message: str, capsys: Captured
) -> None:
    with FakeInstance(root) as fake:
        assert run(fake, line) == 2
        assert "inject" not in fake.verbs()
    assert message in capsys.readouterr().err


def test_shutdown_passes_the_reason_and_waits_for_the_end(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, is_held=True) as fake:

        def shut(args: dict[str, Any]) -> Any:
            assert fake.lock is not None
            fake.lock.release()
            return {"result": "ok"}

        fake.script["shutdown"] = shut
        assert run(fake, "shutdown --reason update") == 0
        assert fake.requests == [("shutdown", {"reason": "update"})]
    assert capsys.readouterr().out == "stopped\n"


def test_instance_that_ends_while_it_answers_shutdown_is_a_success(root: Path) -> None:
    with FakeInstance(root, {"shutdown": HANG_UP}) as fake:
        assert run(fake, "shutdown") == 0


def test_doctor_adds_the_checks_of_the_instance_and_ends_with_1_when_one_fails(root: Path, capsys: Captured) -> None:
    checks = [{"name": "registry", "ok": False, "detail": "2 names missing"}]
    with FakeInstance(root, {"doctor": {"checks": checks}}) as fake:
        assert run(fake, "doctor --json") == 1
    found = json.loads(capsys.readouterr().out)["checks"]
    assert found[-1] == checks[0]
    assert {"python", "packages", "home", "disk", "terminal", "instance", "leftover processes"} <= {
        c["name"] for c in found
    }


def test_doctor_works_without_an_instance(root: Path, capsys: Captured) -> None:
    assert dispatch(["doctor", "--json"], Home(root)) == 0
    found = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert found["instance"]["detail"] == "not running"
    assert not root.exists()


def test_doctor_tells_an_instance_that_does_not_answer(root: Path, capsys: Captured) -> None:
    with FakeInstance(root, {"doctor": HANG_UP}) as fake:
        assert run(fake, "doctor --json") == 1
    assert not json.loads(capsys.readouterr().out)["checks"][-1]["ok"]


def test_help_lists_every_verb_and_explains_one(root: Path, capsys: Captured) -> None:
    from grace_actors.console.verbs import VERBS

    assert dispatch(["help"], Home(root)) == 0
    overview = capsys.readouterr().out
    assert all(f"  {name} " in overview for name in VERBS)
    for words in (["help", "inject"], ["inject", "--help"], ["inject", "-h"]):
        assert dispatch(words, Home(root)) == 0
        text = capsys.readouterr().out
        assert text.startswith("usage: inject FAULT [TARGET] [k=v ...] [--json]")
        assert "seconds=60.0" in text
    assert dispatch(["help", "injekt"], Home(root)) == 2


def test_interrupt_of_a_verb_ends_with_130(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("grace_actors.console.client.Client.stream", interrupted)
    assert dispatch(["events"], Home(root)) == 130


def test_paused_or_stopped_children_are_not_told_as_trouble(root: Path, capsys: Captured) -> None:
    status = copy.deepcopy(STATUS)
    status["tree"]["children"][0]["children"][0]["state"] = "stopped"
    with FakeInstance(root, {"status": status}) as fake:
        assert run(fake, "status") == 0
    assert "attention" not in capsys.readouterr().out


def status_after(*nodes: dict[str, Any]) -> Any:
    """A status whose answers for a name come one after the other; the last one stays."""
    left = list(nodes)

    def answer(args: dict[str, Any]) -> Any:
        return {"node": left.pop(0) if len(left) > 1 else left[0]}

    return answer


def test_kill_waits_until_the_next_generation_runs_and_names_its_pid(root: Path, capsys: Captured) -> None:
    before, after = kernel("message_bus"), kernel("message_bus", generation=2, pid=99)
    status = status_after(before, before, kernel("message_bus", state="restarting", pid=None), after)
    with FakeInstance(root, {"status": status, "kill": {"result": "injected"}}) as fake:
        assert run(fake, "kill message_bus") == 0
    assert capsys.readouterr().out == "message_bus killed; running again, pid 99\n"


def test_kill_of_what_is_not_restarted_says_how_it_ended(root: Path, capsys: Captured) -> None:
    status = status_after(kernel("message_bus"), kernel("message_bus", state="quarantined", pid=None))
    with FakeInstance(root, {"status": status, "inject": {"result": "injected"}}) as fake:
        assert run(fake, "inject exit message_bus") == 0
    assert capsys.readouterr().out == "injected exit into message_bus; now quarantined\n"


def test_kill_does_not_wait_for_ever(root: Path) -> None:
    from grace_actors.console.aftermath import aftermath, look
    from grace_actors.console.client import Client

    with FakeInstance(root, {"status": status_after(kernel("message_bus"))}) as fake:
        client = Client(fake.home)
        told = aftermath(client, "message_bus", look(client, "message_bus"), wait_s=0.0)
    assert told == "not back yet, look with `status message_bus`"


def test_degraded_kernel_makes_the_whole_degraded(root: Path, capsys: Captured) -> None:
    kernels = {"total": 4, "running": 4, "degraded": 1, "failed": 0}
    with FakeInstance(root, {"status": {**STATUS, "kernels": kernels}}) as fake:
        assert run(fake, "status") == 1
    assert capsys.readouterr().out.startswith("grace ▲ degraded · 4/4 kernels · 1 degraded")


def test_ask_sends_json_values_as_such_and_others_as_text(root: Path, capsys: Captured) -> None:
    line = "ask mess publish topic=a.b payload='{\"n\": 1}' limit=5 on=true word=NaN note='5 apples' empty="
    with FakeInstance(root, {"ask": {"id": "m1", "seqs": [1, 2]}}) as fake:
        assert run(fake, line) == 0
        sent = fake.requests[-1]
    args = {"topic": "a.b", "payload": {"n": 1}, "limit": 5, "on": True, "word": "NaN", "note": "5 apples", "empty": ""}
    assert sent == ("ask", {"name": "message_bus", "verb": "publish", "args": args})
    assert capsys.readouterr().out == "id: m1\nseqs:\n- 1\n- 2\n"


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "done"), ("two\nlines\x1b[2J", "two\nlines [2J"), (3, "3"), (True, "true"), ([], "[]"), ({}, "{}")],
)
def test_answer_of_ask_is_told_as_text_and_as_json(root: Path, value: Any, told: str, capsys: Captured) -> None:
    with FakeInstance(root, {"ask": value}) as fake:
        assert run(fake, "ask message_bus stats") == 0
        assert capsys.readouterr().out == f"{told}\n"
        assert run(fake, "ask message_bus stats --json") == 0
        assert json.loads(capsys.readouterr().out) == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ask message_bus", "missing: VERB"),
        ("ask message_bus publish topic", "'topic' is no argument"),
        ("ask message_bus publish =a", "'=a' is no argument"),
        ("ask message_bus publish a=1 a=2", "a is given twice"),
        ("ask mesage_bus publish", "did you mean: message_bus?"),
    ],
)
def test_wrong_request_is_told_and_not_sent(root: Path, line: str, message: str, capsys: Captured) -> None:
    with FakeInstance(root) as fake:
        assert run(fake, line) == (4 if "did you mean" in message else 2)
        assert "ask" not in fake.verbs()
    assert message in capsys.readouterr().err
