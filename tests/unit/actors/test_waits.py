"""Circles in who waits for whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_actors.waits import cycles


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
