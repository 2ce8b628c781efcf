"""A playbook file becomes a playbook, or every mistake in it is told with its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from playbooks.conditions import Expression
from playbooks.loader import PlaybookFileError, load_directory, load_playbook, read_playbook
from playbooks.spec import (
    Approval,
    Check,
    Concurrency,
    OnFailure,
    OnLimit,
    Param,
    ParamType,
    Policy,
    Retry,
    Severity,
    Tolerance,
)
from playbooks.templates import Template
from tests.unit.playbooks.driver import ACTIONS, FILE, HEAD, playbook

FIXTURES = Path(__file__).parents[2] / "fixtures" / "playbooks"
MESSAGES = (FIXTURES / "messages.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_the_message_that_helps(path: Path) -> None:
    expected = [line.partition(": ")[2] for line in MESSAGES if line.startswith(f"{path.stem}: ")]
    assert expected, f"messages.txt says nothing about {path.stem}"
    with pytest.raises(PlaybookFileError) as caught:
        load_playbook(path, ACTIONS)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == expected


def test_every_message_is_of_a_file() -> None:
    assert {line.partition(": ")[0] for line in MESSAGES} == {path.stem for path in FIXTURES.glob("*.yaml")}


FULL = """
    description: |
      Snapshot, restart, verify.
    tags: [kernel_runtime]
    enabled: false
    severity: high
    inputs:
      kernel: {type: string, required: true, description: Kernel to restart, enum: [librarian, sandbox]}
      n: {type: integer, default: 3}
    triggers:
      - type: health_signal_gap
        when: [issue.age_s > 30, issue.kind == "heartbeat_gap"]
        with: {kernel: "{{ issue.target }}"}
      - type: drill
    policy:
      concurrency: {key: inputs.kernel, max: 2, on_limit: cancel}
      cooldown: 30s
      timeout: 1m30s
    approval: {required: true, route: owners, ttl: 0}
    steps:
      - id: keep
        action: snapshot
        with: {kernel: "{{ inputs.kernel }}"}
        register: snap
        timeout: 3s
        retry: {count: 3, delay: 500ms}
      - action: restart_kernel
        with: {kernel: "the {{ inputs.kernel }}"}
        when: snap.ok
        on_failure: rescue
    rescue:
      - {id: again, action: scale, with: {workers: 4}}
    always:
      - {action: look, on_failure: continue}
"""
VERIFY = """
verify:
  - action: kernel_state
    with: {kernel: "{{ inputs.kernel }}"}
    tolerance: [running, paused]
  - action: look
    tolerance: {min: 1, max: 2.5}
  - action: look
