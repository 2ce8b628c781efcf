"""What was learned survives SIGKILL at any moment, in a process of its own and in a live tree; the console shows it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.errors import Interrupted, RemoteFailed
from grace_actors.stores.confidence import Standing, folded
from grace_actors.stores.signature import SignatureStore
from tests.harness.instance import ROOT, Running, as_json, run_cli, wait_for
from tests.harness.kernels import Bench

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

NAME = "signature"
ROUNDS = 8
RECORDER = """
import sys
from pathlib import Path
from grace_actors.stores.signature import SignatureStore
from tests.harness.kernels import Bench

bench = Bench(Path(sys.argv[1]))
bench.add("signature", SignatureStore)
number = int(sys.argv[2])
while True:
    group = [
        {"signature": f"s{n % 5}", "aliases": [f"specific{n % 5}", f"full{n % 5}", "broad"], "repair": "refill",
         "ok": n % 3 != 0, "run": f"run_{n}"}
        for n in range(number, number + 1 + number % 4)
    ]
    bench.ask("signature", "record_outcomes", outcomes=group)
    number += len(group)
    print(number, flush=True)
    bench.advance(0.5)  # now and then a snapshot is taken
"""


def killed_after(home: Path, first: int, acknowledged: int) -> int:
    """Record from `first` on in a process that is killed; the number behind the last outcome it was told of."""
    command = [sys.executable, "-c", RECORDER, str(home), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        try:
            told = [process.stdout.readline() for _ in range(acknowledged)]
        finally:
            process.kill()
        told += process.stdout.readlines()  # what it had said before it died
    return int([line for line in told if line.endswith("\n")][-1])


def test_every_acknowledged_outcome_is_there_after_a_kill_at_any_moment(tmp_path: Path) -> None:
    number = 0
    chance = random.Random(7)
    for _ in range(ROUNDS):
        number = killed_after(tmp_path, number, chance.randrange(1, 60))
        bench = Bench(tmp_path)
        kernel = bench.add(NAME, SignatureStore)
        assert isinstance(kernel, SignatureStore)
        assert bench.types() == []
        runs = [row[0] for row in kernel.store.db.execute("select run from history order by id")]
        recorded = [f"run_{n}" for n in range(len(runs))]
        assert runs == recorded  # none lost, none twice, none of a group without the others before it
        assert len(runs) >= number
        number = len(runs)
        for n in range(5):
            standing = folded(Standing(), [run % 3 != 0 for run in range(n, number, 5)])
            found = bench.ask(NAME, "lookup", hashes=[f"specific{n}"])["repairs"]
            assert [(r["successes"], r["failures"], r["confidence"], r["auto_apply"]) for r in found] == (
                [(standing.successes, standing.failures, standing.confidence, standing.auto_apply)]
                if n < number
                else []
            )
        kernel.store.close()
    assert number > ROUNDS


TREE = """
schema: grace.tree/1
name: tree
intensity: 100
period: 60s
children:
  - {actor: registry}
  - {actor: signature}
  - {actor: status}
"""


def test_a_live_actor_keeps_what_it_acknowledged_and_the_console_shows_it(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    tree = tmp_path / "tree.yaml"
    tree.write_text(TREE, encoding="utf-8")
    running = start(tree)
    running.wait_running()

    def ask(verb: str, **args: Any) -> Any:
        return running.client.call("ask", {"name": NAME, "verb": verb, "args": args})

    acknowledged = 0
    for life in range(3):
        pid = running.node(NAME)["pid"]
        for number in range(6):
            outcome = {"signature": "shop_ValueError_a3f2", "kernel": "shop", "repair": "refill", "ok": True}
            ask("record_outcome", **outcome, run=f"run_{life}_{number}", aliases=["a" * 32])
            acknowledged += 1
        os.kill(pid, signal.SIGKILL)
        running.wait_new_pid(NAME, pid)

        def found() -> Any:
            try:
                return ask("lookup", hashes=["a" * 32])
            except (Interrupted, RemoteFailed):
                return None  # it was being killed

        best = wait_for(found, "the actor answers again")["best"]
        assert (best["successes"], best["auto_apply"]) == (acknowledged, True)
    ask("seen", signature="shop_KeyError_b000", kernel="shop")
    _console(running, tmp_path)


def _console(running: Running, tmp_path: Path) -> None:
    home = running.home.root
    listed = as_json(run_cli("signature", "list", "--json", home=home))
    assert [(each["signature_id"], each["playbook_name"]) for each in listed] == [
        ("shop_KeyError_b000", None), ("shop_ValueError_a3f2", "refill"),
    ]  # fmt: skip
    file = tmp_path / "knowledge.json"
    assert run_cli("signature", "export", str(file), home=home).returncode == 0
    merged = as_json(run_cli("signature", "merge", "shop_K", "shop_V", "--json", home=home))
    assert (merged["from"], merged["signature"]) == ("shop_KeyError_b000", "shop_ValueError_a3f2")
    assert run_cli("signature", "forget", "shop_V", home=home).returncode != 0
    assert run_cli("signature", "forget", "shop_V", "--yes", home=home).returncode == 0
    assert as_json(run_cli("signature", "list", "--json", home=home)) == []
    done = run_cli("signature", "import", str(file), home=home)
    assert (done.returncode, "2 new" in done.stdout) == (0, True)
    exported = json.loads(run_cli("signature", "export", "--json", home=home).stdout)
    assert exported == json.loads(file.read_text(encoding="utf-8"))
    types = {event["type"] for event in running.events()}
    assert {"signature.recorded", "signature.promoted", "signature.merged", "signature.forgotten"} <= types
