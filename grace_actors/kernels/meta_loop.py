"""Proposes changes of thresholds from outcomes, and records what was approved.

`tuning.py` sees what may be wrong; each suggestion becomes a durable proposal that governance judges. It must not
change anything by itself: an approved proposal is written to `config/overrides.yaml` only when somebody applies it.
Invariant: an override exists only for a proposal that governance allowed, and names the approval.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from grace_actors.errors import GraceError, Refused, StoreFailed, WorldFailed
from grace_actors.kernel import LATER, Answer, Check, Data, Kernel, Request
from grace_actors.kernels.arguments import choice, number_or, text, text_or, whole_or
from grace_actors.kernels.overrides import FILE, add_override, read_overrides
from grace_actors.kernels.proposal_store import Proposals, ProposalState, migrations
from grace_actors.kernels.rows import moment
from grace_actors.kernels.tree_events import EventFeed, TreeEvent
from grace_actors.kernels.tuning import Seen, Suggestion, Tuner
from grace_actors.stores.sqlite import EVENTS, Store

EVENT_TYPES = ("child.exited", "child.hung", "child.start_failed", "child.started")
LOOK_S = 30.0
ACTION = "threshold.change"


class Decision(StrEnum):
    """What governance answers."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


class MetaLoop(Kernel):
    """Verbs: observe, proposals, proposal, apply, event."""

    emits = ("proposal.made", "proposal.judged", "proposal.applied", *EVENTS)

    def setup(self) -> None:
        self.store = Store(
            self.ctx.data / "proposals.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self.proposals = Proposals(self.store)
        self.tuner: Tuner = getattr(self, "tuner", Tuner())
        last: int = getattr(self, "last_event", 0)
        self.feed = EventFeed(self.ctx, EVENT_TYPES, self._take, last=last)
        self.feed.start()
        self.ctx.every(LOOK_S, self._look)

    def ready(self) -> list[Check]:
        trial = Tuner()
        found = [trial.observe("self_test", Seen.ENDED, float(at)) for at in range(4)][-1]
        return [
            self.store.writable(),
            Check(name="rules_work", ok=len(found) == 1, detail=found[0].why if found else "four ends gave nothing"),
        ]

    def stop(self, reason: str) -> None:
        self.store.close()

    # ---- observing ------------------------------------------------------------------------------------

    def do_observe(self, request: Request) -> Any:
        """Observe that `child` was `seen` (started, ended, hung, start_timeout) `at` Unix seconds."""
        child, seen = text(request, "child", max_chars=200), choice(request, "seen", Seen)
        at = number_or(request, "at", self.ctx.wall(), low=0, high=1e11)
        made = [self._propose(found) for found in self.tuner.observe(child, seen, at)]
        return {"proposals": [proposal["id"] for proposal in made if proposal]}

    def do_event(self, request: Request) -> Any:
        """Take an event of the tree."""
        self.feed.hint(request)

    def _take(self, event: TreeEvent) -> None:
        seen = _seen(event)
        if seen is not None:
            for found in self.tuner.observe(event.subject, seen, event.at):
                self._propose(found)

    def _propose(self, found: Suggestion) -> Data | None:
        """A proposal, unless the same one is being decided or was turned down within a day."""
        made = self.proposals.make(found, at=self.ctx.wall())
        if made is None:
            return None
        self.ctx.emit("proposal.made", made["id"], {"child": found.child, "setting": found.setting.value})
        self.did = f"proposed {made['id']}: {found.setting.value} of {found.child}, because {found.why:.80}"
        self._judge(made, None)
        return made

    def _look(self) -> None:
        """What time alone shows; what became of approvals; what does not work."""
        self.degraded = [self.feed.problem] if self.feed.problem else []
        try:
            for found in self.tuner.look(self.ctx.wall()):
                self._propose(found)
            for made in self.proposals.list(ProposalState.PROPOSED.value):
                self._judge(made, None)
            for state in (ProposalState.AWAITING_APPROVAL, ProposalState.APPROVED):
                for made in self.proposals.list(state.value):
                    self._follow_up(made)
        except StoreFailed as error:
            self.degraded.append(error.message)
            return
        undecided = sum(
            self.proposals.counts().get(state, 0) for state in ("proposed", "awaiting_approval", "approved")
        )
        self.did = f"watches {len(self.tuner)} children, {undecided} proposals are open"

    # ---- governance -----------------------------------------------------------------------------------

    def _question(self, made: Data) -> Data:
        context = {key: made[key] for key in ("child", "setting", "change")} | {"proposal": made["id"]}
        return {"action": ACTION, "actor": self.ctx.name, "context": context, "reason": made["why"]}

    def _judge(self, made: Data, request: Request | None) -> None:
        """Ask governance. With a request (`apply`) an allowed proposal is written, and the request is answered."""

        def on_answer(answer: Answer) -> None:
            try:
                value = self._judged(made, answer, is_applied=request is not None)
            except GraceError as error:
                if request is not None:
                    self.ctx.answer(request, error=error)
                return
            if request is not None:
                self.ctx.answer(request, value)

        given = {"approval": made["approval"]} if made["approval"] and request is not None else {}
        self.ctx.ask("governance", "evaluate", self._question(made) | given, on_answer)

    def _judged(self, made: Data, answer: Answer, *, is_applied: bool) -> Data:
        if not answer.ok:
            error = answer.error or {}
            kind = Refused if error.get("code") == "refused" else WorldFailed
            raise kind(f"governance: {error.get('message', 'no answer')}", hint=error.get("hint", ""))
        decision, approval = Decision(answer.value["decision"]), answer.value.get("approval") or {}
        id, name = made["id"], str(approval.get("id") or made["approval"])
        if decision is Decision.ALLOW and is_applied:
            return self._write(made, name or f"allowed: {answer.value['reason']}")
        state = {
            Decision.ALLOW: ProposalState.APPROVED,
            Decision.DENY: ProposalState.REJECTED,
            Decision.NEEDS_APPROVAL: ProposalState.AWAITING_APPROVAL,
        }[decision]
        note = str(answer.value["reason"])
        changed = self.proposals.change(id, state, at=self.ctx.wall(), approval=name, note=note)
        self.ctx.emit("proposal.judged", id, {"state": state.value, "approval": name})
        return changed

    def _write(self, made: Data, approval: str) -> Data:
        entry = {key: made[key] for key in ("child", "setting", "change")}
        entry |= {"proposal": made["id"], "approval": approval, "at": moment(self.ctx.wall())}
        add_override(self.ctx.home / FILE, entry)
        changed = self.proposals.change(made["id"], ProposalState.APPLIED, at=self.ctx.wall(), approval=approval)
        self.ctx.emit("proposal.applied", made["id"], {"child": made["child"], "setting": made["setting"]})
        self.did = f"recorded {made['id']}: {made['setting']} of {made['child']} in {FILE}"
        return changed | {"file": str(self.ctx.home / FILE)}

    def _follow_up(self, made: Data) -> None:
        """See what became of an approval. A given one lapses too when nobody applies the proposal in time."""
        if not made["approval"]:
            return

        def on_answer(answer: Answer) -> None:
            state = _AFTER_APPROVAL.get(answer.value.get("state", "")) if answer.ok else None
            if state is None or state.value == made["state"]:
                return
            try:
                self.proposals.change(made["id"], state, at=self.ctx.wall(), note=str(answer.value.get("note", "")))
            except StoreFailed as error:  # looked at again in 30 s
                self.did = f"could not note what became of {made['id']}: {error.message}"
                return
            self.ctx.emit("proposal.judged", made["id"], {"state": state.value, "approval": made["approval"]})

        self.ctx.ask("governance", "approval", {"id": made["approval"]}, on_answer)

    # ---- answers --------------------------------------------------------------------------------------

    def do_proposals(self, request: Request) -> Any:
        """Proposals, newest first; `state` narrows them."""
        state = text_or(request, "state")
        if state:
            choice(request, "state", ProposalState)
        found = self.proposals.list(state, whole_or(request, "limit", 50, low=1, high=500))
        return {"proposals": found, "count": len(found)}

    def do_proposal(self, request: Request) -> Any:
        """The proposal `id`."""
        return self.proposals.get(text(request, "id", max_chars=100))

    def do_apply(self, request: Request) -> Any:
        """Write the proposal `id` to the overrides, if governance allows it; else answers what it waits for."""
        made = self.proposals.get(text(request, "id", max_chars=100))
        if made["state"] in (ProposalState.APPLIED.value, ProposalState.REJECTED.value, ProposalState.TIMED_OUT.value):
            raise Refused(f"apply: {made['id']} is {made['state']}", hint="only an open proposal can be applied")
        read_overrides(self.ctx.home / FILE)  # before an approval is used up for a file that cannot be written
        self._judge(made, request)
        return LATER

    def snapshot(self) -> Data | None:
        return {"tuner": self.tuner.as_data(), "last_event": self.feed.last}

    def restore(self, state: Data) -> None:
        last = state.get("last_event", 0)
        if not isinstance(last, int):
            raise ValueError("meta_loop: last_event must be a number")
        self.tuner = Tuner()
        self.tuner.restore(state.get("tuner", {}))
        self.last_event = last

    def metrics(self) -> dict[str, float]:
        return {f"proposals_{state}": float(number) for state, number in self.proposals.counts().items()}


_AFTER_APPROVAL = {
    "approved": ProposalState.APPROVED,
    "rejected": ProposalState.REJECTED,
    "timed_out": ProposalState.TIMED_OUT,
}


def _seen(event: TreeEvent) -> Seen | None:
    """What an event says about a child; None for an end that was asked for. A hang is seen once, by its own event."""
    if event.type == "child.started":
        return Seen.STARTED
    if event.type == "child.hung":
        return Seen.HUNG
    if event.type == "child.start_failed":
        return Seen.START_TIMEOUT if event.kind == "start_timeout" else Seen.ENDED
    return Seen.ENDED if event.is_abnormal_exit and event.kind != "hung" else None
