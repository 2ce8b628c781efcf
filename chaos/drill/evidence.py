"""What the event log has shown since a drill began: the trigger, exits, incidents, runs, work orders, approvals.

It sorts events and judges nothing. Invariant: only events with a number above that of the injection are evidence; those
of before are used for one thing, to see that something else has failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.card import NO_PLAYBOOK, RESTART, Card
from chaos.drill.messages import Seen

OPENED = ("incident.opened", "incident.recurred")
"""An incident that was healed a short while ago comes again as the same one."""
ENDED = {
    "incident.healed": "healed",
    "incident.resolved": "healed",
    "incident.failed": "failed",
    "incident.quarantined": "quarantined",
}
HEALED = "healed"
FAMILIES = ("child", "incident", "self_healing", "run", "coding_agent", "approval")
MOST_WAITING = 10_000
"""So many events may come while an injection is under way; more is a flood of which the rest tells the same."""


@dataclass(slots=True, kw_only=True)
class Incident:
    """An incident as its events tell of it. `state` is open, healed, failed or quarantined."""

    id: str
    kernel: str
    state: str = "open"
    repair: str = ""


@dataclass(slots=True, kw_only=True)
class PlaybookRun:
    """A run of a playbook; `incident` is empty when it belongs to none."""

    id: str
    playbook: str
    incident: str = ""
    status: str = "requested"


@dataclass(slots=True, kw_only=True)
class Order:
    """A work order, the run or incident it was made for. One that was there before is not `is_new`."""

    id: str
    run: str = ""
    incident: str = ""
    is_new: bool = False
    is_over: bool = False


class Evidence:
    """Everything that concerns one drill. `count_from` says from which event on the drill is the cause."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self.since: int | None = None
        self.last = 0
        self.trigger: Seen | None = None
        self.incidents: dict[str, Incident] = {}
        self.runs: dict[str, PlaybookRun] = {}
        self.orders: dict[str, Order] = {}
        self.approvals: dict[str, str] = {}
        """Those that were asked for, with what they are about."""
        self.down: set[str] = set()
        self.restarted: set[str] = set()
        self.triggered: dict[str, set[str]] = {}
        self._waiting: list[Seen] = []

    def count_from(self, seq: int) -> list[Seen]:
        """The injection begins after the event with this number; the events that came meanwhile and count."""
        self.since = seq
        waiting, self._waiting = self._waiting, []
        counting = [event for event in waiting if event.seq > seq]
        for event in counting:
            self._take(event)
        return counting

    def see(self, event: Seen) -> bool:
        """Take one event; whether it counts."""
        self.last = max(self.last, event.seq)
        if self.since is None:
            if len(self._waiting) < MOST_WAITING and self._is_of_interest(event):
                self._waiting.append(event)
            return False
        if event.seq <= self.since:
            return False
        self._take(event)
        return True

    # ---- what belongs to the drill ----------------------------------------------------------------------

    def mine(self) -> list[Incident]:
        """The incidents of the radius."""
        return [one for one in self.incidents.values() if self._card.touches(one.kernel)]

    def open(self) -> list[Incident]:
        """Those that are not healed."""
        return [one for one in self.mine() if one.state != HEALED]

    def my_runs(self, *, free: bool = False) -> list[PlaybookRun]:
        """The runs for incidents of the radius; with `free` also those that are for no incident at all."""
        ids = {one.id for one in self.mine()}
        return [run for run in self.runs.values() if run.incident in ids or (free and not run.incident)]

    def my_orders(self) -> list[Order]:
        """The work orders made for them."""
        ids = {one.id for one in self.mine()}
        runs = {run.id for run in self.my_runs()}
        new = [order for order in self.orders.values() if order.is_new]
        return [order for order in new if order.incident in ids or order.run in runs]

    def my_approvals(self) -> list[str]:
        """The approvals that they ask for."""
        subjects = {one.id for one in self.mine()} | {run.id for run in self.my_runs()}
        return [approval for approval, subject in self.approvals.items() if subject in subjects]

    # ---- what the gates ask ------------------------------------------------------------------------------

    def has_repaired(self) -> bool:
        """Whether the repair that the card expects was seen to work."""
        wanted = self._card.expect.playbook
        if wanted == NO_PLAYBOOK:
            return not self.played()
        if any(one.repair == wanted for one in self.mine()):
            return True
        if wanted == RESTART:
            return bool(self.restarted) and not self.down
        return any(run.playbook == wanted and run.status == "succeeded" for run in self.my_runs(free=True))

    def played(self) -> list[str]:
        """The playbooks that were run for incidents of the radius."""
        names = [run.playbook for run in self.my_runs()]
        names += [name for one in self.mine() for name in self.triggered.get(one.id, ())]
        return sorted(set(names))

    def _is_of_interest(self, event: Seen) -> bool:
        is_trigger = self._card.expect.trigger.matches(event.type, event.subject, event.data)
        return is_trigger or event.type.partition(".")[0] in FAMILIES

    # ---- reading events ----------------------------------------------------------------------------------

    def _take(self, event: Seen) -> None:
        data, subject = event.data, event.subject
        if self.trigger is None and self._card.expect.trigger.matches(event.type, subject, data):
            self.trigger = event
        family = event.type.partition(".")[0]
        match family:
            case "child" if self._card.touches(subject):
                self._of_child(event)
            case "incident" | "self_healing":
                self._of_incident(event)
            case "run":
                self._of_run(event)
            case "coding_agent":
                self._of_order(event)
            case "approval" if event.type == "approval.requested":
                self.approvals[subject] = _text(data, "subject")

    def _of_child(self, event: Seen) -> None:
        match event.type:
            case "child.exited" | "child.hung":
                self.down.add(event.subject)
            case "child.started" if event.subject in self.down:
                self.down.discard(event.subject)
                self.restarted.add(event.subject)

    def _of_incident(self, event: Seen) -> None:
        id, data = event.subject, event.data
        match event.type:
            case type if type in OPENED:
                self.incidents[id] = Incident(id=id, kernel=_text(data, "kernel"))
            case type if type in ENDED:
                one = self.incidents.setdefault(id, Incident(id=id, kernel=_text(data, "kernel")))
                one.state, one.repair = ENDED[type], _text(data, "repair")
            case "self_healing.triggered":
                self.triggered.setdefault(id, set()).add(_text(data, "playbook"))
            case "self_healing.escalated" if order := _text(data, "work_order"):
                self.orders.setdefault(order, Order(id=order)).incident = id

    def _of_run(self, event: Seen) -> None:
        data = event.data
        if data.get("check") is True:
            return
        if event.type == "run.requested":
            run = PlaybookRun(id=event.subject, playbook=_text(data, "playbook"), incident=_text(data, "incident"))
            self.runs[event.subject] = run
        elif event.type == "run.ended" and event.subject in self.runs:
            self.runs[event.subject].status = _text(data, "status")

    def _of_order(self, event: Seen) -> None:
        data = event.data
        match event.type:
            case "coding_agent.work_order_created":
                order = self.orders.setdefault(event.subject, Order(id=event.subject))
                order.is_new, order.run = True, order.run or _text(data, "run")
                order.incident = order.incident or _text(data, "incident")
            case "coding_agent.work_order_updated" if data.get("ok") is not None and event.subject in self.orders:
                self.orders[event.subject].is_over = True


class Elsewhere:
    """The incidents since the drill began that are no part of it, each until it is over."""

    def __init__(self) -> None:
        self._open: dict[str, Seen] = {}

    def see(self, event: Seen, *, is_ours: bool) -> Seen | None:
        """Take one event; it again if a foreign incident opened with it."""
        if event.type in ENDED:
            self._open.pop(event.subject, None)
        elif event.type in OPENED and not is_ours and event.subject not in self._open:
            self._open[event.subject] = event
            return event
        return None

    def first(self) -> str:
        """One that is open, in words, or an empty text."""
        for id, event in self._open.items():
            return described(id, _text(event.data, "kernel"))
        return ""

    def still(self, id: str) -> bool:
        """Whether it is open still."""
        return id in self._open


def described(id: str, kernel: str) -> str:
    """An incident in words."""
    return f"the incident {id} of {kernel or 'something unknown'}"


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""
