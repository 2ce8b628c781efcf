"""A bare actor system on our transport, and actors that send, receive and die as a test asks.

Tests see what happens inside a handler through a `Board`, counters in a mapped file: it needs no message and shows
progress while a handler runs. Uses the public face alone: `start` and Thespian's ActorSystem. For tests only.
Invariant: when `LiveSystem.close` returns, no process of the system lives; what had to be removed fails the test.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import psutil
from thespian.actors import Actor, ActorExitRequest, ChildActorExited, PoisonMessage

from grace_actors.kernel import Answer, Kernel, Request
from grace_actors.transport.base import start
from tests.harness.instance import wait_for

ASK_S = 30.0
LONG_S = 60.0
MIB = 1024 * 1024


class Cell(IntEnum):
    """Who writes a counter of the board: each has one writer."""

    STOP = 0  # the test: floods end
    GOT = 1  # the receiver: items handled
    SENT = 2  # the sender: items whose send has returned
    GOT_TOO = 3  # a second receiver
    SENT_TOO = 4  # a second sender
    CHILDREN = 5  # a parent: children that have answered
    EXITS = 6  # a parent: ChildActorExited received
    AT_REQUEST = 7  # a parent: GOT when it asked its child to exit
    NOTED = 8  # the actor of one test file: what it has noted
    BLOCK = 16  # the first of 32 for tests with many senders


class Board:
    """Counters in a file that every process maps."""

    def __init__(self, path: str) -> None:
        self.path = path
        with Path(path).open("a+b") as file:
            file.truncate(64 * 8)
            self._cells = memoryview(mmap.mmap(file.fileno(), 64 * 8)).cast("q")

    def __getitem__(self, cell: int) -> int:
        return int(self._cells[cell])

    def __setitem__(self, cell: int, value: int) -> None:
        self._cells[cell] = value


# ---- what is sent -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """Message `number` of `source`; its payload is known from number and size."""

    source: str
    number: int
    size: int
    payload: bytes


@dataclass(frozen=True)
class Role:
    """How a Worker receives: where it counts, how long each item takes, whether it answers each."""

    board: str
    cell: int = Cell.GOT
    pause_s: float = 0.0
    answers: bool = False


@dataclass(frozen=True)
class Flood:
    """Send `count` items in one handler, of the given sizes in turn, to all of `to` in turn."""

    to: tuple[Any, ...]
    count: int
    board: str
    sizes: tuple[int, ...] = (200,)
    source: str = "sender"
    cell: int = Cell.SENT


@dataclass(frozen=True)
class Report:
    """Answer with a `Seen`."""


@dataclass(frozen=True)
class Seen:
    """What an actor has met with up to now."""

    pid: int
    got: dict[str, int] = field(default_factory=dict)  # source: items in order and whole
    wrong: list[str] = field(default_factory=list)
    poisons: list[str] = field(default_factory=list)
    children: dict[int, tuple[Any, int]] = field(default_factory=dict)  # number: address, pid
    exits: list[str] = field(default_factory=list)
    noted: list[Any] = field(default_factory=list)  # what the actors of one test file take note of


@dataclass(frozen=True)
class Create:
    """Create so many children, and send each a `Hello` at once."""

    count: int
    board: str


@dataclass(frozen=True)
class Hello:
    number: int


@dataclass(frozen=True)
class Here:
    number: int
    pid: int


@dataclass(frozen=True)
class End:
    """Ask this child to exit."""

    child: Any


def payload(number: int, size: int) -> bytes:
    """The bytes of an item, other ones than those of its neighbours."""
    return bytes((number % 251,)) * size


def item(source: str, number: int, size: int) -> Item:
    return Item(source, number, size, payload(number, size))


# ---- actors -----------------------------------------------------------------------------------------------


class Worker(Actor):  # type: ignore[misc]
    """Receives items and judges them, floods others, answers `Report` and `Hello`."""

    def __init__(self) -> None:
        super().__init__()
        self.role: Role | None = None
        self.board: Board | None = None
        self.seen = Seen(os.getpid())
        self.handled = 0

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        match message:
            case Item():
                self._take(message, sender)
            case Flood():
                self._flood(message)
            case Role():
                self.role, self.board = message, Board(message.board)
                self.send(sender, "ready")
            case Report():
                self.send(sender, self.seen)
            case Hello(number):
                self.send(sender, Here(number, os.getpid()))
            case PoisonMessage():
                self.seen.poisons.append(str(message.details))

    def _take(self, item: Item, sender: Any) -> None:
        expected = self.seen.got.get(item.source, 0)
        if item.number != expected or item.payload != payload(item.number, item.size):
            self.seen.wrong.append(f"{item.source}: {item.number} of {len(item.payload)} bytes instead of {expected}")
        else:
            self.seen.got[item.source] = expected + 1
        self.handled += 1
        if self.role is None or self.board is None:
            return
        if self.role.pause_s:
            time.sleep(self.role.pause_s)
        self.board[self.role.cell] = self.handled
        if self.role.answers:
            self.send(sender, Item(f"answer to {item.source}", item.number, 0, b""))

    def _flood(self, order: Flood) -> None:
        board, receivers = Board(order.board), len(order.to)
        for number in range(order.count):
            if board[Cell.STOP]:
                return
            size = order.sizes[number % len(order.sizes)]
            self.send(order.to[number % receivers], item(order.source, number // receivers, size))
            board[order.cell] = number + 1


class Parent(Worker):
    """Creates Workers and takes note of their ends."""

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        match message:
            case Create(count, board):
                self.board = Board(board)
                for number in range(count):
                    self.send(self.createActor(Worker), Hello(number + len(self.seen.children)))
            case Here(number, pid):
                assert self.board is not None
                self.seen.children[number] = (sender, pid)
                self.board[Cell.CHILDREN] = len(self.seen.children)
            case End(child):
                assert self.board is not None
                self.board[Cell.AT_REQUEST] = self.board[Cell.GOT]
                self.send(child, ActorExitRequest())
            case ChildActorExited():
                assert self.board is not None
                self.seen.exits.append(message.childAddress.actorAddressString)
                self.board[Cell.EXITS] = len(self.seen.exits)
            case _:
                super().receiveMessage(message, sender)


# ---- kernels, for a whole instance ------------------------------------------------------------------------


class Toiler(Kernel):
    """Works 1 ms for each request, and says how many it has done."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.n, self.board = 0, Board(str(ctx.config["board"]))

    def do_work(self, request: Request) -> int:
        time.sleep(0.001)
        self.n += 1
        self.board[Cell.GOT] = self.n
        return self.n

    def does(self) -> str:
        return f"has done {self.n}"


