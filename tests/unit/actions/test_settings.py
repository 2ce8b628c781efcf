"""A setting is changed in the overrides, only where the kernel knows it and only to a value of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors.kernels.overrides import FILE, configured
from tests.unit.actions.stage import Answering, Stage

USED = {"timeout": 10.0, "window": 4, "jobs": [{"name": "a"}], "name": "x", "api_token": "abcdefgh"}


@pytest.fixture
def shop(stage: Stage) -> Stage:
    stage.world.add("shop")
    answer = {"config": {"timeout": 10.0, "unread": True}, "overridden": [], "used": USED}
    stage.bench.add("shop", Answering, settings=answer)
    return stage


def test_a_setting_is_read_with_the_default_of_the_kernel(shop: Stage) -> None:
    data = shop.ok("read_setting", kernel="shop", key="window").data
    assert data == {"value": 4, "overridden": False, "pending": None}


def test_a_changed_setting_counts_from_the_next_start(shop: Stage) -> None:
    result = shop.ok("set_setting", kernel="shop", key="timeout", value="20")
    assert (result.changed, result.data) == (True, {"value": 20, "before": 10.0, "restart_needed": True})
    assert configured(shop.home, "shop", {"timeout": 10.0}) == ({"timeout": 20}, [])
    assert shop.ok("read_setting", kernel="shop", key="timeout").data["pending"] == 20
    assert not shop.ok("set_setting", kernel="shop", key="timeout", value="20").changed


def test_a_setting_is_multiplied(shop: Stage) -> None:
    assert shop.ok("set_setting", kernel="shop", key="window", times=1.5).data["value"] == 6
    assert shop.ok("set_setting", kernel="shop", key="timeout", times=2.0).data["value"] == 20.0


def test_a_value_is_written_as_in_the_tree_file(shop: Stage) -> None:
    shop.ok("set_setting", kernel="shop", key="jobs", value="[{name: b}, {name: c}]")
    assert configured(shop.home, "shop", {})[0] == {"jobs": [{"name": "b"}, {"name": "c"}]}


def test_what_is_so_already_is_not_written(shop: Stage) -> None:
    assert not shop.ok("set_setting", kernel="shop", key="timeout", value="10.0").changed
    assert not (shop.home / FILE).exists()


def test_a_setting_that_the_kernel_does_not_know_is_refused(shop: Stage) -> None:
    assert "did you mean timeout?" in shop.fails("set_setting", kernel="shop", key="timeuot", value="1").message
    assert "knows no setting" in shop.fails("read_setting", kernel="shop", key="zzz").message


@pytest.mark.parametrize(
    "params",
    [
        {"key": "timeout", "value": "soon"},
        {"key": "timeout", "value": "-1"},
        {"key": "timeout", "value": ".inf"},
        {"key": "window", "value": "1.5"},
        {"key": "window", "value": "true"},
        {"key": "unread", "value": "1"},
        {"key": "jobs", "value": "{a: 1}"},
        {"key": "jobs", "value": "[1"},
        {"key": "name", "times": 2.0},
        {"key": "timeout", "value": "3", "times": 2.0},
    ],
)
def test_a_value_the_kernel_could_not_start_with_is_refused(shop: Stage, params: dict[str, object]) -> None:
    shop.fails("set_setting", kernel="shop", **params)
    assert not (shop.home / FILE).exists()


def test_a_broken_file_of_overrides_is_not_overwritten(shop: Stage) -> None:
    path: Path = shop.home / FILE
    path.parent.mkdir()
    path.write_text("overrides: [\n")
    assert "cannot be read" in shop.fails("set_setting", kernel="shop", key="timeout", value="20").message
    assert path.read_text() == "overrides: [\n"


def test_a_setting_that_looks_like_a_secret_is_not_said(shop: Stage) -> None:
    assert "abcdefgh" not in shop.ok("read_setting", kernel="shop", key="api_token").message


def test_a_kernel_that_does_not_answer_is_a_failure(stage: Stage) -> None:
    stage.world.add("shop")
    assert "shop: settings failed" in stage.fails("set_setting", kernel="shop", key="timeout", value="20").message
