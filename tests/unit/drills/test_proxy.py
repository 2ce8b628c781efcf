"""Each toxic does to a connection what its name says, and taking it away ends that at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.drills.front import Front, in_front_of
from grace_actors.drills.proxy import address
from grace_actors.drills.toxics import ATTRIBUTES, latency_s, portions, slices, toxic
from grace_actors.drills.wires import CHUNK_BYTES
from grace_actors.errors import WorldFailed
from tests.harness.instance import wait_for

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """A server that sends back what it gets and closes when the client has finished."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while data := client.recv(65536):
                client.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture(scope="module")
def front(echo: int) -> Iterator[Front]:
    with in_front_of(echo) as front:
        yield front


@pytest.fixture
def client(front: Front) -> Iterator[socket.socket]:
    front.reset()
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE_S) as sock:
        sock.sendall(b"hello")
        assert got(sock, 5) == b"hello"
        yield sock


def got(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (part := sock.recv(count - len(data))):
        data += part
    return data


def asked(sock: socket.socket, data: bytes) -> float:
    """Send, take it back; how long that took."""
    began = time.monotonic()
    sock.sendall(data)
    assert got(sock, len(data)) == data
    return time.monotonic() - began


def test_without_a_toxic_everything_passes_in_order(client: socket.socket) -> None:
    data = Random(1).randbytes(3_000_000)
    threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
    assert got(client, len(data)) == data


@pytest.mark.parametrize("stream", ["downstream", "upstream"])
def test_latency_comes_before_everything_and_is_gone_with_its_toxic(
    front: Front, client: socket.socket, stream: str
) -> None:
    with front.toxic("latency", stream=stream, latency=300, jitter=50):
        assert asked(client, b"x") >= 0.25
    with front.toxic("latency", stream=stream, latency=600_000):
        client.sendall(b"waits")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE_S)
    assert got(client, 5) == b"waits"  # not in ten minutes


def test_latency_does_not_make_it_slower_the_more_there_is(front: Front, client: socket.socket) -> None:
    """Every byte is late by the same time: it is a longer wire, not a narrower one."""
    data, latency_s = b"x" * 2_000_000, 0.3
    chunks = len(data) / CHUNK_BYTES
    threading.Thread(target=lambda: client.sendall(data), daemon=True).start()
    with front.toxic("latency", latency=1000 * latency_s):
        began = time.monotonic()
        assert got(client, len(data)) == data
        assert time.monotonic() - began < chunks * latency_s / 2


def test_bandwidth_lets_so_much_pass(front: Front, client: socket.socket) -> None:
    with front.toxic("bandwidth", rate=100):
        assert asked(client, b"x" * 30_000) >= 0.25


def test_slicer_cuts_what_passes(front: Front, client: socket.socket) -> None:
    with front.toxic("slicer", average_size=100, size_variation=20, delay=20_000):
        assert asked(client, b"x" * 1000) >= 0.15


def test_timeout_drops_what_passes_and_closes(front: Front, client: socket.socket) -> None:
    with front.toxic("timeout", timeout=200):
        client.sendall(b"lost")
        assert client.recv(10) == b""


def test_a_timeout_of_0_drops_until_it_is_taken_away(front: Front, client: socket.socket) -> None:
    with front.toxic("timeout", timeout=0):
        client.sendall(b"lost")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
    client.settimeout(PATIENCE_S)
    client.sendall(b"found")
    assert got(client, 5) == b"found"


def test_reset_peer_resets(front: Front, client: socket.socket) -> None:
    with front.toxic("reset_peer", timeout=0), pytest.raises(ConnectionResetError):
        client.recv(1)


def test_limit_data_closes_after_so_much(front: Front) -> None:
    with front.toxic("limit_data", bytes=100), socket.create_connection(("127.0.0.1", front.port)) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendall(b"x" * 1000)
        assert got(sock, 1000) == b"x" * 100


def test_slow_close_delays_the_end(front: Front, client: socket.socket) -> None:
    with front.toxic("slow_close", delay=300):
        began = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        assert time.monotonic() - began >= 0.28


