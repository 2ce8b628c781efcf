"""The public names of the package: a name added or lost is a decision, so this list changes with it."""

import supervisors


def test_public_surface_is_pinned():
    core = (
        "BRUTAL_KILL INFINITY POLICIES AutoShutdown Backoff Budget ChildSpec ChildType ChildView Fault Heartbeat "
        "KernelStart OnExhausted Policy PolicySpec ProcessStart Readiness Restart Scenario ScenarioError SlotState "
        "Startup Strategy Supervisor SupervisorSpec parse_scenario play play_many simulate validate validate_child "
        "warnings"
    )
    assert set(core.split()) <= set(supervisors.__all__)


def test_every_public_name_exists():
    assert all(hasattr(supervisors, name) for name in supervisors.__all__)
