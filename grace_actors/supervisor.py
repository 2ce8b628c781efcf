"""A supervisor as an actor: performs the commands of the supervision core, and tells it what happened.

Everything that is decided is decided in `supervisors`; here are forks, signals, messages and the view for
the status actor. Invariant: the core hears of an exit only when the child is completely gone.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

from grace_actors import birth as births
from grace_actors import injection, wire
from grace_actors.actor import Actor, memory_mb
from grace_actors.errors import NotFound, Refused
from grace_actors.handover import Keeping
from grace_actors.incarnation import Incarnation
from grace_actors.kernel import LATER, Data
from grace_actors.kernels import overrides
from grace_actors.nursery import KERNEL, Nursery
from grace_actors.observing import Observing
from grace_actors.operations import as_data, operation
from grace_actors.signatures import signature
from grace_actors.timers import ActorTimer
from grace_actors.tree_view import Description, kind_of
from supervisors import Supervisor
from supervisors import messages as m
from supervisors.slots import OPERATOR
from supervisors.spec import ChildSpec

LINGER_POLL_S = 0.005
HOLD_S = 10.0
"""How long a child stands still at most while its file is damaged."""
_FROM_OUTSIDE = frozenset({"kill", "term", "hang", "corrupt"})
"""Faults that the supervisor causes itself; the others are the child's own doing."""
VERBS = ("ping", "ready", "inspect", "call", "pause", "resume", "inject", "observe", "policies")
_ACTORS = {
    "supervisor": "grace_actors.supervisor.SupervisorActor",
    "kernel": KERNEL,
    "actor": KERNEL,
    "process": "grace_actors.process_actor.ProcessActor",
}
_OWN_ACTORS = {"grace_actors.registry:Registry": "grace_actors.registry.Registry"}
"""Classes that are actors themselves instead of kernels hosted by one."""