def test_down_refuses_and_up_again_takes_connections_on_the_same_port(front: Front, client: socket.socket) -> None:
    with front.toxic("down"):
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE_S)
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE_S) as again:
        assert asked(again, b"back") >= 0


def test_a_toxicity_of_0_spoils_nobody(front: Front, client: socket.socket) -> None:
    with front.toxic("timeout", toxicity=0.0, timeout=1):
        assert asked(client, b"spared") >= 0


def test_what_is_wrong_is_answered_and_changes_nothing(front: Front, client: socket.socket) -> None:
    for wrong, words in (
        ({"do": "add", "toxic": {"type": "fire"}}, "allowed: latency"),
        ({"do": "add", "toxic": {"type": "latency", "attributes": {"rate": 1}}}, "allowed: latency, jitter"),
        ({"do": "add", "toxic": {"type": "latency", "stream": "sideways"}}, "allowed: downstream"),
        ({"do": "add", "toxic": {"type": "latency", "toxicity": 2}}, "from 0 to 1"),
        ({"do": "add", "toxic": {"type": "latency", "attributes": {"latency": -1}}}, "from 0"),
        ({"do": "remove", "name": "none"}, "there is no toxic"),
        ({"do": "dance"}, "allowed: add"),
    ):
        with pytest.raises(WorldFailed, match=words):
            front.do(**wrong)
    assert front.do(do="toxics")["toxics"] == []
    assert asked(client, b"still") >= 0


def test_the_proxy_ends_when_nobody_steers_it_any_more(echo: int) -> None:
    with in_front_of(echo) as front, socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE_S) as sock:
        assert asked(sock, b"hello") >= 0
        front.do(do="add", toxic={"type": "latency", "attributes": {"latency": 600_000}})
        sock.sendall(b"on its way")
        assert front.process.stdin is not None
        front.process.stdin.close()
        assert got(sock, 10) == b"on its way"
        assert front.process.wait(PATIENCE_S) == 0


def test_an_upstream_that_is_away_is_a_closed_connection() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    with in_front_of(port) as front:
        sock = socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE_S)
        with sock, contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
        wait_for(lambda: front.do(do="toxics")["connections"] == 0, "no connection is left", 5.0)


@pytest.mark.parametrize("text", ["192.0.2.1:80", "example.org:80", "0.0.0.0:80", "127.0.0.1:0", "127.0.0.1", "x:y"])
def test_only_ports_of_this_machine_are_proxied(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address(text)
    assert address("localhost:80") == ("127.0.0.1", 80)


# ---- the sums -------------------------------------------------------------------------------------------


@given(data=st.binary(max_size=5000), average=st.integers(0, 300), variation=st.integers(0, 400), seed=st.integers())
def test_slices_are_the_data(data: bytes, average: int, variation: int, seed: int) -> None:
    slicer = toxic({"type": "slicer", "attributes": {"average_size": average, "size_variation": variation}})
    assert b"".join(slices(data, slicer, Random(seed))) == data


@given(data=st.binary(min_size=1, max_size=5000), rate=st.floats(0.001, 1000))
def test_portions_are_the_data_and_take_as_long_as_the_rate_says(data: bytes, rate: float) -> None:
    found = list(portions(data, rate))
    assert b"".join(piece for piece, _ in found) == data
    assert sum(seconds for _, seconds in found) == pytest.approx(len(data) / (rate * 1000))


@given(latency=st.integers(0, 5000), jitter=st.integers(0, 5000), seed=st.integers())
def test_latency_stays_within_its_jitter(latency: int, jitter: int, seed: int) -> None:
    one = toxic({"type": "latency", "attributes": {"latency": latency, "jitter": jitter}})
    assert max(0, latency - jitter) / 1000 <= latency_s(one, Random(seed)) <= (latency + jitter) / 1000


def test_every_toxic_of_the_fault_table_is_one_of_the_proxy() -> None:
    from chaos.faults.table import FAULTS

    parameters = {parameter.name: parameter for parameter in FAULTS["toxic"].parameters}
    assert set(parameters["toxic"].choices) == set(ATTRIBUTES)
    assert {name for names in ATTRIBUTES.values() for name in names} <= set(parameters)
