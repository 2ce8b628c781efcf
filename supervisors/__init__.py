"""Decides who is restarted: specs, their validation, the supervision core, policies and a simulator.

Pure: no actors, no clock, no I/O, no randomness of its own (the readers of tree files are separate modules).
Invariant: what is listed in `__all__` is the public surface; the rest may change without notice.
"""

from __future__ import annotations

from supervisors.core import Supervisor
from supervisors.faults import Fault
from supervisors.policies import POLICIES
from supervisors.policy import Policy
from supervisors.scenario import Scenario, ScenarioError, parse_scenario
from supervisors.simulate import play, play_many, simulate
from supervisors.slots import ChildView, SlotState
from supervisors.spec import (
    BRUTAL_KILL,
    INFINITY,
    AutoShutdown,
    Backoff,
    Budget,
    ChildSpec,
    ChildType,
    Heartbeat,
    KernelStart,
    OnExhausted,
    PolicySpec,
    ProcessStart,
    Readiness,
    Restart,
    Startup,
    Strategy,
    SupervisorSpec,
)
from supervisors.validate import validate, validate_child, warnings

__all__ = [
    "BRUTAL_KILL",
    "INFINITY",
    "POLICIES",
    "AutoShutdown",
    "Backoff",
    "Budget",
    "ChildSpec",
    "ChildType",
    "ChildView",
    "Fault",
    "Heartbeat",
    "KernelStart",
    "OnExhausted",
    "Policy",
    "PolicySpec",
    "ProcessStart",
    "Readiness",
    "Restart",
    "Scenario",
    "ScenarioError",
    "SlotState",
    "Startup",
    "Strategy",
    "Supervisor",
    "SupervisorSpec",
    "parse_scenario",
    "play",
    "play_many",
    "simulate",
    "validate",
    "validate_child",
    "warnings",
]
