"""A playbook run under a virtual clock, with a catalogue of actions that exist only here."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from playbooks import messages as m
from playbooks.engine import Run
from playbooks.loader import read_playbook
from playbooks.spec import ActionKind, ActionSpec, Param, ParamType, Playbook

KERNEL = {"kernel": Param(required=True)}
ACTIONS = {
    spec.name: spec
    for spec in (
        ActionSpec(name="look", kind=ActionKind.READS, idempotent=True, timeout_s=5.0),
        ActionSpec(name="kernel_state", kind=ActionKind.READS, idempotent=True, params=KERNEL, timeout_s=5.0),
        ActionSpec(name="snapshot", kind=ActionKind.ACTS, idempotent=True, params=KERNEL, timeout_s=10.0),
        ActionSpec(name="restart_kernel", kind=ActionKind.ACTS, idempotent=False, params=KERNEL, timeout_s=10.0),
        ActionSpec(name="poke", kind=ActionKind.ACTS, idempotent=False, timeout_s=10.0),
        ActionSpec(name="set_flag", kind=ActionKind.ACTS, idempotent=True, timeout_s=10.0),
        ActionSpec(
            name="scale",
            kind=ActionKind.ACTS,
            idempotent=True,
            params={
                "workers": Param(type=ParamType.INTEGER, default=2),
                "mode": Param(enum=("gentle", "hard"), default="gentle"),
            },
        ),
    )
}
HEAD = "schema: grace.playbook/1\nname: p\ntitle: T\n"
FILE = Path("p.yaml")


def playbook(body: str, verify: str = "verify: []\n") -> Playbook:
    """The playbook `p` with this body."""
    return read_playbook(HEAD + textwrap.dedent(body) + verify, FILE, ACTIONS)


class Driver:
    """Plays one run: `sent` are the commands of the last event, `done` all of them."""

    def __init__(self, body: str | Playbook, *, verify: str = "verify: []\n", **given: Any) -> None:
        self.playbook = body if isinstance(body, Playbook) else playbook(body, verify)
        self.run = Run("r1", self.playbook, ACTIONS, **given)
        self.now = 1000.0
        self.sent: list[m.Command] = []
        self.done: list[m.Command] = []

    def begin(self) -> Driver:
        return self.send(m.Begin())

    def send(self, event: m.Event) -> Driver:
        self.sent = self.run.handle(event, self.now)
        self.done += self.sent
        return self

    def ok(self, data: Any = None, **more: Any) -> Driver:
        """The call under way answers that it is well."""
        return self.send(m.ActionDone(self.call.token, True, data=data, **more))

    def fails(self, message: str = "no") -> Driver:
        return self.send(m.ActionDone(self.call.token, False, message=message))

    def advance(self, seconds: float) -> Driver:
        """Let the time pass and fire what is due, in order."""
        end = self.now + seconds
        while due := min(((at, token) for token, at in self.timers().items() if at <= end), default=None):
            self.now = max(self.now, due[0])
            self.send(m.TimerFired(due[1]))
        self.now = end
        return self

    def restart(self, *, after: float = 0.0) -> Driver:
        """Everything stops and comes back from what was saved, through JSON."""
        data = json.loads(json.dumps(self.run.to_data()))
        self.run = Run.from_data(data, self.playbook, ACTIONS)
        assert self.run.to_data() == data
        self.now += after
        return self.send(m.Restored())

    def timers(self) -> dict[int, float]:
        return {int(token): at for token, at in self.run.to_data()["timers"].items()}

    @property
    def call(self) -> m.CallAction:
        """The last action called."""
        return [each for each in self.done if isinstance(each, m.CallAction)][-1]

    def calls(self) -> list[str]:
        return [each.step for each in self.done if isinstance(each, m.CallAction)]

    def called_now(self) -> list[str]:
        return [each.step for each in self.sent if isinstance(each, m.CallAction)]

    def reports(self, type: str) -> list[dict[str, Any]]:
        return [dict(each.data) for each in self.done if isinstance(each, m.Report) and each.type == type]

    @property
    def ended(self) -> m.Ended | None:
        found = [each for each in self.done if isinstance(each, m.Ended)]
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def status(self) -> str:
        return self.run.status.value

    @property
    def message(self) -> str:
        assert self.ended is not None
        return self.ended.outcome.message
