"""The client of the control socket: complete answers or an error that says what happened."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.client import Client
from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.home import Home
from tests.unit.console.fake import HANG_UP, Broken, FakeInstance, Items, RemoteError


def test_call_returns_the_value_and_sends_verb_and_args(root: Path) -> None:
    with FakeInstance(root, {"kill": {"result": "ok"}}) as fake:
        assert Client(fake.home).call("kill", {"name": "a"}) == {"result": "ok"}
        assert fake.requests == [("kill", {"name": "a"})]


def test_stream_yields_items_before_the_final_line(root: Path) -> None:
    with FakeInstance(root, {"events": Items([{"seq": 1}, {"seq": 2}])}) as fake:
        assert list(Client(fake.home).stream("events")) == [{"seq": 1}, {"seq": 2}]


def test_answer_larger_than_one_read_arrives_whole(root: Path) -> None:
    big = {"text": "ä" * 300_000}
    with FakeInstance(root, {"status": big}) as fake:
        assert Client(fake.home).call("status") == big


def test_remote_error_keeps_code_message_and_hint(root: Path) -> None:
    error = RemoteError(code="not_found", message="there is no 'x'", hint="see: tree")
    with FakeInstance(root, {"status": error}) as fake, pytest.raises(RemoteFailed) as caught:
        Client(fake.home).call("status")
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("not_found", "there is no 'x'", "see: tree")


def test_home_without_socket_is_not_running(root: Path) -> None:
    with pytest.raises(NotRunning, match=str(root)):
        Client(Home(root)).call("ping")


def test_socket_left_by_a_killed_instance_is_not_running(root: Path) -> None:
    home = Home(root).create()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home.control_socket))
    listener.close()
    with pytest.raises(NotRunning, match="left its socket"):
        Client(home).call("ping")


def test_connection_closed_before_the_final_line_is_no_success(root: Path) -> None:
    with FakeInstance(root, {"status": HANG_UP}) as fake, pytest.raises(Interrupted, match="before its answer"):
        Client(fake.home).call("status")


def test_silence_longer_than_the_timeout_is_an_error_naming_it(root: Path) -> None:
    home = Home(root).create()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.control_socket))
        listener.listen()
        with pytest.raises(Interrupted, match=r"no answer for 0\.05 s"):
            Client(home, timeout_s=0.05).call("status")


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"\xff\n"])
def test_line_that_is_no_json_object_is_an_error(root: Path, line: bytes) -> None:
    home = Home(root).create()
    near, far = socket.socketpair()
    far.sendall(line)
    with near, far, pytest.raises(Interrupted, match="not understood"):
        client = Client(home)
        client._connect = lambda: near  # type: ignore[method-assign]
        client.call("status")


def test_follow_goes_on_behind_the_last_event_after_a_broken_stream(root: Path) -> None:
    def events(args: dict[str, Any]) -> Any:
        return Broken([{"seq": 7}, {"seq": 8}]) if "since" not in args else Items([{"seq": 9}])

    with FakeInstance(root, {"events": events}) as fake:
        assert [event["seq"] for event in Client(fake.home).follow({"limit": 5})] == [7, 8, 9]
        assert fake.requests == [("events", {"limit": 5, "follow": True}), ("events", {"since": 8, "follow": True})]


def test_follow_ends_when_the_instance_is_gone(root: Path) -> None:
    fake = FakeInstance(root, {"events": Broken([{"seq": 1}])})
    follower = Client(fake.home).follow()
    assert next(follower) == {"seq": 1}
    fake.__exit__()
    with pytest.raises(NotRunning):
        next(follower)


def test_events_since_a_number_are_read_page_by_page_to_the_end(root: Path) -> None:
    def events(args: dict[str, Any]) -> Any:
        return Items([{"seq": seq} for seq in range(args["since"] + 1, min(args["since"] + 3, 6))])

    with FakeInstance(root, {"events": events}) as fake:
        assert [event["seq"] for event in Client(fake.home).events({"since": 0})] == [1, 2, 3, 4, 5]


def test_events_with_a_limit_are_one_request(root: Path) -> None:
    with FakeInstance(root, {"events": Items([{"seq": 4}])}) as fake:
        assert list(Client(fake.home).events({"since": 3, "limit": 1})) == [{"seq": 4}]
        assert fake.requests == [("events", {"since": 3, "limit": 1})]
