"""Specs of supervisors for Hypothesis: every field, drawn so that the interesting combinations are likely.

Draws only what `supervisors.validate` accepts. Invariant: children may depend on children before them only.
"""

from __future__ import annotations

from hypothesis import strategies as st

from supervisors import (
    AutoShutdown,
    Backoff,
    Budget,
    ChildSpec,
    Heartbeat,
    OnExhausted,
    PolicySpec,
    Restart,
    Startup,
    Strategy,
    SupervisorSpec,
    validate,
)

IDS = "abcde"
POLICIES = [
    (),
    (),
    (PolicySpec(name="watchdog", params={"interval_s": 3.0, "misses": 1}),),
    (PolicySpec(name="recycle", params={"max_age_s": 4.0, "max_memory_mb": 50.0}),),
    (PolicySpec(name="repair", params={"crashes": 2, "deadline_s": 5.0}),),
    (
        PolicySpec(
            name="repair", params={"window_s": 9.0, "starts": 1, "crashes": 1, "deadline_s": 9.0, "except": ["b"]}
        ),
    ),
]


@st.composite
def child_specs(draw, id, auto, siblings=()):
    restart = draw(st.sampled_from(Restart))
    can_count = auto is not AutoShutdown.NEVER and restart is not Restart.PERMANENT
    return ChildSpec(
        id=id,
        start="x",
        restart=restart,
        shutdown_s=draw(st.sampled_from([0.0, 2.0, 5.0, "infinity", "brutal_kill"])),
        significant=can_count and draw(st.booleans()),
        start_timeout_s=draw(st.sampled_from([None, None, 3.0])),
        heartbeat=draw(st.sampled_from([None, None, Heartbeat(interval_s=2.0, misses=1)])),
        backoff=draw(st.sampled_from([None, None, Backoff(min_s=1.0, max_s=4.0, jitter=0.5)])),
        budget=draw(st.sampled_from([None, None, Budget(intensity=1, period_s=10.0)])),
        on_exhausted=draw(st.sampled_from(OnExhausted)),
        permanent_failure=draw(st.sampled_from([(), ("Hopeless",)])),
        depends_on=tuple(draw(st.sets(st.sampled_from(siblings), max_size=2))) if siblings else (),
    )


@st.composite
def supervisor_specs(draw, strategy=None):
    strategy = strategy or draw(st.sampled_from(Strategy))
    auto = AutoShutdown.NEVER if strategy is Strategy.DYNAMIC else draw(st.sampled_from(AutoShutdown))
    ids = IDS[: draw(st.integers(0, 4))]
    spec = SupervisorSpec(
        name="top",
        strategy=strategy,
        intensity=draw(st.sampled_from([0, 1, 2, 5, 30])),
        period_s=draw(st.sampled_from([1.0, 5.0])),
        auto_shutdown=auto,
        startup=draw(st.sampled_from(Startup)),
        max_children=draw(st.sampled_from([None, 3])) if strategy is Strategy.DYNAMIC else None,
        children=tuple(draw(child_specs(id, auto, ids[:n])) for n, id in enumerate(ids)),
        policies=draw(st.sampled_from(POLICIES)),
    )
    assert not [fault for fault in validate(spec) if fault.is_fatal]
    return spec


def ends_the_start(spec):
    """OTP's way: a child that fails at the first start takes its supervisor with it."""
    return spec.on_exhausted is OnExhausted.ESCALATE or spec.restart is Restart.TEMPORARY


def is_covered(spec, supervisor):
    """Whether the policy `repair` answers for this child."""
    exempt = [policy.params.get("except", ()) for policy in supervisor.policies if policy.name == "repair"]
    return bool(exempt) and spec.id not in exempt[0] and spec.restart is not Restart.TEMPORARY
