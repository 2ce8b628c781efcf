"""The audit log kernel: durable groups, the chain, repair of every kind of damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernel import Answer
from grace_actors.kernels.immutable_log import ImmutableLog
from tests.harness.kernels import Bench

NAME = "immutable_log"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def start(bench: Bench, **config: Any) -> ImmutableLog:
    kernel = bench.add(NAME, ImmutableLog, **config)
    assert isinstance(kernel, ImmutableLog)
    return kernel


def post(bench: Bench, verb: str, **args: Any) -> list[Answer]:
    answers: list[Answer] = []
    bench.post("test", NAME, verb, args, answers.append)
    return answers


def ask(bench: Bench, verb: str, **args: Any) -> Any:
    answers = post(bench, verb, **args)
    for _ in range(1000):
        if answers:
            break
        bench.advance(0.01)
    if not answers[0].ok:
        raise GraceError(str(answers[0].error))
    return answers[0].value


def write(bench: Bench, count: int, *, actor: str = "tester", action: str = "did", first: int = 0) -> list[Any]:
    answers = [post(bench, "append", actor=actor, action=action, resource=str(first + n)) for n in range(count)]
    bench.advance(0.01)
    return [answer[0] for answer in answers]


def resources(bench: Bench, limit: int = 200) -> list[str]:
    return [e["resource"] for e in ask(bench, "tail", limit=limit)["entries"] if e["actor"] != NAME]


def active_file(bench: Bench) -> Path:
    return sorted((bench.home / "data" / NAME).glob("*.log"))[-1]


def mirror(bench: Bench) -> Path:
    return bench.home / "snapshots" / NAME


def drop_mirror(bench: Bench) -> None:
    for file in mirror(bench).iterdir():
        file.unlink()


def restart(bench: Bench, **config: Any) -> ImmutableLog:
    bench.crash(NAME)
    bench.events.clear()
    return start(bench, **config)


def test_entries_are_answered_only_after_the_group_is_on_the_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(bench)
    synced: list[int] = []
    real = __import__("os").fdatasync
    monkeypatch.setattr("os.fdatasync", lambda fd: (synced.append(fd), real(fd))[1])
    waiting = [post(bench, "append", action="did", resource=str(n)) for n in range(20)]
    assert not any(waiting)
    assert synced == []
    bench.advance(0.01)
    assert all(answer[0].ok for answer in waiting)
    assert len(synced) == 1
    assert [answer[0].value["seq"] for answer in waiting] == list(range(1, 21))


def test_an_entry_has_the_fields_of_an_audit_record(bench: Bench) -> None:
    start(bench)
    ask(
        bench,
        "append",
        actor="a",
        action="b",
        resource="c",
        decision="d",
        metadata={"x": 1},
        payload={"y": 2},
        result=3,
    )
    entry = ask(bench, "tail")["entries"][0]
    assert set(entry) == {
        "seq", "entry_id", "timestamp", "actor", "action", "resource", "decision", "metadata", "subsystem", "payload",
        "result",
    }  # fmt: skip
    assert (entry["actor"], entry["metadata"], entry["payload"], entry["result"]) == ("a", {"x": 1}, {"y": 2}, 3)


def test_every_acknowledged_entry_is_there_after_a_crash(bench: Bench) -> None:
    start(bench)
    write(bench, 50)
    restart(bench)
    assert resources(bench) == [str(n) for n in range(50)]
    assert ask(bench, "verify")["ok"]
    assert bench.types() == []


def test_an_entry_without_an_action_is_refused_and_the_log_lives_on(bench: Bench) -> None:
    start(bench)
    assert not post(bench, "append", actor="a")[0].ok
    assert not post(bench, "append", action="x", payload={"big": "x" * 300_000})[0].ok
    assert not post(bench, "append", action="x", payload={"odd": object()})[0].ok
    assert write(bench, 1)[0].ok


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_torn_tail_is_cut_kept_in_quarantine_and_told(bench: Bench, cut: int) -> None:
    start(bench)
    write(bench, 10)
    bench.crash(NAME)
    drop_mirror(bench)
    file = active_file(bench)
    file.write_bytes(file.read_bytes()[:-cut])
    bench.events.clear()
    start(bench)
    assert resources(bench) == [str(n) for n in range(9)]
    assert bench.types() == ["log.tail_repaired"]
    kept = Path(bench.events[0][2]["quarantine"])
    assert any(kept.iterdir())
    assert ask(bench, "search", action="log.tail_repaired")["count"] == 1
    assert ask(bench, "verify")["ok"]


def test_random_bytes_behind_the_last_entry_are_cut_and_nothing_is_lost(bench: Bench) -> None:
    start(bench)
    write(bench, 10)
    bench.crash(NAME)
    with active_file(bench).open("ab") as file:
        file.write(bytes(range(256)))
    start(bench)
    assert resources(bench) == [str(n) for n in range(10)]
    assert bench.types() == ["log.tail_repaired"]


def test_a_corrupt_middle_is_restored_from_the_copy_without_loss(bench: Bench) -> None:
    start(bench)
    write(bench, 30)
    bench.crash(NAME)
    flip(active_file(bench), 0.5)
    start(bench)
    assert resources(bench) == [str(n) for n in range(30)]
    assert bench.types() == ["log.restored"]
    assert ask(bench, "verify")["ok"]


def test_a_corrupt_middle_without_a_copy_keeps_the_valid_part_and_says_what_is_lost(bench: Bench) -> None:
    start(bench)
    write(bench, 30)
    bench.crash(NAME)
    drop_mirror(bench)
    flip(active_file(bench), 0.5)
    start(bench)
    assert bench.types() == ["log.corrupt"]
    kept = resources(bench)
    assert kept == [str(n) for n in range(len(kept))]
    assert 5 < len(kept) < 25
    write(bench, 5, first=100)
    verdict = ask(bench, "verify")
    assert verdict["ok"]
    assert len(verdict["gaps"]) == 1
    first_of_new = ask(bench, "tail", limit=6)["entries"][0]
    assert first_of_new["action"] == "log.corrupt"
    restart(bench)
    assert resources(bench)[-5:] == ["100", "101", "102", "103", "104"]
    assert bench.types() == []


def test_entries_cut_off_at_a_record_border_come_back_from_the_copy(bench: Bench) -> None:
    kernel = start(bench)
    write(bench, 10)
    size = kernel.log.active.size
    write(bench, 10, first=10)
    bench.crash(NAME)
    file = active_file(bench)
    file.write_bytes(file.read_bytes()[:size])
    start(bench)
    assert resources(bench) == [str(n) for n in range(20)]
    assert bench.types() == ["log.restored"]


@pytest.mark.parametrize("content", [b"", b"garbage" * 500])
def test_a_file_that_is_empty_or_garbage_comes_back_from_the_copy(bench: Bench, content: bytes) -> None:
    start(bench)
    write(bench, 10)
    bench.crash(NAME)
    active_file(bench).write_bytes(content)
    start(bench)
    assert resources(bench) == [str(n) for n in range(10)]
    assert bench.types() == ["log.restored"]


def test_garbage_without_a_copy_is_told_and_the_log_starts_anew(bench: Bench) -> None:
    start(bench)
    write(bench, 10)
    bench.crash(NAME)
    drop_mirror(bench)
    active_file(bench).write_bytes(b"garbage" * 500)
    start(bench)
    assert bench.types() == ["log.corrupt"]
    assert write(bench, 1)[0].ok
    assert ask(bench, "verify")["ok"]


def test_a_deleted_directory_comes_back_from_the_copy(bench: Bench) -> None:
    start(bench, segment_bytes=2000)
    write(bench, 10)
    write(bench, 10, first=10)
    write(bench, 10, first=20)
    bench.crash(NAME)
    for file in (bench.home / "data" / NAME).iterdir():
        file.unlink()
    start(bench, segment_bytes=2000)
    assert resources(bench) == [str(n) for n in range(30)]
    assert set(bench.types()) == {"log.restored"}
    assert ask(bench, "verify")["ok"]


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_full_disk_refuses_entries_and_goes_on_when_there_is_space(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    kernel = start(bench)
    write(bench, 5)
    size = kernel.log.active.size
    real_write = __import__("os").write

    def full(fd: int, data: Any = b"") -> int:
        if call == "write":
            real_write(fd, bytes(data)[:7])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"os.{call}", full)
    refused = write(bench, 3, first=5)
    monkeypatch.undo()
    assert [answer.error["code"] for answer in refused] == ["store_failed"] * 3
    assert "free space" in refused[0].error["hint"]
    assert active_file(bench).stat().st_size == size
    assert any("cannot be written" in reason for reason in kernel.degraded)
    assert all(answer.ok for answer in write(bench, 3, first=8))
    bench.advance(20.0)
    assert not any("cannot be written" in reason for reason in kernel.degraded)
    assert resources(bench) == ["0", "1", "2", "3", "4", "8", "9", "10"]
    restart(bench)
    assert resources(bench) == ["0", "1", "2", "3", "4", "8", "9", "10"]
    assert bench.types() == []


def test_a_copy_that_cannot_be_written_degrades_the_log_and_is_made_up_for(bench: Bench) -> None:
    kernel = start(bench)
    write(bench, 5)
    moved = mirror(bench).rename(bench.home / "elsewhere")
    mirror(bench).write_text("not a directory")
    assert all(answer.ok for answer in write(bench, 5, first=5))
    bench.advance(10.0)
    assert any("copy" in reason for reason in kernel.degraded)
    mirror(bench).unlink()
    moved.rename(mirror(bench))
    write(bench, 1, first=10)
    assert (mirror(bench) / active_file(bench).name).read_bytes() == active_file(bench).read_bytes()


def test_a_file_cut_while_the_log_runs_is_restored_before_the_next_entry(bench: Bench) -> None:
    start(bench)
    write(bench, 10)
    with active_file(bench).open("r+b") as file:
        file.truncate(200)
    write(bench, 1, first=10)
    assert resources(bench) == [str(n) for n in range(11)]
    assert bench.types() == ["log.restored"]
    assert ask(bench, "verify")["ok"]


def test_a_file_deleted_while_the_log_runs_is_restored_before_the_next_entry(bench: Bench) -> None:
    start(bench)
    write(bench, 10)
    active_file(bench).unlink()
    write(bench, 1, first=10)
    restart(bench)
    assert resources(bench) == [str(n) for n in range(11)]


def test_rotation_seals_segments_and_the_chain_goes_through_them(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=1000)
    for n in range(20):
        write(bench, 1, first=n)
    assert len(kernel.log.sealed) > 2
    assert ask(bench, "verify") | {"segments_checked": 0} == {
        "ok": True, "from": 1, "records_checked": 20, "segments_checked": 0, "problem": None, "gaps": [],
    }  # fmt: skip
    restart(bench, segment_bytes=1000)
    assert resources(bench) == [str(n) for n in range(20)]


def test_verification_from_an_offset_skips_the_segments_before(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=1000)
    for n in range(20):
        write(bench, 1, first=n)
    verdict = ask(bench, "verify", **{"from": 18})
    assert verdict["ok"]
    assert verdict["segments_checked"] < len(kernel.log.segments())


def test_verification_names_the_first_bad_record(bench: Bench) -> None:
    start(bench)
    write(bench, 30)
    flip(active_file(bench), 0.5)
    verdict = ask(bench, "verify")
    assert not verdict["ok"]
    assert 5 < verdict["problem"]["seq"] < 25


def test_a_changed_sealed_segment_is_found_and_restored_while_running(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=1000)
    for n in range(20):
        write(bench, 1, first=n)
    flip(kernel.log.sealed[1].path, 0.5)
    assert not ask(bench, "verify")["ok"]
    bench.advance(10.0 * (len(kernel.log.sealed) + 1))
    assert "log.restored" in bench.types()
    assert ask(bench, "verify")["ok"]


def test_a_changed_sealed_segment_without_a_copy_becomes_a_known_gap(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=1000)
    for n in range(20):
        write(bench, 1, first=n)
    drop_mirror(bench)
    flip(kernel.log.sealed[1].path, 0.5)
    bench.advance(10.0 * (len(kernel.log.sealed) + 1))
    assert "log.corrupt" in bench.types()
    verdict = ask(bench, "verify")
    assert verdict["ok"]
    assert len(verdict["gaps"]) == 1
    restart(bench, segment_bytes=1000)
    assert len(ask(bench, "verify")["gaps"]) == 1


def test_a_lost_seal_is_written_again(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=1000)
    for n in range(10):
        write(bench, 1, first=n)
    seal = kernel.log.sealed[0].path.with_suffix(".seal")
    before = seal.read_text()
    bench.crash(NAME)
    seal.write_text("{")
    start(bench, segment_bytes=1000)
    assert seal.read_text() == before
    assert bench.types() == []


def test_archived_segments_are_compressed_and_still_searched_and_verified(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=4000)
    for n in range(60):
        write(bench, 1, first=n)
    packed = ask(bench, "archive")["packed"]
    assert packed
    assert all(part.packed for part in kernel.log.sealed)
    assert ask(bench, "verify")["records_checked"] == 60
    assert ask(bench, "search", actor="tester", limit=1000)["count"] == 60
    restart(bench, segment_bytes=4000)
    assert ask(bench, "verify")["ok"]
    assert write(bench, 1, first=60)[0].ok
    assert resources(bench) == [str(n) for n in range(61)]


def test_a_damaged_archive_is_restored_from_its_copy(bench: Bench) -> None:
    kernel = start(bench, segment_bytes=4000)
    for n in range(60):
        write(bench, 1, first=n)
    ask(bench, "archive")
    file = kernel.log.sealed[0].path
    file.write_bytes(file.read_bytes()[:200])
    bench.advance(10.0 * (len(kernel.log.sealed) + 1))
    assert "log.restored" in bench.types()
    assert ask(bench, "verify")["ok"]


def test_search_finds_by_actor_action_and_time_newest_first(bench: Bench) -> None:
    start(bench, segment_bytes=1500)
    write(bench, 3, actor="alice", action="error.raised")
    bench.advance(100.0)
    middle = 1_700_000_000.0 + bench.clock
    write(bench, 3, actor="bob", action="error.cleared", first=3)
    write(bench, 3, actor="alice", action="fixed", first=6)
    found = ask(bench, "search", actor="alice")
    assert [e["resource"] for e in found["entries"]] == ["8", "7", "6", "2", "1", "0"]
    assert ask(bench, "search", action="error.*")["count"] == 6
    assert ask(bench, "search", action="error.*", since=middle)["count"] == 3
    assert ask(bench, "search", until=middle)["count"] == 3
    assert [e["resource"] for e in ask(bench, "search", limit=2)["entries"]] == ["8", "7"]


def test_messages_are_served_between_the_slices_of_a_verification(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace_actors.kernels.log.passes.SLICE", 10)
    start(bench)
    write(bench, 100)
    verdict = post(bench, "verify")
    append = post(bench, "append", action="in between")
    bench.advance(0.0)
    assert verdict
    assert verdict[0].value["records_checked"] == 100
    bench.advance(0.01)
    assert append[0].ok


def test_ready_leaves_no_trace(bench: Bench) -> None:
    kernel = start(bench)
    files = sorted(file.name for file in (bench.home / "data" / NAME).iterdir())
    checks = kernel.ready()
    assert {check.name for check in checks} == {"log_writable", "integrity_valid", "disk_free"}
    assert sorted(file.name for file in (bench.home / "data" / NAME).iterdir()) == files
    assert ask(bench, "tail")["entries"] == []


def test_little_disk_space_degrades_and_does_not_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = start(bench)
    monkeypatch.setattr(ImmutableLog, "_free_bytes", lambda self: 500_000_000)
    bench.advance(10.0)
    assert "500 MB" in kernel.degraded[0]
    assert "log.degraded" in bench.types()
    assert all(check.ok for check in kernel.ready())
    monkeypatch.setattr(ImmutableLog, "_free_bytes", lambda self: 5_000_000_000)
    bench.advance(10.0)
    assert kernel.degraded == []
    assert "log.recovered" in bench.types()


def test_an_orderly_stop_stores_what_waits(bench: Bench) -> None:
    kernel = start(bench)
    answer = post(bench, "append", action="last words")
    kernel.stop("shutdown")
    assert answer[0].ok
    restart(bench)
    assert ask(bench, "tail")["entries"][-1]["action"] == "last words"


def flip(file: Path, where: float) -> None:
    data = bytearray(file.read_bytes())
    data[int(len(data) * where)] ^= 0xFF
    file.write_bytes(bytes(data))
