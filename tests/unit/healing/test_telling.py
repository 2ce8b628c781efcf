"""What is said of an actor that has no incident."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.healing.telling import of_node


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ({"kind": "crash", "reason": "ValueError: bad port"}, "It ended last with crash: ValueError: bad port."),
        ({"kind": "hung", "reason": "hung"}, "It ended last with hung."),
        ({"kind": None, "reason": "shutdown"}, "It ended last with shutdown."),
    ],
)
def test_how_it_ended_is_told_once_and_only_what_is_known(last: dict[str, Any], told: str) -> None:
    node = {"state": "running", "generation": 2, "restarts": 0, "last_exit": last}
    assert of_node("debits", node) == ["debits is running, generation 2, 0 restarts.", told]


def test_what_never_ended_says_nothing_of_an_end() -> None:
    node = {"state": "running", "generation": 1, "restarts": 0, "last_exit": None}
    assert of_node("debits", node) == ["debits is running, generation 1, 0 restarts."]
