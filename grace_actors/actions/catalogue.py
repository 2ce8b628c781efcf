"""Every action there is, by name.

An action is in the catalogue because it stands in one of the modules below; its name is that of its function.
Invariant: no name twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from grace_actors.actions import (
    branches,
    code,
    control,
    dependencies_,
    documents,
    faults,
    files,
    host,
    indexes,
    inspecting,
    logs,
    notify,
    patches,
    pull_requests,
    queues,
    resting,
    runs,
    schemas,
    secrets_,
    service,
    settings_,
    shedding,
    stores,
    watching,
)
from grace_actors.actions.action import Action
from playbooks.spec import ActionSpec

_MODULES = (
    control,
    inspecting,
    watching,
    resting,
    faults,
    branches,
    shedding,
    stores,
    indexes,
    logs,
    host,
    queues,
    files,
    code,
    service,
    notify,
    dependencies_,
    documents,
    patches,
    pull_requests,
    runs,
    schemas,
    secrets_,
    settings_,
)


def _collected() -> dict[str, Action]:
    found: dict[str, Action] = {}
    for module in _MODULES:
        own = [item for item in vars(module).values() if isinstance(item, Action)]
        for action in (item for item in own if item.steps.__module__ == module.__name__):
            assert action.spec.name not in found, f"two actions are called {action.spec.name}"
            found[action.spec.name] = action
    return found


CATALOGUE: Mapping[str, Action] = MappingProxyType(_collected())


def specs() -> Mapping[str, ActionSpec]:
    """What each action declares, for the loader and the engine of playbooks."""
    return {name: action.spec for name, action in CATALOGUE.items()}
