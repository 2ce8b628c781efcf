"""Says in plain sentences what the answers of other kernels mean.

Each function takes live data and gives a text; a source that did not answer is said to be silent, never left out.
Pure. Invariant: a number in a text stands in the data it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grace_actors.kernels.intents import EXAMPLES
from grace_actors.kernels.tree_nodes import RUNNING, TreeNode

Sources = Mapping[str, Any]
"""The value each actor answered, by its name; None if it was silent."""


def down(nodes: Sequence[TreeNode]) -> str:
    """What does not run."""
    if not nodes:
        return "I cannot see the tree: the status actor is silent."
    bad = [node for node in nodes if not node.is_supervisor and node.state != RUNNING]
    running = sum(not node.is_supervisor and node.state == RUNNING for node in nodes)
    if not bad:
        return f"Nothing is down: all {running} actors and processes run." + _weak(nodes)
    listed = "; ".join(f"{node.name} is {node.state}{_because(node)}" for node in bad[:8])
    more = f"; and {len(bad) - 8} more" if len(bad) > 8 else ""
    return f"{len(bad)} down, {running} running: {listed}{more}." + _weak(nodes)


def why_ended(node: TreeNode | None, subject: str, sources: Sources) -> str:
    """Why something ended the last time."""
    if node is None:
        return (
            f"I do not know {subject}."
            if subject
            else "Of whom? Name a kernel, for example: why did librarian restart?"
        )
    answer = sources.get("self_healing")
    known = answer.get("incidents", []) if answer else []
    last = f" Its last exit: {node.last_exit}." if node.last_exit else " It has not ended since its supervisor started."
    text = f"{node.name} is {node.state} and was {_restarted(node.restarts)}.{last}"
    if answer is None:
        return text + " self_healing is silent, so I cannot tell about incidents."
    if not known:
        return text + " There is no incident about it."
    first = known[0]
    recovery = first.get("recovery_s")
    back = f"; it was back after {recovery:.2f} s" if recovery is not None else ""
    return (
        f"{text} {first['id']}: {first['kind']} because of {first['reason']!r}, seen {_times(first['count'])}, "
        f"last {first['last']}, now {first['state']}{back}."
    )


def restarts(nodes: Sequence[TreeNode], node: TreeNode | None) -> str:
    """How often things were restarted."""
    if not nodes:
        return "I cannot see the tree: the status actor is silent."
    if node is not None:
        return f"{node.name} was {_restarted(node.restarts)}."
    restarted = sorted((n for n in nodes if n.restarts), key=lambda n: -n.restarts)
    if not restarted:
        return "Nothing was restarted."
    total = sum(n.restarts for n in restarted)
    listed = ", ".join(f"{n.name} {n.restarts}" for n in restarted[:8])
    return f"{total} restarts in all: {listed}." if total > 1 else f"1 restart: {listed}."


def dependents(subject: str, needs: Mapping[str, Sequence[str]] | None) -> str:
    """Who is started after something because it needs it, directly or through others."""
    if not subject:
        return "On whom? Name a kernel, for example: who depends on governance?"
    if needs is None:
        return "I cannot read the dependencies: neither the status actor nor the tree file tells them."
    direct = sorted(name for name, wanted in needs.items() if subject in wanted)
    if not direct:
        return f"Nothing depends on {subject}."
    found, frontier = set(direct), set(direct)
    while frontier:
        frontier = {name for name, wanted in needs.items() if frontier & set(wanted)} - found
        found |= frontier
    indirect = sorted(found - set(direct))
    more = f" Through them: {', '.join(indirect)}." if indirect else ""
    return f"{', '.join(direct)} {'depends' if len(direct) == 1 else 'depend'} on {subject}.{more}"


def did(node: TreeNode | None, subject: str) -> str:
    """What something did last."""
    if node is None:
        return f"I do not know {subject}." if subject else "Who? Name a kernel, for example: what did the scheduler do?"
    doing = node.does or "it has not said what it does"
    return f"{node.name} is {node.state}: {doing}."


def next_step(sources: Sources) -> str:
    """What should be done first."""
    answer = sources.get("agentic_spine")
    return str(answer["text"]) if answer else "agentic_spine is silent, so I cannot tell what comes first."


def needs_me(sources: Sources) -> str:
    """What waits for a person."""
    parts = []
    approvals, spine = sources.get("governance"), sources.get("agentic_spine")
    if approvals is None:
        parts.append("governance is silent, so I cannot tell about approvals.")
    elif approvals.get("approvals"):
        asked = "; ".join(
            f"{a['id']}: {a['actor']} wants {a['action']} ({a['risk']})" for a in approvals["approvals"][:5]
        )
        parts.append(f"{approvals['pending']} approvals are pending: {asked}.")
    else:
        parts.append("No approval is pending.")
    first = spine.get("next") if spine else None
    if first and first["step"] in ("call_operator", "diagnose", "inspect_start"):
        parts.append(f"{first['kernel']} needs a look: {first['why']}.")
    return " ".join(parts)


def risk(subject: str, sources: Sources) -> str:
    """What is likely to fail."""
    answer = sources.get("learning_integration")
    if answer is None:
        return "learning_integration is silent, so I cannot tell about risk."
    kernels = [k for k in answer.get("kernels", []) if not subject or k["name"] == subject]
    if not kernels:
        return f"I have seen no outcome of {subject or 'anything'} yet."
    listed = "; ".join(f"{k['name']} {k['risk']:.1%} ({k['failures']} failures seen)" for k in kernels[:5])
    return f"Chance to fail within {answer['horizon_s'] / 60:g} minutes: {listed}."


def host(sources: Sources) -> str:
    """What the host uses."""
    answer = sources.get("infrastructure_manager")
    if answer is None:
        return "infrastructure_manager is silent, so I cannot tell about the host."
    cpu = "not measured yet" if answer["cpu_percent"] is None else f"{answer['cpu_percent']:g} %"
    return (
        f"CPU {cpu}, memory {answer['memory_percent']:g} % ({answer['memory_free_mb']:g} MB free), disk "
        f"{answer['disk_percent']:g} % ({answer['disk_free_mb']:g} MB free), load {answer['load_1m']:g}."
    )


def work(sources: Sources) -> str:
    """How the work orders stand."""
    answer = sources.get("coding_agent")
    if answer is None:
        return "coding_agent is silent, so I cannot tell about work orders."
    scan = answer.get("last_scan")
    scanned = f" The last syntax scan read {scan['files']} files and found {scan['errors']} errors." if scan else ""
    return (
        f"{answer['total_work_orders']} work orders: {answer['queued']} queued, {answer['in_progress']} in progress, "
        f"{answer['completed']} completed, {answer['failed']} failed.{scanned}"
    )


def log(sources: Sources) -> str:
    """What the log says of itself."""
    answer = sources.get("immutable_log")
    if not isinstance(answer, dict):
        return "immutable_log is silent, so I cannot tell about the log."
    counts = {key: value for key, value in answer.items() if isinstance(value, int | float)}
    listed = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in sorted(counts.items()))
    return f"The log: {listed}." if listed else "The log has nothing to tell of itself."


def help_text() -> str:
    """What can be asked."""
    return "You can ask: " + " ".join(EXAMPLES.values())


def unknown(question: str) -> str:
    """The answer to what was not understood."""
    return f"I did not understand {question!r:.120}. {help_text()}"


def _because(node: TreeNode) -> str:
    return f" ({node.last_exit})" if node.last_exit else ""


def _weak(nodes: Sequence[TreeNode]) -> str:
    weak = [node for node in nodes if node.degraded]
    listed = "; ".join(f"{node.name}: {node.degraded[0]}" for node in weak[:3])
    return f" Degraded: {listed}." if weak else ""


def _restarted(count: int) -> str:
    return f"restarted {_times(count)}" if count else "never restarted"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
