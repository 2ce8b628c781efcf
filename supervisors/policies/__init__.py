"""The policies by the name a tree file uses for them.

A policy joins by being listed here; `supervisors.validate` then accepts its name and judges its parameters.
Invariant: a key equals the class's `name`.
"""

from __future__ import annotations

from collections.abc import Mapping

from supervisors.policies.recycle import Recycle
from supervisors.policies.repair import Repair
from supervisors.policies.watchdog import Watchdog
from supervisors.policy import Policy

POLICIES: Mapping[str, type[Policy]] = {policy.name: policy for policy in (Watchdog, Repair, Recycle)}

__all__ = ["POLICIES", "Recycle", "Repair", "Watchdog"]
