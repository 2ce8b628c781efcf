"""The knowledge base under any row of requests: standing follows from history, names lead to one place, nothing is lost
by a file in between."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from grace_actors.errors import Refused
from grace_actors.stores.confidence import SUCCESSES_FOR_AUTO, THRESHOLD, Standing, after, folded, knows_more, united
from grace_actors.stores.signature import SignatureStore
from grace_actors.stores.signature_entries import parse_entries
from tests.harness.examples import examples
from tests.harness.kernels import Bench

NAME = "signature"
names = st.sampled_from(["s1", "s2", "s3", "s4"])
repairs = st.sampled_from([{"playbook": "p"}, {"playbook": "p", "params": {"n": 1}}, {"playbook": "q"}])
hashes = st.lists(st.sampled_from(["h1", "h2", "h3"]), max_size=3)
rows = st.lists(st.booleans(), max_size=30)
outcomes = st.fixed_dictionaries(
    {"signature": names, "repair": repairs, "ok": st.booleans(), "verified": st.booleans(), "aliases": hashes},
    optional={"run": st.sampled_from(["r1", "r2"]), "at": st.floats(1.0, 100.0), "kernel": names},
)
standings = st.builds(folded, st.just(Standing()), rows)


def obeys(standing: Standing) -> bool:
    return not standing.auto_apply or (
        standing.confidence >= THRESHOLD and standing.successes >= SUCCESSES_FOR_AUTO and standing.confidence <= 100
    )


class Base(RuleBasedStateMachine):
    """Requests as they come, against one base."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name))
        self.bench.add(NAME, SignatureStore)

    def teardown(self) -> None:
        self.bench.kernels[NAME].stop("test")
        self.folder.cleanup()

    def ask(self, verb: str, **args: Any) -> Any:
        return self.bench.ask(NAME, verb, **args)

    @rule(group=st.lists(outcomes, min_size=1, max_size=5))
    def record(self, group: list[dict[str, Any]]) -> None:
        done = self.ask("record_outcomes", outcomes=group)
        assert done["recorded"] + done["duplicates"] == len(group)

    @rule(signature=names, aliases=hashes)
    def see(self, signature: str, aliases: list[str]) -> None:
        self.ask("seen", signature=signature, aliases=aliases)

    @rule(source=names, into=names)
    def merge(self, source: str, into: str) -> None:
        before = self.ask("stats")
        found = [self.ask("lookup", signature=name) for name in (source, into)]
        if all(each["known"] for each in found) and found[0]["signature"] != found[1]["signature"]:
            self.ask("merge", **{"from": source, "into": into})
            stats = self.ask("stats")
            assert stats["known_signatures"] == before["known_signatures"] - 1
            assert (stats["successes"], stats["failures"]) == (before["successes"], before["failures"])
            assert self.ask("lookup", signature=source)["signature"] == found[1]["signature"]

    @rule(signature=names)
    def forget(self, signature: str) -> None:
        if self.ask("lookup", signature=signature)["known"]:
            self.ask("forget", signature=signature)
            assert not self.ask("lookup", signature=signature)["known"]

    @rule(signature=names, outcomes=rows, replace=st.booleans())
    def take_over(self, signature: str, outcomes: list[bool], replace: bool) -> None:
        standing = folded(Standing(), outcomes)
        found = self.ask("lookup", signature=signature)["repairs"]
        fields = {
            "signature_id": signature, "playbook_name": "p", "success_count": standing.successes,
            "failure_count": standing.failures, "confidence": standing.confidence / 100,
            "auto_apply": standing.auto_apply, "auto_apply_held": True,
        }  # fmt: skip
        self.ask("import", signatures={signature: fields}, replace=replace)
        now = {(r["playbook"], str(r["params"])): r for r in self.ask("lookup", signature=signature)["repairs"]}
        for each in () if replace else found:
            same = now[each["playbook"], str(each["params"])]
            assert all(same[key] >= each[key] for key in ("successes", "failures", "confidence", "auto_apply"))

    @rule()
    def crash(self) -> None:
        kernel = self.bench.kernels[NAME]
        assert isinstance(kernel, SignatureStore)
        kernel.store.close()
        self.bench.crash(NAME)
        self.bench.add(NAME, SignatureStore)

    @invariant()
    def standing_is_what_the_verified_history_makes_of_its_base(self) -> None:
        kernel = self.bench.kernels[NAME]
        assert isinstance(kernel, SignatureStore)
        for row in kernel.store.db.query("select * from repairs"):
            sql = "select ok from history where repair = ? and verified = 1 and is_in_base = 0 order by id"
            past = [bool(ok) for (ok,) in kernel.store.db.execute(sql, [row["id"]])]
            keys = ("successes", "failures", "confidence", "auto_apply")
            base, now = ([row[prefix + key] for key in keys] for prefix in ("base_", ""))
            standing = folded(Standing(*base[:3], bool(base[3])), past)
            assert [standing.successes, standing.failures, standing.confidence, standing.auto_apply] == now
            assert obeys(standing)

    @invariant()
    def every_name_leads_to_a_signature_that_is_there_and_no_id_is_an_alias(self) -> None:
        kernel = self.bench.kernels[NAME]
        assert isinstance(kernel, SignatureStore)
        ids = {row[0] for row in kernel.store.db.execute("select signature from signatures")}
        for alias, target in kernel.store.db.execute("select alias, signature from aliases"):
            assert target in ids
            assert alias not in ids
        for table in ("repairs", "components"):
            assert {row[0] for row in kernel.store.db.execute(f"select signature from {table}")} <= ids
        orphans = "select count(*) from history where repair not in (select id from repairs)"
        assert kernel.store.db.execute(orphans).fetchone()[0] == 0

    @invariant()
    def a_file_in_between_loses_nothing(self) -> None:
        exported = self.ask("export")["signatures"]
        with tempfile.TemporaryDirectory() as folder:
            other = Bench(Path(folder))
            other.add(NAME, SignatureStore)
            done = other.ask(NAME, "import", signatures=json.loads(json.dumps(exported)))
            assert done["notes"] == []
            assert other.ask(NAME, "export")["signatures"] == exported
            for name in ("s1", "s2", "s3", "s4", "h1", "h2", "h3"):
                assert other.ask(NAME, "lookup", hashes=[name]) == self.ask("lookup", hashes=[name])
            other.kernels[NAME].stop("test")


