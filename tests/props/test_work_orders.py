"""Work orders under any row of requests and crashes, and approvals under any row of answers and times."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from grace_actors.errors import GraceError, Refused
from grace_actors.kernels import approvals
from grace_actors.kernels.approvals import Approval, ApprovalState, Response
from grace_actors.kernels.coding_agent import CodingAgent
from grace_actors.kernels.work_orders import ACTIVE, MAX_PARALLEL
from tests.harness.examples import examples
from tests.harness.kernels import Bench

FINAL = ("completed", "failed")


class Orders(RuleBasedStateMachine):
    """The kernel, and what was told about its orders over all its lives."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="grace-test-"))
        self.bench = Bench(self.home)
        self.bench.add("coding_agent", CodingAgent, scan=[])
        self.keys: dict[str, str] = {}
        self.final: dict[str, str] = {}

    def teardown(self) -> None:
        self.bench.kernels["coding_agent"].stop("shutdown")
        shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, verb: str, **args: Any) -> Any:
        return self.bench.ask("coding_agent", verb, **args)

    def told(self, id: str) -> list[Any]:
        return [data["ok"] for type, subject, data in self.bench.events if subject == id and type.endswith("_updated")]

    @rule(target=ids, key=st.sampled_from(["", "a", "b"]), priority=st.sampled_from(["low", "high"]))
    def create(self, key: str, priority: str) -> str:
        made = self.ask("create", description="x", key=key, priority=priority)
        if key:
            assert made["repeated"] is (key in self.keys)
            assert made["id"] == self.keys.setdefault(key, made["id"])
        return str(made["id"])

    @rule(id=ids, passed=st.booleans())
    def complete(self, id: str, passed: bool) -> None:
        self.finish(id, "completed" if passed else "failed", "complete", tests_passed=passed)

    @rule(id=ids)
    def fail(self, id: str) -> None:
        self.finish(id, "failed", "fail", reason="why")

    def finish(self, id: str, state: str, verb: str, **args: Any) -> None:
        try:
            self.ask(verb, id=id, **args)
        except GraceError as error:
            assert id in self.final, error
        else:
            assert id not in self.final
            self.final[id] = state

    @rule(id=ids)
    def start(self, id: str) -> None:
        before = self.ask("show", id=id)["status"]
        active = sum(self.ask("stats")[state.value] for state in ACTIVE)
        try:
            self.ask("start", id=id, agent="ada")
        except GraceError:
            assert before != "queued" or active == MAX_PARALLEL
        else:
            assert before == "queued"

    @rule(silent=st.booleans())
    def crash(self, silent: bool) -> None:
        kernel = self.bench.kernels["coding_agent"]
        if silent:  # it ends between the disk and the wire
            kernel._tell = lambda *_: None  # type: ignore[attr-defined]
            self.ask("create", description="the last one")
        kernel.stop("killed")
        self.bench.crash("coding_agent")
        self.bench.add("coding_agent", CodingAgent, scan=[])

    @invariant()
    def the_last_move_is_the_state_and_final_ones_stay(self) -> None:
        orders = self.ask("list", limit=200)["work_orders"]
        assert sum(order["status"] in [state.value for state in ACTIVE] for order in orders) <= MAX_PARALLEL
        for order in orders:
            shown = self.ask("show", id=order["id"])
            moves = shown["moves"]
            assert [move["after"] for move in moves[:-1]] == [move["before"] for move in moves[1:]]
            assert moves[-1]["after"] == shown["status"] == self.final.get(order["id"], shown["status"])

    @invariant()
    def everything_that_ended_was_told_and_nothing_else_was(self) -> None:
        for order in self.ask("list", limit=200)["work_orders"]:
            ends = [ok for ok in self.told(order["id"]) if ok is not None]
            wanted = {"completed": [True], "failed": [False]}.get(order["status"], [])
            assert ends == wanted
            created = [type for type, subject, _ in self.bench.events if subject == order["id"]]
            assert "coding_agent.work_order_created" in created


Orders.TestCase.settings = settings(max_examples=examples(25), stateful_step_count=20, deadline=None)
TestOrders = Orders.TestCase

DUE = 100.0
PENDING = Approval(
    id="ap_1", action="a", actor="asker", risk="red", question="q", requested_at=0.0, expires_at=DUE, reason="r"
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["approve", "reject", "use", "wait"]), st.floats(0, 60), st.sampled_from(["ada", "asker"])
    ),
    max_size=12,
)


def after(approval: Approval, step: str, by: str, now: float) -> Approval:
    match step:
        case "wait":
            return approvals.expire(approval, now)
        case "use":
            return approvals.use(approval, "q", now)
    return approvals.respond(approval, Response(step), by=by, note="", version=approval.version, now=now)


@given(steps)
def test_an_approval_is_decided_once_in_time_and_approved_by_somebody_else(
    row: list[tuple[str, float, str]],
) -> None:
    approval, now = PENDING, 0.0
    seen = [approval.state]
    for step, wait, by in row:
        now += wait
        try:
            changed = after(approval, step, by, now)
        except Refused:
            continue
        if changed.state is not approval.state:
            assert changed.version == approval.version + 1
            seen.append(changed.state)
        if step in ("approve", "reject", "use"):
            assert now < DUE
            assert changed.state is ApprovalState.REJECTED or changed.decided_by != approval.actor
        approval = changed
    legal = (
        [ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.USED],
        [ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.TIMED_OUT],
        [ApprovalState.PENDING, ApprovalState.REJECTED],
        [ApprovalState.PENDING, ApprovalState.TIMED_OUT],
    )
    assert any(seen == path[: len(seen)] for path in legal)


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text())), st.text())
def test_an_approval_always_has_a_subject_of_bounded_length(context: dict[str, Any], subject: str) -> None:
    found = Approval(
        **{**{f: getattr(PENDING, f) for f in PENDING.__slots__}, "context": {**context, "subject": subject}}
    )
    assert 0 < len(found.subject) <= 200
    assert found.subject == (subject.strip()[:200] or "a")