class Flooder(Kernel):
    """Once `to` has answered, tells it `count` times to work, in one handler."""

    def do_flood(self, request: Request) -> str:
        to, count, board = request.args["to"], request.args["count"], Board(str(self.ctx.config["board"]))

        def flood(answer: Answer) -> None:
            assert answer.ok, answer.error
            for number in range(count):
                if board[Cell.STOP]:
                    return
                self.ctx.tell(to, "work", {"number": number})
                board[Cell.SENT] = number + 1

        self.ctx.ask(to, "work", {}, flood)
        return "begun"


# ---- the system -------------------------------------------------------------------------------------------


class LiveSystem:
    """An actor system in a directory of its own, and every process of its session."""

    def __init__(self, folder: Path) -> None:
        self.board = Board(str(folder / "board"))
        self.directory = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
        before = {child.pid for child in psutil.Process().children()}
        self.system = start(str(self.directory))
        admins = [child.pid for child in psutil.Process().children() if child.pid not in before]
        sessions = {os.getsid(pid) for pid in admins} - {os.getsid(0)}
        assert len(sessions) == 1, f"the admin has a session of its own: {sessions}"
        (self.session,) = sessions
        self.ask, self.tell = self.system.ask, self.system.tell

    def worker(self, cls: type[Worker] = Worker, **role: Any) -> Any:
        """A new actor; with words of a Role, one that has taken it."""
        address = self.system.createActor(cls)
        if role:
            self.give_role(address, **role)
        return address

    def give_role(self, address: Any, **role: Any) -> None:
        """Returns once the actor has taken it."""
        assert self.ask(address, Role(self.board.path, **role), ASK_S) == "ready"

    def family(self, count: int, *, timeout_s: float = ASK_S) -> tuple[Any, dict[int, tuple[Any, int]]]:
        """A Parent and its children, all of which have answered: address and pid of each by number."""
        parent = self.worker(Parent)
        self.tell(parent, Create(count, self.board.path))
        wait_for(lambda: self.board[Cell.CHILDREN] == count, f"{count} children answer", timeout_s)
        return parent, self.seen(parent).children

    def flood(self, sender: Any, *to: Any, count: int, **more: Any) -> None:
        """Begin a flood."""
        self.tell(sender, Flood(to, count, self.board.path, **more))

    def seen(self, address: Any) -> Seen:
        found = self.ask(address, Report(), ASK_S)
        assert isinstance(found, Seen), f"{address} answered {found!r}"
        return found

    def reaches(self, cell: int, value: int, timeout_s: float = LONG_S) -> None:
        """Wait until the counter has at least this value."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self.board[cell] >= value, "", timeout_s, step_s=0.005)
        assert self.board[cell] >= value, f"counter {cell} stands at {self.board[cell]} of {value}"

    def kill(self, pid: int, signum: signal.Signals = signal.SIGKILL) -> None:
        """End a process of the system and wait until it has ended."""
        os.kill(pid, signum)
        wait_for(lambda: not alive(pid), f"{pid} ends", 10.0)

    def processes(self) -> list[psutil.Process]:
        """The living processes of the session, and what they forked."""
        parents: dict[int, int] = {}
        found: set[int] = set()
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError):
                parents[pid] = psutil.Process(pid).ppid()
                if os.getsid(pid) == self.session:
                    found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return [psutil.Process(pid) for pid in found if alive(pid)]

    def close(self) -> None:
        """Shut down. Fails when a process or a file outlives that."""
        self.board[Cell.STOP] = 1
        below = self.processes()
        try:
            self.system.shutdown()
            with contextlib.suppress(AssertionError):
                wait_for(lambda: not any(alive(p.pid) for p in below), "", 5.0)
            left = [p for p in {*below, *self.processes()} if alive(p.pid)]
            files = sorted(path.name for path in self.directory.iterdir())
            assert (left, files) == ([], []), f"outlived the shutdown: processes {left}, files {files}"
        finally:
            for process in {*below, *self.processes()}:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self._reap()
            shutil.rmtree(self.directory)

    def _reap(self) -> None:
        """What the system left behind is a child of this process: no zombie stays."""
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(child.pid) == self.session:
                    os.waitpid(child.pid, 0)


def live_system(tmp_path: Path) -> Iterator[LiveSystem]:
    """The body of a fixture: `live = pytest.fixture(live_system)`."""
    live = LiveSystem(tmp_path)
    try:
        yield live
    finally:
        live.close()


def alive(pid: int) -> bool:
    """Whether this process runs; one that has ended and is not reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[Callable[[], None]]:
    """The process stands still until the given function is called, at the latest until the end of the block."""

    def go_on() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    os.kill(pid, signal.SIGSTOP)
    try:
        yield go_on
    finally:
        go_on()
