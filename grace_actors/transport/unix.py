"""A Thespian transport over AF_UNIX stream sockets: private, ordered, connections kept open.

Theory of operation. Every endpoint listens on a socket file of its own in a 0700 directory and keeps one
connection for writing to each peer it has written to; a connection carries frames one way. A frame is
`(address of the sender, message)`, pickled: peers are checked to be our own uid before the first byte is
read. One epoll instance waits for everything; a write tries the kernel first and is queued only when that
is full, so a calm system makes one system call a message. A message for an endpoint that is gone fails as
DeadTarget at once, which Thespian turns into a dead letter.
Invariant: order is kept from one sender to one receiver.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import select
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any

from thespian.actors import ActorAddress, ActorExitRequest, WatchMessage
from thespian.system.addressManager import ActorLocalAddress, CannotPickleAddress
from thespian.system.messages.multiproc import ChildMayHaveDied
from thespian.system.transport import (
    ExternalInterfaceTransportInit,
    ReceiveEnvelope,
    SendStatus,
    Thespian__Run_Expired,
    Thespian__Run_HandlerResult,
    Thespian__Run_Terminated,
    Thespian__UpdateWork,
    TransmitOnly,
)
from thespian.system.transport.wakeupTransportBase import wakeupTransportBase

from grace_actors.transport.addresses import Endpoint, PeerLost, UnixAddress
from grace_actors.transport.frames import encode
from grace_actors.transport.inbound import Inbound
from grace_actors.transport.peers import Busy, Peer, connect

SOCKET_DIR = "Grace Socket Directory"
"""The capability that names the directory of the socket files."""

_BUSY_RETRY_S = 0.002
_IN = select.EPOLLIN
_numbers = itertools.count(1)
_log = logging.getLogger("grace.transport")


def _is_watch_of(message: Any, fd: int) -> bool:
    return isinstance(message, WatchMessage) and fd in message.ready


class _Clone:
    """Marks the transport of a `private()` endpoint."""


class UnixTransport(wakeupTransportBase):  # type: ignore[misc]
    """The transport contract of Thespian 4 (see its TCP and UDP transports) on Unix sockets."""

    def __init__(self, init: Any, *args: Any) -> None:
        super().__init__()
        assigned: str | None = None
        if isinstance(init, ExternalInterfaceTransportInit):
            self._directory = str(args[0][SOCKET_DIR])
            self._adminAddr = self.getAdminAddr(args[0])
        elif isinstance(init, Endpoint):
            self._directory, self._adminAddr = init.directory, init.admin
            assigned = init.assigned.addressDetails.path if init.assigned else None
        elif isinstance(init, _Clone):
            self._directory, self._adminAddr = args
        else:
            raise TypeError(f"UnixTransport cannot be made from {type(init).__name__}")
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, _IN)
        self._path = assigned or f"{self._directory}/{os.getpid()}.{next(_numbers)}"
        self._inbound = Inbound(self._path, self._epoll, self._receive)
        self.myAddress = ActorAddress(UnixAddress(self._path))
        self._peers: dict[str, Peer] = {}
        self._peer_fds: dict[int, Peer] = {}
        self._busy: deque[tuple[str, bytes, Any]] = deque()
        self._inbox: deque[ReceiveEnvelope] = deque()
        self.announces_losses = False  # our actors understand PeerLost, Thespian's do not
        self._watches: set[int] = set()
        self._watch_list: list[int] = []
        self._children_changed = self._shutdown_signalled = False
        self._abort: bool | None = None  # None: run on; False: leave now; True: leave once drained

    # ---- life -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Release everything; the endpoint's address is dead afterwards."""
        for peer in list(self._peers.values()):
            self._drop_peer(peer)
        if self._inbound.is_open:
            self._inbound.close()
            self._epoll.close()
            os.close(self._wake)

    def remove_sockets_of(self, pid: int) -> None:
        """The files of a process that ended without closing them."""
        for path in Path(self._directory).glob(f"{pid}.*"):
            path.unlink(missing_ok=True)

    def external_transport_clone(self) -> UnixTransport:
        return UnixTransport(_Clone(), self._directory, self._adminAddr)

    def protectedFileNumList(self) -> list[int]:  # noqa: N802
        return [self._epoll.fileno(), self._wake, *self._inbound.descriptors(), *self._peer_fds]

    def childResetFileNumList(self) -> list[int]:  # noqa: N802
        return self.protectedFileNumList()

    @staticmethod
    def getAdminAddr(capabilities: Any) -> Any:  # noqa: N802
        return ActorAddress(UnixAddress(f"{capabilities[SOCKET_DIR]}/admin"))

    @staticmethod
    def getAddressFromString(spec: str) -> Any:  # noqa: N802
        return ActorAddress(UnixAddress(spec))

    @staticmethod
    def getConventionAddress(capabilities: Any) -> None:  # noqa: N802
        return None

    @staticmethod
    def probeAdmin(address: Any) -> bool:  # noqa: N802
        try:
            sock = connect(address.addressDetails.path)
        except Busy:
            return True
        if sock is not None:
            sock.close()
        return sock is not None

    def prepEndpoint(self, local: Any, capabilities: Any) -> Endpoint:  # noqa: N802
        details = local.addressDetails
        if isinstance(details, ActorLocalAddress):
            return Endpoint(details.addressInstanceNum, None, self.myAddress, self._adminAddr, self._directory)
        return Endpoint(None, local, self.myAddress, self._adminAddr, self._directory)

    def connectEndpoint(self, endpoint: Endpoint) -> None:  # noqa: N802
        """Nothing to do: the child's first message tells its address."""

    def setAddressManager(self, manager: Any) -> None:  # noqa: N802
        self._addressMgr = manager

    def enableRXPauseFlowControl(self, enable: bool = True) -> None:  # noqa: N802
        """Reading is never paused here: the kernel's socket buffers slow a fast sender."""

    def lostRemote(self, address: Any) -> None:  # noqa: N802
        """There are no remote hosts on Unix sockets."""

    def deadAddress(self, manager: Any, address: Any) -> None:  # noqa: N802
        details = address.addressDetails
        path = getattr(details, "path", None)
        if path in self._peers:
            self._drop_peer(self._peers[path])

    # ---- sending --------------------------------------------------------------------------------

    def serializer(self, intent: Any) -> bytes:
        return pickle.dumps((self._path, intent.message), pickle.HIGHEST_PROTOCOL)

    def scheduleTransmit(self, manager: Any, intent: Any) -> None:  # noqa: N802
        """Send as soon as the kernel takes it. Raises CannotPickleAddress for a child whose address is
        not known yet (Thespian keeps the message) and FrameTooLarge for an oversized one."""
        if manager is not None and not self._prepared(manager, intent):
            return
        if isinstance(intent.message, Thespian__UpdateWork):
            intent.tx_done(SendStatus.Sent)
            return
        path = intent.targetAddr.addressDetails.path
        if path == self._path:
            self._inbox.append(ReceiveEnvelope(intent.targetAddr, intent.message))
            self._poke()
            intent.tx_done(SendStatus.Sent)
            return
        self._send(path, encode(self.serializer(intent)), intent)

    @staticmethod
    def _prepared(manager: Any, intent: Any) -> bool:
        target, message = manager.prepMessageSend(intent.targetAddr, intent.message)
        if message is SendStatus.DeadTarget:
            intent.tx_done(SendStatus.Sent)  # a notice to the dead about the dead: dropped, as Thespian asks
            return False
        if not target:
            raise CannotPickleAddress(intent.targetAddr)
        intent.changeTargetAddr(target)
        intent.changeMessage(message)
        return True

    def _send(self, path: str, frame: bytes, intent: Any) -> None:
        def done(sent: bool) -> None:
            intent.tx_done(SendStatus.Sent if sent else SendStatus.DeadTarget)

        if self._busy and any(item[0] == path for item in self._busy):
            self._busy.append((path, frame, done))
            return
        self._put(path, frame, done)

    def _put(self, path: str, frame: bytes, done: Any) -> None:
        peer = self._peers.get(path)
        if peer is None:
            try:
                sock = connect(path)
            except Busy:
                self._busy.append((path, frame, done))
                return
            if sock is None:
                done(False)
                return
            peer = self._peers[path] = Peer(path, sock)
            self._peer_fds[peer.fd] = peer
            self._epoll.register(peer.fd, select.EPOLLRDHUP)
        if not peer.put(frame, done):
            self._drop_peer(peer)
        elif peer.waiting and not peer.armed:
            peer.armed = True
            self._epoll.modify(peer.fd, select.EPOLLRDHUP | select.EPOLLOUT)

    def _drop_peer(self, peer: Peer) -> None:
        self._peers.pop(peer.path, None)
        self._peer_fds.pop(peer.fd, None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(peer.fd)
        peer.abandon()
        if self.announces_losses:
            self._inbox.append(ReceiveEnvelope(self.myAddress, PeerLost(peer.path)))

    def _retry_busy(self) -> None:
        waiting, self._busy = self._busy, deque()
        for path, frame, done in waiting:
            if any(item[0] == path for item in self._busy):
                self._busy.append((path, frame, done))
            else:
                self._put(path, frame, done)

    @property
    def _unsent(self) -> int:
        return sum(peer.waiting for peer in self._peers.values()) + len(self._busy)

    # ---- waiting --------------------------------------------------------------------------------

    def interrupt_wait(self, signal_shutdown: bool = False, check_children: bool = False) -> None:
        """Called from signal handlers and other threads: make the wait end and look at the flags."""
        self._shutdown_signalled |= signal_shutdown
        self._children_changed |= check_children
        self._poke()

    def _poke(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def set_alarm(self, delay_s: float | None) -> None:
        """Wake the actor after this time, instead of any alarm set before; None: not at all."""
        with self._wakeup_lock:
            self._pendingWakeups.clear()
        if delay_s is not None:
            self.addWakeup(timedelta(seconds=delay_s), None)

    def set_watch(self, filenos: list[int]) -> None:
        """Descriptors whose readability becomes a WatchMessage."""
        if filenos is self._watch_list:  # the usual case: an actor returns the same list after each message
            return
        self._watch_list = filenos
        wanted = set(filenos)
        for fd in self._watches - wanted:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)
        for fd in wanted - self._watches:
            self._epoll.register(fd, _IN)
        self._watches = wanted

    def forget_watch(self, fd: int) -> None:
        """Stop watching now, not after the current message."""
        if fd in self._watches:
            self._watches.discard(fd)
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)
            # A notice that waits already would be read as one about the next descriptor of this number.
            self._inbox = deque(e for e in self._inbox if not _is_watch_of(e.message, fd))

    def abort_run(self, drain: bool = False) -> None:
        self._abort = drain

    def _runWithExpiry(self, handler: Any) -> Any:  # noqa: N802
        transmit_only = handler is TransmitOnly or isinstance(handler, TransmitOnly)
        self._abort = None
        while self._abort is None or (self._abort and self._unsent):
            if transmit_only and not self._unsent:
                return 0
            result = None if transmit_only else self._serve(handler)
            if result is not None:
                return result
            if self._abort is False:
                break
            if not self._wait(block=transmit_only or not self._pending()):
                return self._unsent if transmit_only else Thespian__Run_Expired()
        return Thespian__Run_Terminated()

    def _pending(self) -> bool:
        return bool(self._inbox) or self._children_changed or self._shutdown_signalled

    def _serve(self, handler: Any) -> Any:
        """Hand over what has arrived; a result ends the run, None goes on."""
        while self._abort is None and self._pending():
            envelope = self._next()
            if handler is None:
                return envelope
            result = Thespian__Run_HandlerResult(handler(envelope))
            if not result:
                return result
            if self.run_time.view().expired():
                return None
        return None

    def _next(self) -> ReceiveEnvelope:
        if self._children_changed:
            self._children_changed = False
            return ReceiveEnvelope(self.myAddress, ChildMayHaveDied())
        if self._shutdown_signalled:
            self._shutdown_signalled = False
            return ReceiveEnvelope(self.myAddress, ActorExitRequest())
        return self._inbox.popleft()

    def _wait(self, *, block: bool) -> bool:
        """Wait for something to happen; False when the time of this run is over."""
        remaining = self.run_time.view().remainingSeconds()
        timeout = -1.0 if remaining is None else max(0.0, remaining)
        if not block:
            timeout = 0.0
        elif self._busy:
            timeout = _BUSY_RETRY_S if timeout < 0 else min(timeout, _BUSY_RETRY_S)
        events = self._epoll.poll(timeout, 64)
        if self._busy:
            self._retry_busy()
        for fd, event in events:
            self._on_event(fd, event)
        return bool(events) or not self.run_time.view().expired()

    def _on_event(self, fd: int, event: int) -> None:
        if self._inbound.handle(fd):
            return
        if fd in self._peer_fds:
            self._on_peer(self._peer_fds[fd], event)
        elif fd == self._wake:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        elif fd in self._watches:
            self._inbox.append(ReceiveEnvelope(self.myAddress, WatchMessage([fd])))

    def _on_peer(self, peer: Peer, event: int) -> None:
        if event & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP) or not peer.flush():
            self._drop_peer(peer)
        elif not peer.waiting and peer.armed:
            peer.armed = False
            self._epoll.modify(peer.fd, select.EPOLLRDHUP)

    def _receive(self, frame: bytes) -> None:
        try:
            sender, message = pickle.loads(frame)  # noqa: S301 - the peer is our own uid
        except Exception:
            _log.exception("a message of %d bytes could not be read and was dropped", len(frame))
            return
        self._inbox.append(ReceiveEnvelope(ActorAddress(UnixAddress(sender)), message))
