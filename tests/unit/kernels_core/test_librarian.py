"""The librarian: what is put into the inbox is found again, or rejected with a reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernel import Answer
from grace_actors.kernels.librarian import Librarian
from tests.harness.kernels import Bench

NAME = "librarian"
TEXT = "The supervisor restarts a crashed kernel. It waits between attempts. "


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    start(bench)
    return bench


def start(bench: Bench, **config: Any) -> Librarian:
    kernel = bench.add(NAME, Librarian, **config)
    assert isinstance(kernel, Librarian)
    return kernel


def drop(bench: Bench, name: str, content: str | bytes) -> Path:
    file = bench.home / "inbox" / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def settle(bench: Bench) -> None:
    bench.advance(6.0)


def search(bench: Bench, words: str) -> list[str]:
    return [chunk["name"] for chunk in bench.ask(NAME, "search", words=words)["chunks"]]


def ingest(bench: Bench, path: str) -> Answer:
    answers: list[Answer] = []
    bench.post("test", NAME, "ingest", {"path": path}, answers.append)
    bench.advance(0.1)
    return answers[0]


def inbox(bench: Bench, directory: str = "") -> list[str]:
    return sorted(file.name for file in (bench.home / "inbox" / directory).glob("*") if file.is_file())


def test_a_file_in_the_inbox_is_indexed_found_and_put_aside(bench: Bench) -> None:
    drop(bench, "guide.md", TEXT * 40)
    settle(bench)
    assert set(search(bench, "crashed kernel")) == {"guide.md"}
    assert (inbox(bench), inbox(bench, "done")) == ([], ["guide.md"])
    assert bench.events[0][:2] == ("ingestion.completed", "guide.md")
    document = bench.ask(NAME, "documents")["documents"][0]
    assert (document["name"], document["source"], document["chars"]) == ("guide.md", "inbox", len(TEXT * 40))


def test_a_file_that_still_grows_is_left_alone(bench: Bench) -> None:
    file = drop(bench, "slow.txt", TEXT)
    for _ in range(5):
        bench.advance(1.5)
        with file.open("a") as stream:
            stream.write(TEXT)
    assert inbox(bench) == ["slow.txt"]
    settle(bench)
    assert inbox(bench, "done") == ["slow.txt"]
    assert bench.ask(NAME, "documents")["documents"][0]["chars"] == 6 * len(TEXT)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("photo.png", b"\x89PNG", "extension"),
        ("noextension", b"text", "extension"),
        ("latin.txt", b"caf\xe9 au lait", "not UTF-8: byte 3 is 0xe9"),
        ("binary.txt", b"text\x00text", "NUL"),
        ("empty.txt", b"", "empty"),
        ("blank.txt", b" \n \n", "white space"),
        ("big.txt", b"x" * 5001, "5001 bytes"),
    ],
)
def test_an_unacceptable_file_is_rejected_with_its_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    bench = Bench(tmp_path)
    start(bench, max_bytes=5000)
    drop(bench, name, content)
    settle(bench)
    assert inbox(bench, "rejected") == sorted([name, f"{name}.reason.txt"])
    assert reason in (bench.home / "inbox" / "rejected" / f"{name}.reason.txt").read_text()
    assert bench.events[0][:2] == ("ingestion.failed", name)
    assert bench.ask(NAME, "documents")["count"] == 0


def test_a_link_in_the_inbox_is_rejected_and_its_target_untouched(bench: Bench, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.txt"
    target.write_text(TEXT)
    (bench.home / "inbox" / "link.txt").symlink_to(target)
    settle(bench)
    assert "link.txt.reason.txt" in inbox(bench, "rejected")
    assert target.read_text() == TEXT
    assert search(bench, "supervisor") == []


def test_unfinished_and_hidden_files_and_directories_are_ignored(bench: Bench) -> None:
    for name in (".hidden.txt", "download.txt.part", "save.tmp"):
        drop(bench, name, TEXT)
    (bench.home / "inbox" / "folder.txt").mkdir()
    settle(bench)
    assert inbox(bench) == [".hidden.txt", "download.txt.part", "save.tmp"]
    assert bench.events == []


def test_the_same_content_is_indexed_once_whatever_its_name(bench: Bench) -> None:
    drop(bench, "one.txt", TEXT)
    settle(bench)
    drop(bench, "two.txt", TEXT)
    settle(bench)
    assert bench.ask(NAME, "documents")["count"] == 1
    assert bench.events[-1][2]["duplicate"] is True
    assert inbox(bench, "done") == ["one.txt", "two.txt"]


def test_a_second_file_of_the_same_name_does_not_overwrite_the_first(bench: Bench) -> None:
    for content in (TEXT, TEXT * 2):
        drop(bench, "same.txt", content)
        settle(bench)
    sizes = sorted((bench.home / "inbox" / "done" / name).stat().st_size for name in inbox(bench, "done"))
    assert sizes == [len(TEXT), 2 * len(TEXT)]


def test_messages_are_served_between_the_slices_of_a_large_file(bench: Bench) -> None:
    (bench.home / "logs").mkdir()
    (bench.home / "logs" / "large.txt").write_text("".join(f"Sentence number {n} of many. " for n in range(20_000)))
    answers: list[Answer] = []
    bench.post("test", NAME, "ingest", {"path": "logs/large.txt"}, answers.append)
    steps = 0
    while not answers:
        assert search(bench, "number") == []
        due = bench._due[0][0]
        bench.advance(max(0.0, due - bench.clock))
        steps += 1
        if steps > 50:
            break
    assert answers[0].ok
    assert len(search(bench, "19999")) == 1


def test_every_slice_of_a_large_file_is_its_own_step(bench: Bench) -> None:
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, Librarian)
    file = drop(bench, "large.txt", TEXT * 10_000)
    from grace_actors.kernels.library.ingestion import Ingestion

    steps = sum(1 for _ in Ingestion(file, "test").steps(kernel.index, max_bytes=10_000_000, wall=0.0))
    assert steps > len(TEXT * 10_000) / (64 * 1024)


def test_an_interrupted_document_is_not_visible_and_taken_in_anew_after_a_crash(bench: Bench) -> None:
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, Librarian)
    drop(bench, "guide.md", TEXT * 3000)
    document = kernel.index.begin(digest="x", name="guide.md", size=1, chars=1, at=0.0, source="inbox")
    kernel.index.add(document, 0, ["half of the supervisor text"])
    assert search(bench, "supervisor") == []
    kernel.store.close()
    bench.crash(NAME)
    again = start(bench)
    assert "interrupted" in again.does()
    with again.store.read() as db:
        assert db.execute("select count(*) from chunks").fetchone()[0] == 0
    settle(bench)
    assert bench.ask(NAME, "documents")["count"] == 1


def test_documents_survive_a_crash(bench: Bench) -> None:
    drop(bench, "guide.md", TEXT)
    settle(bench)
    bench.crash(NAME)
    start(bench)
    assert search(bench, "supervisor") == ["guide.md"]


def test_ingest_takes_a_file_of_the_home_and_leaves_it_there(bench: Bench) -> None:
    (bench.home / "notes").mkdir()
    (bench.home / "notes" / "a.txt").write_text(TEXT)
    answer = ingest(bench, "notes/a.txt")
    assert (answer.value["name"], answer.value["duplicate"]) == ("a.txt", False)
    assert (bench.home / "notes" / "a.txt").exists()
    assert ingest(bench, "notes/a.txt").value["duplicate"] is True


@pytest.mark.parametrize(
    "path", ["../outside.txt", "/etc/hostname", "data/librarian/x.txt", "link.txt", "nowhere.txt", "", "."]
)
def test_ingest_of_anything_else_is_refused(bench: Bench, tmp_path: Path, path: str) -> None:
    (bench.home / "link.txt").symlink_to("/etc/hostname")
    (bench.home / "data" / NAME / "x.txt").write_text(TEXT)
    assert ingest(bench, path).error["code"] in ("refused", "not_found")


def test_ingest_answers_why_a_file_is_not_acceptable(bench: Bench) -> None:
    (bench.home / "bad.txt").write_bytes(b"\xff\xfe")
    answer = ingest(bench, "bad.txt")
    assert "not UTF-8" in answer.error["message"]
    assert (bench.home / "bad.txt").exists()


def test_forgetting_removes_a_document_from_the_index(bench: Bench) -> None:
    drop(bench, "guide.md", TEXT)
    settle(bench)
    gone = bench.ask(NAME, "forget", document="guide.md")
    assert gone["name"] == "guide.md"
    assert search(bench, "supervisor") == []
    with pytest.raises(GraceError, match="no document"):
        bench.ask(NAME, "forget", document=gone["hash"])


def test_search_ranks_and_shows_where_the_words_are(bench: Bench) -> None:
    drop(bench, "much.txt", "kernel kernel kernel restarts. " * 4)
    drop(
        bench, "little.txt", "one kernel among many other words that are about something else entirely, at length. " * 2
    )
    settle(bench)
    found = bench.ask(NAME, "search", words="kernel")["chunks"]
    assert [chunk["name"] for chunk in found] == ["much.txt", "little.txt"]
    assert "[kernel]" in found[0]["snippet"]
    assert search(bench, "restarting") == ["much.txt"]


@pytest.mark.parametrize("words", ['"', "AND", "(((", "*", "text:x", "a NEAR b"])
def test_odd_search_words_find_nothing_and_break_nothing(bench: Bench, words: str) -> None:
    assert bench.ask(NAME, "search", words=words)["count"] == 0


def test_an_empty_search_is_refused(bench: Bench) -> None:
    with pytest.raises(GraceError):
        bench.ask(NAME, "search", words="  ")


def test_a_full_disk_keeps_the_file_in_the_inbox_until_there_is_space(bench: Bench) -> None:
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, Librarian)
    pages = kernel.store.db.execute("PRAGMA page_count").fetchone()[0]
    kernel.store.db.execute(f"PRAGMA max_page_count = {pages}")
    drop(bench, "guide.md", TEXT * 2000)
    settle(bench)
    assert inbox(bench) == ["guide.md"]
    assert "full" in kernel.degraded[0]
    assert bench.ask(NAME, "documents")["count"] == 0
    kernel.store.db.execute("PRAGMA max_page_count = 1000000")
    bench.advance(60.0)
    assert inbox(bench, "done") == ["guide.md"]
    assert kernel.degraded == []
    assert bench.ask(NAME, "documents")["count"] == 1


def test_a_removed_inbox_is_made_again(bench: Bench) -> None:
    (bench.home / "inbox").rmdir()
    settle(bench)
    drop(bench, "guide.md", TEXT)
    settle(bench)
    assert search(bench, "supervisor") == ["guide.md"]
    assert bench.kernels[NAME].degraded == []


def test_an_idle_inbox_costs_one_look_at_the_directory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(bench)
    scans: list[object] = []
    real = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: (scans.append(path), real(path))[1])
    bench.advance(60.0)
    assert scans == []
    drop(bench, "guide.md", TEXT)
    settle(bench)
    assert scans


def test_a_damaged_index_is_restored_from_its_snapshot(bench: Bench) -> None:
    drop(bench, "guide.md", TEXT)
    bench.advance(301.0)
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, Librarian)
    kernel.store.close()
    bench.crash(NAME)
    (bench.home / "data" / NAME / "library.db").write_bytes(b"garbage" * 1000)
    start(bench)
    assert "store.restored" in bench.types()
    assert search(bench, "supervisor") == ["guide.md"]