"""


def test_every_key_is_read() -> None:
    found = playbook(FULL, VERIFY)
    assert (found.name, found.title, found.description) == ("p", "T", "Snapshot, restart, verify.\n")
    assert (found.tags, found.enabled, found.severity) == (("kernel_runtime",), False, Severity.HIGH)
    assert found.inputs == {
        "kernel": Param(required=True, description="Kernel to restart", enum=("librarian", "sandbox")),
        "n": Param(type=ParamType.INTEGER, default=3),
    }
    assert [trigger.type for trigger in found.triggers] == ["health_signal_gap", "drill"]
    assert [each.test.text for each in found.triggers[0].when] == ["issue.age_s > 30", 'issue.kind == "heartbeat_gap"']
    assert found.triggers[0].values == {"kernel": Template((Expression(" issue.target "),))}
    limit = Concurrency(key=Expression("inputs.kernel"), max=2, on_limit=OnLimit.CANCEL)
    assert found.policy == Policy(concurrency=limit, cooldown_s=30.0, timeout_s=90.0)
    assert found.approval == Approval(required=True, route="owners", ttl_s=None)
    keep, restart = found.steps
    assert (keep.id, keep.register, keep.timeout_s, keep.retry) == ("keep", "snap", 3.0, Retry(count=3, delay_s=0.5))
    assert (restart.id, restart.timeout_s, restart.on_failure) == ("restart_kernel", 10.0, OnFailure.RESCUE)
    assert restart.params == {"kernel": Template(("the ", Expression(" inputs.kernel ")))}
    assert [step.id for step in found.all_steps()] == ["keep", "restart_kernel", "again", "look"]
    assert found.rescue[0].params == {"workers": 4}
    assert [check.tolerance for check in found.verify] == [
        Tolerance(values=("running", "paused")),
        Tolerance(least=1, most=2.5),
        None,
    ]
    assert found.verify[2] == Check(id="verify_3", action="look", timeout_s=5.0)


def test_what_is_left_out_has_its_default() -> None:
    found = playbook("steps: [{action: poke}]\n")
    assert (found.enabled, found.severity, found.policy, found.approval) == (
        True,
        Severity.MEDIUM,
        Policy(),
        Approval(required=False, route="operators", ttl_s=86400.0),
    )
    assert (found.steps[0].retry, found.steps[0].on_failure) == (Retry(count=0, delay_s=0.0), OnFailure.FAIL)


def test_a_concurrency_without_a_key_counts_all_runs() -> None:
    assert playbook("policy: {concurrency: {max: 3}}\nsteps: [{action: poke}]\n").policy.concurrency == Concurrency(
        max=3
    )


def test_another_text_has_another_digest() -> None:
    texts = ("steps: [{action: poke}]\n", "steps: [{action: poke}]\n", "steps: [{action: poke}] # same\n")
    first, same, other = (playbook(text).digest for text in texts)
    assert first == same != other


def test_rescue_may_use_what_the_steps_registered_and_verify_what_rescue_did() -> None:
    body = """
        steps: [{action: poke, register: a, on_failure: rescue}]
        rescue: [{action: set_flag, register: b, when: not a.ok}]
        always: [{action: look, when: a.ok or b.ok}]
    """
    verify = 'verify: [{action: kernel_state, with: {kernel: "{{ b.message }}"}}]\n'
    assert len(playbook(body, verify).rescue) == 1


def test_a_literal_within_a_parameter_is_judged_and_a_template_is_not() -> None:
    assert playbook('steps: [{action: scale, with: {workers: "{{ issue.n }}", mode: hard}}]\n').steps
    with pytest.raises(PlaybookFileError, match=r"p.yaml:4:38: mode is 'soft'; allowed: gentle, hard"):
        playbook("steps: [{action: scale, with: {mode: soft}}]\n")


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PlaybookFileError, match="cannot be read: No such file"):
        load_playbook(tmp_path / "none.yaml", ACTIONS)


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    body = "title: T\nsteps: [{action: poke}]\nverify: []\n"
    for path in ("good.yaml", "sub/deep.yml", "sub/good.yaml"):
        name = Path(path).stem
        (tmp_path / path).write_text(f"schema: grace.playbook/1\nname: {name}\n{body}", encoding="utf-8")
    shutil.copy(FIXTURES / "three_mistakes.yaml", tmp_path)
    (tmp_path / "notes.txt").write_text("no playbook", encoding="utf-8")
    pack = load_directory(tmp_path, ACTIONS)
    assert sorted(pack.playbooks) == ["deep", "good"]
    assert pack.files["good"] == tmp_path / "good.yaml"
    told = [str(fault) for fault in pack.faults]
    assert told[0] == (
        f"{tmp_path}/sub/good.yaml:1:1: the playbook 'good' for the second time, "
        f"first in {tmp_path}/good.yaml; allowed: each name once"
    )
    assert len(told) == 4


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert [fault.message for fault in load_directory(tmp_path / "none", ACTIONS).faults] == ["not a folder"]


def test_without_actions_every_action_is_unknown() -> None:
    with pytest.raises(PlaybookFileError, match="unknown action 'poke'; allowed: no action is known"):
        read_playbook(HEAD + "steps: [{action: poke}]\nverify: []\n", FILE, {})
