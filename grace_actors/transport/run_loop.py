"""The loop of an endpoint: serve the mailbox, look at the descriptors, wait.

Theory of operation. The mailbox is served for a millisecond or until it is empty, then descriptors are looked at
again, so that control traffic is seen while bulk is worked off. A send that must wait for room looks at the
descriptors too, and lets the actor answer what is `urgent`, but serves no mailbox: a handler is still running.
Invariants: the handler is never entered while it runs; a descriptor that is watched is announced once and again
only after that was handed out.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from thespian.actors import ActorAddress, ActorExitRequest, WatchMessage
from thespian.system.messages.multiproc import ChildMayHaveDied
from thespian.system.systemCommon import MAX_SHUTDOWN_DRAIN_PERIOD
from thespian.system.timing import ExpirationTimer
from thespian.system.transport import (
    ReceiveEnvelope,
    SendStatus,
    Thespian__Run_Expired,
    Thespian__Run_HandlerResult,
    Thespian__Run_Terminated,
    TransmitOnly,
)
from thespian.system.transport.wakeupTransportBase import wakeupTransportBase

from grace_actors.transport import flow
from grace_actors.transport.addresses import PeerLost, SocketAddress
from grace_actors.transport.frames import Lane
from grace_actors.transport.inbox import Inbox, Source
from grace_actors.transport.mesh import Mesh
from grace_actors.transport.poller import READ, new_poller

SERVE_S = 0.001
"""How long the mailbox is served between two looks at the descriptors."""

_log = logging.getLogger("grace.transport")


class Own:
    """A message of our own in the inbox, as it is."""

    __slots__ = ("message",)

    def __init__(self, message: Any) -> None:
        self.message = message


class RunLoop(wakeupTransportBase):  # type: ignore[misc]
    """What `run` does. `GraceTransport` adds what Thespian calls to send and to find others."""

    def __init__(self, at: str, token: bytes) -> None:
        super().__init__()
        self.run_time = ExpirationTimer(None)  # an alarm may be set before the first run
        self._poller, self._inbox, self._flow = new_poller(), Inbox(), flow.Flow()
        self._mesh = Mesh(at, token, self._poller, self._inbox.put, self._control_arrived, self._done, self._lost)
        self.myAddress = ActorAddress(SocketAddress(self._mesh.path))
        self._myself = Source(self._mesh.path)
        self._myself.address = self.myAddress
        self.announces_losses = False  # our actors understand PeerLost, Thespian's do not
        self.urgent: Callable[[ReceiveEnvelope], bool] | None = None
        """Called while a send waits, with each control message; True when that is dealt with."""
        self._watches: set[int] = set()
        self._watch_list: list[int] = []
        self._muted: list[int] = []
        self._children_changed = self._shutdown_signalled = False
        self._abort: bool | None = None  # None: run on; False: leave now; True: leave once drained
        self._drain_until = 0.0
        self._is_waiting = self._is_looking = self._has_more = False
        self._turns = threading.RLock()  # what is reported while sending may send again
        self._runner = 0  # the thread that runs, 0 for none
        self._from_threads: deque[Callable[[], None]] = deque()  # what others left for it to do

    # ---- what comes from the connections ----------------------------------------------------------

    def _control_arrived(self, source: Source, position: int, body: bytes) -> None:
        self._inbox.put_control(source, position, body, time.monotonic())

    def _done(self, receipt: Any, sent: bool) -> None:
        receipt.tx_done(SendStatus.Sent if sent else SendStatus.DeadTarget)

    def _lost(self, path: str) -> None:
        if self.announces_losses:
            self._put_own(PeerLost(path), Lane.BULK)  # behind what the lost one has said

    def _put_own(self, message: Any, lane: Lane) -> None:
        if lane is Lane.BULK:
            self._myself.sent += 1
            self._inbox.put(self._myself, [Own(message)])
        else:
            self._inbox.put_control(self._myself, self._myself.sent, Own(message), time.monotonic())

    # ---- from outside -----------------------------------------------------------------------------

    def interrupt_wait(self, signal_shutdown: bool = False, check_children: bool = False) -> None:
        """Called from signal handlers and other threads: make the wait end and look at the flags."""
        self._shutdown_signalled |= signal_shutdown
        self._children_changed |= check_children
        self._poller.wake()

    def abort_run(self, drain: bool = False) -> None:
        """End the run: at once, or when everything is sent (as Thespian does, after 7 s at the latest)."""
        self._abort = drain
        self._drain_until = time.monotonic() + MAX_SHUTDOWN_DRAIN_PERIOD.total_seconds()

    def set_alarm(self, delay_s: float | None) -> None:
        """Wake the actor after this time, instead of any alarm set before; None: not at all."""
        with self._wakeup_lock:
            self._pendingWakeups.clear()
        if delay_s is not None:
            self.addWakeup(timedelta(seconds=delay_s), None)

    # ---- watched descriptors ----------------------------------------------------------------------

    def set_watch(self, filenos: list[int]) -> None:
        """Descriptors whose readability becomes a WatchMessage."""
        if filenos is self._watch_list:  # the usual case: an actor returns the same list after each message
            return
        self._watch_list = filenos
        wanted = set(filenos)
        for fd in self._watches - wanted:
            self._unwatch(fd)
        for fd in wanted - self._watches:
            try:
                self._poller.watch(fd, READ)
            except (OSError, ValueError) as error:  # closed, or a file on a disk
                _log.warning("descriptor %s cannot be watched: %s", fd, error)
                wanted.discard(fd)
        self._watches = wanted

    def forget_watch(self, fd: int) -> None:
        """Stop watching now, not after the current message."""
        if fd in self._watches:
            self._watches.discard(fd)
            self._unwatch(fd)
            # A notice that waits already would be read as one about the next descriptor of this number.
            self._inbox.discard(
                lambda body: (
                    isinstance(body, Own) and isinstance(body.message, WatchMessage) and fd in body.message.ready
                )
            )

    def _unwatch(self, fd: int) -> None:
        if not self._mesh.owns(fd):  # it was closed, and its number is a connection's now
            self._poller.watch(fd, 0)

    def _announce(self, fd: int) -> None:
        self._inbox.put_control(self._myself, 0, Own(WatchMessage([fd])), time.monotonic())
        if self._is_waiting:  # no handler will look at it before the wait is over
            self._poller.watch(fd, 0)
            self._muted.append(fd)

    # ---- the loop ---------------------------------------------------------------------------------

    def run(self, handler: Any, most: Any = None) -> Any:
        """Serve the mailbox, at most for so long (timedelta or seconds; None: until the handler ends it). Thespian
        calls alarms from here too, so the whole run has one runner. A run that only sends leaves alarms alone:
        one that is due would end it before anything is sent."""
        with self._turns:
            before, self._runner = self._runner, threading.get_ident()
        try:
            if handler is TransmitOnly or isinstance(handler, TransmitOnly):
                return self._run_sending(ExpirationTimer(most))
            return super().run(handler, most)
        finally:
            self._runner = before

    def _runWithExpiry(self, handler: Any) -> Any:  # noqa: N802 - Thespian's name
        self._abort = None
        has_looked = False
        self._mesh.end_turn()
        while self._abort is None:
            result = self._serve(handler)
            if result is not None:
                return result
            if self._abort is not None:
                break
            left: float | None = self.run_time.view().remainingSeconds()
            if left == 0 and has_looked:
                return Thespian__Run_Expired()
            has_looked = True
            self._look(0.0 if self._has_more else left)
        while self._abort and self.unsent and time.monotonic() < self._drain_until:
            self._look(flow.STEP_S)
        return Thespian__Run_Terminated()

    def _run_sending(self, until: Any) -> int:
        """Send what waits; how much still waits when the time is over."""
        self._abort = None
        self._mesh.end_turn()
        while self._abort is not False and (unsent := self.unsent):
            left: float | None = until.view().remainingSeconds()
            if left == 0:
                return unsent
            self._look(flow.STEP_S if left is None else min(left, flow.STEP_S))
            if self.unsent >= unsent:  # whom we send to may wait for us
                self._flow.stalled(self._inbox.bytes)
        return 0

    def _serve(self, handler: Any) -> Any:
        """Hand over what has arrived; a result ends the run, None goes on."""
        now = time.monotonic()
        until = now + SERVE_S
        while (envelope := self._next(now)) is not None:
            if handler is None:
                return envelope
            result = handler(envelope)
            self._mesh.end_turn()
            if not result:
                return Thespian__Run_HandlerResult(result)
            if self._abort is not None:
                return None
            now = time.monotonic()
            if now >= until:
                self._has_more = True
                return None
        self._has_more = False
        return None

    def _next(self, now: float) -> ReceiveEnvelope | None:
        if self._children_changed:
            self._children_changed = False
            return ReceiveEnvelope(self.myAddress, ChildMayHaveDied())
        if self._shutdown_signalled:
            self._shutdown_signalled = False
            return ReceiveEnvelope(self.myAddress, ActorExitRequest())
        while (taken := self._inbox.take(now)) is not None:
            envelope = self._open(*taken)
            if envelope is not None:
                return envelope
        return None

    def _open(self, source: Source, body: Any) -> ReceiveEnvelope | None:
        """The message in a body; None when it cannot be read."""
        if source.address is None:
            source.address = ActorAddress(SocketAddress(source.path))
        if type(body) is Own:
            return ReceiveEnvelope(source.address, body.message)
        try:
            return ReceiveEnvelope(source.address, pickle.loads(body))  # noqa: S301 - peers are our own uid
        except Exception:
            _log.exception("a message of %d bytes from %s could not be read and was dropped", len(body), source.path)
            return None

    def _look(self, timeout_s: float | None) -> None:
        """Wait at most so long (None: until something happens) and take in what has happened."""
        self._flow.calm(self._inbox.bytes)
        self._regulate()
        timeout_s = _least(timeout_s, self._mesh.before_wait())
        if (due := self._inbox.next_due()) is not None:
            timeout_s = _least(timeout_s, max(0.0, due - time.monotonic()))
        if self._children_changed or self._shutdown_signalled:
            timeout_s = 0.0
        self._is_looking = True
        try:
            for fd, events in self._poller.wait(timeout_s):
                if not self._mesh.handle(fd, events) and fd in self._watches:
                    self._announce(fd)
            while self._from_threads:
                self._from_threads.popleft()()
        finally:
            self._is_looking = False
        self._mesh.end_turn()  # what was sent meanwhile, for a thread or as a dead letter
        self._regulate()

    def _regulate(self) -> None:
        """Read bulk, or do not."""
        if self._flow.update(self._inbox.bytes):
            self._mesh.read_bulk(not self._flow.paused)

    @property
    def unsent(self) -> int:
        """What waits to be written."""
        return self._mesh.unsent + len(self._from_threads)

    @property
    def waiting(self) -> int:
        """Messages that have arrived and wait for the mailbox."""
        return len(self._inbox)

    def take_all(self) -> list[ReceiveEnvelope]:
        """Everything that has arrived and waits, for an actor that ends and will not serve its mailbox again."""
        found: list[ReceiveEnvelope] = []
        has_more = True
        while has_more:
            self._look(0.0)
            before = len(found)
            while (taken := self._inbox.take(float("inf"))) is not None:
                envelope = self._open(*taken)
                if envelope is not None:
                    found.append(envelope)
            has_more = len(found) > before
        return found

    # ---- waiting inside a send ----------------------------------------------------------------------

    def wait_for_room(self, path: str) -> None:
        """Too much waits for this receiver: the sender waits until most of it has left, or the receiver is gone."""
        if self._is_waiting or self._is_looking:
            return
        self._is_waiting = True
        self._mesh.end_turn()  # what is collected need not wait
        try:
            least, progress_at = self._mesh.waiting_for(path), time.monotonic()
            while (waiting := self._mesh.waiting_for(path)) > flow.OUT_LOW:
                self._look(flow.STEP_S)
                now = time.monotonic()
                if waiting < least:
                    least, progress_at = waiting, now
                elif now - progress_at > flow.GIVE_UP_S:
                    _log.error("%s took nothing for %g s and counts as gone", path, flow.GIVE_UP_S)
                    self._mesh.forget(path)
                else:
                    self._flow.stalled(self._inbox.bytes)
                self._answer_urgent()
        finally:
            self._is_waiting = False
            muted, self._muted = self._muted, []
            for fd in self._watches.intersection(muted):
                if not self._mesh.owns(fd):
                    self._poller.watch(fd, READ)

    def _answer_urgent(self) -> None:
        if self.urgent is None:
            return
        items = self._inbox.take_all_control()
        try:
            while items:
                envelope = self._open(items[0][0], items[0][3])
                if envelope is not None and not self.urgent(envelope):
                    break
                items.pop(0)
        finally:
            self._inbox.give_back(items)


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
