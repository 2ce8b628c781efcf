"""The connections of one endpoint: accepted and opened, found by peer and lane, served when ready.

Theory of operation. An endpoint listens at its own address and keeps at most one connection for writing to each
peer and lane; the peer answers on the same one. Who connects greets first with its address. A write tries the
kernel at once and is queued when that is full; from the ninth frame on that a handler sends to one peer, frames
are collected and leave together: when there are many, or when the handler returns.
Knows sockets, frames and sources, nothing of actors. Invariants: a peer is let in before a byte of it is read;
order is kept on each link; a connection that breaks harms no other.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from grace_actors.transport import sockets
from grace_actors.transport.departed import Departed
from grace_actors.transport.frames import POSITION, FrameTooLarge, Lane, NotOurs, greeting, read_greeting
from grace_actors.transport.inbox import Source
from grace_actors.transport.link import Link
from grace_actors.transport.poller import BROKEN, READ, WRITE, Poller

BULK, CONTROL = Lane.BULK, Lane.CONTROL
_AT_ONCE = 8  # frames a turn that are written at once; the others are collected
_COLLECT_BYTES = 32 * 1024
_RETRY_S = 0.002
_NO_DESCRIPTOR_PAUSE_S = 0.002
_log = logging.getLogger("grace.transport")

Frame = tuple[bytes, ...]


class Mesh:
    """`on_bulk(source, bodies)` and `on_control(source, position, body)` get what arrives, `on_done(receipt, sent)`
    what becomes of each frame, `on_lost(path)` a peer that is gone with all its links."""

    def __init__(
        self,
        at: str,
        token: bytes,
        poller: Poller,
        on_bulk: Callable[[Source, list[bytes]], None],
        on_control: Callable[[Source, int, bytes], None],
        on_done: Callable[[Any, bool], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._token, self._poller = token, poller
        self._on_bulk, self._on_control, self._on_done, self._on_lost = on_bulk, on_control, on_done, on_lost
        self._listener, self.path = sockets.listen(at)
        self._listener_fd = self._listener.fileno()
        poller.watch(self._listener_fd, READ)
        self._links: dict[int, Link] = {}
        self._to: tuple[dict[str, Link], dict[str, Link]] = ({}, {})  # by lane
        self._knocking: list[Link] = []  # their peer's backlog is full
        self._collected: list[Link] = []
        self.sources: dict[str, Source] = {}
        self._departed = Departed()
        self._turn = 0
        self._reads_bulk = True

    # ---- sending --------------------------------------------------------------------------------

    def source(self, path: str) -> Source:
        """What we know of a peer."""
        found = self.sources.get(path)
        if found is None:
            found = self.sources[path] = Source(path)
        return found

    def waiting_for(self, path: str) -> int:
        """Bytes of bulk that wait to be written to this peer."""
        link = self._to[BULK].get(path)
        return 0 if link is None else link.out.bytes

    def send(self, path: str, lane: Lane, frame: Frame, receipt: Any) -> None:
        """Write or queue one frame. When nobody listens there, `on_done` hears it at once."""
        link = self._to[lane].get(path) or self._open(path, lane)
        if link is None:
            self._on_done(receipt, False)
            return
        if lane is BULK:
            link.source.sent += 1
        link.out.put(frame, receipt)
        if link.is_full:
            return
        if link.turn != self._turn:
            link.turn, link.turn_sent = self._turn, 0
        link.turn_sent += 1
        if link.turn_sent <= _AT_ONCE or link.out.bytes >= _COLLECT_BYTES:
            self._write(link)
        elif not link.is_collected:
            link.is_collected = True
            self._collected.append(link)

    def end_turn(self) -> None:
        """The handler has returned: what was collected leaves."""
        self._turn += 1
        if self._collected:
            collected, self._collected = self._collected, []
            for link in collected:
                link.is_collected = False
                self._write(link)

    def _open(self, path: str, lane: Lane) -> Link | None:
        if path in self._departed:
            self._departed.forget_old(time.monotonic())
            if path in self._departed:
                return None
        link = Link(None, path, lane)
        try:
            sock = sockets.connect(path)
        except sockets.Busy:
            link.is_full = True
            self._knocking.append(link)
        else:
            if sock is None:
                return None
            self._connected(link, sock)
        link.out.put((greeting(lane, self._token, self.path),), None)
        self._to[lane][path] = link
        self._belongs(link)
        if lane is BULK:
            link.source.sent = 0
        return link

    def _belongs(self, link: Link) -> None:
        link.source = self.source(link.path)
        link.source.links += 1

    def _connected(self, link: Link, sock: socket.socket) -> None:
        link.attach(sock)
        link.connecting = link.is_full = sock.family != socket.AF_UNIX
        link.greeted = True
        link.reader.expect_no_greeting()
        self._take_in(link)

    def _take_in(self, link: Link) -> None:
        self._links[link.fd] = link
        self._poller.forget(link.fd)
        self._watch(link)

    def _knock(self) -> None:
        knocking, self._knocking = self._knocking, []
        for link in knocking:
            try:
                sock = sockets.connect(link.path)
            except sockets.Busy:
                self._knocking.append(link)
                continue
            if sock is None:
                self._drop(link)
            else:
                self._connected(link, sock)
                self._write(link)

    def _write(self, link: Link) -> None:
        if link.lane is BULK and self._control_waits(link.path):
            link.is_held = True  # what was sent before goes before
            return
        was_full = link.is_full
        receipts, reads = link.write()
        for receipt in receipts:
            self._on_done(receipt, True)
        if not reads:
            self._deafen(link)
        elif link.is_full != was_full:
            self._watch(link)
        if link.lane is CONTROL and not link.out:
            self._release(link.path)

    def _control_waits(self, path: str) -> bool:
        control = self._to[CONTROL].get(path)
        return control is not None and bool(control.out)

    def _release(self, path: str) -> None:
        bulk = self._to[BULK].get(path)
        if bulk is not None and bulk.is_held:
            bulk.is_held = False
            self._write(bulk)

    def _deafen(self, link: Link) -> None:
        """The peer reads no more. What it wrote before is still read, up to the end of the stream."""
        link.is_full = False
        self._departed.add(link.path, time.monotonic())
        self._unmap(link)
        for receipt in link.out.abandon():
            self._on_done(receipt, False)
        self._watch(link)

    # ---- receiving ------------------------------------------------------------------------------

    def read_bulk(self, reads: bool) -> None:
        """Stop or go on reading the bulk lane of every peer."""
        if reads != self._reads_bulk:
            self._reads_bulk = reads
            for link in list(self._links.values()):
                if link.lane is BULK:
                    self._watch(link)

    def _watch(self, link: Link) -> None:
        reads = READ if self._reads_bulk or link.lane is CONTROL or not link.greeted else 0
        writes = WRITE if link.is_full else 0
        if link.fd >= 0:
            self._poller.watch(link.fd, reads | writes)

    def handle(self, fd: int, events: int) -> bool:
        """Serve a descriptor that is ready; False when it is not one of ours."""
        link = self._links.get(fd)
        if link is None:
            if fd != self._listener_fd:
                return False
            self._accept()
            return True
        if events & WRITE:
            if link.connecting and not self._established(link):
                return True
            self._write(link)
        if events & (READ | BROKEN) and link.fd >= 0:
            self._read(link)
        return True

    def _established(self, link: Link) -> bool:
        assert link.sock is not None
        link.connecting = False
        if link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._drop(link)
            return False
        return True

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of descriptors: the backlog keeps the peer waiting
                _log.error("accept failed: %s", error)
                time.sleep(_NO_DESCRIPTOR_PAUSE_S)
                return
            if (why := sockets.refusal(sock)) is not None:
                _log.warning("%s at %s", why, self.path)
                sock.close()
                continue
            sockets.prepare(sock)
            link = Link(sock)
            self._take_in(link)
            self._read(link)  # now: what another link carries may have been sent after what waits on this one

    def _read(self, link: Link) -> None:
        try:
            bodies = link.read()
            if bodies and not link.greeted:
                self._greet(link, bodies.pop(0))
        except NotOurs as error:
            _log.warning("a connection to %s was refused: %s", self.path, error)
            bodies = None
        except FrameTooLarge as error:
            _log.warning("a connection to %s was dropped: %s", self.path, error)
            bodies = None
        except OSError:  # reset: the peer ended without reading what we sent
            bodies = None
        if bodies is None:
            self._drop(link)
        elif bodies:
            self._deliver(link, bodies)

    def _greet(self, link: Link, body: bytes) -> None:
        link.lane, link.path = read_greeting(body, self._token)
        link.greeted = True
        self._to[link.lane].setdefault(link.path, link)
        self._belongs(link)
        if link.lane is BULK:
            link.source.handled = 0
        self._watch(link)

    def _deliver(self, link: Link, bodies: list[bytes]) -> None:
        if link.lane is BULK:
            self._on_bulk(link.source, bodies)
            return
        for body in bodies:
            if len(body) < POSITION.size:
                _log.warning("a control frame of %d bytes from %s was dropped", len(body), link.path)
                continue
            self._on_control(link.source, POSITION.unpack_from(body)[0], body[POSITION.size :])

    # ---- the end --------------------------------------------------------------------------------

    def _unmap(self, link: Link) -> None:
        if self._to[link.lane].get(link.path) is link:
            del self._to[link.lane][link.path]

    def _drop(self, link: Link) -> None:
        """Close a link; a peer whose last link this was is lost."""
        if link.fd >= 0:
            self._links.pop(link.fd, None)
            self._poller.watch(link.fd, 0)
        elif link in self._knocking:
            self._knocking.remove(link)
        self._unmap(link)
        unsent = link.close()
        if link.lane is CONTROL:
            self._release(link.path)
        if link.path:
            link.source.links -= 1
            if link.source.links <= 0:
                del self.sources[link.path]
                self._departed.add(link.path, time.monotonic())
                self._on_lost(link.path)
        for receipt in unsent:
            self._on_done(receipt, False)

    def forget(self, path: str) -> None:
        """Close the links to a peer: it is known to be gone, or counts as gone."""
        for links in self._to:
            if path in links:
                self._drop(links[path])

    def close(self) -> None:
        """The address is dead afterwards; what was not sent is reported so."""
        for link in [*self._links.values(), *self._knocking]:
            for receipt in link.close():
                self._on_done(receipt, False)
        self._links.clear()
        for links in self._to:
            links.clear()
        sockets.forget(self.path)
        self._listener.close()

    # ---- what the others ask --------------------------------------------------------------------

    def before_wait(self) -> float | None:
        """Try again what could not be done; the most a wait may last, in seconds, None for no limit."""
        if not self._knocking:
            return None
        self._knock()
        return _RETRY_S if self._knocking else None

    @property
    def unsent(self) -> int:
        """Buffers that wait to be written, over all links."""
        return sum(len(link.out) for links in self._to for link in links.values())

    def owns(self, fd: int) -> bool:
        """Whether this descriptor is one of ours."""
        return fd in self._links or fd == self._listener_fd

    def descriptors(self) -> list[int]:
        return [self._listener_fd, *self._links]
