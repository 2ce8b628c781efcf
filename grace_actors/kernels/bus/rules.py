"""The verb `acl` of the bus: block a sender for a time, grant access beyond the table, take either back.

What was changed is the bus's memory: it outlives its restarts, while the table itself is configuration and never
changed. Must not know messages. Invariant: nobody loses access that the table gives but by a block, which ends.
"""

from __future__ import annotations

from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import Check, Data, Kernel, Request
from grace_actors.kernels.arguments import number_or, text, text_or
from grace_actors.kernels.bus.intake import Intake
from grace_actors.kernels.bus.topics import checked_topic

ACL_CHANGED = "message_bus.acl_changed"
MAY_CHANGE = ("console", "governance", "self_healing")
CHANGES = ("block", "unblock", "allow", "disallow")
BLOCK_S, BLOCK_MOST_S = 300.0, 86_400.0
MOST = 1000
"""Blocks, and grants, at once."""


class AclVerbs(Kernel):
    """What the message bus does about access besides refusing."""

    intake: Intake
    opened_by = ""
    """The run of the instance whose boot is over: a restart of the bus within it is no boot."""

    def restore(self, state: Data) -> None:
        blocked, granted = state.get("blocked"), state.get("granted")
        if not isinstance(blocked, dict) or not isinstance(granted, list):
            raise ValueError(f"no blocks and grants in {state!r:.100}")
        self._memory: Data = {"blocked": blocked, "granted": granted}
        self.opened_by = str(state.get("opened_by", ""))

    def snapshot(self) -> Data:
        granted = [list(one) for one in self.intake.acl.granted]
        return {"blocked": self.blocked(), "granted": granted, "opened_by": self.opened_by}

    def apply_rules(self) -> None:
        """Take up what was changed in earlier lives; for `setup`."""
        memory = getattr(self, "_memory", {"blocked": {}, "granted": []})
        for sender, until in memory["blocked"].items():
            self.intake.watch.block(sender, self.ctx.now() + float(until) - self.ctx.wall())
        for topic, sender in memory["granted"]:
            self.intake.acl.grant(topic, sender)

    def blocked(self) -> dict[str, float]:
        """Sender -> until when, as Unix time in seconds, of those who may not publish at all now."""
        now, wall = self.ctx.now(), self.ctx.wall()
        return {sender: wall + until - now for sender, until in self.intake.watch.blocked(now).items()}

    def do_acl(self, request: Request) -> Any:
        """Who is blocked and what was granted; with `change` (block, unblock, allow, disallow) and `sender` after that.
        `for_s` (300) ends a block, `topic` is that of a grant."""
        change = text_or(request, "change", max_chars=20)
        if change:
            self._change(request, change, text(request, "sender", max_chars=200))
        granted = [{"topic": topic, "sender": sender} for topic, sender in self.intake.acl.granted]
        return {"blocked": self.blocked(), "granted": granted, "loaded": self.acl_loaded().ok}

    def acl_loaded(self) -> Check:
        """The self-test of access: no stranger may publish where the table has an entry."""
        table = self.intake.acl.table
        stranger = all(not self.intake.acl.allows(topic, "a stranger") for topic in table)
        return Check(name="acl_loaded", ok=stranger, detail=f"{len(table)} restricted topics")

    def _change(self, request: Request, change: str, sender: str) -> None:
        if request.sender not in MAY_CHANGE:
            raise Refused(
                f"{request.sender or 'somebody unnamed'} may not change access",
                hint=f"allowed: {', '.join(MAY_CHANGE)}",
            )
        for_s = number_or(request, "for_s", BLOCK_S, low=1.0, high=BLOCK_MOST_S)
        topic = checked_topic(text(request, "topic")) if change in ("allow", "disallow") else ""
        acl, watch = self.intake.acl, self.intake.watch
        if len(acl.granted) >= MOST or len(watch.blocked(self.ctx.now())) >= MOST:
            raise Refused(f"{MOST} changes of access are in force", hint="take some back first")
        match change:
            case "block" if sender in MAY_CHANGE:
                raise Refused(f"{sender} cannot be blocked", hint="it may change access itself")
            case "block":
                watch.block(sender, self.ctx.now() + for_s)
            case "unblock":
                watch.block(sender, self.ctx.now())
            case "allow":
                acl.grant(topic, sender)
            case "disallow":
                acl.revoke(topic, sender)
            case _:
                raise Refused(f"acl: change is {change!r}", hint=f"allowed: {', '.join(CHANGES)}")
        self.ctx.save()
        told = {"change": change, "topic": topic, "for_s": for_s if change == "block" else None, "by": request.sender}
        self.ctx.emit(ACL_CHANGED, sender, told)
