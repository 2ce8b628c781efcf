"""The two families of sockets, so that nothing else has to tell them apart.

Unix: a socket file in a private directory, peers checked by uid. TCP: an address the user asked for, peers known
by a shared token only. Knows the operating system, nothing of frames but the token.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from grace_actors.transport.frames import NO_TOKEN

TCP_PREFIX = "tcp:"
_BACKLOG = 4096
_CONNECT_S = 5.0
_LOCAL_PEERCRED, _SOL_LOCAL = 1, 0  # macOS and the BSDs: <sys/un.h>
_numbers = itertools.count(1)


class Busy(Exception):
    """The peer's backlog is full at this moment; try again soon."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the endpoints of one actor system listen: a private directory, or a host."""

    directory: str = ""
    host: str = ""
    admin_port: int = 0
    token: bytes = NO_TOKEN

    @property
    def admin(self) -> str:
        """The address of the admin."""
        return f"{TCP_PREFIX}{self.host}:{self.admin_port}" if self.host else f"{self.directory}/admin"

    def fresh(self) -> str:
        """The address for a new endpoint of this process (TCP: the port is chosen when it listens)."""
        return f"{TCP_PREFIX}{self.host}:0" if self.host else f"{self.directory}/{os.getpid()}.{next(_numbers)}"


def listen(path: str) -> tuple[socket.socket, str]:
    """A listening socket, and the address it really has."""
    if path.startswith(TCP_PREFIX):
        target = _split(path)
        sock = socket.socket(_family(target), socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(target)
        path = f"{TCP_PREFIX}{target[0]}:{sock.getsockname()[1]}"
    else:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        Path(path).unlink(missing_ok=True)
        sock.bind(path)
    sock.setblocking(False)
    sock.listen(_BACKLOG)
    return sock, path


def free_port(host: str) -> int:
    """A TCP port of this address that nobody uses now."""
    sock, path = listen(f"{TCP_PREFIX}{host}:0")
    sock.close()
    return _split(path)[1]


def connect(path: str) -> socket.socket | None:
    """A non-blocking socket, connected (Unix) or about to be (TCP); None when nobody listens there.
    Raises Busy on a full backlog."""
    is_tcp = path.startswith(TCP_PREFIX)
    target = _split(path) if is_tcp else path
    try:
        sock = socket.socket(_family(target), socket.SOCK_STREAM)
    except OSError as error:
        raise Busy from error  # out of descriptors
    prepare(sock)
    try:
        sock.connect(target)
    except BlockingIOError:
        if is_tcp:
            return sock
        sock.close()
        raise Busy from None
    except OSError:
        sock.close()
        return None
    return sock


def prepare(sock: socket.socket) -> None:
    """As every connection of ours is: non-blocking, and nothing waits for more to be said."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _family(target: str | tuple[str, int]) -> int:
    if isinstance(target, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in target[0] else socket.AF_INET


def answers(path: str) -> bool:
    """Whether somebody listens there."""
    try:
        sock = connect(path)
    except Busy:
        return True
    if sock is None:
        return False
    with sock:
        if sock.family == socket.AF_UNIX:
            return True
        select.select([], [sock], [], _CONNECT_S)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def refusal(sock: socket.socket) -> str | None:
    """Why the peer of this accepted connection is not let in; None when it is. Reads nothing of what it sent."""
    if sock.family != socket.AF_UNIX:
        return None
    uid = peer_uid(sock)
    return None if uid == os.getuid() else f"a peer of uid {uid} was refused"


def peer_uid(sock: socket.socket) -> int:
    """The uid of the process at the other end of a Unix socket, as the kernel says."""
    if sys.platform == "linux":
        return int(struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
    return uid_of_xucred(sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76))


def uid_of_xucred(data: bytes) -> int:
    """`struct xucred` of macOS and the BSDs: version, uid, groups."""
    return int(struct.unpack_from("=II", data)[1])


def forget(path: str, pid: int | None = None) -> None:
    """Remove the file of an endpoint (of all endpoints of a process in this directory)."""
    if path.startswith(TCP_PREFIX) or not path:
        return
    with contextlib.suppress(OSError):
        if pid is None:
            os.unlink(path)  # noqa: PTH108 - pathlib costs as much as the fork it follows
            return
        mine = f"{pid}."
        for name in os.listdir(path):  # noqa: PTH208
            if name.startswith(mine):
                os.unlink(f"{path}/{name}")  # noqa: PTH108


def sweep(directory: str) -> None:
    """Remove the files of processes that are gone. Most are removed by the parent that missed its child; those of a
    killed parent's children have nobody else."""
    if not directory:
        return
    for file in Path(directory).glob("*.*"):
        pid = file.name.partition(".")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and not _lives(int(pid)):
                file.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _split(path: str) -> tuple[str, int]:
    host, _, port = path.removeprefix(TCP_PREFIX).rpartition(":")
    return host, int(port)
