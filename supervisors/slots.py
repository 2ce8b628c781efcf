"""The children of one supervisor as the core sees them: slots, their states, their order.

A slot outlives the incarnations that fill it. The table knows nothing of restarts, timers or commands.
Invariant: a slot's state changes only through `SlotTable.move`, which keeps the counts and the set of changed ids;
a generation number is never used twice for one id, also not after delete and re-add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from supervisors.messages import Exit
from supervisors.spec import ChildSpec, ChildType
from supervisors.window import RestartWindow


class SlotState(StrEnum):
    """What a slot is doing. OTP's `undefined` is `stopped`, `waiting`, `awaiting_repair`, `quarantined` or `failed`."""

    RUNNING = "running"
    STARTING = "starting"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    WAITING = "waiting"
    AWAITING_REPAIR = "awaiting_repair"
    QUARANTINED = "quarantined"
    FAILED = "failed"


HELD = frozenset({SlotState.AWAITING_REPAIR, SlotState.QUARANTINED, SlotState.FAILED})
"""Nothing automatic starts such a slot; `reset` or `restart_child` does."""
DOWN = HELD | {SlotState.STOPPED, SlotState.WAITING}

OPERATOR = "operator"


def next_step(id: str, state: SlotState) -> str:
    """What a person can do about a held child; empty for any other."""
    if state is SlotState.AWAITING_REPAIR:
        return f"wait for its repair, or: start {id}"
    return f"see why {id}; then: start {id}" if state in HELD else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildView:
    """One child for the outside. `next_retry_at` is on the core's clock; `attempt` counts restarts in a row
    (back-off); `is_dead`: it has ended, which is not acted upon yet; `stopped_by` is `operator` or the policy that
    stopped it; `mode` is that of the last start by hand; `waits_for` names the siblings without which a waiting child
    is not started; `cause` and `next_step` tell people why a child is held and what they can do."""

    id: str
    state: SlotState
    gen: int
    restarts: int
    last_exit: Exit | None
    next_retry_at: float | None
    ready_at: float | None
    attempt: int
    is_dead: bool
    stopped_by: str
    mode: str
    waits_for: tuple[str, ...]
    cause: str
    next_step: str
    spec: ChildSpec

    def as_dict(self) -> dict[str, Any]:
        """Plain data (no spec), ready for JSON."""
        last = self.last_exit
        return {
            "id": self.id,
            "state": self.state.value,
            "gen": self.gen,
            "restarts": self.restarts,
            "last_exit": None if last is None else {"kind": last.kind.value, "reason": last.reason},
            "next_retry_at": self.next_retry_at,
            "ready_at": self.ready_at,
            "attempt": self.attempt,
            "stopped_by": self.stopped_by,
            "mode": self.mode,
            "waits_for": list(self.waits_for),
            "cause": self.cause,
            "next_step": self.next_step,
            "restart": self.spec.restart.value,
            "type": self.spec.type.value,
        }


@dataclass(slots=True, eq=False)
class Slot:
    """Mutable record of one child; only the core touches it.

    `alive`: the world still has this incarnation. `dead`: its exit has arrived but waits in the queue.
    `doomed`: a stop sequence in progress will come to it. `stranded`: a failed group start never reached it.
    `missing`: it should have come up with its supervisor and has not been up since, because its first start failed or
    something it depends on is missing.
    `retry`: number of the retry that may start it; a retry with another number is stale.
    `cause`: why it was started last. `held_for`: why it was held last. `keeps`: the next incarnation gets what the one
    before was recycled with.
    """

    id: str
    spec: ChildSpec
    order: int
    gen: int
    state: SlotState = SlotState.STOPPED
    alive: bool = False
    dead: Exit | None = None
    doomed: bool = False
    stranded: bool = False
    missing: bool = False
    hung: bool = False
    timed_out: bool = False
    retry: int = 0
    attempt: int = 0
    restarts: int = 0
    misses: int = 0
    ready_at: float | None = None
    next_retry_at: float | None = None
    last_exit: Exit | None = None
    stopped_by: str = ""
    cause: str = ""
    held_for: str = ""
    keeps: bool = False
    mode: str = ""
    waits_for: tuple[str, ...] = ()
    window: RestartWindow | None = None
    start_timer: int | None = None
    stop_timer: int | None = None
    beat_timer: int | None = None
    retry_timer: int | None = None

    def view(self) -> ChildView:
        return ChildView(
            id=self.id,
            state=self.state,
            gen=self.gen,
            restarts=self.restarts,
            last_exit=self.last_exit,
            next_retry_at=self.next_retry_at,
            ready_at=self.ready_at,
            attempt=self.attempt,
            is_dead=self.dead is not None,
            stopped_by=self.stopped_by,
            mode=self.mode,
            waits_for=self.waits_for if self.state is SlotState.WAITING else (),
            cause=self.held_for if self.state in HELD else "",
            next_step=next_step(self.id, self.state),
            spec=self.spec,
        )


