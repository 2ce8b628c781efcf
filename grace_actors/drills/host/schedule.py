"""Between the runner and the policy that says when a drill is due: tells it what it must know, notes what it says.

The policy `micro_chaos` of the runner's supervisor decides; here are the messages to it and from it. Invariant: after a
start of the runner the policy is told the leash and every open incident before it is told of anything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from grace_actors.actions.action import Call, Result, Steps, ask, needed, reads
from grace_actors.actions.tree import find
from grace_actors.kernel import Context, Data
from grace_actors.kernels.tree_events import TreeEvent

CLOCK_S = 3600.0
AGAIN_S = 2.0
OPEN = ("open", "repairing", "awaiting_approval", "awaiting_patch")
"""States of incidents that go on."""
SAID = ("drill.due", "drill.planned", "drill.withheld")
CLOSING = ("incident.healed", "incident.failed", "incident.quarantined", "incident.resolved")
HEARD = (*SAID, *CLOSING, "incident.opened", "drill.deviated", "chaos.leashed", "chaos.unleashed")
KEPT = 20


@reads(name=needed("the child"))
def supervisor_of(call: Call) -> Steps:
    """Reads whose child it is."""
    node = yield from find(call, call["name"])
    return Result(True, data={"value": node.parent})


@reads()
def open_incidents(call: Call) -> Steps:
    """Reads the incidents that go on, as id -> kernel."""
    answer = yield from ask("self_healing", "incidents", {"limit": 500})
    found = {one["id"]: one["kernel"] for one in answer["incidents"] if one["state"] in OPEN}
    return Result(True, message=f"{len(found)} incidents go on", data={"value": found})


class Schedule:
    """The runner's side of the policy."""

    def __init__(self, ctx: Context, running: Callable[[], str | None]) -> None:
        self._ctx, self._running = ctx, running
        self._supervisor = ""
        self._early: list[tuple[str, str, Data]] = []
        self._said: deque[TreeEvent] = deque(maxlen=KEPT)
        self._planned: tuple[float, float] | None = None
        self.withheld = ""

    def begin(self, leashed: bool) -> None:
        """Find the supervisor, tell it where things stand."""

        def found(result: Result) -> None:
            if not result.ok:  # status does not know the tree yet
                self._ctx.after(AGAIN_S, lambda: self.begin(leashed))
                return
            self._supervisor = str(result.data["value"])
            self._ctx.every(CLOCK_S, lambda: self._tell_clock(lambda: None))
            self._tell_clock(lambda: self._begun(leashed))

        supervisor_of.perform(self._ctx, {"name": self._ctx.name}, False, found)

    def _begun(self, leashed: bool) -> None:
        self.leashed(leashed)
        early, self._early = self._early, []
        for topic, subject, data in early:
            self.tell(topic, subject, data)

    def _tell_clock(self, then: Callable[[], None]) -> None:
        """The time, and what goes on now: whatever message was lost, the policy does not believe it for ever."""

        def known(found: Result) -> None:
            told: Data = {"wall_s": self._ctx.wall(), "running": self._running() or ""}
            if found.ok:
                told["incidents"] = sorted(found.data["value"])
            self._observe("clock.told", "", told)
            then()

        open_incidents.perform(self._ctx, {}, False, known)

    def leashed(self, held: bool) -> None:
        """Tell it whether drills may start by themselves."""
        self._observe("chaos.leashed" if held else "chaos.unleashed", self._ctx.name, {})

    def tell(self, topic: str, subject: str, data: Data | None = None) -> None:
        """Tell it a fact; what comes before the supervisor is known waits."""
        if self._supervisor:
            self._observe(topic, subject, data or {})
        else:
            self._early.append((topic, subject, data or {}))

    def _observe(self, topic: str, subject: str, data: Data) -> None:
        self._ctx.tell(self._supervisor, "observe", {"topic": topic, "subject": subject, "data": data})

    # ---- what the log says ------------------------------------------------------------------------------

    def hear(self, event: TreeEvent) -> bool:
        """Pass on what the policy has to know; true when it wants a drill now."""
        match event.type:
            case "incident.opened":
                self.tell("incident.opened", event.subject, event.data)
            case type if type in CLOSING:
                self.tell("incident.closed", event.subject, event.data)
                if type == "incident.failed":
                    self.tell(type, event.subject, event.data)
            case "drill.deviated":
                self.tell(event.type, event.subject, event.data)
            case "drill.planned":
                self._planned, self.withheld = (event.at, float(event.data.get("in_s", 0.0))), ""
            case "drill.withheld":
                self.withheld = str(event.data.get("reason", ""))
        if event.type in HEARD and event.type not in (*CLOSING, "incident.opened"):
            self._said.append(event)
        return event.type == "drill.due"

    def shown(self, policy: Data) -> Data:
        """What `drill schedule` shows; `policy` are the parameters it runs with."""
        next_in = None
        if self._planned is not None:
            next_in = max(0.0, round(self._planned[0] + self._planned[1] - self._ctx.wall(), 1))
        recent = [{"at": each.at, "type": each.type, "data": each.data} for each in reversed(self._said)]
        return {**policy, "next_in_s": next_in, "withheld": self.withheld, "recent": recent}
