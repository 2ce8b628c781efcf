"""The policy `staggered_restart`: circles of waits are found, said in words, and broken member by member."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from supervisors import ChildType, OnExhausted, PolicySpec, Restart, Strategy, simulate
from supervisors import messages as m
from supervisors.messages import OpKind
from supervisors.policies import StaggeredRestart
from tests.unit.supervisors.driver import Driver, child

FOUND, BROKEN, UNRESOLVED = "deadlock.found", "deadlock.broken", "deadlock.unresolved"


class Room(Driver):
    """A driver under the policy, that writes down what is delivered and passed down too."""

    def __init__(self, specs: Any = "abc", strategy: Strategy = Strategy.ONE_FOR_ONE, **params: Any) -> None:
        self.passed: list[m.PassDown] = []
        super().__init__(specs, strategy, policies=(PolicySpec(name="staggered_restart", params=params),))
        self.said()

    def _perform(self, command: m.Command) -> None:
        match command:
            case m.Deliver(id, gen):
                assert self.alive[id] == gen, "what was kept goes to who lives"
                self.log.append(f"deliver {id}")
            case m.PassDown():
                self.passed.append(command)
            case _:
                super()._perform(command)

    def waits(self, who: str, *to: str, owes: str = "", child: str = "", for_s: float = 0.75, **more: Any) -> None:
        """`who` tells that it waits for these, and whose requests it has."""
        data = {
            "child": child or who,
            "waits": [{"to": name, "verb": "debit", "id": 7, "for_s": for_s} for name in to],
            "owes": [{"to": name, "id": 7} for name in owes.split()],
            **more,
        }
        self.do(m.Observed("wait.reported", who, data))

    def circle(self, *names: str, **children: str) -> None:
        """Each waits for the next one and owes the one before."""
        for n, who in enumerate(names):
            self.waits(who, names[(n + 1) % len(names)], owes=names[n - 1], child=children.get(who, who))


def restarts(d: Driver) -> list[str]:
    return [line for line in d.said() if line.startswith(("start", "deliver", "orderly"))]


# ---- what is a deadlock ---------------------------------------------------------------------------------


def test_circle_is_found_once_its_waits_are_old_enough_and_said_in_words():
    d = Room(after_s=0.95)
    d.circle("a", "b")
    assert not d.told(FOUND), "0.75 s is no deadlock yet"
    d.advance(0.5)
    (report,) = d.told(FOUND)
    assert (report.subject, report.data["members"]) == ("top", ["a", "b"])
    assert report.data["text"] == "a waits for b (debit, 1.1 s), b waits for a (debit, 1.1 s)"
    assert report.data["waits"][0] == {"who": "a", "for": "b", "verb": "debit", "since_s": pytest.approx(1.1)}


@pytest.mark.parametrize("owes", ["", "c"])
def test_wait_that_the_other_does_not_owe_is_no_deadlock(owes):
    d = Room()
    d.waits("a", "b", owes=owes)
    d.waits("b", "a", owes="a")
    d.advance(60.0)
    assert not d.told(FOUND)


def test_pair_of_which_one_runs_a_command_is_slow_and_not_stuck():
    d = Room()
    d.waits("a", "b", owes="b")
    d.waits("b", "a", owes="a", is_busy=True)
    d.advance(30.0)
    assert not d.told(FOUND)


def test_circle_that_ends_by_itself_in_time_is_left_alone():
    d = Room()
    d.circle("a", "b")
    d.waits("b")
    d.advance(60.0)
    assert not d.told(FOUND)


def test_who_dies_waits_no_longer():
    d = Room()
    d.circle("a", "b")
    d.crash("b")
    d.advance(60.0)
    assert not d.told(FOUND)


# ---- how it is broken -----------------------------------------------------------------------------------


def test_members_are_stopped_and_started_one_by_one_and_get_their_requests_one_after_the_other():
    d = Room()
    d.circle("a", "b", "c")
    d.advance(0.4)
    assert restarts(d) == ["orderly a", "orderly b", "orderly c", "start c"]
    (report,) = d.told(FOUND)
    order = report.data["order"]
    assert order == ["c", "b", "a"]
    d.advance(4.9)
    assert restarts(d) == []
    d.advance(0.2)
    assert restarts(d) == [f"start {order[1]}"]
    d.advance(5.1)
    assert restarts(d) == [f"start {order[2]}", f"deliver {order[0]}"]
    (report,) = d.told(BROKEN)
    assert report.data["restarted"] == order
    d.advance(10.2)
    assert restarts(d) == [f"deliver {order[1]}", f"deliver {order[2]}"]


def test_the_circle_is_opened_at_the_wait_that_closed_it():
    d = Room()
    d.waits("a", "b", owes="c", for_s=3.0)
    d.waits("b", "c", owes="a", for_s=2.0)
    d.waits("c", "a", owes="b", for_s=1.2)
    (report,) = d.told(FOUND)
    assert report.data["order"] == ["c", "b", "a"], "each after the one it waits for"


def test_who_depends_on_another_member_is_started_after_it():
    d = Room((child("a"), child("b", depends_on=("a",))))
    d.waits("a", "b", owes="b", for_s=2.0)
    d.waits("b", "a", owes="a", for_s=1.5)
    assert d.told(FOUND)[0].data["order"] == ["a", "b"]


def test_stop_keeps_the_requests_and_the_start_is_a_safe_one():
    d = Room()
    d.circle("a", "b")
    d.advance(6.0)
    kept = [c.keep for c in d.commands if isinstance(c, m.StopChild)]
    modes = [c.mode for c in d.commands if isinstance(c, m.StartChild) and c.gen > 1]
    assert (kept, modes) == ([True, True], ["safe", "safe"])


def test_after_a_calm_time_members_return_to_normal_one_by_one_with_their_requests():
    d = Room(stagger_s=1.0, calm_s=20.0)
    d.circle("a", "b")
    d.advance(3.0)
    d.said()
    d.advance(20.0)
    assert restarts(d) == ["orderly a", "start a", "deliver a"]
    d.advance(1.5)
    assert restarts(d) == ["orderly b", "start b", "deliver b"]
    assert {view.id: view.mode for view in d.core.view()} == {"a": "", "b": "", "c": ""}
    d.advance(100.0)
    assert restarts(d) == []


def test_who_runs_normally_in_safe_mode_is_not_recycled():
    d = Room("ab", stagger_s=0.0, calm_s=20.0)
    d.slow = {"a", "b"}
    d.circle("a", "b")
    d.advance(0.5)
    while set(d.alive) and any(view.state == "starting" for view in d.core.view()):
        for view in d.core.view():
            if view.state == "starting":
                d.ready(view.id, {"is_reduced": view.id == "a"})
        d.advance(0.0)
    d.said()
    d.slow = set()
    d.advance(60.0)
    assert [line for line in restarts(d) if line.startswith("start")] == ["start a"]


def test_operators_stop_stands_while_the_others_are_restarted():
    d = Room()
    d.circle("a", "b", "c")
    d.advance(0.4)
    order = d.told(FOUND)[0].data["order"]
    assert d.call(OpKind.TERMINATE_CHILD, order[2]) == "ok"
    d.advance(60.0)
    assert d.state(order[2]) == "stopped"
    assert d.told(BROKEN)[0].data["restarted"] == order[:2]


def test_child_that_was_stopped_by_hand_is_no_member():
    d = Room()
    d.call(OpKind.TERMINATE_CHILD, "b")
    d.waits("a", "b", owes="b")
    d.waits("b", "a", owes="a")
    d.advance(1.0)
    assert d.told(FOUND)[0].data["order"] == ["a"]
    d.advance(100.0)
    assert d.state("b") == "stopped"


def test_only_the_group_is_restarted():
    d = Room(group=["c"])
    d.circle("a", "b")
    d.advance(100.0)
    assert not d.told(FOUND)
    d.circle("b", "c")
    d.advance(1.0)
    assert d.told(FOUND)[0].data["order"] == ["c"], "one member is enough to open it"


# ---- it ends --------------------------------------------------------------------------------------------


def test_member_that_does_not_start_is_tried_three_times_then_quarantined_and_a_person_told():
    d = Room(stagger_s=1.0)
    d.circle("a", "b")
    d.fails = {"b": 99}
    d.advance(20.0)
    assert d.state("b") == "quarantined"
    assert d.state("a") == "running"
    (report,) = d.told(UNRESOLVED)
    assert (report.data["members"], report.data["next_step"]) == (["b"], "see why b; then: restart b")
    assert d.log.count("start b") == 3


def test_deadlock_that_comes_again_and_again_ends_with_a_person_being_told_once():
    d = Room(stagger_s=0.5, attempts=2)
    for _ in range(8):
        d.circle("a", "b")
        d.advance(10.0)
    assert [len(d.told(type)) for type in (FOUND, BROKEN, UNRESOLVED)] == [2, 2, 1]
    assert "restart a b" in d.told(UNRESOLVED)[0].data["next_step"]


def test_after_a_calm_time_attempts_count_anew():
    d = Room(stagger_s=0.5, attempts=1, calm_s=30.0)
    for n in (1, 2, 3):
        d.circle("a", "b")
        d.advance(100.0)
        assert len(d.told(BROKEN)) == n
    assert not d.told(UNRESOLVED)


def test_member_whose_start_by_hand_fails_in_the_midst_of_it_is_no_longer_left_stopped():
    d = Room("ab", stagger_s=1.0)
    d.slow, d.fails = {"a"}, {"a": 1}
    d.circle("a", "b")
    d.advance(2.0)
    assert d.state("a") == "stopped", "its first try has failed"
    d.post(OpKind.RESTART_CHILD, "a")
    d.advance(3.0)
    assert (d.state("a"), d.told(BROKEN)) == ("starting", [])
    d.slow = set()
    d.crash("a")
    d.advance(3.0)
    assert d.states() == {"a": "running", "b": "running"}


def test_requests_of_a_member_that_has_just_died_are_no_longer_given_to_the_dead():
    d = Room("abc", stagger_s=1.0)
    d.circle("a", "b")
    d.advance(1.5)
    assert restarts(d)[-2:] == ["start a", "deliver b"]
    d.stubborn = {"c"}
    d.post(OpKind.TERMINATE_CHILD, "c")
    d.crash("a")
    d.advance(2.0)
    assert restarts(d) == ["orderly c"], "the end of a is not acted upon before c is stopped"
    d.advance(10.0)
    assert restarts(d) == ["start a", "deliver a"]


# ---- a reload in the middle of it -----------------------------------------------------------------------


def reloaded(d: Room, *policies: PolicySpec) -> None:
    d.post(OpKind.RELOAD, spec=replace(d.core.spec, policies=policies))


def staggered(**params: Any) -> PolicySpec:
    return PolicySpec(name="staggered_restart", params=params)


def test_new_policy_of_a_reload_starts_whom_the_old_one_had_stopped():
    d = Room("ab", stagger_s=30.0)
    d.circle("a", "b")
    d.advance(1.0)
    assert sorted(d.states().values()) == ["running", "stopped"]
    reloaded(d, staggered(stagger_s=5.0))
    assert restarts(d)[-3:] == ["deliver b", "start a", "deliver a"], "who is up already has its requests back"
    assert d.states() == {"a": "running", "b": "running"}


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.REST_FOR_ONE])
def test_reload_without_the_policy_no_longer_leaves_stopped_whom_it_had_stopped(strategy):
    d = Room("abc", strategy, stagger_s=30.0)
    d.circle("a", "b", "c")
    d.advance(1.0)
    d.fails = {"a": 1, "b": 1}
    d.said()
    reloaded(d)
    assert d.states() == {"a": "running", "b": "running", "c": "running"}
    assert {line for line in restarts(d) if line.startswith("deliver")} == {"deliver a", "deliver b", "deliver c"}


def test_reload_no_longer_strands_children_whose_stop_its_old_policy_had_asked_for_behind_it():
    d = Room("abc", stagger_s=5.0)
    d.slow, d.stubborn = {"c"}, {"c"}
    d.crash("c")
    reloaded(d, staggered(stagger_s=1.0))
    d.circle("a", "b")
    d.advance(2.0)
    d.ready("c")
    d.advance(20.0)
    assert d.states() == {"a": "running", "b": "running", "c": "running"}


@pytest.mark.parametrize("policies", [(), (staggered(stagger_s=1.0),)])
def test_reload_no_longer_leaves_dynamic_children_held_that_the_old_policy_had_stopped(policies):
    d = Room("", Strategy.DYNAMIC, stagger_s=30.0)
    for id in "ab":
        d.reply(OpKind.START_CHILD, spec=child(id))
    d.circle("a", "b")
    d.advance(2.0)
    assert sorted(d.states().values()) == ["awaiting_repair", "running"]
    reloaded(d, *policies)
    d.advance(3.0)
    assert d.states() == {"a": "running", "b": "running"}


def test_who_was_started_in_safe_mode_after_a_reload_no_longer_stays_in_it():
    d = Room("ab", stagger_s=30.0)
    d.circle("a", "b")
    d.advance(1.0)
    reloaded(d, staggered(stagger_s=1.0, calm_s=20.0))
    assert d.core.child("a").mode == "safe"
    d.advance(30.0)
    assert (d.core.child("a").mode, d.state("a")) == ("", "running")


def test_dynamic_children_are_held_instead_of_forgotten():
    d = Room("", Strategy.DYNAMIC, stagger_s=1.0)
    for id in "ab":
        d.reply(OpKind.START_CHILD, spec=child(id))
    d.circle("a", "b")
    d.advance(10.0)
    assert d.states() == {"a": "running", "b": "running"}
    assert len(d.told(BROKEN)) == 1


def test_temporary_member_is_left_alone():
    d = Room((child("a"), child("b", restart=Restart.TEMPORARY)))
    d.circle("a", "b")
    d.advance(10.0)
    assert d.told(FOUND)[0].data["order"] == ["a"]
    assert d.states() == {"a": "running", "b": "running"}


# ---- the whole group ------------------------------------------------------------------------------------


def test_group_of_which_all_are_unwell_is_restarted():
    d = Room("ab", criteria=({"measure": "queue", "above": 100},))
    d.do(m.ChildMeasured("a", 1, 10.0, queue=300))
    assert not d.told(FOUND), "one of two is not the whole group"
    d.do(m.ChildMeasured("b", 1, 10.0, queue=150))
    (report,) = d.told(FOUND)
    assert (report.data["waits"], report.data["order"]) == ([], ["a", "b"])
    assert report.data["text"] == "the whole group is unwell: a (queue 300, limit 100), b (queue 150, limit 100)"
    d.advance(10.0)
    assert len(d.told(BROKEN)) == 1


def test_named_group_that_is_quarantined_is_started_again():
    specs = tuple(child(id, on_exhausted=OnExhausted.QUARANTINE) for id in "ab")
    d = Room(specs, group=["a", "b"])
    for id in "ab":
        d.fails = {id: 99}
        for _ in range(101):
            if id in d.alive:
                d.crash(id)
    d.fails = {}
    d.advance(30.0)
    assert d.states() == {"a": "running", "b": "running"}


# ---- branches -------------------------------------------------------------------------------------------


BRANCHES = (child("x"), child("left", type=ChildType.SUPERVISOR), child("right", type=ChildType.SUPERVISOR))


def test_circle_below_one_branch_is_that_ones_business_for_a_while():
    d = Room(BRANCHES)
    d.circle("a", "b", a="left", b="left")
    d.advance(10.0)
    assert not d.told(FOUND)
    assert not d.passed
    d.advance(1.0)
    assert d.told(FOUND)[0].data["order"] == ["left"]
    d.advance(1.0)
    assert len(d.told(BROKEN)) == 1


def test_branch_is_no_longer_restarted_for_a_circle_that_ended_with_a_supervisor_further_down():
    d = Room(BRANCHES)
    for who, other in ("ab", "ba"):
        d.waits(who, other, owes=other, child="left", above=["left", "lower"])
    d.do(m.Observed("member.exited", "lower", {"kind": "killed"}))
    d.advance(60.0)
    assert not d.told(FOUND)


def test_circle_across_branches_is_opened_by_one_of_them_which_is_told():
    d = Room(BRANCHES)
    d.circle("a", "b", a="left", b="right")
    d.advance(1.0)
    (passed,) = d.passed
    assert (passed.child, passed.observed.topic) == ("right", "deadlock.assigned")
    assert passed.observed.data["members"] == ["b"]
    assert not d.told(FOUND)
    d.advance(10.0)
    assert d.told(FOUND)[0].data["order"] == ["right"], "nobody there has done anything about it"


def test_own_child_in_a_circle_across_branches_is_restarted_alone():
    d = Room(BRANCHES)
    d.circle("x", "a", a="left")
    d.advance(1.0)
    assert (d.told(FOUND)[0].data["order"], d.passed) == (["x"], [])


def test_branch_that_is_told_restarts_its_own_members_or_tells_the_branch_below():
    d = Room(BRANCHES)
    waits = [{"who": who, "for": to, "verb": "debit", "since_s": 1.2} for who, to in ("xy", "yx")]
    data = {"members": ["x"], "waits": waits, "text": "in words"}
    d.do(m.Observed("deadlock.assigned", "top", data))
    (report,) = d.told(FOUND)
    assert (report.data["order"], report.data["text"]) == (["x"], "in words")
    (deliver,) = [command for command in d.commands if isinstance(command, m.Deliver)]
    assert deliver.first == ("x", "y"), "y was not restarted and may hold what others ask for"
    d.advance(30.0)
    d.waits("deep", "far", child="left")
    d.do(m.Observed("deadlock.assigned", "top", {**data, "members": ["deep"]}))
    assert [passed.child for passed in d.passed] == ["left"]


# ---- parameters and simulate ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"group": []}, "invalid_group"),
        ({"group": "ab"}, "invalid_group"),
        ({"after_s": 0}, "invalid_after_s"),
        ({"stagger_s": -1}, "invalid_stagger_s"),
        ({"safe": "yes"}, "invalid_safe"),
        ({"attempts": 0}, "invalid_attempts"),
        ({"criteria": []}, "invalid_criteria"),
        ({"staggr_s": 1}, "unknown_parameter"),
    ],
)
def test_wrong_parameters_are_told(params, code):
    assert [fault.code for fault in StaggeredRestart.validate(params)] == [code]


def test_simulate_plays_a_deadlock():
    def waits(who: str, to: str) -> dict[str, Any]:
        data = {"waits": [{"to": to, "verb": "debit", "for_s": 0.75}], "owes": [{"to": to}]}
        return {"op": "observe", "topic": "wait.reported", "subject": who, "data": data}

    moments = simulate(
        {
            "id": "shop",
            "children": [{"id": "a"}, {"id": "b"}],
            "policies": [{"name": "staggered_restart", "params": {"stagger_s": 2}}],
            "steps": [waits("a", "b"), waits("b", "a"), {"op": "advance", "seconds": 5}],
        }
    )
    types = [report.type for report in moments[-1].reports]
    assert types.index("deadlock.found") < types.index("deadlock.broken")
    assert {view.state.value for view in moments[-1].children} == {"running"}