@dataclass(slots=True)
class SlotTable:
    """Slots by id, in start order (a dict keeps the order of insertion, so re-adding goes to the end)."""

    changed: set[str] = field(default_factory=set)
    _slots: dict[str, Slot] = field(default_factory=dict)
    _next_order: int = 0
    _gen_floor: int = 0
    _significant_up: int = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def __reversed__(self) -> Iterator[Slot]:
        return reversed(self._slots.values())

    def get(self, id: str | None) -> Slot | None:
        return self._slots.get(id)  # type: ignore[arg-type]

    def add(self, id: str, spec: ChildSpec) -> Slot:
        """A new slot at the end of the order; its generations continue after any removed slot's."""
        slot = Slot(id, spec, self._next_order, self._gen_floor)
        self._next_order += 1
        self._slots[id] = slot
        self.changed.add(id)
        return slot

    def remove(self, slot: Slot) -> None:
        self.move(slot, SlotState.STOPPED)
        self._gen_floor = max(self._gen_floor, slot.gen)
        del self._slots[slot.id]

    def move(self, slot: Slot, state: SlotState) -> None:
        """Change the state and keep the books."""
        if slot.spec.significant:
            self._significant_up += (slot.state in DOWN) - (state in DOWN)
        slot.state = state
        self.changed.add(slot.id)

    def respec(self, slot: Slot, spec: ChildSpec) -> None:
        """A reload changed the spec; the running incarnation keeps running."""
        up = slot.state not in DOWN
        self._significant_up += up * (spec.significant - slot.spec.significant)
        slot.spec = spec
        self.changed.add(slot.id)

    def reorder(self, ids: list[str]) -> None:
        """Put these slots first, in this order; the others keep their order behind them."""
        first = {id: self._slots[id] for id in ids}
        self._slots = first | {id: slot for id, slot in self._slots.items() if id not in first}
        for order, slot in enumerate(self._slots.values()):
            slot.order = order
        self._next_order = len(self._slots)

    @property
    def has_significant_up(self) -> bool:
        """Whether a significant child is running, starting or waiting for a retry."""
        return self._significant_up > 0

    def missing_for(self, slot: Slot) -> tuple[str, ...]:
        """The ids this slot depends on that should be up and never were."""
        needed = (self._slots.get(id) for id in slot.spec.depends_on)
        return tuple(other.id for other in needed if other is not None and other.missing and other is not slot)

    def waiting(self) -> list[Slot]:
        """Slots that wait for what they depend on."""
        return [slot for slot in self._slots.values() if slot.state is SlotState.WAITING]

    def since(self, slot: Slot) -> list[Slot]:
        """This slot and those started after it."""
        return [other for other in self._slots.values() if other.order >= slot.order]

    def counts(self) -> list[int]:
        """[specs, active, supervisors, workers], as `supervisor:count_children/1`."""
        slots = self._slots.values()
        active = sum(1 for slot in slots if slot.alive and slot.dead is None and slot.state is SlotState.RUNNING)
        supervisors = sum(1 for slot in slots if slot.spec.type is ChildType.SUPERVISOR)
        return [len(slots), active, supervisors, len(slots) - supervisors]
