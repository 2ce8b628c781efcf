"""Half a minute of everything at once from three clients: afterwards the tree is whole and ends in order."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable

import pytest

from grace_actors.console.client import Client
from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed
from grace_actors.errors import GraceError
from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

SECONDS = 30.0
FAULTS = {
    "kill": {}, "term": {}, "crash": {"message": "stress"}, "hang": {"seconds": 0.5}, "block": {"seconds": 0.5},
    "leak": {"mb": 5}, "exit": {},
}  # fmt: skip


def disturb(running: Running, seed: int, names: list[str], end: float, done: list[int]) -> None:
    """One client: random verbs on random names until the end."""
    rng, client = random.Random(seed), Client(running.home, timeout_s=30.0)
    while time.monotonic() < end:
        name, verb = rng.choice(names), rng.choice(["kill", "restart", "stop", "pause", "inject", "inject", "status"])
        follow = {"stop": "start", "pause": "resume"}.get(verb)
        for step in filter(None, (verb, follow)):
            fault = rng.choice(sorted(FAULTS))
            args = {"fault": fault, "target": name, "params": FAULTS[fault]} if step == "inject" else {"name": name}
            with contextlib.suppress(RemoteFailed, Interrupted, GraceError):
                client.call(step, args)
        done.append(1)
        time.sleep(rng.uniform(0.1, 0.4))


def mend(running: Running) -> bool:
    """What a person would do: start what is down, release what is paused. True when nothing needed it."""
    calm = True
    for node in running.nodes().values():
        state = node["state"]
        is_down = state in ("stopped", "awaiting_repair", "quarantined", "failed")
        verb = "start" if is_down else "resume" if state == "paused" else None
        if verb:
            calm = False
            with contextlib.suppress(RemoteFailed, Interrupted, NotRunning):
                running.call(verb, name=node["name"])
    status = running.status()
    return calm and status is not None and status["state"] == "running"


def test_after_a_storm_of_verbs_the_tree_is_whole_and_ends_in_order(start: Callable[..., Running]) -> None:
    running = start()
    running.wait_running()
    names = [
        name for name, node in running.nodes().items() if node["kind"] in ("kernel", "supervisor") and name != "grace"
    ]
    done: list[int] = []
    end = time.monotonic() + SECONDS
    clients = [threading.Thread(target=disturb, args=(running, seed, names, end, done)) for seed in (1, 2, 3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(SECONDS + 120)
    assert not any(client.is_alive() for client in clients) and len(done) > 50
    wait_for(lambda: mend(running), "everything runs again", timeout_s=90.0, step_s=0.2)
    running.wait_running()
    wait_for(lambda: all(check["ok"] for check in running.call("doctor")["checks"]), "the doctor is content")
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 20.0
    assert not running.leftovers()