class SupervisorActor(Actor):
    """Hosts one `supervisors.Supervisor`."""

    def begin(self) -> None:
        spec, ignored = overrides.supervised(self.birth.home, self.birth.start)
        if ignored:
            self.names.events.emit("overrides.ignored", self.name, {"problems": ignored})
        self.spec = spec
        self._myRef.transport.enableRXPauseFlowControl(False)  # a supervisor waits for nobody
        self.core = Supervisor(spec, rng=random.random, signature=signature)
        self.living: dict[str, Incarnation] = {}
        self.paused: dict[str, str] = {}
        """Who holds the messages of a child back: `operator` or a policy, whose hold ends with the generation."""
        self.observing = Observing(self)
        self.keeping = Keeping(self)
        self._forced: set[str | None] = set()
        """Children that are killed at once when they are to stop."""
        self._nursery = Nursery(self, is_busy=lambda: self.core.is_busy)
        self.started_at = time.time()
        self.exit_times: dict[str, float] = {}
        self.is_up = False
        self._timers: dict[int, ActorTimer] = {}
        self._calls: dict[int, tuple[int, Any, str | None]] = {}
        self._call_number = 0
        self.description = Description(self)
        self._lingering = False
        if self.birth.parent is None:
            self.send(self.parent, wire.Spawned(self.name, self.gen, os.getpid()))
        self.feed(m.Start())

    # ---- the core -----------------------------------------------------------------------------------

    def feed(self, event: m.Event) -> None:
        """Tell the core, do what it says: acts first, then the reports about them, so that a restart does not
        wait for its own log. The end comes after the reports."""
        commands = self.core.handle(event, time.monotonic())
        self.observing.look()
        for command in sorted(commands, key=_urgency) if len(commands) > 1 else commands:
            self._perform(command)
        if self.core.take_changed():
            self.description.changed()

    def _perform(self, command: m.Command) -> None:
        match command:
            case m.StartChild(child, gen, spec, mode):
                self._start(child, gen, spec, mode)
            case m.StopChild(child, gen, how, keep):
                self._stop(child, gen, how, keep)
            case m.PauseChild(child, gen, paused, by):
                self._with(child, gen, lambda inc: self._hold(inc, paused, by))
            case m.Deliver(child, gen, first):
                self._with(child, gen, lambda inc: self.keeping.deliver(child, gen, inc.address, first))
            case m.PassDown(child, gen, seen):
                told = {"topic": seen.topic, "subject": seen.subject, "data": as_data(dict(seen.data))}
                self._with(child, gen, lambda inc: self._tell_child(inc, "observe", told))
            case m.Ping(child, gen):
                self._with(child, gen, lambda inc: self.send(inc.address, wire.Heartbeat(gen)))
            case m.SetTimer(token, delay_s):
                self._timers[token] = self.after(delay_s, lambda: self._fire(token))
            case m.CancelTimer(token):
                timer = self._timers.pop(token, None)
                if timer is not None:
                    timer.cancel()
            case m.Reply(id, result, value):
                number, sender, forced = self._calls.pop(id, (0, None, None))
                self._forced.discard(forced)
                self.reply(number, sender, {"result": result, "value": as_data(value)})
            case m.Report(type, subject, data):
                self._report(type, subject, dict(data))
            case m.Started():
                self.is_up = True
                self.description.changed()
                self.is_ready()
            case m.Gone(exit):
                self._gone(exit)

    def _fire(self, token: int) -> None:
        if self._timers.pop(token, None) is not None:
            self.feed(m.TimerFired(token))

    def _with(self, child: str, gen: int, act: Any) -> None:
        inc = self.living.get(child)
        if inc is not None and inc.gen == gen:
            act(inc)

    def _report(self, type: str, subject: str, data: Data) -> None:
        self.names.events.emit(type, subject, as_data(data))
        if type in ("child.started", "child.exited", "child.stopped"):
            kind = str(data["kind"]) if type == "child.exited" else ""
            self.send(self.parent, wire.Progress(subject, type.partition(".")[2], kind))

    def _gone(self, exit: m.Exit) -> None:
        if self.birth.parent is None:
            self.send(self.parent, wire.RootGone(exit.kind.value, exit.reason, exit.detail))
        self.leave(exit, 0 if exit.is_clean else 1)

    # ---- children -----------------------------------------------------------------------------------

    def _start(self, child: str, gen: int, spec: ChildSpec, mode: str) -> None:
        kind = kind_of(spec)
        if self.paused.get(child, OPERATOR) != OPERATOR:
            del self.paused[child]
        birth = births.Birth(
            name=child,
            gen=gen,
            kind=kind,
            parent=self.name,
            start=spec.start,
            home=self.birth.home,
            instance=self.birth.instance,
            registry=self.names.registry,
            last_words_fd=-1,
            mode=mode,
        )
        body = self._nursery.spawn(birth, _OWN_ACTORS.get(getattr(spec.start, "path", "")) or _ACTORS[kind])
        if body is None:
            exit = m.Exit(m.ExitKind.START_FAILED, "cannot fork", "the system refused a new process")
            self.after(0.0, lambda: self.feed(m.ChildExited(child, gen, exit)))
            return
        inc = Incarnation(child, gen, kind, body.address, body.process, body.words, shown_pid=body.process.pid)
        self.living[child] = inc
        self.watch(body.words.fd, lambda: self._spoke(inc))

    def _stop(self, child: str, gen: int, how: m.StopHow, keep: bool) -> None:
        inc = self.living.get(child)
        if inc is None or inc.gen != gen:
            return
        match how:
            case m.StopHow.ORDERLY if child in self._forced:
                inc.signal(signal.SIGKILL)
            case m.StopHow.ORDERLY:
                self.send(inc.address, wire.Stop("stopped by its supervisor", keep))
                if child in self.paused:
                    inc.signal_shown(signal.SIGCONT)
            case m.StopHow.TERM:
                inc.signal(signal.SIGTERM)
            case m.StopHow.KILL:
                inc.signal(signal.SIGKILL)

    def _spoke(self, inc: Incarnation) -> None:
        """Last words, or the end of the pipe: its process is about to end. To go on watching would only take the
        processor from it, since the end of a pipe stays readable."""
        self.unwatch(inc.words.fd)
        inc.spoke_at = time.monotonic()
        self._reap()

    def _reap(self) -> None:
        """Somebody died: tell the core of those that are completely gone, look again for the others."""
        now, waiting = time.monotonic(), False
        for name, inc in list(self.living.items()):
            if inc.is_alive:
                waiting |= inc.is_ending(now)
                continue
            if not inc.gone(now):
                waiting = True
                continue
            del self.living[name]
            self.unwatch(inc.words.fd)
            self.exit_times[name] = time.time()
            if not inc.socket_path:  # it never became ready
                self._myRef.transport.remove_sockets_of(inc.pid)
            self.feed(m.ChildExited(name, inc.gen, inc.bury()))
        if waiting and not self._lingering:
            self._lingering = True
            self.after(LINGER_POLL_S, self._reap_again)

    def _reap_again(self) -> None:
        self._lingering = False
        self._reap()

    def on_message(self, message: Any, sender: Any) -> None:
        match message:
            case wire.Ready(name, gen, pid, info):
                self._with(name, gen, lambda inc: self._is_ready(inc, pid, info, sender))
            case wire.Spawned(name, gen, pid):
                self._with(name, gen, lambda inc: self._spawned(inc, pid))
            case wire.Pulse(name, gen):
                self._with(name, gen, lambda inc: self._pulse(inc, message))
            case wire.Progress():
                self.send(self.parent, message)
                self.observing.progress(message)
            case wire.Waits():
                self.observing.waits(message)
            case wire.Handover():
                self.keeping.take(message)
            case _ if type(message).__name__ == "ChildActorExited":
                self._reap()
            case _:
                super().on_message(message, sender)

    def _is_ready(self, inc: Incarnation, pid: int, info: Data | None, sender: Any) -> None:
        inc.ready, inc.shown_pid = True, pid
        inc.socket_path = str(sender.addressDetails)
        if inc.name in self.paused:  # before a policy has it given what was kept for it
            self._tell_child(inc, "pause")
        self.feed(m.ChildReady(inc.name, inc.gen, info))
        if inc.name == "status":
            self._flood(wire.Refresh(), self.myAddress)

    def _spawned(self, inc: Incarnation, pid: int) -> None:
        inc.group = inc.shown_pid = pid

    def _pulse(self, inc: Incarnation, pulse: wire.Pulse) -> None:
        before = inc.pulse
        if before is None or (before.does, before.degraded, before.mailbox) != (
            pulse.does,
            pulse.degraded,
            pulse.mailbox,
        ):
            self.description.changed()
        if pulse.degraded and (inc.pulse is None or not inc.pulse.degraded):
            self.names.events.emit("kernel.degraded", inc.name, {"reasons": list(pulse.degraded)})
        inc.pulse = pulse
        self.feed(m.HeartbeatSeen(inc.name, inc.gen))
        self.observing.pulse(inc, pulse)

    def _tell_child(self, inc: Incarnation, verb: str, args: Data | None = None) -> None:
        self.send(inc.address, wire.Ask(0, verb, args or {}, self.name))

    # ---- messages for the whole tree ------------------------------------------------------------------

    def _dispatch(self, message: Any, sender: Any) -> None:
        super()._dispatch(message, sender)
        if isinstance(message, wire.RegistryAt | wire.Refresh):
            self._flood(message, sender)

    def _flood(self, message: Any, origin: Any) -> None:
        """Pass on to the parent and every child but where it came from."""
        for address in (self.parent, *(inc.address for inc in self.living.values())):
            if address != origin:
                self.send(address, message)
        self.description.changed()

    # ---- the end ------------------------------------------------------------------------------------

    def on_stop(self, reason: str) -> None:
        self.feed(m.StopRequested(m.Exit(m.ExitKind.SHUTDOWN, "shutdown", reason)))

    # ---- the view -----------------------------------------------------------------------------------

    def pulse(self) -> wire.Pulse:
        does = f"supervises {len(self.living)} of {len(self.spec.children)}"
        return wire.Pulse(self.name, self.gen, does, 0, memory_mb())

    # ---- requests -----------------------------------------------------------------------------------

    def handle_ask(self, ask: wire.Ask, sender: Any) -> Any:
        match ask.verb:
            case "ping":
                return {"pong": True}
            case "ready":
                return {"checks": [{"name": "children", "ok": self.is_up, "detail": self.pulse().does}]}
            case "inspect":
                return {"checks": [], "metrics": {"children": len(self.living)}, "does": self.pulse().does}
            case "call":
                return self._call(ask, sender)
            case "pause" | "resume":
                return self._pause(ask.verb, self._named(ask))
            case "inject":
                return self._inject(ask)
            case "observe":
                return self.observing.observed(ask.args)
            case "policies":
                return [as_data(policy) for policy in self.spec.policies]
        raise NotFound(f"supervisor {self.name} has no verb {ask.verb!r:.60}", hint=f"it knows: {', '.join(VERBS)}")

    def _call(self, ask: wire.Ask, sender: Any) -> Any:
        """An operation of the core's API; answered when the core replies."""
        op = operation(self.core, self.spec, ask.args)
        self._call_number += 1
        self._calls[self._call_number] = (ask.id, sender, op.child)
        if ask.args.get("force"):
            self._forced.add(op.child)
        self.feed(m.Call(self._call_number, op))
        return LATER

    def _named(self, ask: wire.Ask) -> str | None:
        """The child it is about, or None. Raises Refused."""
        name = ask.args.get("child")
        if name is None or (isinstance(name, str) and name):
            return name
        raise Refused(f"{ask.verb}: child is {name!r:.60}", hint="allowed: the name of a child, or no child at all")

    def _child(self, name: str) -> Incarnation:
        inc = self.living.get(name)
        if inc is None:
            raise Refused(f"{name} has no process now", hint=f"see: status {name}")
        return inc

    def _pause(self, verb: str, name: str | None) -> None:
        """Hold or release one child, or (without a name) everything below."""
        for inc in [self._child(name)] if name else list(self.living.values()):
            self._hold(inc, verb == "pause", OPERATOR)

    def _hold(self, inc: Incarnation, is_held: bool, by: str) -> None:
        """Hold back what comes for a child, or let it through. What an operator holds no policy releases."""
        if by != OPERATOR and self.paused.get(inc.name) == OPERATOR:
            return
        verb = "pause" if is_held else "resume"
        self.paused.pop(inc.name, None)
        if is_held:
            self.paused[inc.name] = by
        self._tell_child(inc, verb)
        self.names.events.emit(f"child.{verb}d", inc.name, {"supervisor": self.name, "by": by})
        if by == OPERATOR:
            self.observing.held(inc.name, is_held)
        self.description.changed()

    def _inject(self, ask: wire.Ask) -> None:
        """Break something on purpose, as an event says."""
        name = self._named(ask)
        fault, params = injection.of_supervisor(ask.args.get("fault"), ask.args.get("params", {}), name)
        inc = None if name is None else self._child(name)
        if inc is not None and fault in ("hold", "release"):  # around the damage of a file, which is told at its end
            self._hang(inc, HOLD_S if fault == "hold" else 0.0)
            return
        if inc is not None:
            injection.refuse_target(fault, inc.name, inc.kind)
        if fault != "pardon" and (inc is None or inc.kind != "supervisor" or fault in _FROM_OUTSIDE):
            told = {"fault": fault, "params": params} if fault != "corrupt" else {"fault": fault, **params}
            self.names.events.emit("fault.injected", name or self.name, told)
        if inc is None:
            self.inject(fault, params)
            return
        match fault:
            case "kill" | "corrupt":  # no clean end, which might mend the file
                inc.signal_shown(signal.SIGKILL)
            case "term":
                inc.signal_shown(signal.SIGTERM)
            case "hang":
                self._hang(inc, float(params["seconds"]))
            case _:
                self._tell_child(inc, "inject", {"fault": fault, "params": params})

    def _hang(self, inc: Incarnation, seconds: float) -> None:
        inc.signal_shown(signal.SIGSTOP)

        def go_on() -> None:
            if self.living.get(inc.name) is inc:
                inc.signal_shown(signal.SIGCONT)

        self.after(seconds, go_on)


def _urgency(command: m.Command) -> int:
    return 2 if isinstance(command, m.Gone) else int(isinstance(command, m.Report))
