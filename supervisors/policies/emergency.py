"""Several of the members that nothing works without are down at once: that is an emergency, with its own playbook.

`set` names the members, anywhere below this supervisor. `down` of them (default 2) that ended otherwise than on purpose
and have not been started again for `for_s` (default 2 s) declare an emergency; a smaller number is a warning. It is
over when all members are up again. If that takes longer than `deadline_s` (default 120 s) a person is told.
It must not repair anything: `emergency.declared` names the `playbook` (default `emergency_critical_kernel_recovery`).
Who is down is known from what is told of starts and exits, so a reload of the policy forgets it. Invariant: one
emergency at a time, and each that is declared is ended once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.messages import Command, ExitKind, Observed, Report
from supervisors.policies.alarm import Alarm
from supervisors.policy import Action, Policy, Seen, SupervisorView, number_param, unknown_params

DOWN, FOR_S, DEADLINE_S = 2, 2.0, 120.0
PLAYBOOK = "emergency_critical_kernel_recovery"
STARTED, EXITED, STOPPED = "member.started", "member.exited", "member.stopped"
_ON_PURPOSE = (ExitKind.NORMAL.value, ExitKind.SHUTDOWN.value)


class Emergency(Policy):
    """Declares and ends the emergencies of one set of members."""

    name: ClassVar[str] = "emergency"
    observes: ClassVar[tuple[str, ...]] = (STARTED, EXITED, STOPPED)

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        self._members: tuple[str, ...] = tuple(params["set"])
        self._least: int = params.get("down", DOWN)
        self._for_s: float = params.get("for_s", FOR_S)
        self._deadline_s: float = params.get("deadline_s", DEADLINE_S)
        self._playbook: str = params.get("playbook", PLAYBOOK)
        self._view = view
        self._alarm = Alarm()
        self._down: dict[str, float] = {}
        self._warned: set[str] = set()
        self._declared_at: float | None = None
        self._concerned: set[str] = set()
        self._is_told = False

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, ("set", "down", "for_s", "playbook", "deadline_s"))
        members, least = params.get("set"), params.get("down", DOWN)
        is_list = isinstance(members, list | tuple) and all(isinstance(name, str) and name for name in members)
        if members is None or not is_list or not members or len(set(members)) != len(members):
            form = ("a list of names, each once",)
            faults.append(Fault(("set",), "invalid_set", f"set is {members!r:.80}", form))
        counted = number_param(params, "down", least=1, excluded=False, whole=True)
        if not faults and not counted and least > len(params["set"]):
            text = f"down is {least}, but the set has {len(params['set'])}"
            counted = [Fault(("down",), "invalid_down", text, (f"1 to {len(params['set'])}",))]
        faults += counted + number_param(params, "for_s", excluded=False) + number_param(params, "deadline_s")
        playbook = params.get("playbook", PLAYBOOK)
        if not isinstance(playbook, str) or not playbook:
            faults.append(Fault(("playbook",), "invalid_playbook", f"playbook is {playbook!r:.80}", ("a name",)))
        return faults

    def handle(self, event: Seen, commands: Sequence[Command], now: float) -> list[Action]:
        if self._view.is_ending:
            return []
        self._alarm.rung(event)
        for command in commands:  # of its own children it knows by itself
            match command:
                case Report("child.started" | "child.exited" | "child.stopped" as type, child, data):
                    self._note(f"member.{type.partition('.')[2]}", child, data.get("kind"), now)
        match event:
            case Observed(topic, subject, data) if topic in self.observes:
                self._note(topic, subject.rsplit("/", 1)[-1], data.get("kind"), now)
        actions: list[Action] = [*self._judge(now)]
        settles = [since + self._for_s for since in self._down.values()]
        deadline = None if self._declared_at is None else self._declared_at + self._deadline_s
        return actions + self._alarm.set(now, *settles, deadline)

    def leave(self, now: float) -> Sequence[Report]:
        return self._end(now, "the policy was replaced")

    def _note(self, topic: str, member: str, kind: object, now: float) -> None:
        if member not in self._members:
            return
        if topic == EXITED and kind not in _ON_PURPOSE:
            self._down.setdefault(member, now)
        else:
            self._down.pop(member, None)
            self._warned.discard(member)

    def _judge(self, now: float) -> list[Report]:
        settled = sorted(member for member, since in self._down.items() if now >= since + self._for_s)
        if self._declared_at is not None:
            self._concerned.update(settled)
            if not self._down:
                return self._end(now, "all are up")
            return self._overdue(now) if now >= self._declared_at + self._deadline_s else []
        if len(settled) >= self._least:
            self._declared_at, self._is_told, self._concerned = now, False, set(settled)
            data = {"down": settled, "set": list(self._members), "playbook": self._playbook}
            return [self._report("emergency.declared", self._view.spec.name, deadline_s=self._deadline_s, **data)]
        news = [member for member in settled if member not in self._warned]
        self._warned.update(news)
        return [self._report("emergency.warned", member, down=settled, limit=self._least) for member in news]

    def _end(self, now: float, reason: str) -> list[Report]:
        if self._declared_at is None:
            return []
        seconds, self._declared_at = round(now - self._declared_at, 3), None
        data = {"reason": reason, "were_down": sorted(self._concerned)}
        return [self._report("emergency.ended", self._view.spec.name, seconds=seconds, **data)]

    def _overdue(self, now: float) -> list[Report]:
        if self._is_told:
            return []
        self._is_told = True
        down = sorted(self._down)
        step = f"see why {' and why '.join(down)}; then: start {' '.join(down)}"
        data = {"down": down, "playbook": self._playbook, "next_step": step}
        return [self._report("emergency.unresolved", self._view.spec.name, deadline_s=self._deadline_s, **data)]

    def _report(self, type: str, subject: str, **data: Any) -> Report:
        return Report(type, subject, {"supervisor": self._view.spec.name, **data})
