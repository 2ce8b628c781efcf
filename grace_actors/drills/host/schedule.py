"""Between the runner and the policy that says when a drill is due: tells it what it must know, notes what it says.

The policy `micro_chaos` of the runner's supervisor decides; here are the messages to it and from it. Invariant: after a
start of the runner the policy is told every open incident and the leash as it is then, before it is told of anything
else; until the incidents are known it is told nothing, and asks for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from grace_actors.actions.action import Call, Result, Steps, ask, fields, needed, reads
from grace_actors.actions.tree import find
from grace_actors.drills.host.surroundings import open_incidents
from grace_actors.kernel import Answer, Context, Data
from grace_actors.kernels.tree_events import TreeEvent, read_event
from supervisors.policies.micro_chaos import EVERY_S, MIN_GAP_S, MicroChaos

CLOCK_S = 3600.0
AGAIN_S = 2.0
PLAN_S = 2.0
SAID = ("drill.due", "drill.planned", "drill.withheld")
OPENING = ("incident.opened", "incident.recurred")
CLOSING = ("incident.healed", "incident.failed", "incident.quarantined", "incident.resolved")
NOTED = (*SAID, "drill.deviated", "chaos.leashed", "chaos.unleashed")
"""Events that are shown to people."""
HEARD = (*NOTED, *OPENING, *CLOSING)
KEPT = 20
NO_POLICY = f"the supervisor of the runner has no policy {MicroChaos.name}: no drill starts by itself"


@reads(name=needed("the child"))
def policy_of(call: Call) -> Steps:
    """Reads whose child it is, and what the policy there has said last: it says a thing once, and a runner that was
    restarted alone must know it too."""
    node = yield from find(call, call["name"])
    seat = fields((yield from ask("status", "status", {"name": node.parent})), "status", "uptime_s")
    born = call.ctx.wall() - (seat["uptime_s"] or 0.0)
    said: list[Data] = []
    for type in ("drill.planned", "drill.withheld"):
        page = fields((yield from ask("status", "events", {"type": type, "limit": 1})), "status", "events")
        said += page["events"]
    told = [read_event(each, call.ctx.wall()) for each in sorted(said, key=lambda each: int(each["seq"]))]
    mine = [each for each in told if each.subject == node.parent and each.at >= born]
    return Result(True, data={"value": node.parent, "said": mine})


class Schedule:
    """The runner's side of the policy. `is_leashed` and `running` say how it is now."""

    def __init__(self, ctx: Context, is_leashed: Callable[[], bool], running: Callable[[], str | None]) -> None:
        self._ctx, self._is_leashed, self._running = ctx, is_leashed, running
        self._supervisor = ""
        self._is_told = False
        self._early: list[tuple[str, str, Data]] = []
        self._said: deque[TreeEvent] = deque(maxlen=KEPT)
        self._planned: tuple[float, float] | None = None
        self.withheld = ""

    # ---- what the policy is told ------------------------------------------------------------------------

    def begin(self) -> None:
        """Find the supervisor, tell it where things stand."""

        def found(result: Result) -> None:
            if not result.ok:  # status does not know the tree yet
                self._ctx.after(AGAIN_S, self.begin)
                return
            self._supervisor = str(result.data["value"])
            for event in result.data["said"]:
                self.hear(event)
            self._ctx.every(CLOCK_S, self._tell_clock)
            self._tell_clock()

        policy_of.perform(self._ctx, {"name": self._ctx.name}, False, found)

    def _tell_clock(self) -> None:
        """The time, and what goes on now: whatever message was lost, the policy does not believe it for ever."""

        def known(found: Result) -> None:
            if not found.ok:  # self_healing is being restarted, say
                self._ctx.after(AGAIN_S, self._tell_clock)
                return
            told = {
                "wall_s": self._ctx.wall(),
                "running": self._running() or "",
                "incidents": sorted(found.data["value"]),
            }
            self._observe("clock.told", "", told)
            if not self._is_told:
                self._begun()

        open_incidents.perform(self._ctx, {}, False, known)

    def _begun(self) -> None:
        self._is_told = True
        self.tell_leash()
        early, self._early = self._early, []
        for topic, subject, data in early:
            self._observe(topic, subject, data)

    def tell_leash(self) -> None:
        """Tell it whether drills may start by themselves, or, before it was told anything, let that be told with the
        rest."""
        if self._is_told:
            self._observe("chaos.leashed" if self._is_leashed() else "chaos.unleashed", self._ctx.name, {})

    def tell(self, topic: str, subject: str, data: Data | None = None) -> None:
        """Tell it a fact; what comes before it was told where things stand waits."""
        if self._is_told:
            self._observe(topic, subject, data or {})
        else:
            self._early.append((topic, subject, data or {}))

    def _observe(self, topic: str, subject: str, data: Data) -> None:
        self._ctx.tell(self._supervisor, "observe", {"topic": topic, "subject": subject, "data": data})

    # ---- what the log says ------------------------------------------------------------------------------

    def hear(self, event: TreeEvent) -> bool:
        """Pass on what the policy has to know; true when it wants a drill now."""
        match event.type:
            case type if type in OPENING:
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
            case "chaos.leashed":
                self._planned = None
        if event.type in NOTED:
            self._said.append(event)
        return event.type == "drill.due"

    # ---- what is shown ----------------------------------------------------------------------------------

    def show(self, done: Callable[[Data], None]) -> None:
        """What `drill schedule` shows: how it stands, and the plan by which the policy runs, as its supervisor says."""

        def answered(answer: Answer) -> None:
            policies = answer.value if answer.ok and isinstance(answer.value, list) else None
            done({**_plan(policies), **self._stand()} | ({"withheld": NO_POLICY} if _has_none(policies) else {}))

        if self._supervisor:
            self._ctx.ask(self._supervisor, "policies", {}, answered, timeout_s=PLAN_S)
        else:
            done({**_plan(None), **self._stand()})

    def _stand(self) -> Data:
        next_in = None
        if self._planned is not None and not self._is_leashed():
            next_in = max(0.0, round(self._planned[0] + self._planned[1] - self._ctx.wall(), 1))
        recent = [{"at": each.at, "type": each.type, "data": each.data} for each in reversed(self._said)]
        stand: Data = {"leashed": self._is_leashed(), "running": self._running(), "withheld": self.withheld}
        return {**stand, "next_in_s": next_in, "recent": recent}


def _plan(policies: list[Any] | None) -> Data:
    """Every, window and gap of the policy; null where its supervisor does not answer or has no such policy."""
    params = next((each["params"] for each in policies or () if each["name"] == MicroChaos.name), None)
    if params is None:
        return {"every_s": None, "window": None, "min_gap_s": None}
    windows = params.get("windows") or ()
    every_s, min_gap_s = params.get("every_s", EVERY_S), params.get("min_gap_s", MIN_GAP_S)
    return {"every_s": every_s, "window": f"{', '.join(windows)} UTC" if windows else None, "min_gap_s": min_gap_s}


def _has_none(policies: list[Any] | None) -> bool:
    return policies is not None and all(each["name"] != MicroChaos.name for each in policies)
