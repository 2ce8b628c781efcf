"""Gives a heartbeat to every child of a supervisor that has none of its own.

Parameters: `interval_s` (seconds between pings, > 0, default 5) and `misses` (unanswered pings before the child counts
as hung, whole number >= 1, default 3). Children that are OS processes can answer only if their shell does so for them;
give those a heartbeat of their own or none through `except`, a list of child ids.
Invariant: a heartbeat in the child's own spec always wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from supervisors.faults import Fault
from supervisors.policy import Policy, SupervisorView, names_param, number_param, unknown_params
from supervisors.spec import ChildSpec, Heartbeat

INTERVAL_S = 5.0  # origin's health monitor pings every 5 s
MISSES = 3


class Watchdog(Policy):
    """Default heartbeat of a supervisor's children."""

    name: ClassVar[str] = "watchdog"

    def __init__(self, params: Mapping[str, Any], view: SupervisorView, rng: Callable[[], float]) -> None:
        interval_s, misses = params.get("interval_s", INTERVAL_S), params.get("misses", MISSES)
        self._heartbeat = Heartbeat(interval_s=interval_s, misses=misses)
        self._except = frozenset(params.get("except", ()))

    @classmethod
    def validate(cls, params: Mapping[str, Any]) -> list[Fault]:
        faults = unknown_params(params, ("interval_s", "misses", "except"))
        faults += number_param(params, "interval_s")
        faults += number_param(params, "misses", least=1, excluded=False, whole=True)
        return faults + names_param(params, "except")

    def adapt(self, spec: ChildSpec) -> ChildSpec:
        if spec.heartbeat is not None or spec.id in self._except:
            return spec
        return replace(spec, heartbeat=self._heartbeat)
