"""Circles in who waits for whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.wait_graph import WaitGraph, breaking_order, cycles


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({}, []),
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, [["a"]]),
        ({"b": {"a"}, "a": {"b"}}, [["a", "b"]]),
        ({"x": {"a"}, "a": {"b"}, "b": {"c"}, "c": {"a", "gone"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "d": {"c"}, "c": {"d"}}, [["a", "b"], ["c", "d"]]),
    ],
)
def test_circles_are_found_and_who_only_waits_for_one_is_in_none(
    graph: dict[str, set[str]], found: list[list[str]]
) -> None:
    assert cycles(graph) == found


NAMES = st.sampled_from("abcdefg")


@given(st.dictionaries(NAMES, st.sets(NAMES, max_size=3)))
def test_each_circle_is_one_and_without_its_edges_none_is_left(graph: dict[str, set[str]]) -> None:
    circles = cycles(graph)
    for circle in circles:
        assert all(to in graph[name] for name, to in zip(circle, [*circle[1:], circle[0]], strict=True))
    members = {name for circle in circles for name in circle}
    assert len(members) == sum(map(len, circles)), "a name is in one circle at most"
    assert cycles({name: waited - members for name, waited in graph.items() if name not in members}) == []


# ---- what actors tell -----------------------------------------------------------------------------------


def graph(*waits: tuple[str, str, float], owes: dict[str, set[str]]) -> WaitGraph:
    """Each wait as (who, for whom, for how long), told at 100 s."""
    found = WaitGraph()
    for who in {who for who, _, _ in waits}:
        data = {
            "child": f"branch of {who}",
            "above": [f"branch of {who}", f"twig of {who}"],
            "waits": [{"to": to, "verb": "v", "id": 1, "for_s": age} for one, to, age in waits if one == who],
            "owes": [{"to": name, "id": 1} for name in owes.get(who, ())],
        }
        found.told(who, data, 100.0)
    return found


def test_circle_counts_when_each_owes_the_one_before_and_is_old_enough() -> None:
    found = graph(("a", "b", 2.0), ("b", "a", 0.8), owes={"a": {"b"}, "b": {"a"}})
    assert found.circles(100.0, 1.0) == []
    assert found.next_due_s(100.0, 1.0) == pytest.approx(0.2)
    (circle,) = found.circles(100.2, 1.0)
    assert [wait.text(100.2) for wait in circle] == ["a waits for b (v, 2.2 s)", "b waits for a (v, 1.0 s)"]
    assert found.next_due_s(100.2, 1.0) is None


@given(st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"))), st.data())
def test_every_wait_of_a_circle_is_told_and_owed(edges: set[tuple[str, str]], data: st.DataObject) -> None:
    owed = {edge for edge in sorted(edges) if data.draw(st.booleans())}
    owes = {to: {who for who, other in owed if other == to} for _, to in edges}
    found = graph(*((who, to, 5.0) for who, to in edges), owes=owes)
    for circle in found.circles(100.0, 1.0):
        assert {(wait.who, wait.to) for wait in circle} <= owed
        assert [wait.to for wait in circle] == [wait.who for wait in [*circle[1:], circle[0]]]
        order = breaking_order(circle)
        assert sorted(order) == sorted(wait.who for wait in circle)
        later = [wait for wait in circle if order.index(wait.to) > order.index(wait.who)]
        assert len(later) == (len(circle) > 1), "all but one wait for somebody who is up already"


def test_who_is_gone_or_is_below_who_is_gone_waits_no_longer() -> None:
    for gone in ("b", "branch of b", "twig of b", "root"):
        found = graph(("a", "b", 2.0), ("b", "a", 2.0), owes={"a": {"b"}, "b": {"a"}})
        found.forget(gone)
        assert bool(found.circles(100.0, 1.0)) is (gone == "root")
