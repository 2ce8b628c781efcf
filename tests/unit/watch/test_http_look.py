"""Asking the HTTP API, and what its answers come to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.kernel import Kernel, Request
from grace_actors.kernels.api_server import ApiServer
from grace_actors.kernels.trigger_mesh import TriggerMesh
from grace_actors.kernels.watch.http_look import ANSWER_S, Look
from grace_actors.kernels.watch.schemas import ABSENT, PROMISES
from tests.harness.kernels import Bench
from tests.unit.status.test_model import CORE, child, supervisor
from tests.unit.watch.stage import small_tree


class Quiet(Kernel):
    """Somebody to look."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = small_tree(tmp_path / "home", monkeypatch)
    made.ask("status", "describe", **supervisor("grace", None, CORE))
    parts = child("bus", critical=True, tier="core"), child("voice", state="failed", tier="agentic")
    made.ask("status", "describe", **supervisor("core", "grace", *parts, pid=20))
    yield made
    for kernel in list(made.kernels.values()):
        kernel.stop("the test is over")


def serve(bench: Bench, condition: Callable[[], Any]) -> Any:
    """Serve descriptors until something is so."""
    for _ in range(400):
        if found := condition():
            return found
        bench.poll(0.05)
        bench.advance(0)
    raise AssertionError("it did not come")


def looked(bench: Bench, url: str, *paths: str) -> tuple[dict[str, object] | None, str]:
    kernel = bench.kernels.get("quiet") or bench.add("quiet", Quiet)
    got: list[tuple[dict[str, object] | None, str]] = []
    Look(kernel.ctx, url, paths, lambda answers, problem: got.append((answers, problem))).start()
    result: tuple[dict[str, object] | None, str] = serve(bench, lambda: got)[0]
    return result


@pytest.fixture
def server() -> Iterator[Callable[[bytes], str]]:
    """Starts a server that answers everything with the same bytes and closes."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(4096)
                    peer.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answer(body: object, status: int = 200) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(text), text)


def test_the_api_of_this_program_keeps_its_promises(bench: Bench) -> None:
    bench.add("api_server", ApiServer, port=0)
    bench.add("trigger_mesh", TriggerMesh)
    got: list[Any] = []
    bench.post("test", "trigger_mesh", "evaluate", {}, got.append)
    table = {row["name"]: row for row in serve(bench, lambda: got)[0].value["triggers"]}
    assert (table["telemetry_drift"]["available"], table["telemetry_drift"]["issues"]) == (True, 0)
    url = bench.ask("api_server", "address")["url"]
    answers, _ = looked(bench, url, *PROMISES)
    assert answers is not None
    assert answers["/api/health"] == {
        "status": "degraded",
        "layers": {"core": {"total": 1, "running": 1}, "agentic": {"total": 1, "running": 0}},
        "total_kernels": 2,
        "kernels": {"total": 2, "running": 1, "degraded": 0, "failed": 1},
    }
    assert answers["/api/control/state"] == {"system_state": "degraded", "total_kernels": 2}


def test_a_field_that_is_gone_fires_and_a_server_that_is_gone_is_only_not_measured(
    bench: Bench, server: Callable[[bytes], str]
) -> None:
    url = server(answer({"status": "healthy", "system_state": 3}))
    (bench.home / "api.json").write_text(json.dumps({"url": url}))
    bench.add("trigger_mesh", TriggerMesh)
    got: list[Any] = []
    bench.post("test", "trigger_mesh", "evaluate", {}, got.append)
    fired = serve(bench, lambda: got)[0].value["fired"]
    assert [(each["data"]["issue"], each["subject"], each["data"]["severity"]) for each in fired] == [
        ("schema_drift", "/api/health", "high"),
        ("schema_drift", "/api/control/state", "high"),
        ("schema_type_mismatch", "/api/control/state", "medium"),
    ]
    (bench.home / "api.json").write_text(json.dumps({"url": "http://127.0.0.1:1"}))
    bench.post("test", "trigger_mesh", "evaluate", {}, got.append)
    row = next(row for row in serve(bench, lambda: got[1:])[0].value["triggers"] if row["name"] == "telemetry_drift")
    assert not row["available"]
    assert "http://127.0.0.1:1/health: [Errno 111] Connection refused" in row["reason"]


@pytest.mark.parametrize(
    ("raw", "expected", "problem"),
    [
        (answer({"a": 1}), {"/x": {"a": 1}}, ""),
        (answer(b"<html>"), {"/x": None}, ""),
        (answer({}, 404), {"/x": ABSENT}, ""),
        (answer({"a": 1}, 503), None, "status 503"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", {"/x": {}}, ""),
        (b"220 smtp\r\n", None, "it speaks no HTTP"),
        (b"", None, "it speaks no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", None, "it speaks no HTTP"),
        (b"x" * 1_100_000, None, "more than 1000000 bytes"),
    ],
    ids=["json", "html", "absent", "unavailable", "chunked", "smtp", "nothing", "cut", "endless"],
)
def test_every_answer_is_taken_or_told_as_a_problem(
    bench: Bench, server: Callable[[bytes], str], raw: bytes, expected: dict[str, object] | None, problem: str
) -> None:
    answers, why = looked(bench, server(raw), "/x")
    assert answers == expected
    assert problem in why and bool(why) == bool(problem)


def test_a_server_that_says_nothing_is_given_up_and_its_socket_closed(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kernel = bench.add("quiet", Quiet)
        got: list[Any] = []
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        look = Look(kernel.ctx, url, ("/x",), lambda answers, problem: got.append((answers, problem)))
        look.start()
        bench.advance(ANSWER_S)
        assert got == [(None, f"{url}/x: no answer in 10 s")]
        assert look._sock is None


def test_while_an_answer_is_awaited_others_are_served(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (bench.home / "api.json").write_text(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}))
        bench.add("trigger_mesh", TriggerMesh)
        bench.kernels["trigger_mesh"].handle(Request(verb="evaluate"))
        assert bench.ask("trigger_mesh", "match", type="a.b") == {"names": []}
        bench.advance(ANSWER_S + 1)
        rows = bench.ask("trigger_mesh", "triggers")["triggers"]
        assert "no answer in 10 s" in next(row["reason"] for row in rows if row["name"] == "telemetry_drift")
