"""A kernel that collects diagnostics when it is asked to, redacted as those of an incident. For tests only.

Invariant: what it answers has passed the secret manager.
"""

from __future__ import annotations

from grace_actors.healing.config_history import ConfigHistory
from grace_actors.healing.diagnostics import Diagnostics
from grace_actors.healing.redaction import Redaction
from grace_actors.kernel import LATER, Data, Kernel, Later, Request


class Observer(Kernel):
    """Verbs: good (remember the configuration of `name`), collect (a failure)."""

    def setup(self) -> None:
        self.config = ConfigHistory(self.ctx.home, self.ctx.data / "config")
        self.diagnostics = Diagnostics(self.ctx, self.config)
        self.redaction = Redaction(self.ctx, self._clean)
        self._asked: dict[str, Request] = {}

    def do_good(self, request: Request) -> None:
        self.config.started(request.args["name"])

    def do_collect(self, request: Request) -> Later:
        id = request.args["incident"]
        self._asked[id] = request
        self.diagnostics.collect(request.args, lambda found: self.redaction.take(id, found))
        return LATER

    def _clean(self, id: str, clean: Data) -> None:
        self.ctx.answer(self._asked.pop(id), clean)
