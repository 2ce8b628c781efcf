"""The receiving side of an endpoint: a listening socket, and one reader for each connection to it.

Knows sockets and frames, nothing of actors. Invariant: a peer of another uid is refused before a byte of it
is read, and a connection that breaks harms no other.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from grace_actors.transport.frames import FrameReader, FrameTooLarge

_RECV_BYTES = 256 * 1024
_NO_DESCRIPTOR_PAUSE_S = 0.002
_log = logging.getLogger("grace.transport")


class Inbound:
    """Listens at `path`; whole frames go to `on_frame`."""

    def __init__(self, path: str, epoll: select.epoll, on_frame: Callable[[bytes], None]) -> None:
        self.path, self._epoll, self._on_frame = path, epoll, on_frame
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        self._listener.bind(path)
        self._listener.listen(4096)
        self.fd = self._listener.fileno()
        self._readers: dict[int, tuple[socket.socket, FrameReader]] = {}
        epoll.register(self.fd, select.EPOLLIN)

    def descriptors(self) -> list[int]:
        return [self.fd, *self._readers]

    @property
    def is_open(self) -> bool:
        return self._listener.fileno() >= 0

    def close(self) -> None:
        """The address is dead afterwards."""
        for sock, _ in self._readers.values():
            sock.close()
        self._readers.clear()
        with contextlib.suppress(OSError):
            Path(self.path).unlink()
        self._listener.close()

    def handle(self, fd: int) -> bool:
        """Serve a readable descriptor; False when it is not one of ours."""
        if fd in self._readers:
            self._read(fd)
        elif fd == self.fd:
            self._accept()
        else:
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
            uid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
            if uid != os.getuid():
                _log.warning("a peer of uid %s was refused", uid)
                sock.close()
                continue
            sock.setblocking(False)
            self._readers[sock.fileno()] = (sock, FrameReader())
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        sock, reader = self._readers[fd]
        try:
            data = sock.recv(_RECV_BYTES)
            frames = reader.feed(data) if data else None
        except BlockingIOError:
            return
        except (OSError, FrameTooLarge) as error:
            _log.warning("a connection was dropped: %s", error)
            frames = None
        if frames is None:
            self._epoll.unregister(fd)
            del self._readers[fd]
            sock.close()
            return
        for frame in frames:
            self._on_frame(frame)
