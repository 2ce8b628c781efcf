"""The log watcher in the trigger mesh: lines become events, once, and nothing goes round in a circle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from grace_actors.kernels.secret_manager import SecretManager
from grace_actors.kernels.trigger_mesh import TriggerMesh
from grace_actors.kernels.watch.folding import RATE
from grace_actors.kernels.watch.tail import MOST_BEHIND_BYTES
from tests.harness.kernels import Bench
from tests.unit.watch.stage import again, small_tree

KEY = "ghp_" + "a1B2" * 9


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = small_tree(tmp_path / "home", monkeypatch)
    (made.home / "logs").mkdir()
    made.add("trigger_mesh", TriggerMesh)
    return made


def write(bench: Bench, *lines: str, name: str = "shop") -> None:
    with (bench.home / "logs" / f"{name}.log").open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))


def told(bench: Bench) -> list[tuple[str, str, dict[str, Any]]]:
    """The events that came of lines."""
    return [event for event in bench.events if "line" in event[2]]


def types(bench: Bench) -> list[str]:
    return [type for type, _, _ in told(bench)]


def counts(bench: Bench, name: str = "shop") -> dict[str, int]:
    found: dict[str, int] = bench.ask("trigger_mesh", "logs")["logs"].get(name, {})
    return found


def test_a_timeout_in_a_log_is_an_event_about_the_actor_whose_log_it_is(bench: Bench) -> None:
    write(bench, "starting", "ERROR: Pipeline timeout after 300 seconds")
    bench.advance(1)
    assert told(bench) == [
        ("pipeline.timeout", "shop", {
            "pattern": "timeout", "line": "ERROR: Pipeline timeout after 300 seconds", "source": "shop.log", "count": 1,
        })
    ]  # fmt: skip


def test_a_failed_ingestion_names_the_file_and_the_reason(bench: Bench) -> None:
    write(
        bench, "ERROR: Ingestion failed for book_123.pdf: Schema mismatch", "Ingestion failed for book_124.pdf: other"
    )
    bench.advance(1)
    assert [(type, data["file"], data["reason"]) for type, _, data in told(bench)] == [
        ("ingestion.failed", "book_123.pdf", "Schema mismatch"),
        ("ingestion.failed", "book_124.pdf", "other"),
    ]


def test_a_warning_is_counted_and_told_to_nobody(bench: Bench) -> None:
    write(bench, "WARNING low disk", "nothing at all")
    bench.advance(1)
    assert (told(bench), counts(bench)) == ([], {"lines": 2, "warning": 1})
    assert bench.kernels["trigger_mesh"].metrics()["log_warnings_total"] == 1


def test_equal_lines_are_folded_and_the_next_telling_counts_them(bench: Bench) -> None:
    write(bench, *(f"ERROR number {n}" for n in range(10_000)))
    bench.advance(3)
    assert [data["count"] for _, _, data in told(bench)] == [1]
    bench.advance(60)
    assert len(told(bench)) == 1  # nothing is told of lines that are long over
    write(bench, "ERROR number 5")
    bench.advance(1)
    assert [data["count"] for _, _, data in told(bench)] == [1, 10_000]
    assert counts(bench)["folded"] == 9_999


def test_a_flood_of_different_lines_is_one_storm_and_starves_no_other_log(bench: Bench) -> None:
    write(
        bench,
        *(f"ERROR of {'abcdefghij'[n % 10]}{chr(107 + n // 1000)}{'xyz' * (n // 10 % 100)}" for n in range(10_000)),
    )
    write(bench, "ERROR: Pipeline timeout", name="till")
    bench.advance(3)
    assert types(bench).count("log_pattern.error") == RATE
    assert ("pipeline.timeout", "till") in [event[:2] for event in told(bench)]
    bench.advance(30)
    storms = [event for event in bench.events if event[0].startswith("storm")]
    assert [(type, subject) for type, subject, _ in storms] == [("storm.began", "shop"), ("storm.ended", "shop")]
    known = counts(bench)
    assert storms[1][2]["refused"] == {"error": known["refused"]}
    assert known["error"] == 10_000 == RATE + known["refused"]


def test_what_a_storm_kept_back_is_counted_when_it_happens_again(bench: Bench) -> None:
    write(bench, *(f"ERROR of {'x' * n}" for n in range(RATE)), *["ERROR: boom"] * 5)
    bench.advance(1)
    assert "ERROR: boom" not in [data["line"] for _, _, data in told(bench)]
    bench.advance(61)
    write(bench, "ERROR: boom")
    bench.advance(1)
    assert [data["count"] for _, _, data in told(bench) if data["line"] == "ERROR: boom"] == [6]


def test_a_flood_costs_in_proportion_to_its_lines(bench: Bench) -> None:
    """Ten times as many lines, at most thirty times the time."""

    def seconds(count: int, name: str) -> float:
        write(bench, *(f"ERROR of {'xyz' * (n % 100)} {n:x}" for n in range(count)), name=name)
        began = time.process_time()
        bench.advance(5)
        assert counts(bench, name)["lines"] == count
        return time.process_time() - began

    few = min(seconds(1_000, f"few{n}") for n in range(3))
    assert seconds(10_000, "many") < 30 * few


def test_a_log_that_grows_too_fast_is_skipped_in_part_and_that_is_told_once_a_minute(bench: Bench) -> None:
    write(bench, "first")
    bench.advance(1)
    for _ in range(3):
        write(bench, "x" * (MOST_BEHIND_BYTES + 1_000_000))
        bench.advance(1)
    skipped = [(subject, data) for type, subject, data in bench.events if type == "log_lines.skipped"]
    assert len(skipped) == 1
    assert skipped[0][0] == "shop" and skipped[0][1]["bytes"] > MOST_BEHIND_BYTES
    bench.advance(61)
    total = sum(data["bytes"] for type, _, data in bench.events if type == "log_lines.skipped")
    assert total == counts(bench)["skipped_bytes"] > 3 * MOST_BEHIND_BYTES


@pytest.mark.parametrize(
    "name", ["trigger_mesh", "self_healing", "status", "registry", "signature", "system", "thespian"]
)
def test_those_who_write_because_of_an_event_are_not_watched(bench: Bench, name: str) -> None:
    write(bench, "ERROR: Pipeline timeout", name=name)
    bench.advance(2)
    assert (told(bench), counts(bench, name)) == ([], {})


def test_a_log_can_be_left_out(bench: Bench) -> None:
    again(bench, log_ignore=["shop"])
    write(bench, "ERROR: x")
    write(bench, "ERROR: y", name="till")
    bench.advance(1)
    assert [subject for _, subject, _ in told(bench)] == ["till"]


def test_a_line_written_because_of_an_event_does_not_raise_it_again(bench: Bench) -> None:
    write(bench, "ERROR: no such customer in the book")
    bench.advance(1)
    assert types(bench) == ["log_pattern.error"]
    write(
        bench,
        "ERROR desk heard log_pattern.error of shop",
        "ERROR trigger.fired: heartbeat_gap",
        "desk: ERROR: no such customer in the book",
        name="desk",
    )
    bench.advance(1)
    assert types(bench) == ["log_pattern.error"]
    assert counts(bench, "desk")["accounts"] == 3
    write(bench, "ERROR: no such customer in the book", name="till")  # that is its own failure
    bench.advance(1)
    assert [subject for _, subject, _ in told(bench)] == ["shop", "till"]


def test_what_the_librarian_tells_itself_is_not_told_twice(bench: Bench) -> None:
    write(bench, "ERROR: Ingestion failed for a.pdf: no text", "ERROR: schema mismatch", name="librarian")
    bench.advance(1)
    assert types(bench) == ["schema.invalid"]


def test_the_report_of_a_crash_is_not_told_twice(bench: Bench) -> None:
    write(bench, "CRASH shop: Traceback (most recent call last):", "  File 'x'", "ValueError: bad", "", "", "up again")
    bench.advance(1)
    assert (told(bench), counts(bench)["known"]) == ([], 5)


def test_a_restart_neither_repeats_a_line_nor_misses_one(bench: Bench) -> None:
    write(bench, "ERROR: one")
    bench.advance(1)
    again(bench)
    bench.advance(2)
    assert len(told(bench)) == 1
    bench.crash("trigger_mesh")
    write(bench, "ERROR: two of them")
    bench.add("trigger_mesh", TriggerMesh)
    bench.advance(2)
    assert [data["line"] for _, _, data in told(bench)] == ["ERROR: one", "ERROR: two of them"]


def test_rules_of_the_configuration_make_events_of_their_own(bench: Bench) -> None:
    again(bench, log_rules=[{"pattern": r"payment \w+ refused", "event": "payment.refused"}])
    write(bench, "ERROR payment a7 refused", "ERROR desk heard payment.refused")
    bench.advance(1)
    assert [(type, data["pattern"]) for type, _, data in told(bench)] == [("payment.refused", r"payment \w+ refused")]


def test_a_told_line_is_masked_and_bounded(bench: Bench) -> None:
    write(bench, f"ERROR password=hunter2x {'x' * 3000} \x1b[0m")
    bench.advance(1)
    (line,) = [data["line"] for _, _, data in told(bench)]
    assert "hunter2x" not in line and len(line) <= 500


# ---- secrets --------------------------------------------------------------------------------------------------------


def leaks(bench: Bench) -> list[tuple[str, str]]:
    return [
        (subject, data["detail"])
        for type, subject, data in bench.events
        if type == "trigger.fired" and data["trigger"] == "security_signal"
    ]


def test_another_leak_of_the_kind_was_not_told_for_a_quarter_of_an_hour(bench: Bench) -> None:
    write(bench, f"INFO using {KEY}")
    bench.advance(61)
    write(bench, f"INFO using {KEY}")
    bench.advance(1)
    assert len(leaks(bench)) == 2


def test_a_secret_in_a_line_is_a_signal_and_the_line_is_never_repeated(bench: Bench) -> None:
    write(bench, f"INFO using {KEY}", f"ERROR: cannot log in with {KEY}")
    bench.advance(1)
    assert leaks(bench) == [("shop", "in shop.log: github_token")]
    assert KEY not in str(bench.events) + str(bench.ask("trigger_mesh", "fired"))
    (data,) = [data for type, _, data in bench.events if type == "trigger.fired"]
    assert (data["issue"], data["severity"], data["target"]) == ("secret_leak", "high", "self_healing")
    write(bench, f"INFO using {KEY}")
    bench.advance(30)
    assert len(leaks(bench)) == 1
    write(bench, "AKIA" + "Q" * 16)
    bench.advance(1)
    assert len(leaks(bench)) == 2  # another kind


def test_a_stored_secret_is_found_by_whoever_knows_it(bench: Bench) -> None:
    bench.add("secret_manager", SecretManager)
    bench.ask("secret_manager", "put", sender="console", name="db", value="correct horse", allowed=["shop"])
    write(bench, "one", "two", name="till")
    write(bench, "logging in with correct horse")
    bench.advance(1)
    assert leaks(bench) == [("shop", "in shop.log: the secret db")]
    assert "correct horse" not in str(bench.events)
    assert bench.ask("trigger_mesh", "logs")["secrets_problem"] is None


def test_without_the_secret_manager_shapes_are_found_and_the_rest_is_said(bench: Bench) -> None:
    write(bench, "anything")
    bench.advance(7)
    assert "did not answer" in bench.ask("trigger_mesh", "logs")["secrets_problem"]


def test_idle_logs_make_nobody_work(bench: Bench) -> None:
    write(bench, "INFO up")
    bench.advance(2)
    before = [each for each in bench.sent if each[1] == "secret_manager"]
    bench.advance(20)
    assert [each for each in bench.sent if each[1] == "secret_manager"] == before
