"""Actions that look into one running actor: its stacks, its memory, whom it waits for.

The stacks are written by the process itself on SIGUSR1, into its own log, however stuck it is. Invariant: a signal is
sent only to a process whose title says that it is the actor that is meant.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from grace_actors.actions.action import POLL_S, Ask, Call, Result, Steps, Wait, given, needed, positive, reads
from grace_actors.actions.tree import find, look, nodes
from grace_actors.errors import NotFound, Refused, TimedOut
from grace_actors.kernel import Answer, Data
from grace_actors.kernels.tree_nodes import TreeNode
from supervisors.wait_graph import cycles

STACK_S = 5.0
STACK_CHARS = 20_000
"""More than the stacks of a few threads take; the rest is in the log."""
_BEGINS = ("Current thread 0x", "Thread 0x")
ACTOR = needed("the name of a running kernel or actor")


@reads(kernel=ACTOR)
def capture_stack_trace(call: Call) -> Steps:
    """Has a running actor write the Python stacks of all its threads, also one that is stuck. data holds them."""
    name = call["kernel"]
    yield from find(call, name, "kernel", "actor")
    process = yield from _process(call, name)
    if process.status() == psutil.STATUS_STOPPED:
        raise Refused(
            f"{name} (pid {process.pid}) stands still (SIGSTOP)", hint="it can write nothing before it goes on"
        )
    log = call.ctx.home / "logs" / f"{name}.log"
    before = log.stat().st_size if log.exists() else 0
    os.kill(process.pid, signal.SIGUSR1)
    deadline, seen = call.ctx.now() + STACK_S, ""
    while True:
        yield Wait(delay_s=POLL_S)
        now = _stacks(log, before)
        if now and now == seen:
            break
        if call.ctx.now() >= deadline:
            raise TimedOut(
                f"{name} (pid {process.pid}) wrote no stack to {log} within {STACK_S:g} s", hint="see its log"
            )
        seen = now
    threads = sum(line.startswith(_BEGINS) for line in seen.splitlines())
    data = {"value": threads, "pid": process.pid, "stack": seen[:STACK_CHARS], "log": str(log)}
    return Result(True, message=f"{name}: the stacks of {threads} threads", data=data)


def _stacks(log: Path, since: int) -> str:
    """What was written since about threads; the newest call of each stands first."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(since)
        lines = file.read().decode(errors="replace").splitlines()
    begin = next((number for number, line in enumerate(lines) if line.startswith(_BEGINS)), None)
    return "\n".join(lines[begin:]) if begin is not None else ""


def _process(call: Call, name: str) -> Steps:
    """The process of an actor. Raises NotFound when it has none, or when its number is another's by now."""
    node: Data = (yield from look(name)) or {}
    pid = node.get("pid")
    try:
        process = psutil.Process(pid) if isinstance(pid, int) else None
        title = " ".join(process.cmdline()) if process else ""
    except psutil.Error:
        process, title = None, ""
    if process is None or f"grace: {name} [" not in title:
        raise NotFound(f"{name} has no process: it is {node.get('state', 'not shown by status')}", hint="see: tree")
    return process


# ---- memory ---------------------------------------------------------------------------------------------------------


@reads(kernel=ACTOR, types=given(20, "how many of the most frequent types of objects"))
def capture_memory_profile(call: Call) -> Steps:
    """Measures the memory of a running actor: resident, unshared and proportional, with its threads and descriptors,
    and, if it answers, its most frequent types of objects. `value` is the unshared memory in MB."""
    positive(call, "types")
    name = call["kernel"]
    yield from find(call, name, "kernel", "actor")
    process = yield from _process(call, name)
    try:
        memory = process.memory_full_info()
        data: Data = {
            "value": round(memory.uss / 1e6, 1),
            "rss_mb": round(memory.rss / 1e6, 1),
            "pss_mb": round(memory.pss / 1e6, 1),
            "threads": process.num_threads(),
            "descriptors": process.num_fds(),
            "pid": process.pid,
        }
    except psutil.Error as error:
        raise NotFound(f"{name} ended while it was measured: {error}", hint=f"see: status {name}") from error
    answer: Answer = yield Ask(to=name, verb="objects", args={"limit": call["types"]}, timeout_s=5.0)
    data |= answer.value if answer.ok else {"types": {}, "objects": None}
    told = "" if answer.ok else "; it does not answer, so its objects were not counted"
    return Result(True, message=f"{name} holds {data['value']} MB alone, {data['rss_mb']} MB in all{told}", data=data)


# ---- who waits for whom ---------------------------------------------------------------------------------------------


@reads(
    kernels=given([], "the names of those that are asked; empty: every kernel and actor"),
    longer_than_s=given(5.0, "younger requests do not count as waiting, in seconds"),
    timeout_s=300.0,
)
def detect_deadlock(call: Call) -> Steps:
    """Asks kernels whose answers they wait for. ok if all of them react and nobody waits for himself, directly or
    through others. data names the circles in `cycles`, who does not react in `silent`, and who waits for whom."""
    found: list[TreeNode] = yield from nodes(call)
    names = [str(name) for name in call["kernels"]]
    names = names or [node.name for node in found if node.kind in ("kernel", "actor") and node.state == "running"]
    unknown = set(names) - {node.name for node in found}
    if unknown:
        raise NotFound(f"there is no {', '.join(sorted(unknown))} in the tree", hint="see: tree")
    waits: dict[str, list[Data]] = {}
    silent = []
    for name in names:
        answer: Answer = yield Ask(to=name, verb="waits", timeout_s=2.0)
        if answer.ok:
            waits[name] = [one for one in answer.value["waits"] if one["for_s"] >= call["longer_than_s"]]
        elif (answer.error or {}).get("code") in ("timed_out", "died"):
            silent.append(name)
    circles = cycles({name: {one["to"] for one in waited} for name, waited in waits.items()})
    involved = sorted({name for circle in circles for name in circle} | set(silent))
    data: dict[str, Any] = {"value": len(involved), "involved": involved, "cycles": circles, "silent": silent}
    data["waits"] = {name: waited for name, waited in waits.items() if waited}
    if not involved:
        return Result(True, message=f"{len(waits)} kernels react, and nobody waits in a circle", data=data)
    parts = [f"{' waits for '.join([*circle, circle[0]])}" for circle in circles]
    parts += [f"{name} does not react" for name in silent]
    return Result(False, message=f"detect_deadlock: {'; '.join(parts)}; use restart_staggered", data=data)