TestBase = Base.TestCase
TestBase.settings = settings(max_examples=examples(15), stateful_step_count=10, deadline=None)


@given(standings, standings)
def test_two_records_united_have_all_outcomes_and_no_more_trust_than_the_better_one(
    one: Standing, other: Standing
) -> None:
    both = united(one, other)
    assert (both.successes, both.failures) == (one.successes + other.successes, one.failures + other.failures)
    assert both.confidence <= max(one.confidence, other.confidence)
    assert obeys(both)
    assert united(other, one) == both
    assert united(one, Standing()) == one


@given(standings, st.integers(0, 20))
def test_failures_of_a_record_that_never_worked_count_as_failures_of_the_other(worked: Standing, failures: int) -> None:
    assert united(worked, Standing(failures=failures)) == folded(worked, [False] * failures)


@given(rows, rows)
def test_a_row_of_outcomes_may_be_folded_in_parts(first: list[bool], second: list[bool]) -> None:
    assert folded(folded(Standing(), first), second) == folded(Standing(), [*first, *second])


@given(standings, standings)
def test_what_knows_more_is_never_less_in_anything(one: Standing, other: Standing) -> None:
    assert not (knows_more(one, other) and knows_more(other, one))
    if one.successes:
        assert not knows_more(Standing(), one)
    assert not knows_more(one, one)
    assert knows_more(after(one, ok=True), one) or one.confidence > 80


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ENTRY = {
    "signature_id": "s", "playbook_name": "p", "success_count": 2, "failure_count": 0, "confidence": 0.9,
    "last_used": None, "auto_apply": True, "params": {}, "aliases": [], "repairs": [], "components": [], "seen": 2,
}  # fmt: skip


@given(st.sampled_from(sorted(ENTRY)), anything)
def test_whatever_stands_in_a_field_is_taken_soundly_or_refused_with_its_name(field: str, value: Any) -> None:
    try:
        (entry,), _ = parse_entries({"s": ENTRY | {field: value}})
    except Refused as error:
        assert field in error.message
    else:
        assert all(obeys(repair.standing) for repair in entry.repairs)


@given(st.dictionaries(st.text(max_size=5), anything, max_size=3))
def test_whatever_is_imported_is_entries_or_a_refusal(value: dict[str, Any]) -> None:
    try:
        parse_entries(value)
    except Refused as error:
        assert "nothing was imported" in error.message
