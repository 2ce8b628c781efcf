"""What becomes of a message under faults of messages; time and chance are given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.meddling.traffic import MOST_HELD, SWAP_S, Kind, Rule, Traffic

ALWAYS = [0.0] * 9


def traffic(*rules: Rule) -> Traffic[str]:
    made: Traffic[str] = Traffic()
    made.rules.extend(rules)
    return made


def rule(kind: Kind, **more: object) -> Rule:
    return Rule(kind=kind, **more)  # type: ignore[arg-type]


def test_without_rules_a_message_is_handled_at_once() -> None:
    assert traffic().arrives("a", "put", None, 0.0, []) == ["a"]


def test_a_dropped_request_never_comes_out() -> None:
    lossy = traffic(rule("drop"))
    assert lossy.arrives("a", "put", None, 0.0, ALWAYS) == []
    assert (lossy.held, lossy.next_due, lossy.let_go()) == (0, None, [])


def test_only_requests_like_the_pattern_are_hit() -> None:
    lossy = traffic(rule("drop", verb="pub*", topic="orders.*"))
    assert lossy.arrives("a", "publish", "orders.new", 0.0, ALWAYS) == []
    assert lossy.arrives("b", "publish", "mail.new", 0.0, ALWAYS) == ["b"]
    assert lossy.arrives("c", "get", "orders.new", 0.0, ALWAYS) == ["c"]
    assert lossy.arrives("d", "publish", 7, 0.0, ALWAYS) == ["d"]
    assert lossy.arrives("an answer", None, None, 0.0, ALWAYS) == ["an answer"]


def test_a_share_is_hit_by_chance() -> None:
    lossy = traffic(rule("drop", share=0.25))
    assert lossy.arrives("a", "put", None, 0.0, [0.24]) == []
    assert lossy.arrives("b", "put", None, 0.0, [0.25]) == ["b"]


def test_a_delayed_request_comes_out_when_it_is_due_and_others_pass_it() -> None:
    late = traffic(rule("delay", verb="put", delay_s=2.0))
    assert late.arrives("a", "put", None, 1.0, ALWAYS) == []
    assert late.arrives("b", "put", None, 1.5, ALWAYS) == []
    assert late.arrives("c", "get", None, 1.5, ALWAYS) == ["c"]
    assert (late.held, late.next_due) == (2, 3.0)
    assert late.due(2.9) == []
    assert late.due(3.6) == ["a", "b"]
    assert late.next_due is None


def test_a_duplicated_request_comes_out_twice() -> None:
    assert traffic(rule("duplicate")).arrives("a", "put", None, 0.0, ALWAYS) == ["a", "a"]


def test_reordered_requests_change_places_in_pairs() -> None:
    mixed = traffic(rule("reorder"))
    out = [mixed.arrives(name, "put", None, 0.0, ALWAYS) for name in "abcd"]
    assert out == [[], ["b", "a"], [], ["d", "c"]]


def test_a_request_waits_for_the_next_one_only_so_long() -> None:
    mixed = traffic(rule("reorder"))
    mixed.arrives("a", "put", None, 5.0, ALWAYS)
    assert mixed.next_due == 5.0 + SWAP_S
    assert mixed.due(5.0 + SWAP_S) == ["a"]
    assert mixed.arrives("b", "put", None, 7.0, [1.0]) == ["b"]


def test_a_slow_process_works_one_message_after_the_other_in_order() -> None:
    slow = traffic(rule("slow", delay_s=0.2))
    assert [slow.arrives(name, verb, None, 1.0, ALWAYS) for name, verb in (("a", "x"), ("b", None))] == [[], []]
    assert slow.due(1.25) == ["a"]
    assert slow.due(1.45) == ["b"]
    slow.arrives("c", "x", None, 9.0, ALWAYS)
    assert slow.next_due == 9.2


def test_the_first_rule_that_is_about_a_request_decides() -> None:
    both = traffic(rule("drop", verb="put"), rule("duplicate"))
    assert both.arrives("a", "put", None, 0.0, ALWAYS) == []
    assert both.arrives("b", "get", None, 0.0, ALWAYS) == ["b", "b"]


def test_the_end_of_a_rule_lets_go_what_is_held_back() -> None:
    late, mixed = rule("delay", verb="put", delay_s=60.0), rule("reorder", verb="get")
    both = traffic(late, mixed)
    both.arrives("a", "put", None, 0.0, ALWAYS)
    both.arrives("b", "get", None, 0.0, ALWAYS)
    assert both.end(late) == ["a", "b"]
    assert (both.held, both.rules) == (0, [mixed])


def test_what_is_held_back_does_not_fill_the_memory() -> None:
    late = traffic(rule("delay", delay_s=60.0))
    out = [late.arrives(str(n), "put", None, 0.0, ALWAYS) for n in range(MOST_HELD + 2)]
    assert (out[-2:], late.held) == ([["0"], ["1"]], MOST_HELD)


RULES = st.builds(
    Rule,
    kind=st.sampled_from(["delay", "duplicate", "reorder", "slow"]),
    verb=st.sampled_from(["*", "put"]),
    share=st.sampled_from([0.5, 1.0]),
    delay_s=st.sampled_from([0.1, 3.0]),
)
DRAWS = st.lists(st.sampled_from([0.2, 0.7]), min_size=4, max_size=4)
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "get", None]), st.sampled_from([0.0, 0.05, 2.0]), DRAWS), max_size=30
)


@given(st.lists(RULES, max_size=4), STEPS, st.integers(0, 30))
def test_what_is_not_dropped_comes_out_once_for_each_time_it_was_to(
    rules: list[Rule], steps: list[tuple[str | None, float, list[float]]], ends_at: int
) -> None:
    ways, now, out = Traffic[int](), 0.0, []
    ways.rules.extend(rules)
    expected = []
    for n, (verb, passed, draws) in enumerate(steps):
        now += passed
        if n == ends_at and ways.rules:
            out += ways.end(ways.rules[0])
        out += ways.due(now)
        hit = [r for r, draw in zip(ways.rules, draws, strict=False) if r.kind != "slow" and r.hits(verb, "", draw)]
        expected += [n, n] if hit and hit[0].kind == "duplicate" else [n]
        out += ways.arrives(n, verb, None, now, draws)
        assert ways.held == len(expected) - len(out)
        assert (ways.next_due is None) == (ways.held == 0)
    assert sorted(out + ways.let_go()) == expected
