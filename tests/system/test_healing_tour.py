"""The tour of the README on a live tree: a fault that restarts cannot heal, three times, with kills between the steps.

The first time a playbook matches and is learned from, the second time a person is asked, the third time nobody.
"""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console.errors import Interrupted, RemoteFailed
from tests.harness.instance import Running, as_json, run_cli, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

REPAIR = "search_index_repair"


@pytest.fixture(scope="module")
def tour(grace: Running) -> Running:
    """An instance whose librarian has three documents."""
    inbox = grace.home.root / "inbox"
    for number in range(3):
        text = "\n".join(f"a supervision tree heals itself, line {line} of {number}" for line in range(300))
        (inbox / f"tree{number}.txt").write_text(text, encoding="utf-8")
    wait_for(lambda: len(found(grace)) > 0, "the documents in the index")
    return grace


def ask(grace: Running, name: str, verb: str, **args: Any) -> Any:
    """The answer of an actor, which may be on its way back."""

    def answer() -> Any:
        try:
            return [grace.client.call("ask", {"name": name, "verb": verb, "args": args})]
        except (RemoteFailed, Interrupted):
            return None

    return wait_for(answer, f"an answer of {name} to {verb}")[0]


def found(grace: Running) -> list[Any]:
    return list(ask(grace, "librarian", "search", words="supervision")["chunks"])


def cli(grace: Running, *words: str) -> Any:
    done = run_cli("--json", *words, home=grace.home.root)
    assert done.returncode == 0, done.stderr
    return as_json(done)


def held(grace: Running) -> list[dict[str, Any]]:
    """The incidents of failed starts of librarian, the newest first."""
    rows = ask(grace, "self_healing", "incidents", kernel="librarian")["incidents"]
    return [row for row in rows if row["kind"] == "start_failed"]


def newest(grace: Running, state: str, count: int) -> dict[str, Any]:
    """The newest incident once it is in this state and there are so many."""

    def there() -> dict[str, Any] | None:
        rows = held(grace)
        return rows[0] if len(rows) == count and rows[0]["state"] == state else None

    row: dict[str, Any] = wait_for(there, f"incident {count} to be {state}; there are {held(grace)}")
    return row


def learned(grace: Running) -> list[tuple[float, bool]]:
    rows = ask(grace, "signature", "list")["signatures"]
    return [(row["confidence"], row["auto_apply"]) for row in rows if row["playbook_name"] == REPAIR]


def corrupt(grace: Running) -> None:
    wait_for(lambda: state(grace, "librarian") == "running", "librarian to run")
    cli(grace, "inject", "corrupt", "librarian")


def state(grace: Running, name: str) -> str:
    """Empty while status does not show it: it may have been killed itself."""
    return str(grace.nodes().get(name, {}).get("state", ""))


def process_of(grace: Running, name: str) -> int | None:
    pid: int | None = grace.nodes().get(name, {}).get("pid")
    return pid


def kill(grace: Running, *names: str) -> None:
    """kill -9, whatever each of them is doing."""
    for name in names:
        pid = wait_for(partial(process_of, grace, name), f"{name} to have a process")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_the_first_time_a_playbook_matches_heals_and_is_learned(tour: Running) -> None:
    documents = found(tour)
    corrupt(tour)
    row = newest(tour, "healed", 1)
    assert (row["repair"], row["auto"]) == (REPAIR, False)
    wait_for(lambda: learned(tour) == [(0.8, False)], f"what was learned: {learned(tour)}")
    assert found(tour) == documents


def test_what_was_learned_survives_the_death_of_everything(tour: Running) -> None:
    root = tour.node("grace")["pid"]
    kill(tour, "signature", "self_healing", "registry", "status", "grace")
    tour.wait_new_pid("grace", root)
    tour.wait_running()
    assert learned(tour) == [(0.8, False)]
    assert newest(tour, "healed", 1)["repair"] == REPAIR


def test_the_second_time_a_person_is_asked_and_kills_between_the_steps_change_nothing(tour: Running) -> None:
    corrupt(tour)
    newest(tour, "awaiting_approval", 2)
    kill(tour, "self_healing", "governance", "signature", "coding_agent")
    approvals = wait_for(lambda: waiting(tour), "the approval")
    kill(tour, "status")
    cli(tour, "approval", "approve", approvals[0]["id"], "--by", "ada")
    kill(tour, "self_healing")
    row = newest(tour, "healed", 2)
    assert (row["repair"], row["auto"]) == (REPAIR, False)
    wait_for(lambda: learned(tour) == [(0.9, True)], f"what was learned: {learned(tour)}")


def waiting(grace: Running) -> list[dict[str, Any]]:
    rows = ask(grace, "governance", "approvals", state="pending")["approvals"]
    return [row for row in rows if row["action"] == f"playbook.{REPAIR}"]


def test_the_third_time_nobody_is_asked(tour: Running) -> None:
    before = tour.node("librarian")["pid"]
    kill(tour, "repair")
    tour.wait_new_pid("librarian", before)
    tour.wait_running()
    documents = found(tour)
    corrupt(tour)
    row = newest(tour, "healed", 3)
    assert (row["repair"], row["auto"], waiting(tour)) == (REPAIR, True, [])
    wait_for(lambda: learned(tour) == [(1.0, True)], f"what was learned: {learned(tour)}")
    assert found(tour) == documents
    runs = [run for run in ask(tour, "self_healing", "runs", playbook=REPAIR)["runs"] if run["status"] == "succeeded"]
    assert len(runs) == 3


def test_it_can_be_told_why(tour: Running, tmp_path: Path) -> None:
    told = cli(tour, "why", held(tour)[0]["id"])
    assert any(REPAIR in sentence for sentence in told["sentences"])
    shown = cli(tour, "incident", "show", held(tour)[0]["id"])
    assert shown["diagnostics"]["log_file"]
    assert shown["decision"]["result"].startswith("succeeded")
    assert cli(tour, "metrics")["zero_touch_rate"] > 0
