"""Whatever comes in, what goes out is bounded and what is refused is counted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from grace_actors.kernels import storm
from grace_actors.kernels.storm import Storm, Verdict
from tests.harness.examples import examples

gaps = st.floats(0, 30)
findings = st.lists(st.tuples(gaps, st.integers(0, 60), st.integers(1, 4)), max_size=200)


@given(findings=findings)
def test_findings_leave_at_a_bounded_rate_and_none_vanishes(findings: list[tuple[float, int, int]]) -> None:
    guard, now, passed = Storm(), 0.0, []
    for gap, key, weight in findings:
        now += gap
        if guard.finding(key, weight, now) is Verdict.PASS:
            passed.append(now)
    for start in passed:
        assert sum(start <= at < start + storm.RATE_WINDOW_S for at in passed) <= storm.RATE
    assert len(passed) + sum(guard.refused.values()) == len(findings)


@given(findings=findings)
def test_a_finding_is_repeated_soon_only_when_it_got_worse(findings: list[tuple[float, int, int]]) -> None:
    guard, now = Storm(), 0.0
    told: dict[int, tuple[float, int]] = {}
    for gap, key, weight in findings:
        now += gap
        if guard.finding(key, weight, now) is Verdict.PASS:
            at, before = told.get(key, (-1e9, 0))
            assert now - at >= storm.REPEAT_AFTER_S or weight > before
            told[key] = (now, weight)


@settings(max_examples=examples(30))
@given(burst=st.integers(1, 2_000), types=st.integers(1, 30))
def test_a_flood_opens_the_circuit_and_it_closes_again(burst: int, types: int) -> None:
    guard = Storm()
    passed = sum(guard.event(f"t{n % types}", 0.001 * n) is Verdict.PASS for n in range(burst))
    assert passed <= storm.FLOOD_LIMIT
    assert guard.is_open(0.001 * burst) == (burst > storm.FLOOD_LIMIT)
    assert passed + sum(guard.refused.values()) == burst
    assert guard.event("t0", burst + storm.OPEN_S + storm.FLOOD_WINDOW_S) is Verdict.PASS


def test_one_type_alone_is_held_to_its_own_limit() -> None:
    guard = Storm()
    verdicts = [guard.event("noisy", 0.001 * n) for n in range(150)]
    assert verdicts.count(Verdict.PASS) == storm.TYPE_LIMIT
    assert guard.event("quiet", 0.15) is Verdict.PASS
