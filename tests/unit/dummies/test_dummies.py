"""The demonstration kernels: each breaks in the way it is for, and keeps what it promises over kills."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path
from pkgutil import resolve_name
from threading import Thread
from typing import Any

import pytest

from chaos.kong import compare
from grace_actors.drills.dummies.kinds import KINDS
from grace_actors.drills.dummies.ledger import FILE, Ledger, read
from grace_actors.errors import GraceError
from grace_actors.kernel import LATER, Kernel, Request
from grace_actors.kernels.message_bus import MessageBus
from tests.harness.kernels import Bench


def add(bench: Bench, name: str, kind: str, **config: Any) -> Any:
    """Start one as it would be started for a drill."""
    return bench.add(name, resolve_name(KINDS[kind].path), **{**KINDS[kind].config, **config})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_a_kernel_that_starts_with_its_own_configuration(kind: str, tmp_path: Path) -> None:
    port = {"port": 0} if kind == "facade" else {}  # the port of the cards may be in use where this runs
    kernel = add(Bench(tmp_path), f"drill_{kind}", kind, **port)
    assert isinstance(kernel, Kernel) and KINDS[kind].does
    kernel.stop("done")


# ---- importer -------------------------------------------------------------------------------------------------------


def test_an_importer_answers_from_the_file_as_it_is_now(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    add(bench, "importer", "importer")
    assert bench.ask("importer", "use") == {"answer": 42}
    file = tmp_path / "scratch" / "drill_target.py"
    file.write_text(file.read_text().replace("42", "43"))
    assert bench.ask("importer", "use") == {"answer": 43}


@pytest.mark.parametrize("text", ["def answer(:\n", "import no_such_module_of_ours\n"])
def test_a_module_that_cannot_be_imported_ends_an_importer_and_says_which(tmp_path: Path, text: str) -> None:
    bench = Bench(tmp_path)
    importer = add(bench, "importer", "importer")
    (tmp_path / "scratch" / "drill_target.py").write_text(text)
    with pytest.raises(ImportError, match=r"drill_target.py as of \d\d:.*Error: "):
        importer.handle(Request(verb="use"))


def test_an_importer_leaves_a_file_that_is_there_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "drill_target.py").write_text("def answer(): return 1\n")
    bench = Bench(tmp_path)
    add(bench, "importer", "importer")
    assert bench.ask("importer", "use") == {"answer": 1}


# ---- locker ---------------------------------------------------------------------------------------------------------


def two_lockers(bench: Bench) -> None:
    for name in ("left", "right"):
        add(bench, name, "locker")


def lock_each_other(bench: Bench) -> None:
    bench.ask("left", "transfer", other="right")
    bench.ask("right", "transfer", other="left")
    bench.advance(1.0)


def test_one_transfer_is_made_and_the_lock_is_gone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    two_lockers(bench)
    bench.ask("left", "transfer", other="right")
    bench.advance(1.0)
    assert bench.ask("left", "transfers") == {"done": 1, "left": 0, "locked": False, "waiting": 0}


def test_two_that_ask_each_other_wait_for_ever(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    two_lockers(bench)
    lock_each_other(bench)
    bench.advance(100.0)
    for name in ("left", "right"):
        assert bench.ask(name, "transfers") == {"done": 0, "left": 1, "locked": True, "waiting": 1}


@pytest.mark.parametrize("order", [("left", "right"), ("right", "left")])
def test_a_restart_of_both_ends_a_deadlock_and_loses_no_transfer(tmp_path: Path, order: tuple[str, str]) -> None:
    bench = Bench(tmp_path)
    two_lockers(bench)
    lock_each_other(bench)
    bench.ask("left", "transfer", other="right")
    for name in order:
        bench.crash(name)
    for name in order:
        add(bench, name, "locker")
        bench.advance(2.0)
    bench.advance(700.0)
    left, right = (bench.ask(name, "transfers") for name in ("left", "right"))
    assert (left["done"], right["done"]) == (2, 1)
    assert left["left"] == right["left"] == 0


def test_a_locker_refuses_a_transfer_to_itself(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    two_lockers(bench)
    with pytest.raises(GraceError, match="itself"):
        bench.ask("left", "transfer", other="left")


# ---- clerk ----------------------------------------------------------------------------------------------------------


def test_a_clerk_counts_its_work_and_refuses_what_would_look_like_a_hang(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    add(bench, "clerk", "clerk")
    assert bench.ask("clerk", "serve", seconds=0) == 1
    with pytest.raises(GraceError, match="seconds"):
        bench.ask("clerk", "serve", seconds=5)
    assert bench.ask("clerk", "served") == {"served": 1}


# ---- source and sink ------------------------------------------------------------------------------------------------


def loaded(tmp_path: Path, rate: float = 100.0) -> Bench:
    """A bus, a sink and a source."""
    bench = Bench(tmp_path)
    bench.add("message_bus", MessageBus, boot_rate_limit=0)
    add(bench, "sink", "sink")
    add(bench, "source", "source", rate=rate)
    return bench


def compared(bench: Bench) -> Any:
    """Once everything was delivered."""
    bench.ask("source", "rate", per_s=0)
    found: list[Any] = []
    bench.post("test", "sink", "compare", {"source": "source", "within_s": 30}, lambda answer: found.append(answer))
    bench.advance(60.0)
    assert found and found[0].ok, found
    return found[0].value


def test_every_acknowledged_message_is_delivered(tmp_path: Path) -> None:
    bench = loaded(tmp_path)
    bench.advance(3.0)
    found = compared(bench)
    assert 250 <= found["acknowledged"] <= 310
    assert (found["lost"], found["duplicates"]) == (0, 0)


@pytest.mark.parametrize("victim", ["message_bus", "source", "sink"])
def test_nothing_acknowledged_is_lost_over_a_kill(tmp_path: Path, victim: str) -> None:
    bench = loaded(tmp_path)
    for _ in range(3):
        bench.advance(1.013)
        bench.crash(victim)
        bench.advance(0.5)
        if victim == "message_bus":
            bench.add("message_bus", MessageBus, boot_rate_limit=0)
        else:
            add(bench, victim, victim, **({"rate": 100.0} if victim == "source" else {}))
    bench.advance(5.0)
    found = compared(bench)
    assert found["acknowledged"] > 300
    assert (found["lost"], found["missing"]) == (0, [])


def test_a_message_that_is_not_acknowledged_is_published_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    class Deaf(Kernel):
        def do_declare(self, request: Request) -> bool:
            return True

        def do_publish(self, request: Request) -> Any:
            return LATER

    bench.add("message_bus", Deaf)
    add(bench, "source", "source", rate=10.0)
    bench.advance(10.0)
    ids = [args["id"] for _, _, verb, args in bench.sent if verb == "publish"]
    assert len(ids) > len(set(ids))
    assert bench.ask("source", "figures")["acknowledged"] == 0


def test_what_never_came_is_said_to_be_lost(tmp_path: Path) -> None:
    bench = loaded(tmp_path)
    bench.advance(1.0)
    compared(bench)
    with (tmp_path / "data" / "source" / FILE).open("a") as ledger:
        ledger.write("999999\n")
    assert compared(bench)["missing"] == [999999]


def test_a_sink_that_left_and_came_back_takes_what_a_new_source_sends(tmp_path: Path) -> None:
    bench = loaded(tmp_path)
    bench.advance(1.0)
    assert compared(bench)["lost"] == 0
    first = bench.ask("source", "figures")["session"]
    bench.ask("source", "retire")
    assert bench.ask("sink", "leave") == {"left": True}
    for name in ("source", "sink"):
        bench.crash(name)
    add(bench, "sink", "sink")
    add(bench, "source", "source", rate=100.0)
    bench.advance(1.0)
    found = compared(bench)
    assert bench.ask("source", "figures")["session"] != first
    assert found["acknowledged"] > 50 and found["lost"] == 0


@pytest.mark.parametrize("rate", [-1, 5001, "fast", True])
def test_a_rate_that_makes_no_sense_is_refused(tmp_path: Path, rate: Any) -> None:
    bench = loaded(tmp_path)
    with pytest.raises(GraceError):
        bench.ask("source", "rate", per_s=rate)


def test_a_sink_takes_only_what_a_source_sends(tmp_path: Path) -> None:
    bench = loaded(tmp_path)
    for payload in (7, {"session": "../x", "number": 1}, {"session": "a"}):
        with pytest.raises(GraceError, match="no message of a source"):
            bench.ask("sink", "deliver", payload=payload)
    with pytest.raises(GraceError, match="keeps no ledger"):
        bench.ask("sink", "compare", source="../source")


# ---- ledgers --------------------------------------------------------------------------------------------------------


def test_a_line_that_a_kill_has_torn_is_cut_off_and_never_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / FILE)
    ledger.add([1, 2, 3])
    ledger.close()
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"45")
    assert read(tmp_path / FILE)[1] == [1, 2, 3]
    again = Ledger(tmp_path / FILE)
    again.add([4])
    assert read(tmp_path / FILE) == (ledger.session, [1, 2, 3, 4])
    assert compare([4], again.numbers)["lost"] == 0
    again.close()


def test_a_ledger_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / FILE) == ("", [])


# ---- exhibit --------------------------------------------------------------------------------------------------------


class Mesh(Kernel):
    """Accepts, and keeps copies the way infrastructure_manager would, but a little later."""

    def do_accept(self, request: Request) -> Any:
        self.ctx.after(2.0, self._keep)
        return {}

    def _keep(self) -> None:
        for name in ("artefacts/drill_weights.bin", "config/drill_settings.yaml"):
            copy = self.ctx.home / "snapshots" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((self.ctx.home / name).read_bytes())
        digest = hashlib.sha256((self.ctx.home / "config/drill_settings.yaml").read_bytes()).hexdigest()
        (self.ctx.home / "config" / "manifest.sha256").write_text(f"{digest}  drill_settings.yaml\n")


def prepared(bench: Bench) -> list[Any]:
    answers: list[Any] = []
    bench.post("test", "exhibit", "prepare", {"within_s": 10}, answers.append)
    return answers


def test_an_exhibit_is_ready_once_good_copies_of_all_of_it_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("trigger_mesh", Mesh)
    add(bench, "exhibit", "exhibit")
    answers = prepared(bench)
    assert answers == []
    bench.advance(5.0)
    assert answers[0].ok and (tmp_path / answers[0].value["artefact"]).exists()
    (tmp_path / "config" / "drill_settings.yaml").write_text("approval_required: false\n")
    assert prepared(bench)[0].ok
    assert "false" in (tmp_path / "config" / "drill_settings.yaml").read_text(), "what is there is left as it is"


def test_an_exhibit_names_its_artefact_beside_those_of_others(tmp_path: Path) -> None:
    (tmp_path / "artefacts").mkdir()
    other = f"{'ab' * 32}  model.pt"
    (tmp_path / "artefacts" / "manifest.sha256").write_text(f"{other}\n")
    bench = Bench(tmp_path)
    bench.add("trigger_mesh", Mesh)
    add(bench, "exhibit", "exhibit")
    prepared(bench)
    lines = (tmp_path / "artefacts" / "manifest.sha256").read_text().splitlines()
    assert other in lines and any(line.endswith("drill_weights.bin") for line in lines)


def test_an_exhibit_of_which_nobody_keeps_copies_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    add(bench, "exhibit", "exhibit")
    answers = prepared(bench)
    bench.advance(60.0)
    assert not answers[0].ok and "no good copies" in answers[0].error["message"]


def test_an_exhibit_has_a_document_taken_in(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    class Shelf(Kernel):
        def do_ingest(self, request: Request) -> Any:
            return {"words": (self.ctx.home / request.args["path"]).read_text()[:12]}

    bench.add("librarian", Shelf)
    add(bench, "exhibit", "exhibit")
    assert bench.ask("exhibit", "prepare_library") == {"document": "drill_document.md"}


# ---- facade ---------------------------------------------------------------------------------------------------------


def test_a_facade_answers_every_promised_path_and_one_of_them_without_a_field(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    facade = add(bench, "facade", "facade", port=0)
    answers: dict[str, bytes] = {}

    def get() -> None:
        for path in ("/health", "/api/health", "/api/control/state"):
            with urllib.request.urlopen(f"http://127.0.0.1:{facade.port}{path}", timeout=10) as answer:
                answers[path] = answer.read()

    client = Thread(target=get)
    client.start()
    while client.is_alive():
        bench.poll(0.05)
    assert b"total_kernels" not in answers["/api/health"] and b"layers" in answers["/api/health"]
    assert b"total_kernels" in answers["/api/control/state"]
    facade.stop("done")


def test_facades_of_two_instances_share_a_port(tmp_path: Path) -> None:
    first = add(Bench(tmp_path), "facade", "facade", port=0)
    second = add(Bench(tmp_path), "facade", "facade", port=first.port)
    assert second.port == first.port
    for facade in (first, second):
        facade.stop("done")
