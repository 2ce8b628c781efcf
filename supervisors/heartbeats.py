"""Finds children that live but no longer answer: a ping each interval, killed after enough missed answers.

It knows only running slots with a heartbeat in their spec; heartbeats before READY are not expected.
Invariant: a hung child is killed once and its exit is turned into `hung`, which is abnormal and counts.
"""

from __future__ import annotations

from functools import partial

from supervisors.engine import Engine
from supervisors.messages import Ping
from supervisors.slots import Slot, SlotState


def begin(engine: Engine, slot: Slot) -> None:
    """Called when the child became ready."""
    heartbeat = slot.spec.heartbeat
    if heartbeat is None:
        return
    slot.misses = -1  # no ping is unanswered yet
    delay_s = _to_common_tick(engine.now, heartbeat.interval_s)
    slot.beat_timer = engine.timers.set(delay_s, partial(_beat, engine, slot, slot.gen))


def _to_common_tick(now: float, interval_s: float) -> float:
    """Until the tick all children of this interval share, half an interval to one and a half away: a supervisor
    of many then wakes once an interval instead of once a child."""
    delay_s = interval_s - now % interval_s
    return delay_s if delay_s >= interval_s / 2 else delay_s + interval_s


def seen(slot: Slot) -> None:
    """The child answered: whatever was missed before is forgiven."""
    slot.misses = -1


def _beat(engine: Engine, slot: Slot, gen: int) -> None:
    slot.beat_timer = None
    heartbeat = slot.spec.heartbeat
    if heartbeat is None or slot.gen != gen or slot.state is not SlotState.RUNNING or slot.dead is not None:
        return
    if slot.doomed:
        return  # its stop is coming, in its turn and with force of its own: killing it now would break the order
    slot.misses += 1
    if slot.misses >= heartbeat.misses:
        slot.hung = True
        engine.report("child.hung", slot.id, gen=gen, misses=slot.misses, interval_s=heartbeat.interval_s)
        engine.kill(slot)
        return
    engine.out.append(Ping(slot.id, gen))
    slot.beat_timer = engine.timers.set(heartbeat.interval_s, partial(_beat, engine, slot, gen))
