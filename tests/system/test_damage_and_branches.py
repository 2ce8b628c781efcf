"""A damaged search index, branches, pools and stuck kernels on a live tree: each is repaired and seen to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.errors import Interrupted, RemoteFailed
from tests.harness.instance import ROOT, Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos, pytest.mark.timeout(180)]

POOL = """
  - supervisor: pool
    strategy: dynamic
    max_children: 3
    children:
      - id: worker
        kernel: grace_actors.kernels.sandbox:Sandbox
        backoff: {min: 60s, max: 60s}
"""
STEPS = """schema: grace.playbook/1
name: steps
title: Acts on branches, pools and stuck kernels
steps:
  - {id: mark, action: event_position, register: mark}
  - {id: grow, action: scale_workers, with: {supervisor: pool, workers: "3"}}
  - {id: too_many, action: scale_workers, with: {supervisor: pool, workers: "+1"}, on_failure: continue}
  - {id: shrink, action: scale_workers, with: {supervisor: pool, workers: "1"}}
  - {id: branch, action: restart_supervisor, with: {supervisor: pool}}
  - {id: own, action: restart_supervisor, with: {supervisor: repair}, on_failure: continue}
  - {id: staggered, action: restart_staggered, with: {kernels: [meta_loop, self_healing], stagger_s: 0, mode: safe}}
  - {id: stuck, action: inject_fault, with: {kernel: voice_conversation, fault: block, params: {seconds: 300}}}
  - {id: circle, action: detect_deadlock, with: {kernels: [voice_conversation]}, on_failure: continue}
  - {id: stack, action: capture_stack_trace, with: {kernel: voice_conversation}, register: stack}
  - {id: memory, action: capture_memory_profile, with: {kernel: meta_loop}}
  - {id: force, action: force_restart_kernel, with: {kernel: voice_conversation}}
  - {id: told, action: wait_for_event, with: {type: fault.injected, after: "{{ mark.data.value }}", within_s: 5}}
  - {id: note, action: log, with: {message: "{{ stack.data.stack }}"}}
verify:
  - {action: detect_deadlock, with: {kernels: [voice_conversation, meta_loop]}, tolerance: 0}
"""


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The built-in tree with a pool, and a playbook of its own."""
    folder = tmp_path_factory.mktemp("pooled")
    tree = folder / "tree.yaml"
    tree.write_text((ROOT / "supervisors/grace.yaml").read_text(encoding="utf-8") + POOL, encoding="utf-8")
    (folder / "home/playbooks").mkdir(parents=True)
    (folder / "home/playbooks/steps.yaml").write_text(STEPS, encoding="utf-8")
    (folder / "home/inbox").mkdir()
    for name in ("oak", "birch"):
        (folder / f"home/inbox/{name}.md").write_text(f"The {name} stands by the river.\n" * 40, encoding="utf-8")
    running = Running(folder / "home", Path(tree))
    try:
        running.wait_running()
        yield running
    finally:
        running.close()


def ask(running: Running, who: str, verb: str, **args: Any) -> Any:
    return running.client.call("ask", {"name": who, "verb": verb, "args": args})


def found(running: Running, words: str) -> set[str]:
    """The documents with these words; none while librarian is down or refuses."""
    try:
        return {chunk["name"] for chunk in ask(running, "librarian", "search", words=words)["chunks"]}
    except (RemoteFailed, Interrupted):
        return set()


def run(running: Running, name: str, **inputs: Any) -> dict[str, Any]:
    """The run of a playbook, once it has ended."""
    id = ask(running, "self_healing", "run_playbook", name=name, inputs=inputs)["id"]

    def ended() -> dict[str, Any] | None:
        shown: dict[str, Any] = ask(running, "self_healing", "run", id=id)
        return shown if shown["status"] in ("succeeded", "failed", "timed_out", "canceled", "abandoned") else None

    shown: dict[str, Any] = wait_for(ended, f"the end of {name}", step_s=0.1)
    return shown


def test_a_damaged_search_index_is_rebuilt_and_every_document_is_found_again(pooled: Running) -> None:
    wait_for(lambda: ask(pooled, "librarian", "documents")["count"] == 2, "both documents", step_s=0.1)
    pid = pooled.node("librarian")["pid"]
    told = pooled.call("inject", fault="corrupt", target="librarian", params={})
    assert told["where"] == "search index chunks_fts"

    def refused() -> bool:
        last = pooled.node("librarian")["last_exit"] or {}
        return "index_works" in str(last.get("reason"))

    wait_for(refused, "the self-test meets the damage")
    if not found(pooled, "oak"):
        run(pooled, "search_index_repair", kernel="librarian")
    wait_for(lambda: found(pooled, "oak") == {"oak.md"}, "the index is rebuilt", step_s=0.1)
    assert found(pooled, "birch") == {"birch.md"}
    assert pooled.node("librarian")["pid"] != pid
    assert not list((pooled.home.root / "quarantine").glob("librarian-*"))
    event = pooled.events(type="fault.injected", subject="librarian")[-1]["data"]
    assert (event["fault"], event["where"]) == ("corrupt", told["where"])


def test_a_kernel_without_a_store_is_not_damaged_and_those_with_one_are_named(pooled: Running) -> None:
    with pytest.raises(RemoteFailed, match="sandbox has no store") as refused:
        pooled.call("inject", fault="corrupt", target="sandbox", params={})
    assert "librarian" in refused.value.hint
    assert pooled.node("sandbox")["state"] == "running"


def test_branches_pools_and_stuck_kernels_are_acted_on_as_the_steps_say(pooled: Running) -> None:
    pooled.wait_running()
    shown = run(pooled, "steps")
    steps = {step["id"]: step for step in shown["steps"]}
    assert shown["status"] == "succeeded", steps
    assert [name for name, step in steps.items() if step["status"] == "failed"] == ["too_many", "own", "circle"]
    assert "max_children" in steps["too_many"]["message"]
    assert "below repair" in steps["own"]["message"]
    assert "voice_conversation does not react" in steps["circle"]["message"]
    assert "self_healing performs" in steps["staggered"]["message"]
    assert [node["name"] for node in pooled.node("pool")["children"]] == ["worker"]
    logged = ask(pooled, "immutable_log", "tail", limit=50)["entries"]
    assert any("Current thread" in str(entry) and "in <lambda>" in str(entry) for entry in logged)


def test_start_ends_the_wait_of_a_child_of_a_dynamic_supervisor(pooled: Running) -> None:
    pooled.wait_running()
    pid = pooled.node("worker")["pid"]
    pooled.call("inject", fault="crash", target="worker", params={})
    wait_for(lambda: pooled.node("worker")["state"] == "restarting", "it waits before its restart")
    pooled.call("start", name="worker")
    pooled.wait_new_pid("worker", pid)
