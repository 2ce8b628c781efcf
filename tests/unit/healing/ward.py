"""A stage with everything healing talks to: the knowledge base, governance, coding_agent, trust and decisions are real.

The tree is the status stub's: `fail`, `hold` and `come_up` change it and say so in the log, as supervisors do.
"""

from __future__ import annotations

from typing import Any, cast

from grace_actors.kernels.clarity_framework import ClarityFramework
from grace_actors.kernels.coding_agent import CodingAgent
from grace_actors.kernels.verification_framework import VerificationFramework
from grace_actors.stores.signature import SignatureStore
from tests.unit.healing.stage import Stage
from tests.unit.kernels_mind.stubs import Fixed, Status, child

TRACE = """Traceback (most recent call last):
  File "/app/librarian/index.py", line {line}, in open_index
    raise IndexError(problem)
IndexError: segment {number}
"""


class Ward(Stage):
    """A stage whose librarian can fall ill."""

    def up(self) -> Ward:
        self.bench.add("signature", SignatureStore)
        self.bench.add("coding_agent", CodingAgent)
        self.bench.add("verification_framework", VerificationFramework)
        self.bench.add("clarity_framework", ClarityFramework)
        clean = lambda request: {"texts": request.args["texts"], "complete": True}  # noqa: E731
        self.bench.add("secret_manager", Fixed, redact=clean)
        self.bench.add("grace", Fixed, call=self._call)
        for name in ("librarian", "scheduler"):
            self.bench.add(name, Fixed, ready={"checks": [{"name": "works", "ok": True, "detail": ""}]})
        self.calls: list[dict[str, Any]] = []
        super().up()
        self.status.tree["children"] = [child("librarian", generation=1), child("scheduler", generation=1)]
        return self

    @property
    def status(self) -> Status:
        return cast(Status, self.bench.kernels["status"])

    def _call(self, request: Any) -> dict[str, Any]:
        """What a supervisor does when it is asked to."""
        self.calls.append(dict(request.args))
        if request.args["op"] in ("reset", "restart_child"):
            self.come_up(request.args["child"])
        elif request.args["op"] == "quarantine":
            self.hold(request.args["child"], state="quarantined", cause=request.args["reason"])
        return {"result": "ok"}

    def _node(self, name: str) -> dict[str, Any]:
        return next(node for node in self.status.tree["children"] if node["name"] == name)

    def happen(self, type: str, subject: str, **data: Any) -> None:
        self.status.happen(type, subject, 1_700_000_000.0 + self.bench.clock, **data)

    def fail(self, name: str = "librarian", number: int = 1, kind: str = "start_failed") -> None:
        """It ends with a traceback whose line and number change, as they do."""
        detail = TRACE.format(line=number, number=number)
        node = self._node(name)
        node["state"] = "restarting"
        type = "child.start_failed" if kind == "start_failed" else "child.exited"
        self.happen(
            type, name, gen=node["generation"], kind=kind, reason=f"IndexError: segment {number}", detail=detail
        )

    def hold(self, name: str = "librarian", state: str = "awaiting_repair", cause: str = "") -> None:
        self._node(name)["state"] = state
        self.happen(f"child.{state}", name, kind="start_failed", reason="IndexError", cause=cause)

    def fall_ill(self, number: int = 1) -> None:
        """Its start fails twice alike, so its supervisor holds it."""
        self.fail(number=number)
        self.fail(number=number + 1)
        self.hold(cause="the same failure 2 times in 60 s")

    def come_up(self, name: str = "librarian") -> None:
        node = self._node(name)
        node["state"], node["generation"] = "running", node["generation"] + 1
        self.happen("child.started", name, gen=node["generation"])

    def settle(self, seconds: float = 0.5) -> None:
        self.bench.advance(seconds)

    # ---- looking ----------------------------------------------------------------------------------------

    def incident(self, number: int = 0) -> dict[str, Any]:
        """The newest incident, or an older one."""
        return cast(dict[str, Any], self.ask("incidents", limit=500)["incidents"][number])

    def whole(self, id: str) -> dict[str, Any]:
        got: list[Any] = []
        self.bench.post("test", "self_healing", "incident", {"id": id}, got.append)
        return cast(dict[str, Any], got[0].value)

    def why(self, subject: str) -> dict[str, Any]:
        got: list[Any] = []
        self.bench.post("test", "self_healing", "why", {"subject": subject}, got.append)
        return cast(dict[str, Any], got[0].value)

    def approve(self, response: str = "approve") -> None:
        waiting = self.bench.ask("governance", "approvals", state="pending")["approvals"]
        assert len(waiting) == 1, waiting
        more = {"id": waiting[0]["id"], "response": response, "by": "ana", "reason": "seen"}
        self.bench.ask("governance", "respond", **more)
        self.settle(0.0)

    def learned(self) -> list[tuple[str, int, bool]]:
        """Playbook, confidence and automatic, of every repair that is known."""
        found = self.bench.ask("signature", "list")["signatures"]
        keys = ("playbook_name", "confidence", "auto_apply")
        return [(one[keys[0]], round(one[keys[1]] * 100), one[keys[2]]) for one in found if one[keys[0]]]
