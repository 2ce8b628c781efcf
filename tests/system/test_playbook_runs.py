"""Playbooks on a live tree: they repair what they say, and a killed self_healing takes its runs up again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.errors import Interrupted, RemoteFailed
from tests.harness.instance import Running, as_json, run_cli, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

HEAD = "schema: grace.playbook/1\ntitle: T\n"
ENDED = ("succeeded", "failed", "timed_out", "canceled", "abandoned")
PLAYBOOKS = {
    "cycle": """
inputs: {kernel: {required: true}}
steps:
  - {id: hold, action: pause_kernel, with: {kernel: "{{ inputs.kernel }}"}}
  - {id: go, action: resume_kernel, with: {kernel: "{{ inputs.kernel }}"}}
  - {id: again, action: restart_kernel, with: {kernel: "{{ inputs.kernel }}"}, register: new}
verify:
  - {action: kernel_state, with: {kernel: "{{ inputs.kernel }}"}, tolerance: running}
""",
    "patient": """
steps:
  - {id: note, action: alert, with: {message: patient begins}}
  - {id: wait, action: wait_until_ready, with: {kernel: librarian, wait_s: 60}}
always:
  - {id: last, action: resume_kernel, with: {kernel: librarian}}
verify:
  - {action: kernel_state, with: {kernel: librarian}, tolerance: running}
""",
    "shout": """
steps:
  - {id: word, action: alert, with: {message: shouted once}, retry: {count: 3}}
always:
  - {id: last, action: resume_kernel, with: {kernel: message_bus}}
verify: []
""",
    "broken": "steps: [{action: restart_kernal}]\nverify: []\n",
}


@pytest.fixture(scope="module")
def healer(grace: Running) -> Running:
    folder = grace.home.root / "playbooks"
    folder.mkdir()
    for name, body in PLAYBOOKS.items():
        (folder / f"{name}.yaml").write_text(f"{HEAD}name: {name}\n{body}", encoding="utf-8")
    ask(grace, "reload_playbooks")
    return grace


def ask(grace: Running, verb: str, **args: Any) -> Any:
    return grace.client.call("ask", {"name": "self_healing", "verb": verb, "args": args})


def run(grace: Running, id: str) -> dict[str, Any]:
    """The run; empty while self_healing is being restarted."""
    try:
        found: dict[str, Any] = ask(grace, "run", id=id)
    except (RemoteFailed, Interrupted):
        return {}
    return found


def ended(grace: Running, id: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        found = run(grace, id)
        return found if found.get("status") in ENDED else None

    found: dict[str, Any] = wait_for(over, f"the end of {id}: {run(grace, id)}")
    return found


def is_in(grace: Running, id: str, step: str) -> bool:
    """Whether the step is under way. Fails the test when the run has ended."""
    found = run(grace, id)
    assert found.get("status") not in ENDED, found["message"]
    return [s["id"] for s in found.get("steps", ()) if s["status"] == "running"] == [step]


def hold(grace: Running, name: str) -> None:
    """Pause it; the tree shows it a moment later."""
    grace.call("pause", name=name)
    wait_for(lambda: grace.node(name)["state"] == "paused", f"{name} paused")


def alerts(grace: Running, message: str) -> int:
    return sum(event["data"]["message"] == message for event in grace.events(type="alert.raised", limit=1000))


def kill_healer(grace: Running) -> None:
    pid = grace.node("self_healing")["pid"]
    grace.kill(pid)
    grace.wait_new_pid("self_healing", pid)


def test_a_users_playbook_pauses_resumes_restarts_and_verifies_a_kernel(healer: Running) -> None:
    before = healer.node("librarian")
    done = run_cli("playbook", "run", "cycle", "kernel=librarian", "--wait", "--json", home=healer.home.root)
    assert done.returncode == 0, done.stderr + done.stdout
    found = as_json(done)
    assert (found["status"], found["changed"], found["inputs"]) == ("succeeded", True, {"kernel": "librarian"})
    assert [(s["id"], s["status"]) for s in found["steps"]] == [
        ("hold", "succeeded"),
        ("go", "succeeded"),
        ("again", "succeeded"),
        ("verify_1", "passed"),
    ]
    after = healer.node("librarian")
    assert (after["pid"] != before["pid"], after["state"]) == (True, "running")
    assert {"id", "playbook", "check", "requested_at", "ended_at", "message"} <= set(found)


def test_in_check_mode_nothing_is_changed(healer: Running) -> None:
    before = healer.node("scheduler")
    id = ask(healer, "run_playbook", name="cycle", inputs={"kernel": "scheduler"}, check=True)["id"]
    found = ended(healer, id)
    assert (found["check"], found["steps"][0]["status"]) == (True, "succeeded")
    after = healer.node("scheduler")
    assert [after[key] for key in ("pid", "generation", "state")] == [
        before[key] for key in ("pid", "generation", "state")
    ]
    assert not [
        e for e in healer.events(subject="scheduler", limit=1000) if e["type"] in ("child.paused", "child.recycled")
    ]


def test_a_run_goes_on_when_self_healing_was_killed_in_a_step_that_may_be_repeated(healer: Running) -> None:
    hold(healer, "librarian")
    id = ask(healer, "run_playbook", name="patient")["id"]
    wait_for(lambda: is_in(healer, id, "wait"), f"{id} in its second step")
    wait_for(lambda: alerts(healer, "patient begins"), "the alert in the event log")
    kill_healer(healer)
    wait_for(lambda: is_in(healer, id, "wait"), f"{id} in its second step again")
    healer.call("resume", name="librarian")
    found = ended(healer, id)
    assert found["status"] == "succeeded", found
    assert [s["status"] for s in found["steps"] if s["id"] == "wait"] == ["interrupted", "succeeded"]
    assert alerts(healer, "patient begins") == 1


def test_an_action_that_is_not_idempotent_is_never_done_twice(healer: Running) -> None:
    hold(healer, "message_bus")
    id = ask(healer, "run_playbook", name="shout")["id"]
    wait_for(lambda: alerts(healer, "shouted once"), "the alert in the event log")
    kill_healer(healer)
    found = ended(healer, id)
    assert (found["status"], found["message"]) == (
        "failed",
        "word: alert was interrupted; whether it was done is unknown",
    )
    assert alerts(healer, "shouted once") == 1
    assert healer.node("message_bus")["state"] == "running"


def test_what_there_is_and_what_ran_is_shown(healer: Running) -> None:
    home: Path = healer.home.root
    listed = run_cli("playbook", "list", home=home)
    assert listed.returncode == 1
    assert "broken.yaml:4:18: unknown action 'restart_kernal'" in listed.stdout
    shown = run_cli("playbook", "run", "cycle", "kernel=nobody", "--wait", home=home)
    assert (shown.returncode, "✖ hold  " in shown.stdout, "there is no 'nobody'" in shown.stdout) == (1, True, True)
    runs = as_json(run_cli("run", "list", "--json", home=home))["runs"]
    assert runs[0]["playbook"] == "cycle"
    told = run_cli("run", "show", runs[0]["id"], home=home)
    assert (told.returncode, f"{runs[0]['id']}  cycle  ✖ failed" in told.stdout) == (0, True)
    late = run_cli("run", "cancel", runs[0]["id"], home=home)
    assert (late.returncode, "is failed already" in late.stderr) == (5, True)
    assert json.loads(run_cli("playbook", "show", "cycle", "--json", home=home).stdout)["origin"] == "user"
