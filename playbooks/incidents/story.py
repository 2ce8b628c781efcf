"""What every part of a case can do: note, tell, learn, watch, and end without a repair.

It decides no repair. Invariant: whatever ends here has a cause and a next step.
"""

from __future__ import annotations

from playbooks.incidents import messages as m
from playbooks.incidents.messages import Clock, Command
from playbooks.incidents.state import Attempt, CaseState, How, Phase, Record

WATCH_S = 60.0
SETTLE_S = 0.25
_LEARNED = (How.AUTO, How.APPROVED, How.MATCHED, How.PATCH)


class Story:
    """A case as far as it only remembers. `record` is all there is to know about it."""

    def __init__(self, record: Record, *, settle_s: float = SETTLE_S) -> None:
        self.record = record
        self._settle_s = settle_s
        self._out: list[Command] = []
        self._now = 0.0

    def _is(self, *phases: Phase) -> bool:
        return self.record.phase in phases

    def _watch(self) -> None:
        self.record.phase, self.record.state, self.record.attempt = Phase.WATCH, CaseState.OPEN, None
        self.record.looks = 0
        self._out.append(m.SetClock(Clock.WATCH, WATCH_S))

    def _stop(self, why: str) -> None:
        """Nothing goes on by itself any more; it stays visible with its cause and the next step."""
        record = self.record
        self._drop(why)
        self._stop_clocks()
        record.attempt, record.cause = None, why
        if record.is_held:
            record.state, record.phase = CaseState.QUARANTINED, Phase.REST
            record.next_step = f"when the cause is gone: start {record.kernel}"
            self._out.append(m.Quarantine(why))
        else:
            record.state, record.phase = CaseState.FAILED, Phase.OVER
            record.next_step = f"see: why {record.id}; when it is over: incident resolve {record.id}"
        self._note(f"{record.state.value}: {why}")
        self._out.append(m.Resolve(False, why))
        self._tell(f"incident.{record.state.value}", kernel=record.kernel, cause=why, next_step=record.next_step)
        self._tell("self_healing.completed", kernel=record.kernel, state=record.state.value, cause=why)

    def _learn(self, attempt: Attempt, ok: bool, detail: str) -> None:
        if attempt.how in _LEARNED:
            self._out.append(m.Learn(attempt.playbook, attempt.params or {}, attempt.run, ok, detail))

    def _drop(self, why: str) -> None:
        """An attempt under way ends without a result."""
        attempt = self.record.attempt
        if attempt is not None and attempt.how in _LEARNED and self._is(Phase.RUN, Phase.VERIFY):
            self._out.append(m.Drop(attempt.playbook, why))

    def _stop_clocks(self) -> None:
        self._out += [m.StopClock(clock) for clock in Clock]

    def _note(self, what: str) -> None:
        self._out.append(m.Note(what))

    def _tell(self, type: str, **data: object) -> None:
        self._out.append(m.Tell(type, data))
