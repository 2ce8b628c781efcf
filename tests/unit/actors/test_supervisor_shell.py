"""The supervisor as an actor, without processes: in which order it tells its child and its core."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from grace_actors import wire
from grace_actors.observing import Observing
from grace_actors.supervisor import SupervisorActor
from supervisors import PolicySpec
from supervisors import messages as m
from supervisors.slots import OPERATOR


class Shell(SupervisorActor):
    """Remembers in `told` what goes to its children, its core and the log."""

    def __init__(self, *policies: str) -> None:
        self.told: list[Any] = []
        self.name = "top"
        self.living: dict[str, Any] = {}
        self.paused: dict[str, str] = {}
        self.core: Any = SimpleNamespace(spec=SimpleNamespace(policies=tuple(PolicySpec(name=n) for n in policies)))
        self.names: Any = SimpleNamespace(events=SimpleNamespace(emit=lambda *event: self.told.append(event[0])))
        self.description: Any = SimpleNamespace(changed=lambda: None)
        self.observing = Observing(self)

    def after(self, delay_s: float, call: Any) -> Any:
        return None

    def send(self, to: Any, message: Any) -> None:
        self.told.append(message.verb)

    def feed(self, event: Any) -> None:
        self.observing.look()
        self.told.append(event)

    def started(self, name: str) -> Any:
        self.living[name] = SimpleNamespace(name=name, gen=2, address="anna-2", ready=False, kind="kernel")
        return self.living[name]


def test_requests_that_were_kept_no_longer_reach_a_paused_child_before_its_pause() -> None:
    shell = Shell("staggered_restart")
    shell.started("anna")
    shell.paused["anna"] = OPERATOR
    sender = SimpleNamespace(addressDetails="anna-2")
    shell.on_message(wire.Ready("anna", 2, 7), sender)
    assert shell.told == ["pause", m.ChildReady("anna", 2, None)], (
        "the policy has them given when it hears of the start"
    )


def test_pause_by_an_operator_is_told_to_the_policies_once() -> None:
    shell = Shell("load_shed")
    shell.started("anna")
    shell.observing.look()
    for verb in ("pause", "resume"):
        shell.handle_ask(wire.Ask(1, verb, {"child": "anna"}, "console"), None)
    seen = [event for event in shell.told if isinstance(event, m.Observed)]
    assert [(event.topic, event.data) for event in seen] == [
        ("child.paused", {"by": OPERATOR}),
        ("child.resumed", {"by": OPERATOR}),
    ]
    assert [told for told in shell.told if isinstance(told, str)] == [
        "pause",
        "child.paused",
        "resume",
        "child.resumed",
    ]
