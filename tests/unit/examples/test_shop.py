"""The example shop works, so that whoever copies it starts from something true."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from grace_actors.errors import GraceError, Refused
from grace_actors.kernel import Request
from grace_actors.resolve import resolve
from supervisors import simulate
from supervisors.loader import load_tree, with_runtime
from supervisors.validate import validate
from tests.harness.kernels import Bench

SHOP = Path(__file__).parents[3] / "examples" / "shop"
sys.path.append(str(SHOP))

from shop.prices import SWING, Prices  # noqa: E402
from shop.till import Till  # noqa: E402


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.add("till", Till)
    return bench


def test_the_tree_loads_with_its_classes() -> None:
    tree = load_tree(SHOP / "tree.yaml", resolve=resolve)
    assert [child.id for child in tree.children()] == ["till", "prices", "shop_window"]
    assert validate(with_runtime(tree).root) == []


def test_the_scenario_of_a_broken_start_ends_with_everything_running() -> None:
    moments = simulate(json.loads((SHOP / "broken_start.json").read_text()))
    assert [[child.state.value for child in moment.children] for moment in moments] == [
        ["running", "restarting", "waiting", "running"],
        ["running", "quarantined", "waiting", "running"],
        ["running"] * 4,
    ]


def test_the_feed_tells_the_till_every_price_at_once_and_at_every_interval(bench: Bench) -> None:
    bench.add("prices", Prices, every=2.0, items={"apple": 100, "pear": 200})
    till = bench.kernels["till"]
    assert isinstance(till, Till)
    assert till.prices == {"apple": 100 + SWING[1], "pear": 2 * (100 + SWING[1])}
    bench.advance(2.0)
    assert till.prices == {"apple": 100 + SWING[2], "pear": 2 * (100 + SWING[2])}
    assert bench.ask("prices", "list") == till.prices


def test_a_feed_without_items_is_not_ready(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="items"):
        bench.add("prices", Prices, items={})


def test_a_sale_at_the_last_price_is_counted(bench: Bench) -> None:
    bench.ask("till", "price", item="apple", cents=120)
    assert bench.ask("till", "sell", item="apple", quantity=2) == {"cents": 240, "sold": {"apple": 2}}
    bench.ask("till", "price", item="apple", cents=100)
    assert bench.ask("till", "sell", item="apple", quantity=1) == {"cents": 340, "sold": {"apple": 3}}


def test_takings_survive_a_crash(bench: Bench) -> None:
    bench.ask("till", "price", item="apple", cents=120)
    bench.ask("till", "sell", item="apple", quantity=2)
    bench.crash("till")
    bench.add("till", Till)
    assert bench.ask("till", "takings") == {"cents": 240, "sold": {"apple": 2}}
    assert bench.ask("till", "sell", item="apple", quantity=1)["cents"] == 360


@pytest.mark.parametrize(
    "args", [{}, {"item": "apple"}, {"item": "plum", "quantity": 1}, {"item": "apple", "quantity": 0}, {"item": 1}]
)
def test_a_bad_sale_is_refused_and_nothing_is_counted(bench: Bench, args: dict[str, object]) -> None:
    bench.ask("till", "price", item="apple", cents=120)
    with pytest.raises(Refused):
        bench.kernels["till"].handle(Request(verb="sell", args=dict(args)))
    assert bench.ask("till", "takings") == {"cents": 0, "sold": {}}


def test_a_snapshot_that_is_not_the_tills_is_discarded(bench: Bench) -> None:
    with pytest.raises(ValueError, match="not the snapshot of a till"):
        bench.kernels["till"].restore({"prices": 5})
    with pytest.raises(GraceError):
        bench.ask("till", "sell", item="apple", quantity=1)
