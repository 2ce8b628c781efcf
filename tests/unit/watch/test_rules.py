"""Lines of logs and what they are."""

from __future__ import annotations

import time

import pytest

from grace_actors.kernels.watch.rules import BUILT_IN, LogRules, own_rule

RULES = LogRules()
LINES = [
    ("ERROR: Pipeline timeout after 300 seconds", "timeout", "pipeline.timeout"),
    ("2026-01-01 10:00:00 job timed out", "timeout", "pipeline.timeout"),
    ("ERROR request timeout", "timeout", "pipeline.timeout"),
    ("TimeoutError: [Errno 110]", "timeout", "pipeline.timeout"),
    ("ERROR: Ingestion failed for book_123.pdf: Schema mismatch", "ingestion_failure", "ingestion.failed"),
    ("Failed to ingest notes.md", "ingestion_failure", "ingestion.failed"),
    ("Schema mismatch in table users", "schema", "schema.invalid"),
    ("schema validation failed", "schema", "schema.invalid"),
    ("payload does not match the schema", "schema", "schema.invalid"),
    ("ERROR: Verification failed: 3 rows differ", "verification", "verification.failed"),
    ("failed to verify the signature", "verification", "verification.failed"),
    ("Connection to db lost", "connection_lost", "connection.lost"),
    ("ConnectionResetError: [Errno 104]", "connection_lost", "connection.lost"),
    ("could not connect to server", "connection_lost", "connection.lost"),
    ("ERROR connection to db:5432 timed out", "connection_lost", "connection.lost"),
    ("BrokenPipeError: [Errno 32] Broken pipe", "connection_lost", "connection.lost"),
    ("MemoryError", "memory_pressure", "memory.pressured"),
    ("Out of memory: Killed process 12", "memory_pressure", "memory.pressured"),
    ("memory usage exceeded the limit", "memory_pressure", "memory.pressured"),
    ("CRITICAL no space left on device", "critical", "log_pattern.critical"),
    ("panic: runtime error", "critical", "log_pattern.critical"),
    ("fatal error: all goroutines are asleep", "critical", "log_pattern.critical"),
    ("level=fatal msg=gone", "critical", "log_pattern.critical"),
    ("[ERROR] no such user", "error", "log_pattern.error"),
    ("ValueError: bad port", "error", "log_pattern.error"),
    ("json.decoder.JSONDecodeError: Expecting value", "error", "log_pattern.error"),
    ('{"level": "error", "msg": "no such user"}', "error", "log_pattern.error"),
    ("error: unknown option", "error", "log_pattern.error"),
    ("WARNING low disk", "warning", None),
    ("level=warn low disk", "warning", None),
    ("INFO request timeout is 30 s", None, None),
    ("INFO ingestion done, 0 failed", None, None),
    ("done, 0 errors", None, None),
    ("verified 12 files", None, None),
    ("schema loaded", None, None),
    ("connected to db", None, None),
    ("the memory of an elephant", None, None),
    ("ERRORS=0", None, None),
    ("terrorist", None, None),
    ("", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "pattern", "event"), LINES)
def test_a_line_is_what_its_most_specific_pattern_says(line: str, pattern: str | None, event: str | None) -> None:
    match = RULES.match(line)
    assert (match and match.pattern, match and match.event) == (pattern, event)


def test_the_six_patterns_are_there_and_each_is_seen_in_the_samples() -> None:
    six = {"error", "warning", "critical", "ingestion_failure", "connection_lost", "memory_pressure"}
    assert six | {"timeout", "schema", "verification"} == {rule.pattern for rule in BUILT_IN}
    assert {pattern for _, pattern, _ in LINES if pattern} == {rule.pattern for rule in BUILT_IN}


def test_file_and_reason_are_taken_from_a_line_that_names_them() -> None:
    match = RULES.match("ERROR: Ingestion failed for book_123.pdf: Schema mismatch")
    assert match is not None
    assert (match.file, match.reason) == ("book_123.pdf", "Schema mismatch")
    named = RULES.match("ERROR cannot open /var/lib/x/a.txt today")
    assert named is not None
    assert (named.file, named.reason) == ("/var/lib/x/a.txt", "")
    bare = RULES.match("ingestion failed: no space")
    assert bare is not None
    assert (bare.file, bare.reason) == ("", "no space")


def test_rules_of_the_configuration_win_over_the_built_in_ones() -> None:
    rules = LogRules([own_rule(r"payment \d+ refused", "payment.refused")])
    match = rules.match("ERROR: payment 17 refused")
    assert match is not None
    assert (match.pattern, match.event) == (r"payment \d+ refused", "payment.refused")
    assert rules.match("ERROR: payment refused").event == "log_pattern.error"  # type: ignore[union-attr]
    assert "payment.refused" in rules.events


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "no regular expression"),
        ("", "0 characters"),
        ("x" * 301, "301 characters"),
        (".*", "matches every line"),
        ("x?", "matches every line"),
        ("(a+)+b", "inside a repetition"),
        ("(a|ab)*c", "matches|repeats something"),
        ("x(a|ab)*c", "repeats something"),
        ("(x{2,3})+y", "repeats something"),
        (r"(x+)\1+y", "repeats something|too many"),
        ("a?" * 25 + "a" * 25, "too many places"),
        ("(a|ab)" * 7 + "c", "too many places"),
        (".*.*.*.*x", "too many places"),
        ("(?=(x+)+y)z", "inside a repetition"),
    ],
)
def test_a_pattern_that_could_take_very_long_or_is_none_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        own_rule(pattern, "noun.done")


@pytest.mark.parametrize(
    "event", ["Payment.refused", "payment", "payment.", "a.b.c", "payment refused", "x" * 70 + ".b"]
)
def test_an_event_that_is_no_noun_and_past_tense_is_refused(event: str) -> None:
    with pytest.raises(ValueError, match=r"allowed is noun\.past_tense"):
        own_rule("x", event)


def test_no_line_takes_long() -> None:
    """Beside a line that matches nothing: the ratio does not depend on the machine."""
    own = LogRules([own_rule(r"x.*y.*z", "noun.done"), own_rule(r"(foo|bar)\s+\w+ (left|right)", "noun.lost")])
    words = (
        "connect ",
        "ingest ",
        "verif ",
        "memory ",
        "err ",
        "x",
        "xy",
        "schema ",
        "a/",
        "timeout exceeded ",
        "for ",
    )
    hostile = [word * (5000 // len(word)) for word in words] + ["ERROR failed: " * 200]
    began = time.perf_counter()
    for _ in range(200):
        own.match("a line that says nothing of the kind, as most do " * 40)
    plain = (time.perf_counter() - began) / 200
    for line in hostile:
        best = min(_seconds(own, line) for _ in range(3))
        assert best < 400 * max(plain, 5e-6), line[:20]


def _seconds(rules: LogRules, line: str) -> float:
    began = time.perf_counter()
    rules.match(line)
    return time.perf_counter() - began
