"""Which sets go and when one is due: whatever there is and however the clock was set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.hygiene.plan import Limits, SetFacts, Since, is_due, missing, newest_valid, part_of, surplus, to_free

AGES = st.floats(-1e6, 1e6)
LIMITS = st.builds(Limits, keep=st.integers(1, 8), max_age_s=st.floats(1.0, 2e5), floor_bytes=st.just(0))


@st.composite
def histories(draw: st.DrawFn) -> list[SetFacts]:
    """Sets in the order they were taken, at whatever the clock said then; unreadable ones have the number 0."""
    count = draw(st.integers(0, 12))
    readable = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return [
        SetFacts(
            id=f"{draw(AGES):016.3f}-{number}",
            number=number if readable[number - 1] else 0,
            at=draw(AGES),
            valid=readable[number - 1] and draw(st.booleans()),
            own_bytes=draw(st.integers(0, 10**9)),
        )
        for number in range(1, count + 1)
    ]


@given(sets=histories(), now=AGES, limits=LIMITS)
def test_the_newest_valid_set_stays_and_never_more_than_the_limit(
    sets: list[SetFacts], now: float, limits: Limits
) -> None:
    gone = surplus(sets, now, limits)
    left = [one for one in sets if one.id not in gone]
    assert len(left) <= limits.keep
    assert newest_valid(left) == newest_valid(sets)
    assert len(set(gone)) == len(gone) and set(gone) <= {one.id for one in sets}


@given(sets=histories(), now=AGES, limits=LIMITS)
def test_what_stays_is_young_or_the_newest_valid_and_newer_than_what_went_for_its_number(
    sets: list[SetFacts], now: float, limits: Limits
) -> None:
    newest, gone = newest_valid(sets), surplus(sets, now, limits)
    left = [one for one in sets if one.id not in gone]
    if newest is not None:
        assert all(one == newest or now - one.at <= limits.max_age_s for one in left)
        young = [one for one in sets if one.id in gone and now - one.at <= limits.max_age_s]
        assert not young or len(left) == limits.keep
    else:
        assert len(left) == min(len(sets), limits.keep)
    order = {one.id: (one.number, one.id) for one in sets}
    assert list(gone) == sorted(gone, key=order.__getitem__)


@given(sets=histories(), now=AGES, limits=LIMITS)
def test_what_went_once_is_enough(sets: list[SetFacts], now: float, limits: Limits) -> None:
    left = [one for one in sets if one.id not in surplus(sets, now, limits)]
    assert surplus(left, now, limits) == ()


@given(sets=histories(), share=st.floats(-0.1, 1.2))
def test_space_is_made_from_the_oldest_only_as_far_as_needed_and_never_for_nothing(
    sets: list[SetFacts], share: float
) -> None:
    shortfall = int(share * sum(one.own_bytes for one in sets))
    gone = to_free(sets, shortfall)
    newest = newest_valid(sets)
    freed = [one.own_bytes for one in sorted(sets, key=lambda one: (one.number, one.id)) if one.id in gone]
    assert not gone or sum(freed) >= shortfall > sum(freed[:-1])
    assert newest is None or newest.id not in gone
    if not gone and shortfall > 0:
        assert newest is None or sum(one.own_bytes for one in sets if one != newest) < shortfall


OPTIONAL = st.none() | st.floats(0.0, 1e6)
SINCE = st.builds(
    Since, start_s=st.floats(0.0, 1e6), taken_s=OPTIONAL, failed_s=OPTIONAL, newest_age_s=st.none() | AGES
)


@given(since=SINCE, interval_s=st.floats(1.0, 1e5))
def test_a_set_is_due_once_an_interval_and_after_a_failure_sooner_but_not_at_once(
    since: Since, interval_s: float
) -> None:
    due = is_due(since, interval_s=interval_s, settle_s=120.0, retry_s=300.0)
    if since.failed_s is not None:
        assert due == (since.failed_s >= min(300.0, interval_s))
    elif since.taken_s is not None:
        assert due == (since.taken_s >= interval_s)
    elif since.start_s < 120.0:
        assert not due


@given(age=AGES, interval_s=st.floats(1.0, 1e5), failed=st.none() | st.floats(3e5, 1e6))
def test_a_set_is_due_in_the_end_however_the_clock_was_set(age: float, interval_s: float, failed: float | None) -> None:
    later = Since(start_s=2e5, taken_s=1e5, failed_s=failed, newest_age_s=age)
    assert is_due(later, interval_s=interval_s, settle_s=120.0, retry_s=300.0)
    first = Since(start_s=2e5, newest_age_s=age)
    assert is_due(first, interval_s=interval_s, settle_s=120.0, retry_s=300.0) == (not 0 <= age < interval_s)


PATHS = st.sampled_from(
    [
        *(f"events/events-{n:012d}.jsonl" for n in (1, 20, 40)),
        *(f"audit/{n:012d}{end}" for n in (1, 9) for end in (".log", ".log.gz", ".seal")),
        "stores/librarian/library.db",
        "kernels/sandbox.snap",
        "config/a.yaml",
        "playbooks/a/b.yaml",
        "artefacts/manifest.sha256",
        "tree/grace.yaml",
    ]
)


@given(before=st.sets(PATHS), now=st.sets(PATHS), there=st.booleans())
def test_what_is_missing_was_there_is_not_and_is_nothing_that_comes_and_goes(
    before: set[str], now: set[str], there: bool
) -> None:
    folders = ["data/librarian", "artefacts"] if there else []
    found = missing(before, now, folders)
    assert set(found) <= before - now
    assert not {part_of(path) for path in found} & {"kernels/sandbox", "config", "playbooks", "tree"}
    assert there or {part_of(path) for path in found} <= {"events", "audit"}
    if there and "stores/librarian/library.db" in before - now:
        assert "stores/librarian/library.db" in found
