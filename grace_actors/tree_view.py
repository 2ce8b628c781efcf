"""What one supervisor tells the status actor about itself and its children.

Reads the core's view and the living processes, changes nothing. Invariant: it is the full current state,
so that a lost description is repaired by the next one.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grace_actors.kernel import Answer, Data
from supervisors.messages import Exit
from supervisors.slots import ChildView
from supervisors.spec import ChildSpec, KernelStart, ProcessStart, SupervisorSpec

if TYPE_CHECKING:
    from grace_actors.supervisor import SupervisorActor


DELAY_S, TIMEOUT_S = 0.02, 2.0


class Description:
    """Keeps the status actor up to date about one supervisor."""

    def __init__(self, supervisor: SupervisorActor) -> None:
        self._supervisor = supervisor
        self._is_on_its_way = self._is_dirty = False

    def changed(self) -> None:
        """One description is on its way at most; what changes meanwhile is in the next one."""
        self._is_dirty = True
        if not self._is_on_its_way:
            self._is_on_its_way = True
            self._supervisor.after(DELAY_S, self._send)

    def _send(self) -> None:
        self._is_dirty = False
        self._supervisor.names.ask("status", "describe", describe(self._supervisor), self._sent, TIMEOUT_S)

    def _sent(self, answer: Answer) -> None:
        self._is_on_its_way = False
        if self._is_dirty or not answer.ok:
            self.changed()


def describe(sup: SupervisorActor) -> Data:
    """The message of verb `describe`."""
    return {
        "name": sup.name,
        "pid": os.getpid(),
        "gen": sup.gen,
        "started_at": sup.started_at,
        "strategy": sup.spec.strategy.value,
        "policies": [policy.name for policy in sup.spec.policies],
        "state": "running" if sup.is_up else "starting",
        "parent": sup.birth.parent,
        "restarts": 0,
        "children": [_child(sup, slot) for slot in sup.core.view()],
    }


def _child(sup: SupervisorActor, slot: ChildView) -> Data:
    spec = slot.spec
    inc = sup.living.get(slot.id)
    pulse = inc.pulse if inc else None
    state = str(slot.state)
    waits_for = f"waits for {', '.join(slot.waits_for)}" if slot.waits_for else None
    return {
        "id": slot.id,
        "kind": kind_of(spec),
        "state": "paused" if slot.id in sup.paused and state == "running" else state,
        "pid": inc.shown_pid if inc else None,
        "gen": slot.gen,
        "restarts": slot.restarts,
        "started_at": inc.started_at if inc else None,
        "last_exit": _last_exit(slot.last_exit, sup.exit_times.get(slot.id)),
        "does": pulse.does if pulse else waits_for,
        "mailbox": pulse.mailbox if pulse else None,
        "degraded": list(pulse.degraded) if pulse else [],
        "cause": slot.cause,
        "next_step": slot.next_step,
        "critical": spec.critical,
        "tier": spec.tier,
    }


def _last_exit(exit: Exit | None, at: float | None) -> Data | None:
    if exit is None:
        return None
    stamp = datetime.fromtimestamp(at or 0.0, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"reason": exit.reason or exit.kind.value, "detail": exit.detail, "at": stamp}


def kind_of(spec: ChildSpec) -> str:
    """What the tree shows a child as: supervisor, kernel, actor (of the runtime) or process."""
    match spec.start:
        case SupervisorSpec():
            return "supervisor"
        case ProcessStart():
            return "process"
        case KernelStart(path=path) if path.startswith("grace_actors.") and ".kernels." not in path:
            return "actor"
        case KernelStart():
            return "kernel"
    raise TypeError(f"{spec.id}: cannot start a {type(spec.start).__name__}")
