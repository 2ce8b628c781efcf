"""Whatever happens, in whatever order, and wherever self_healing is killed meanwhile: in the end every incident is over
or waits for a person, every run was learned from once, and nothing was begun or ordered twice."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_actors.actions.action import Result
from grace_actors.kernels.self_healing import SelfHealing
from tests.harness.examples import examples
from tests.unit.healing.hospital import HEALER, Hospital

MENDS = """
    triggers:
      - {{type: child.awaiting_repair, when: issue.subject == "{kernel}"}}
      - {{type: slow}}
    steps:
      - {{id: mend, action: {action}}}
"""
KERNELS = st.sampled_from(["librarian", "scheduler"])
OTHERS = ("signature", "governance", "coding_agent", "status", "clarity_framework", "verification_framework")
STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["fail", "fall_ill", "hold", "up", "trigger", "over", "quarantine", "sicken", "cure"]), KERNELS
    ),
    st.tuples(st.sampled_from(["leave", "back"]), st.sampled_from(OTHERS)),
    st.tuples(st.just("fuse"), st.integers(0, 40)),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 6.0, 40.0, 130.0])),
    st.tuples(st.sampled_from(["approve", "order", "run"]), st.booleans()),
    st.tuples(st.sampled_from(["full", "free", "pump", "resolve"]), st.just("")),
)


class Play:
    """One performance of a list of steps."""

    def __init__(self, home: Path, monkeypatch: Any) -> None:
        self.ward = ward = Hospital(home, monkeypatch)
        ward.write("mend", MENDS.format(kernel="librarian", action="set_flag"))
        ward.write("poke", MENDS.format(kernel="librarian", action="poke"))
        ward.write("asks", MENDS.format(kernel="scheduler", action="look") + "    approval: {required: true}\n")
        ward.up()
        self.bench = ward.bench
        self.number = 0

    def do(self, what: str, which: Any) -> None:
        ward, bench = self.ward, self.bench
        self.number += 1
        match what:
            case "fail":
                ward.fail(which, number=self.number, kind=("crash", "start_failed")[self.number % 2])
            case "fall_ill":
                ward.fail(which, number=self.number)
                ward.fail(which, number=self.number + 1)
                ward.hold(which, cause="the same failure 2 times in 60 s")
            case "hold":
                ward.hold(which, cause="because")
            case "quarantine":
                ward.hold(which, "quarantined", "its time is over")
            case "up":
                ward.come_up(which)
            case "trigger":
                told = {"trigger": "slow", "issue": "slow", "severity": "low", "detail": f"{self.number} s"}
                ward.happen("trigger.fired", which, **told)
            case "over":
                ward.happen("trigger.cleared", which, trigger="slow", issue="slow")
            case "sicken":
                ward.sick.add(which)
            case "cure":
                ward.sick.discard(which)
            case "leave":
                ward.leave(which)
            case "back":
                ward.come_back(which)
            case "fuse":
                bench.fuse = which
            case "wait":
                bench.advance(which)
            case "approve":
                self.decide("approve" if which else "reject")
            case "order":
                self.finish_order(which)
            case "run" if ward.world.open:
                bench.guarded(lambda: ward.world.open.pop(0)[1](_result(which)))
            case "full":
                bench.disk_refuses = True
            case "free":
                bench.disk_refuses = False
            case "pump":
                bench.pump(3)
                return
            case "resolve":
                self.resolve()
        if self.number % 3:
            bench.pump()

    def decide(self, response: str) -> None:
        if "governance" not in self.ward.away:
            for one in self.bench.ask("governance", "approvals", state="pending")["approvals"][:1]:
                self.bench.ask("governance", "respond", id=one["id"], response=response, by="ana", reason="seen")

    def finish_order(self, ok: bool) -> None:
        if "coding_agent" not in self.ward.away:
            for one in self.orders("queued")[:1]:
                self.bench.ask("coding_agent", "complete", id=one["id"], tests_passed=ok)

    def orders(self, status: str = "") -> list[dict[str, Any]]:
        found = self.bench.ask("coding_agent", "list", limit=200)
        return [one for one in found["work_orders"] if status in ("", one["status"])]

    def resolve(self) -> None:
        found = [one["id"] for one in self.incidents() if one["state"] in ("failed", "quarantined", "open")]
        if found:
            args = {"id": found[0], "by": "ana"}
            self.bench.guarded(lambda: self.bench.post("test", HEALER, "resolve", args, None) and None)

    def incidents(self) -> list[dict[str, Any]]:
        return list(self.bench.ask(HEALER, "incidents", limit=500)["incidents"])

    def finish(self) -> None:
        """All that was away or refused is well again, every kernel can start, and enough time goes by."""
        ward, bench = self.ward, self.bench
        bench.disk_refuses, bench.fuse = False, -1
        for name in OTHERS:
            ward.come_back(name)
        ward.sick.clear()
        bench.advance(70.0)
        for _ in range(8):
            for name in ("librarian", "scheduler"):
                if ward._node(name)["state"] == "restarting":
                    ward.come_up(name)
            while ward.world.open:
                ward.world.open.pop(0)[1](_result(True))
                bench.advance(1.0)
            bench.advance(70.0)

    # ---- what holds in the end ------------------------------------------------------------------------------

    def check(self) -> None:
        healer = self.bench.kernels[HEALER]
        assert isinstance(healer, SelfHealing)
        self.check_incidents()
        self.check_runs()
        self.check_orders()
        self.check_memory(healer)

    def check_incidents(self) -> None:
        approvals = {one["id"] for one in self.bench.ask("governance", "approvals", state="pending")["approvals"]}
        subjects = {one["subject"] for one in self.bench.ask("governance", "approvals", state="pending")["approvals"]}
        open_orders = {one["id"] for one in self.orders("queued")}
        told = Counter(id for type, id, _ in self.bench.events if type == "incident.opened")
        assert max(told.values(), default=1) == 1, told
        assert set(told) <= {one["id"] for one in self.incidents()}
        for one in self.incidents():
            if one["state"] == "healed":
                assert one["repair"], one
                continue
            assert one["next_step"], one
            match one["state"]:
                case "awaiting_approval":
                    assert one["approval"] in approvals or one["id"] in subjects, one
                case "awaiting_patch":
                    assert one["work_order"] in open_orders, one
                case "open":  # it waits until a person has helped the incident that its kernel is held by
                    shows = one["next_step"].rpartition("; ")[2]  # a dossier, if there is one, comes before
                    assert shows in {f"incident show {other['id']}" for other in self.incidents()}, one
                case state:
                    assert state in ("failed", "quarantined"), one

    def check_runs(self) -> None:
        runs = self.bench.ask(HEALER, "runs", limit=500)["runs"]
        twice = Counter((run["incident"], run["playbook"]) for run in runs)
        for one in self.incidents():
            attempts = self.ward.whole_of(one["id"])["attempts"]
            for playbook, number in Counter(each["playbook"] for each in attempts).items():
                mine = [each for each in attempts if each["playbook"] == playbook]
                assert all(each["status"] == "dropped" for each in mine[:-1]), mine  # nobody said yes to those
                assert twice[one["id"], playbook] <= number, (mine, twice)
                assert mine[-1]["status"] != "running" or one["state"].startswith("awaiting_"), (mine, one)
            if one["state"] == "healed" and one["repair"] not in ("restart", "start", "by hand", "patch", "by itself"):
                assert (attempts[-1]["playbook"], attempts[-1]["status"]) == (one["repair"], "healed")
        learned: dict[str, set[bool]] = {}
        for _, to, verb, args in self.bench.sent:
            if (to, verb) == ("signature", "record_outcome"):
                learned.setdefault(args["run"], set()).add(args["ok"])
        assert all(len(results) == 1 for results in learned.values()), learned
        recorded = [data for type, _, data in self.bench.events if type == "signature.recorded"]
        assert len(recorded) == len(learned), (recorded, learned)

    def check_orders(self) -> None:
        still = Counter(one["incident"] for one in self.orders("queued"))
        assert max(still.values(), default=1) == 1, still
        over = {one["id"] for one in self.incidents() if one["repair"] == "by itself"}
        assert not over & set(still), "nobody needs it any more"

    def check_memory(self, healer: SelfHealing) -> None:
        cases = healer.cases
        assert healer.incidents.outbox() == []
        assert set(cases._rows) == set(cases._cases.ids)
        assert {id for id, _ in cases._clocks} <= set(cases._cases.ids)
        going_on = {row["id"]: row for row in healer.incidents.going_on()}
        assert set(going_on) == set(cases._cases.ids)
        for id, row in going_on.items():
            differs = {key for key, value in cases._rows[id].items() if row[key] != value}
            assert differs <= {"decision"}, (differs, row, cases._rows[id])
        performing = cases.performing
        assert performing is not None
        assert set(performing._case_of.values()) <= set(cases._cases.ids) | {""}
        assert {who for _, who in healer.patches._waits} <= set(cases._cases.ids)
        assert healer.cases.problem == ""


def _result(ok: bool) -> Result:
    return Result(ok, message="" if ok else "no")


@given(steps=st.lists(STEPS, max_size=40))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
def test_each_incident_ends_or_waits_for_a_person_and_nothing_is_done_twice(steps: list[tuple[str, Any]]) -> None:
    fast = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=fast) as home, pytest.MonkeyPatch.context() as monkeypatch:
        play = Play(Path(home) / "home", monkeypatch)
        for what, which in steps:
            play.do(what, which)
        play.finish()
        play.check()
