"""The example shop does what its README says, as real processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.instance import ROOT, Running

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

TREE = ROOT / "examples" / "shop" / "tree.yaml"


def test_the_till_comes_back_with_those_after_it(start: Callable[..., Running]) -> None:
    shop = start(TREE, env={"SHOP_PORT": "0"})
    shop.wait_running()
    before = {name: node["pid"] for name, node in shop.nodes().items()}
    assert {"registry", "signature", "status", "till", "prices", "shop_window"} <= set(before)
    shop.kill(before["till"])
    for name in ("till", "prices", "shop_window"):
        shop.wait_new_pid(name, before[name])
    shop.wait_running()
    assert shop.nodes()["registry"]["pid"] == before["registry"]


def test_the_window_is_a_program_under_supervision(start: Callable[..., Running]) -> None:
    shop = start(TREE, env={"SHOP_PORT": "0"})
    shop.wait_running()
    before = {name: node["pid"] for name, node in shop.nodes().items()}
    shop.kill(before["shop_window"])
    shop.wait_new_pid("shop_window", before["shop_window"])
    assert shop.nodes()["till"]["pid"] == before["till"]
    assert shop.home.log_file("shop_window").read_text().count("listening on http://127.0.0.1:") == 2
