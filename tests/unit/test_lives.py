"""How often the actor system is started again."""

from __future__ import annotations

from grace_actors.lives import MOST, MOST_IN_VAIN, WINDOW_S, Lives


def test_a_system_that_comes_up_each_time_is_started_again_as_long_as_it_dies_seldom() -> None:
    lives = Lives()
    for number in range(10 * MOST):
        now = number * WINDOW_S
        assert lives.refusal(now) is None
        lives.begin(now)
        lives.came_up()


def test_a_system_that_dies_very_often_is_given_up_though_it_comes_up_each_time() -> None:
    lives = Lives()
    for _ in range(MOST):
        assert lives.refusal(1.0) is None
        lives.begin(1.0)
        lives.came_up()
    assert lives.refusal(1.0) == "the actor system died 60 times within 60 s"
    assert lives.refusal(1.1 + WINDOW_S) is None


def test_a_system_that_never_comes_up_is_given_up_however_slowly_it_fails() -> None:
    lives = Lives()
    for number in range(MOST_IN_VAIN):
        assert lives.refusal(number * WINDOW_S) is None
        lives.begin(number * WINDOW_S)
    assert lives.refusal(MOST_IN_VAIN * WINDOW_S) == "the actor system was started 20 times and did not come up again"
