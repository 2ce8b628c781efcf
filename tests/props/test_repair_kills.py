"""Whoever is only ever killed by signals sees nothing of the policy `repair` before a budget is spent."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors import Backoff, Budget, OnExhausted, PolicySpec, Startup, Strategy
from supervisors.messages import ExitKind
from tests.harness.examples import examples
from tests.unit.supervisors.driver import Driver, child

STATIC = [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]
DEADLINE_S = 10_000.0
STEPS = st.lists(st.one_of(st.sampled_from("abc"), st.sampled_from([0.5, 3.0, 20.0])), max_size=60)


@settings(max_examples=examples(150), deadline=None)
@given(
    strategy=st.sampled_from(STATIC),
    startup=st.sampled_from(Startup),
    backoff=st.sampled_from([None, Backoff(min_s=0.5, max_s=2.0)]),
    signal=st.sampled_from(["SIGKILL", "SIGSEGV"]),
    steps=STEPS,
)
def test_with_kills_only_all_is_as_without_the_policy_but_for_what_a_spent_budget_is_called(
    strategy, startup, backoff, signal, steps
):
    own = {"budget": Budget(intensity=3, period_s=30.0), "on_exhausted": OnExhausted.QUARANTINE, "backoff": backoff}
    specs = tuple(child(id, **own) for id in "abc")
    repair = PolicySpec(name="repair", params={"starts": 1, "crashes": 1, "deadline_s": DEADLINE_S})
    plain = Driver(specs, strategy, startup=startup)
    watched = Driver(specs, strategy, startup=startup, policies=(repair,))
    for step in steps:
        for d in (plain, watched):
            if isinstance(step, float):
                d.advance(step)
            elif step in d.alive:
                d.leave(step, ExitKind.KILLED, signal)
        assert plain.said() == watched.said()
        called = {id: "quarantined" if state == "awaiting_repair" else state for id, state in watched.states().items()}
        assert called == plain.states()
    assert all(report.data["cause"] == "restart budget spent" for report in watched.told("child.awaiting_repair"))
    assert not watched.told("child.quarantined")
