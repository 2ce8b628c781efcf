"""What a supervisor finds out for its policies: what its children use, how the host is, who waits, what is below.

It measures and passes on; it decides nothing. What costs something is found out only where a policy lives on it
(`Policy.observes`). Invariant: a supervisor without policies measures nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil

from grace_actors import wire
from grace_actors.errors import Refused
from grace_actors.incarnation import Incarnation
from grace_actors.kernels.host_sample import OwnCpu
from supervisors import POLICIES, observations
from supervisors import messages as m
from supervisors.slots import OPERATOR

if TYPE_CHECKING:
    from grace_actors.kernel import Data
    from grace_actors.supervisor import SupervisorActor
    from grace_actors.timers import ActorTimer

HOST_EVERY_S = 5.0
NEAR_PERCENT = 50.0
"""From here on it is worth looking which part of the load is ours; to look at every process costs."""
HOST, WAITS = "host.measured", "wait.reported"
PAUSED, RESUMED = "child.paused", "child.resumed"
_TICKS_S = os.sysconf("SC_CLK_TCK")


class Observing:
    """The senses of one supervisor. `look` is to be called when its spec may have changed."""

    def __init__(self, supervisor: SupervisorActor) -> None:
        self._supervisor = supervisor
        self._policies: Any = None
        self._wanted: frozenset[str] = frozenset()
        self._own = OwnCpu()
        self._host_timer: ActorTimer | None = None

    def look(self) -> None:
        """Which policies there are now, and what they live on."""
        policies = self._supervisor.core.spec.policies
        if policies is self._policies:
            return
        self._policies = policies
        self._wanted = frozenset(topic for policy in policies for topic in POLICIES[policy.name].observes)
        if HOST in self._wanted and self._host_timer is None:
            psutil.cpu_percent(interval=None)  # the first figure means nothing
            self._host_timer = self._supervisor.after(HOST_EVERY_S, self._sample_host)
        elif HOST not in self._wanted and self._host_timer is not None:
            self._host_timer.cancel()
            self._host_timer = None

    def _tell(self, topic: str, subject: str, data: Data) -> None:
        if topic in self._wanted:
            self._supervisor.feed(m.Observed(topic, subject, data))

    # ---- the children -------------------------------------------------------------------------------

    def pulse(self, inc: Incarnation, pulse: wire.Pulse) -> None:
        """A child has shown life, with its figures. What waits for one that is paused waits because somebody wants it
        to: restarting the child would lose it."""
        if not self._policies:
            return
        queue = 0 if inc.name in self._supervisor.paused else pulse.mailbox
        cpu = self._cpu_percent(inc)
        self._supervisor.feed(m.ChildMeasured(inc.name, inc.gen, pulse.memory_mb, queue, cpu, dict(pulse.gauges)))

    def _cpu_percent(self, inc: Incarnation) -> float:
        """Per cent of one core since its last sign of life; 0 at the first one."""
        now = time.monotonic()
        used_s = processor_s(inc.shown_pid)
        if used_s is None:
            return 0.0
        before, inc.processor = inc.processor, (used_s, now)
        if before is None or now <= before[1]:
            return 0.0
        return round(max(0.0, 100.0 * (used_s - before[0]) / (now - before[1])), 1)

    def held(self, name: str, is_held: bool) -> None:
        """An operator has paused a child, or resumed it."""
        self._tell(PAUSED if is_held else RESUMED, name, {"by": OPERATOR})

    # ---- the host -----------------------------------------------------------------------------------

    def _sample_host(self) -> None:
        self._host_timer = self._supervisor.after(HOST_EVERY_S, self._sample_host)
        cpu = psutil.cpu_percent(interval=None)
        if cpu <= NEAR_PERCENT:
            self._own = OwnCpu()
        own = self._own.percent(time.monotonic()) if cpu > NEAR_PERCENT else None
        memory = psutil.virtual_memory().percent
        self._tell(HOST, "host", {"cpu_percent": cpu, "own_percent": own, "memory_percent": memory})

    # ---- what is below ------------------------------------------------------------------------------

    def progress(self, message: wire.Progress) -> None:
        """Somebody below came up or went down."""
        self._tell(f"member.{message.state}", message.name, {"kind": message.kind} if message.kind else {})

    def waits(self, message: wire.Waits) -> None:
        """A child waits, or somebody below one that is a supervisor; further up they are told the same."""
        supervisor = self._supervisor
        inc = supervisor.living.get(message.via[0] if message.via else message.name)
        if inc is None or (not message.via and inc.gen != message.gen):
            return
        self._tell(WAITS, message.name, waits_as_data(message, time.monotonic()))
        if supervisor.birth.parent is not None:
            supervisor.send(supervisor.parent, replace(message, via=(supervisor.name, *message.via)))

    def observed(self, args: Data) -> None:
        """Somebody tells what the policies may want to know."""
        topic, subject, data = args.get("topic"), args.get("subject", ""), args.get("data", {})
        if not isinstance(topic, str) or not isinstance(subject, str) or not isinstance(data, dict):
            raise Refused(
                f"observe: topic {topic!r:.60}, subject {subject!r:.60}, data {data!r:.60}",
                hint="topic and subject are text, data is a mapping",
            )
        found = observations.problem(topic, data)
        if found is not None:
            raise Refused(f"observe: {found[0]}", hint=f"allowed: {found[1]}")
        self._supervisor.feed(m.Observed(topic, subject, data))


def waits_as_data(message: wire.Waits, now: float) -> Data:
    """The data of `wait.reported`, with ages instead of times."""
    return {
        "child": message.via[0] if message.via else message.name,
        "above": list(message.via),
        "waits": [{"to": w.to, "verb": w.verb, "id": w.id, "for_s": now - w.since} for w in message.waits],
        "owes": [{"to": name, "id": number} for name, number in message.owes],
        "is_busy": message.is_busy,
    }


def processor_s(pid: int) -> float | None:
    """Processor seconds a process has used; None when there is no such process."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123
        fields = stat.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_S
    return None
