"""How long a lost peer counts as gone."""

from __future__ import annotations

from grace_actors.transport.departed import MOST, REMEMBER_S, Departed


def test_a_lost_peer_is_gone_for_a_while() -> None:
    departed = Departed()
    departed.add("/s/1.1", now=0.0)
    departed.forget_old(REMEMBER_S - 0.1)
    assert "/s/1.1" in departed
    departed.forget_old(REMEMBER_S)
    assert "/s/1.1" not in departed


def test_of_very_many_the_first_are_forgotten() -> None:
    departed = Departed()
    for number in range(MOST + 1):
        departed.add(str(number), now=0.0)
    assert "0" not in departed
    assert str(MOST) in departed
