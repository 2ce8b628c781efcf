"""Memory fusion: the catalogue of snapshots and the signed artifacts."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from grace_actors import snapshots
from grace_actors.errors import GraceError, Refused
from grace_actors.kernels.memory.fusing import Rule, fuse
from grace_actors.kernels.memory_fusion import MemoryFusion
from tests.harness.kernels import Bench

NAME = "memory_fusion"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    start(bench)
    return bench


def start(bench: Bench) -> MemoryFusion:
    kernel = bench.add(NAME, MemoryFusion)
    assert isinstance(kernel, MemoryFusion)
    return kernel


def restart(bench: Bench) -> MemoryFusion:
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, MemoryFusion)
    kernel.store.close()
    bench.crash(NAME)
    bench.events.clear()
    return start(bench)


def put(bench: Bench, key: str, value: Any, **args: Any) -> Any:
    return bench.ask(NAME, "put", sender="librarian", key=key, value=value, **args)


def save(bench: Bench, name: str, n: int) -> None:
    snapshots.save(bench.home / "snapshots", name, {"n": n})


def spoil_current(bench: Bench, name: str) -> None:
    snapshots.path_of(bench.home / "snapshots", name).write_bytes(b"garbage")


def test_the_list_shows_current_previous_and_archived_snapshots(bench: Bench) -> None:
    for n in (1, 2):
        save(bench, "bus", n)
    bench.ask(NAME, "capture")
    found = bench.ask(NAME, "list")["snapshots"]
    assert [(s["name"], s["kind"], s["valid"]) for s in found] == [
        ("bus", "current", True),
        ("bus", "previous", True),
        ("bus", "archived", True),
    ]


def test_verify_names_the_damaged_files(bench: Bench) -> None:
    save(bench, "bus", 1)
    save(bench, "log", 1)
    assert bench.ask(NAME, "verify")["ok"]
    spoil_current(bench, "bus")
    verdict = bench.ask(NAME, "verify")
    assert (verdict["ok"], verdict["checked"], [d["name"] for d in verdict["damaged"]]) == (False, 2, ["bus"])
    assert ("snapshot.found_damaged", "bus") in [event[:2] for event in bench.events]


def test_restore_gives_the_newest_valid_state_wherever_it_is(bench: Bench) -> None:
    save(bench, "bus", 1)
    bench.ask(NAME, "capture")
    save(bench, "bus", 2)
    assert bench.ask(NAME, "restore", name="bus")["state"] == {"n": 2}
    spoil_current(bench, "bus")
    found = bench.ask(NAME, "restore", name="bus")
    assert (found["state"], found["kind"]) == ({"n": 1}, "previous")
    (bench.home / "snapshots" / "bus.prev.snap").write_bytes(b"")
    found = bench.ask(NAME, "restore", name="bus")
    assert (found["state"], found["kind"], found["installed"]) == ({"n": 1}, "archived", False)


def test_restore_with_install_makes_the_state_current_again(bench: Bench) -> None:
    save(bench, "bus", 1)
    bench.ask(NAME, "capture")
    spoil_current(bench, "bus")
    assert bench.ask(NAME, "restore", name="bus", install=True)["installed"]
    assert snapshots.load(bench.home / "snapshots", "bus") == snapshots.Loaded({"n": 1})


@pytest.mark.parametrize("name", ["nobody", "../../etc", ".hidden", ""])
def test_restoring_what_does_not_exist_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(GraceError):
        bench.ask(NAME, "restore", name=name)


def test_snapshots_are_archived_every_hour_when_they_changed_and_five_are_kept(bench: Bench) -> None:
    for n in range(8):
        save(bench, "bus", n)
        bench.advance(3600.0)
    bench.advance(7200.0)
    dated = [s for s in bench.ask(NAME, "list", name="bus")["snapshots"] if s["kind"] == "archived"]
    states = [snapshots.read(Path(s["file"]))[0] for s in dated]
    assert states == [{"n": n} for n in (7, 6, 5, 4, 3)]


def test_a_damaged_snapshot_is_never_archived(bench: Bench) -> None:
    save(bench, "bus", 1)
    spoil_current(bench, "bus")
    assert bench.ask(NAME, "capture") == {"captured": []}


def test_pruning_deletes_damaged_copies_and_keeps_the_newest_valid(bench: Bench) -> None:
    for n in range(3):
        save(bench, "bus", n)
        bench.advance(1.0)
        bench.ask(NAME, "capture")
    newest = next(s for s in bench.ask(NAME, "list")["snapshots"] if s["kind"] == "archived")
    Path(newest["file"]).write_bytes(b"garbage")
    assert len(bench.ask(NAME, "prune", keep=1)["pruned"]) == 2
    left = [s for s in bench.ask(NAME, "list")["snapshots"] if s["kind"] == "archived"]
    assert [snapshots.read(Path(s["file"]))[0] for s in left] == [{"n": 1}]


def test_artifacts_are_kept_with_version_tags_and_origin_across_a_crash(bench: Bench) -> None:
    put(bench, "facts/a", {"x": 1}, tags=["fact", "new"])
    assert put(bench, "facts/a", {"x": 2}, tags=["fact"])["version"] == 2
    bench.crash(NAME)
    start(bench)
    found = bench.ask(NAME, "get", key="facts/a")
    assert (found["value"], found["version"], found["tags"], found["signature"]) == ({"x": 2}, 2, ["fact"], "valid")
    assert found["provenance"][0]["by"] == "librarian"


@pytest.mark.parametrize("column", ["value", "writer", "version", "tags", "provenance", "updated_at"])
def test_an_artifact_changed_behind_its_back_is_refused_with_an_event(bench: Bench, column: str) -> None:
    put(bench, "a", {"x": 1})
    other = sqlite3.connect(bench.home / "data" / NAME / "memory.db")
    other.execute(f"update artifacts set {column} = '[7]'")
    other.commit()
    other.close()
    with pytest.raises(GraceError, match="changed by somebody else"):
        bench.ask(NAME, "get", key="a")
    assert bench.types()[-1] == "memory.tampered"


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_after_a_lost_key_old_artifacts_are_unverifiable_and_new_ones_valid(bench: Bench, damage: bytes | None) -> None:
    put(bench, "old", 1)
    key = bench.home / "data" / NAME / "signing.key"
    if damage is None:
        key.unlink()
    else:
        key.write_bytes(damage)
    kernel = restart(bench)
    assert bench.types() == ["memory.key_replaced"]
    assert kernel.degraded
    put(bench, "new", 2)
    assert [bench.ask(NAME, "get", key=k)["signature"] for k in ("old", "new")] == ["unverifiable", "valid"]


def test_the_signing_key_is_readable_by_its_owner_only(bench: Bench) -> None:
    key = bench.home / "data" / NAME / "signing.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_artifacts_are_found_by_words_prefix_and_tag(bench: Bench) -> None:
    put(bench, "notes/one", {"text": "the quick brown fox"}, tags=["animal"])
    put(bench, "notes/two", {"text": "a lazy dog"}, tags=["animal", "lazy"])
    put(bench, "other", {"text": "nothing"})
    search = lambda **args: sorted(a["key"] for a in bench.ask(NAME, "search", **args)["artifacts"])  # noqa: E731
    assert search(words="quick fox") == ["notes/one"]
    assert search(words="qui*") == ["notes/one"]
    assert search(prefix="notes/") == ["notes/one", "notes/two"]
    assert search(tag="lazy") == ["notes/two"]
    assert search() == ["notes/one", "notes/two", "other"]
    put(bench, "notes/one", {"text": "changed"})
    assert search(words="quick") == []
    bench.ask(NAME, "delete", key="notes/two")
    assert search(words="lazy") == []


@pytest.mark.parametrize("words", ['"', "a AND", "(", "* *", "NEAR(", "key:x", "'; drop table artifacts --"])
def test_odd_search_words_are_words(bench: Bench, words: str) -> None:
    put(bench, "a", 1)
    assert bench.ask(NAME, "search", words=words)["count"] == 0


def test_fusing_merges_by_rule_and_names_its_sources(bench: Bench) -> None:
    put(bench, "a", {"x": 1, "same": 5})
    bench.advance(1.0)
    put(bench, "b", {"x": 2, "y": 3, "same": 5})
    fused = bench.ask(NAME, "fuse", keys=["b", "a"], into="c", rule="newest")
    assert fused["value"] == {"x": 2, "y": 3, "same": 5}
    origin = bench.ask(NAME, "get", key="c")["provenance"][0]
    assert [(s["key"], s["version"]) for s in origin["sources"]] == [("b", 1), ("a", 1)]
    assert origin["rule"] == "newest"


def test_fusing_under_the_strict_rule_refuses_a_conflict_and_stores_nothing(bench: Bench) -> None:
    put(bench, "a", {"x": {"y": 1}})
    put(bench, "b", {"x": {"y": 2}})
    with pytest.raises(GraceError, match=r"differ at \.x\.y"):
        bench.ask(NAME, "fuse", keys=["a", "b"], into="c", rule="strict")
    with pytest.raises(GraceError, match="no artifact"):
        bench.ask(NAME, "get", key="c")


@pytest.mark.parametrize("bad", [{"keys": ["a"]}, {"keys": ["a", "a"]}, {"keys": 7}, {"rule": "magic"}, {"into": ""}])
def test_a_malformed_fusion_is_refused(bench: Bench, bad: dict[str, Any]) -> None:
    put(bench, "a", 1)
    put(bench, "b", 1)
    with pytest.raises(GraceError):
        bench.ask(NAME, "fuse", **({"keys": ["a", "b"], "into": "c"} | bad))


@pytest.mark.parametrize("value", [object(), {"x": {1, 2}}, float("nan")])
def test_a_value_that_is_not_plain_data_is_refused(bench: Bench, value: Any) -> None:
    with pytest.raises(GraceError):
        put(bench, "a", value)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule.FIRST, {"a": 1, "l": [1, 2], "only": True}),
        (Rule.LAST, {"a": 2, "l": [2, 3], "only": True}),
        (Rule.NEWEST, {"a": 1, "l": [1, 2], "only": True}),
        (Rule.UNION, {"a": [1, 2], "l": [1, 2, 3], "only": True}),
    ],
)
def test_each_rule_of_fusing(rule: Rule, expected: Any) -> None:
    values = [{"a": 1, "l": [1, 2]}, {"a": 2, "l": [2, 3], "only": True}]
    assert fuse(values, [20.0, 10.0], rule) == expected
    assert values == [{"a": 1, "l": [1, 2]}, {"a": 2, "l": [2, 3], "only": True}]


def test_strict_fusing_of_equal_values_gives_the_value() -> None:
    assert fuse([{"a": [1]}, {"a": [1]}], [1.0, 2.0], Rule.STRICT) == {"a": [1]}
    with pytest.raises(Refused):
        fuse([1, True], [1.0, 2.0], Rule.STRICT)
