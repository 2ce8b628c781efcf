"""The policies by the name a tree file uses for them.

A policy joins by being listed here; `supervisors.validate` then accepts its name and judges its parameters.
Invariant: a key equals the class's `name`.
"""

from __future__ import annotations

from collections.abc import Mapping

from supervisors.policies.emergency import Emergency
from supervisors.policies.load_shed import LoadShed
from supervisors.policies.micro_chaos import MicroChaos
from supervisors.policies.mutual_repair import MutualRepair
from supervisors.policies.quarantine import Quarantine
from supervisors.policies.recycle import Recycle
from supervisors.policies.repair import Repair
from supervisors.policies.staggered_restart import StaggeredRestart
from supervisors.policies.watchdog import Watchdog
from supervisors.policy import Policy

_ALL: tuple[type[Policy], ...] = (
    Watchdog,
    Repair,
    Recycle,
    MutualRepair,
    LoadShed,
    Quarantine,
    Emergency,
    StaggeredRestart,
    MicroChaos,
)
POLICIES: Mapping[str, type[Policy]] = {policy.name: policy for policy in _ALL}

__all__ = [
    "POLICIES",
    "Emergency",
    "LoadShed",
    "MicroChaos",
    "MutualRepair",
    "Quarantine",
    "Recycle",
    "Repair",
    "StaggeredRestart",
    "Watchdog",
]
