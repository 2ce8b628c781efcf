"""The HTTP API over real sockets on this machine, with the kernel's clock under the test's control."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_actors.kernels import http_wire
from grace_actors.kernels.api_server import ApiServer
from grace_actors.status import Status
from tests.harness.examples import examples
from tests.harness.kernels import Bench
from tests.unit.status.test_model import CORE, child, supervisor


class Client:
    """A plain socket; `read` serves the kernel until a whole response is there."""

    def __init__(self, bench: Bench, url: str) -> None:
        self.bench = bench
        self.sock = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        self.sock.setblocking(False)
        self.buffer = b""

    def send(self, text: str | bytes) -> Client:
        self.sock.sendall(text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode())
        return self

    def get(
        self, path: str, method: str = "GET", headers: str = "Host: localhost\n"
    ) -> tuple[int, dict[str, str], Any]:
        self.send(f"{method} {path} HTTP/1.1\n{headers}\n")
        return self.read(has_body=method != "HEAD")

    def read(self, *, has_body: bool = True) -> tuple[int, dict[str, str], Any]:
        while b"\r\n\r\n" not in self.buffer:
            assert self._more(), f"closed after {self.buffer!r}"
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
        length = int(headers["content-length"]) if has_body else 0
        while len(self.buffer) < length:
            assert self._more(), "closed within the body"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(first.split()[1]), headers, json.loads(body) if "json" in headers["content-type"] and body else body

    def is_closed(self) -> bool:
        """Whether the server ends the connection without sending more."""
        return not self._more()

    def _more(self) -> bool:
        for _ in range(200):
            self.bench.poll(0.05)
            self.bench.advance(0)
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                return False
            self.buffer += data
            return bool(data)
        raise AssertionError("neither an answer nor the end of the connection")


def settle(bench: Bench) -> None:
    """Serve what has arrived."""
    for _ in range(50):
        if not bench.poll(0.02):
            return


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(home=tmp_path)
    made.add("status", Status)
    made.add("api_server", ApiServer, port=0)
    made.ask("status", "describe", **supervisor("grace", None, CORE))
    made.ask("status", "describe", **supervisor("core", "grace", child("bus", critical=True), child("voice"), pid=20))
    yield made
    for kernel in list(made.kernels.values()):
        kernel.stop("the test is over")


@pytest.fixture
def client(bench: Bench) -> Client:
    return Client(bench, bench.ask("api_server", "address")["url"])


def test_health_is_answered_without_the_tree(bench: Bench, client: Client) -> None:
    bench.crash("status")
    status, headers, body = client.get("/health")
    assert (status, body["status"], headers["content-type"]) == (200, "healthy", "application/json")


def test_ready_is_503_until_every_critical_kernel_runs(bench: Bench, client: Client) -> None:
    assert client.get("/ready")[0] == 200
    parts = child("bus", critical=True, state="restarting", pid=None), child("voice", state="failed")
    bench.ask("status", "describe", **supervisor("core", "grace", *parts, pid=20))
    status, _, body = client.get("/ready")
    assert (status, body["not_ready"]) == (503, {"bus": "restarting"})


def test_a_tree_that_has_not_described_itself_is_not_ready(bench: Bench, client: Client) -> None:
    bench.crash("status")
    bench.add("status", Status)
    assert client.get("/ready")[0] == 503


def test_status_is_what_the_status_actor_says(bench: Bench, client: Client) -> None:
    body = client.get("/status")[2]
    assert {key: body[key] for key in ("state", "kernels")} == {
        "state": "running", "kernels": {"total": 2, "running": 2, "degraded": 0, "failed": 0},
    }  # fmt: skip
    assert client.get("/status?name=bus")[2]["name"] == "bus"
    status, headers, body = client.get("/status?name=buss")
    assert (status, body["hint"], headers["content-type"]) == (
        404, "did you mean 'bus'?", "application/problem+json",
    )  # fmt: skip


def test_no_answer_of_the_status_actor_is_503(bench: Bench, client: Client) -> None:
    bench.crash("status")
    client.send("GET /status HTTP/1.1\nHost: localhost\n\n")
    settle(bench)
    bench.advance(6)
    status, headers, body = client.read()
    assert (status, headers["retry-after"], body["title"]) == (503, "1", "Service Unavailable")


def test_events_are_filtered_by_the_query(bench: Bench, client: Client) -> None:
    for n, type in enumerate(("actor.exited", "bus.paused", "actor.started"), 1):
        bench.ask("status", "record", emitter="k", n=n, type=type, subject="x", data={}, at=0)
    body = client.get("/api/v1/events?since=0&type=actor.*&limit=5")[2]
    assert ([e["seq"] for e in body["events"]], body["last"]) == ([1, 3], 3)


def test_a_long_poll_answers_when_the_event_comes_and_does_not_block_others(bench: Bench, client: Client) -> None:
    client.send("GET /api/v1/events?since=0&wait_s=20 HTTP/1.1\nHost: localhost\n\n")
    other = Client(bench, bench.ask("api_server", "address")["url"])
    assert other.get("/health")[0] == 200
    bench.ask("status", "record", emitter="k", n=1, type="a.b", subject="x", data={}, at=0)
    assert client.read()[2]["last"] == 1


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("since=x", "since must be a number, not 'x'"),
        ("colour=red", "events has no argument 'colour'"),
        ("wait_s=99", "wait_s must be from 0 to 30 seconds, not '99'"),
        ("wait_s=nan", "wait_s must be from 0 to 30 seconds, not 'nan'"),
        ("limit=0", "events: limit must be a whole number from 1, not 0"),
    ],
)
def test_a_wrong_query_is_400_and_says_why(client: Client, query: str, detail: str) -> None:
    status, _, body = client.get(f"/api/v1/events?{query}")
    assert (status, body["detail"]) == (400, detail)


def test_metrics_follow_the_text_format(bench: Bench, client: Client) -> None:
    parts = child("bus", restarts=1234567), child('od"d\n', state="failed")
    bench.ask("status", "describe", **supervisor("core", "grace", *parts, pid=20))
    _, headers, body = client.get("/metrics")
    lines = body.decode().splitlines()
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert {'grace_kernel_up{kernel="bus"} 1', 'grace_kernel_up{kernel="od\\"d\\n"} 0'} <= set(lines)
    assert 'grace_restarts_total{actor="bus"} 1234567' in lines
    client.get("/nowhere")
    again = client.get("/metrics")[2].decode()
    assert 'grace_api_requests_total{route="/metrics",status="200"} 1' in again
    assert 'grace_api_requests_total{route="other",status="404"} 1' in again


def test_metrics_without_the_status_actor_say_so(bench: Bench, client: Client) -> None:
    bench.crash("status")
    client.send("GET /metrics HTTP/1.1\nHost: localhost\n\n")
    settle(bench)
    bench.advance(5)
    status, _, body = client.read()
    assert (status, b"grace_status_up 0\n" in body, b"grace_kernel_up" in body) == (200, True, False)


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    status, headers, body = client.get("/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert b"http://" not in body
    assert b"https://" not in body
    assert b"innerHTML" not in body


def test_head_has_the_headers_of_get_and_no_body(client: Client) -> None:
    status, headers, body = client.get("/health", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 10
    assert client.get("/health")[0] == 200


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "BREW"])
def test_a_method_that_would_change_something_is_405(client: Client, method: str) -> None:
    status, headers, body = client.get("/status", method=method)
    assert (status, headers["allow"], body["status"]) == (405, "GET, HEAD", 405)


def test_an_unknown_path_is_404_with_the_nearest_one(client: Client) -> None:
    status, _, body = client.get("/statsu")
    assert (status, body["hint"]) == (404, "did you mean /status?")


def test_a_foreign_host_name_is_refused(client: Client) -> None:
    assert client.get("/status", headers="Host: evil.example\n")[0] == 421


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.send("GET /health HTTP/1.1\nHost: localhost\n\nGET /nowhere HTTP/1.1\nHost: localhost\n\n" * 40)
    assert [client.read()[0] for _ in range(80)] == [200, 404] * 40


def test_a_request_in_pieces_is_one_request(bench: Bench, client: Client) -> None:
    for piece in ("GET /hea", "lth HTTP/1.1\nHost: loc", "alhost\n"):
        client.send(piece)
        settle(bench)
    client.send("\n")
    assert client.read()[0] == 200


def test_a_body_is_not_read_and_ends_the_connection(client: Client) -> None:
    client.send("POST /status HTTP/1.1\nHost: localhost\nContent-Length: 100000\n\nabc")
    status, headers, _ = client.read()
    assert (status, headers["connection"]) == (405, "close")
    assert client.is_closed()


def test_http_1_0_is_answered_and_closed(client: Client) -> None:
    client.send("GET /health HTTP/1.0\n\n")
    assert client.read()[0] == 200
    assert client.is_closed()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000, 431),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_answered_with_a_problem(client: Client, sent: bytes, status: int) -> None:
    client.send(sent)
    assert client.read(has_body=not sent.startswith(b"HEAD"))[0] == status
    assert client.is_closed()


def test_an_address_that_cannot_be_read_is_400_and_the_connection_lives(client: Client) -> None:
    assert client.get("http://[::1")[0] == 400
    assert client.get("/health")[0] == 200


def test_a_client_that_does_not_finish_its_request_is_told_and_closed(bench: Bench, client: Client) -> None:
    client.send("GET /health HTTP/1.1\n")
    settle(bench)
    bench.advance(12)
    assert client.read()[0] == 408
    assert client.is_closed()


def test_an_idle_connection_is_closed(bench: Bench, client: Client) -> None:
    client.get("/health")
    bench.advance(32)
    assert client.is_closed()


def test_a_client_that_does_not_read_is_dropped(bench: Bench, client: Client) -> None:
    events = [
        {"n": n, "type": "a.b", "subject": "x", "data": {"big": "x" * 50_000}, "at": 0} for n in range(1, 121)
    ]  # fmt: skip
    bench.ask("status", "record_many", emitter="k", events=events)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send("GET /api/v1/events?since=0&limit=1000 HTTP/1.1\nHost: localhost\n\n" * 2)
    settle(bench)
    assert bench.kernels["api_server"].metrics()["connections"] >= 1
    bench.advance(25)
    assert bench.kernels["api_server"].metrics()["connections"] == 0


def test_a_large_answer_arrives_whole(bench: Bench, client: Client) -> None:
    events = [{"n": n, "type": "a.b", "subject": "x", "data": {"big": "x" * 50_000}, "at": 0} for n in range(1, 61)]
    bench.ask("status", "record_many", emitter="k", events=events)
    assert len(client.get("/api/v1/events?since=0&limit=1000")[2]["events"]) == 60


def test_beyond_the_limit_an_idle_connection_makes_room_and_a_busy_one_does_not(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_wire, "MAX_CONNECTIONS", 2)
    url = bench.ask("api_server", "address")["url"]
    wait = "GET /api/v1/events?since=0&wait_s=20 HTTP/1.1\nHost: localhost\n\n"
    client.get("/health")
    first, second = Client(bench, url).send(wait), Client(bench, url).send(wait)
    settle(bench)
    assert client.is_closed()
    third = Client(bench, url)
    status, _, body = third.read()
    assert (status, body["detail"]) == (503, "there are 2 connections already")
    bench.ask("status", "record", emitter="k", n=1, type="a.b", subject="x", data={}, at=0)
    assert (first.read()[0], second.read()[0]) == (200, 200)


def test_an_answer_to_a_client_that_has_left_goes_nowhere(bench: Bench, client: Client) -> None:
    client.send("GET /api/v1/events?since=0&wait_s=20 HTTP/1.1\nHost: localhost\n\n")
    settle(bench)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.sock.close()
    settle(bench)
    bench.ask("status", "record", emitter="k", n=1, type="a.b", subject="x", data={}, at=0)
    assert Client(bench, bench.ask("api_server", "address")["url"]).get("/health")[0] == 200


def test_the_address_is_written_down_and_kept_over_a_restart(bench: Bench, tmp_path: Path) -> None:
    url = bench.ask("api_server", "address")["url"]
    assert json.loads((tmp_path / "api.json").read_text())["url"] == url
    bench.kernels["api_server"]._server.close()  # type: ignore[attr-defined]  # as the end of the process would
    bench.crash("api_server")
    bench.add("api_server", ApiServer, port=0)
    assert bench.ask("api_server", "address")["url"] == url
    bench.kernels["api_server"].stop("over")
    assert not (tmp_path / "api.json").exists()
    bench.kernels.pop("api_server")


def test_a_port_that_is_taken_costs_the_address_and_not_the_tree(bench: Bench, client: Client) -> None:
    taken = int(bench.ask("api_server", "address")["url"].rsplit(":", 1)[1])
    second = bench.add("second", ApiServer, port=taken)
    url = bench.ask("second", "address")["url"]
    assert not url.endswith(f":{taken}")
    assert second.degraded[0].startswith(f"port {taken}: Address already in use; listening on ")
    assert [(type, data["wanted"]) for type, _, data in bench.events] == [("api.port_taken", taken)]
    assert Client(bench, url).get("/health")[0] == 200


@pytest.mark.parametrize("port", [-1, 70000, "8420", True, None])
def test_a_port_that_is_none_is_a_failed_start(bench: Bench, port: Any) -> None:
    with pytest.raises(ValueError, match="port must be a whole number from 0 to 65535"):
        bench.add("second", ApiServer, port=port)


pieces = st.lists(
    st.sampled_from(
        [b"GET ", b"HEAD ", b"POST ", b"/health", b"/status?name=", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n",
         b"Host: localhost\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\n", b"%zz", b"\0",
         b"Expect: 100-continue\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"0\r\n"]
    )
    | st.binary(max_size=30),
    max_size=25,
)  # fmt: skip


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sent=st.lists(pieces, min_size=1, max_size=3))
def test_whatever_bytes_arrive_the_next_client_is_served(bench: Bench, sent: list[list[bytes]]) -> None:
    url = bench.ask("api_server", "address")["url"]
    wild = Client(bench, url)
    for part in sent:
        try:
            wild.send(b"".join(part))
        except OSError:
            break
        for _ in range(3):
            bench.poll(0)
            bench.advance(0)
    wild.sock.close()
    assert Client(bench, url).get("/health", headers="Host: localhost\nConnection: close\n")[0] == 200
