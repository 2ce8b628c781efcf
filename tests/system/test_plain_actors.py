"""Actors that are none of ours, on our base: they get what Thespian promises them, and leave nothing behind."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import Actor, ActorExitRequest, requireCapability

from grace_actors.transport.base import start

pytestmark = pytest.mark.system
ASK_S = 5.0
WAIT_S = 10.0


class Curious(Actor):  # type: ignore[misc]
    """Says how it was made."""

    def __init__(self, capabilities: Any, requirements: Any) -> None:
        super().__init__()
        self.made_with = (capabilities, requirements)

    def receiveMessage(self, message: Any, sender: Any) -> None:
        if message == "made with?":
            capabilities, requirements = self.made_with
            self.send(sender, (capabilities["Thespian ActorSystem Name"], requirements))
        elif message == "pid?":
            self.send(sender, os.getpid())
        elif message == "logger?":
            self.send(sender, type(logging.getLogger().root).__name__)


@requireCapability("a thing that nobody has")
class Impossible(Actor):  # type: ignore[misc]
    """Can be created nowhere."""


class Directory:
    """The socket directory of a running system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.system = start(str(path))

    def files(self, pid: int | None = None) -> list[str]:
        return sorted(file.name for file in self.path.glob("*" if pid is None else f"{pid}.*"))


@pytest.fixture
def running() -> Iterator[Directory]:
    path = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    try:
        directory = Directory(path)
        yield directory
        directory.system.shutdown()
    finally:
        shutil.rmtree(path)


def wait_until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not (came := true()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return came


def test_a_plain_actor_is_made_with_the_arguments_it_asks_for(running: Directory) -> None:
    actor = running.system.createActor(Curious, targetActorRequirements={"hue": "red"})
    assert running.system.ask(actor, "made with?", ASK_S) == ("graceBase", {"hue": "red"})


def test_what_a_plain_actor_logs_is_forwarded(running: Directory) -> None:
    actor = running.system.createActor(Curious)
    assert running.system.ask(actor, "logger?", ASK_S) == "ThespianLogForwarder"


def test_a_plain_actor_ends_in_order_at_sigterm_and_takes_its_socket_file_with_it(running: Directory) -> None:
    actor = running.system.createActor(Curious)
    pid = running.system.ask(actor, "pid?", ASK_S)
    assert running.files(pid)
    os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: not running.files(pid))
    assert running.system.ask(actor, "pid?", 0.1) is None


def test_what_is_sent_after_an_order_to_end_is_not_answered(running: Directory) -> None:
    for _ in range(5):
        actor = running.system.createActor(Curious)
        assert running.system.ask(actor, "pid?", ASK_S)
        running.system.tell(actor, ActorExitRequest())
        assert running.system.ask(actor, "pid?", 0.3) is None


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_an_actor_that_ended_leaves_no_socket_file(running: Directory, end: str) -> None:
    actor = running.system.createActor(Curious)
    pid = running.system.ask(actor, "pid?", ASK_S)
    assert running.files(pid)
    if end == "exit":
        running.system.tell(actor, ActorExitRequest())
    else:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not running.files(pid))


def test_a_system_that_was_shut_down_leaves_no_socket_file(running: Directory) -> None:
    running.system.createActor(Curious)
    assert "admin" in running.files()
    running.system.shutdown()
    assert wait_until(lambda: not running.files())
