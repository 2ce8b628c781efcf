"""The verb `inject`: who is asked to cause a fault, and what reaches nobody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grace_actors.errors import Died, Refused
from grace_actors.gateway import Verbs


def node(name: str, kind: str, *children: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "children": list(children)}


class Tree:
    """What the gateway asks; everything but the status is kept in `asked`."""

    def __init__(self, *more: Any) -> None:
        self.tree = node("tree", "supervisor", node("bus", "kernel"), node("web", "process"), *more)
        self.asked: list[tuple[str, str, Any]] = []
        self.gone: tuple[str, ...] = ()

    def ask(self, to: str, verb: str, args: Any, **_: Any) -> Any:
        if to == "status":
            return {"tree": self.tree}
        if to in self.gone:
            raise Died(f"{to} died", hint="")
        self.asked.append((to, verb, args))
        return {"record": "r1"}

    def inject(self, fault: str, target: str, **params: Any) -> Any:
        return Verbs(SimpleNamespace(), self).verb_inject(fault, target, params)  # type: ignore[arg-type]


RUNNER = node("chaos_runner", "kernel")


def test_a_fault_of_a_kernel_is_asked_of_its_supervisor() -> None:
    tree = Tree()
    assert tree.inject("mute", "bus")["result"] == "injected"
    assert tree.inject("pardon", "bus")["result"] == "ended"
    muted, pardoned = (args for _, _, args in tree.asked)
    assert muted == {"fault": "mute", "child": "bus", "params": {"seconds": 40.0}}
    assert pardoned == {"fault": "pardon", "child": "bus", "params": {"fault": "*"}}


def test_what_lasts_is_asked_of_the_runner_which_keeps_a_record() -> None:
    tree = Tree(RUNNER)
    assert tree.inject("mute", "bus")["record"] == "r1"
    assert tree.inject("hang", "web", seconds=2.0)["record"] == "r1"
    assert [to for to, _, _ in tree.asked] == ["chaos_runner", "chaos_runner"]
    assert "record" not in tree.inject("kill", "bus")


def test_what_takes_the_runner_along_is_asked_of_its_supervisor() -> None:
    tree = Tree(node("drills", "supervisor", RUNNER))
    tree.inject("mute", "chaos_runner")
    tree.inject("hang", "drills")
    assert [to for to, _, _ in tree.asked] == ["drills", "tree"]


def test_what_lasts_is_done_without_a_record_while_the_runner_is_gone() -> None:
    tree = Tree(RUNNER)
    tree.gone = ("chaos_runner",)
    assert "record" not in tree.inject("mute", "bus")
    assert [to for to, _, _ in tree.asked] == ["tree"]


def test_a_fault_of_the_host_is_asked_of_the_runner() -> None:
    tree = Tree(RUNNER)
    assert tree.inject("burn", "host", cores=1)["record"] == "r1"
    params = {"cores": 1, "seconds": 60.0}
    asked = {"fault": "burn", "target": "host", "params": params, "by": "console"}
    assert tree.asked == [("chaos_runner", "inject", asked)]


def test_a_tree_without_a_runner_says_how_it_gets_one() -> None:
    tree = Tree()
    for fault, target in (("burn", "host"), ("flood", "bus")):
        params = {"verb": "x"} if fault == "flood" else {}
        with pytest.raises(Refused, match="not in the tree") as refused:
            tree.inject(fault, target, **params)
        assert "grace_actors.kernels.chaos_runner:ChaosRunner" in refused.value.hint
    assert tree.asked == []


@pytest.mark.parametrize(
    ("fault", "target", "params", "words"),
    [
        ("crash", "web", {}, "web is an OS process"),
        ("flood", "web", {"verb": "x"}, "web is an OS process"),
        ("descriptors", "tree", {}, "would inherit it"),
        ("flood", "tree", {"verb": "x"}, "tree is a supervisor"),
        ("burn", "bus", {}, "hits no node of the tree"),
        ("burn", "home", {}, "hits no node of the tree"),
    ],
)
def test_a_fault_that_cannot_hit_its_target_reaches_nobody(
    fault: str, target: str, params: dict[str, Any], words: str
) -> None:
    tree = Tree(RUNNER)
    with pytest.raises(Refused, match=words):
        tree.inject(fault, target, **params)
    assert tree.asked == []


@pytest.mark.parametrize("timeout_s", [0, -1, 1e9, "x", True])
def test_an_ask_waits_only_as_long_as_makes_sense(timeout_s: Any) -> None:
    with pytest.raises(Refused, match="timeout_s"):
        Verbs(SimpleNamespace(), Tree(RUNNER)).verb_ask("bus", "x", {}, timeout_s)  # type: ignore[arg-type]
