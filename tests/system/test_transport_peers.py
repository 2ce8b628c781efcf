"""Who may connect, and what a peer can do that sends what no endpoint sends. No inet socket anywhere."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pickle
import pwd
import random
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.instance import Running, wait_for
from tests.harness.transport import ASK_S, MIB, Cell, LiveSystem, Worker, item, live_system
from tests.system.test_transport_pressure import Growth

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
live = pytest.fixture(live_system)

NOBODY = pwd.getpwnam("nobody")
_log = logging.getLogger("grace.transport")  # taken before the fork: the system gives its actors other loggers


@dataclass(frozen=True)
class LogTo:
    """Write what the transport logs to this file."""

    path: str


class Logging(Worker):
    """A Worker whose transport's log can be read."""

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        if not isinstance(message, LogTo):
            return super().receiveMessage(message, sender)
        handler = logging.FileHandler(message.path)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        for logger in {_log, logging.getLogger("grace.transport")}:
            logger.addHandler(handler)
        return self.send(sender, "logs")


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def path_of(address: Any) -> str:
    path = str(address.actorAddressString)
    assert Path(path).is_socket(), path
    return path


def connected(path: str) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(10.0)
    peer.connect(path)
    return peer


def intrude(path: str, data: bytes) -> str:
    """Connect, send, and say how the other side takes it. To close with bytes unread resets the connection."""
    with connected(path) as peer:
        try:
            peer.sendall(data)
            return f"answered {peer.recv(1)!r}"
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, repr(error))


def as_nobody(act: Callable[[], str]) -> str:
    """What `act` gives in a process of the user nobody."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY.pw_gid)
            os.setuid(NOBODY.pw_uid)
            os.write(write, act().encode())
            status = 0
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0, said
    return said


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("whom", ["an actor", "the admin"])
def test_a_peer_of_another_user_is_refused_before_a_byte_of_it_is_read(
    live: LiveSystem, tmp_path: Path, whom: str
) -> None:
    actor = live.worker(Logging)
    pid = live.seen(actor).pid
    assert live.ask(actor, LogTo(str(tmp_path / "log")), ASK_S) == "logs"
    path = path_of(actor) if whom == "an actor" else str(live.directory / "admin")
    live.directory.chmod(0o755)
    Path(path).chmod(0o777)
    sprung = tmp_path / "sprung"
    trap = pickle.dumps((path, Trap(sprung)))
    for data in (struct.pack("!I", len(trap)) + trap, trap, b"x" * 100_000):
        said = as_nobody(lambda data=data: intrude(path, data))  # type: ignore[misc]
        assert said in ("ECONNRESET", "EPIPE"), f"not closed, or read from: {said}"
    assert live.seen(actor).pid == pid
    assert live.seen(live.worker()).wrong == []  # the admin goes on as well
    assert not sprung.exists()
    if whom == "an actor":
        lines = (tmp_path / "log").read_text().splitlines()
        named = [line for line in lines if re.match(rf"WARNING grace\.transport .*\b{NOBODY.pw_uid}\b", line)]
        assert len(named) == 3, lines


GARBAGE = {
    "random bytes": random.Random(1).randbytes(100_000),
    "a header of four gigabytes": b"\xff" * 8 + b"x" * 1_000,
    "half a frame": struct.pack("!I", 1_000) + b"x" * 10,
    "half a header": b"\x00\x00",
    "no pickle": struct.pack("!I", 5) + b"hello",
    "nothing": b"",
}


def opening(lane: int) -> bytes:
    """What a true endpoint sends first."""
    from grace_actors.transport.frames import NO_TOKEN, Lane, greeting

    return greeting(Lane(lane), NO_TOKEN, "/tmp/nowhere")


OPENINGS: dict[str, Callable[[], bytes]] = {
    "at once": lambda: b"",
    "after a bulk greeting": lambda: opening(0),
    "after a control greeting": lambda: opening(1),
}


@pytest.mark.parametrize("when", OPENINGS)
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_of_our_own_user_harms_neither_actor_nor_admin(live: LiveSystem, kind: str, when: str) -> None:
    actor, sender = live.worker(cell=Cell.GOT), live.worker()
    pid, growth = live.seen(actor).pid, Growth(live.seen(actor).pid)
    live.flood(sender, actor, count=1, source="before")
    for path in [path_of(actor), str(live.directory / "admin")] * 20:
        with connected(path) as peer:
            try:
                peer.sendall(OPENINGS[when]() + GARBAGE[kind])
            except OSError as error:
                assert error.errno in (errno.EPIPE, errno.ECONNRESET), error
    live.flood(sender, actor, count=100)
    live.reaches(Cell.GOT, 101, 10.0)
    seen = live.seen(actor)
    assert (seen.pid, seen.got, seen.wrong) == (pid, {"before": 1, "sender": 100}, [])
    assert growth.mb < 8.0
    assert live.seen(live.worker()).wrong == []


@pytest.mark.parametrize("when", OPENINGS)
def test_frames_that_are_announced_and_do_not_come_take_no_memory(live: LiveSystem, when: str) -> None:
    actor = live.worker(cell=Cell.GOT)
    growth = Growth(live.seen(actor).pid)
    peers = [connected(path_of(actor)) for _ in range(20)]
    for peer in peers:
        with contextlib.suppress(BrokenPipeError):  # refused already
            peer.sendall(OPENINGS[when]() + struct.pack("!I", 60 * MIB) + b"x" * 1_000)
    for number in range(20):
        live.tell(actor, item("outside", number, 10))
    live.reaches(Cell.GOT, 20, 10.0)
    assert growth.mb < 8.0
    for peer in peers:
        peer.close()
    assert live.seen(actor).wrong == []


def test_a_thousand_connections_opened_and_closed_leave_nothing_behind(live: LiveSystem) -> None:
    actor = live.worker(cell=Cell.GOT)
    pid = live.seen(actor).pid
    before, growth = psutil.Process(pid).num_fds(), Growth(pid)
    for number in range(1_000):
        with connected(path_of(actor)) as peer:
            if number % 2:
                peer.sendall(b"\x00")
    assert live.ask(actor, item("outside", 0, 10), 0.01) is None
    wait_for(lambda: psutil.Process(pid).num_fds() <= before, "its descriptors are closed again", 10.0)
    assert live.seen(actor).pid == pid
    assert growth.mb < 8.0


def test_no_process_of_an_actor_system_has_an_inet_socket(live: LiveSystem) -> None:
    live.family(3)
    processes = live.processes()
    assert len(processes) >= 5
    assert [(p.pid, p.net_connections("inet")) for p in processes if p.net_connections("inet")] == []


def test_no_process_of_an_instance_listens_on_an_inet_socket_but_the_api_server(grace: Running) -> None:
    grace.wait_running()
    processes = [psutil.Process(grace.process.pid), *psutil.Process(grace.process.pid).children(recursive=True)]
    assert len(processes) > 25
    listening = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # a command that a playbook ran
            addresses = [one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
            listening |= {process.pid: addresses} if addresses else {}
    assert listening == {grace.node("api_server")["pid"]: ["127.0.0.1"]}
