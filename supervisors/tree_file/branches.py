"""Builds supervisors, and with them the whole tree of specs, from the nodes of a tree file.

Decides which kind of child an entry is. Dependencies are only collected here; `dependencies` judges them.
Invariant: `defaults` reach every level below the supervisor that states them, the nearest one first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supervisors.spec import AutoShutdown, ChildSpec, ChildType, PolicySpec, Startup, Strategy, SupervisorSpec
from supervisors.tree_file.children import child_spec, read_config, read_worker
from supervisors.tree_file.fields import Fields
from supervisors.tree_file.keys import CRITERION, DEFAULTS, POLICIES, ROOT, STARTS, SUPERVISOR
from supervisors.tree_file.processes import read_process
from supervisors.tree_file.scope import Scope
from supervisors.yaml_source import Node

LARGEST = 1e12
"""Bounds the numbers of policies, so that no arithmetic with them can overflow."""


def read_root(node: Node, scope: Scope) -> SupervisorSpec:
    """The root supervisor of a file."""
    fields = Fields(node, "a tree file", scope.faults)
    fields.only(ROOT)
    return _supervisor(fields, scope.claim(fields, "name"), scope)


def read_child(node: Node, scope: Scope) -> ChildSpec | None:
    """One entry under `children:`; None if it cannot be told what it is."""
    if not isinstance(node.value, Mapping):
        scope.faults.wrong(node, "an entry of children", "a mapping")
        return None
    kinds = [key for key in STARTS if key in node.value]
    if len(kinds) != 1:
        seen = " and ".join(kinds) or "none of them"
        scope.faults.add(node.place, f"a child with {seen}", "exactly one of " + ", ".join(STARTS))
        return None
    if kinds[0] != "supervisor":
        return read_worker(node, kinds[0], scope)
    fields = Fields(node, "a supervisor", scope.faults)
    fields.only(SUPERVISOR)
    branch = _supervisor(fields, scope.claim(fields, "supervisor"), scope)
    return child_spec(scope.filled(fields, "supervisor", branch.name), branch.name, branch, ChildType.SUPERVISOR)


def _supervisor(fields: Fields, name: str, scope: Scope) -> SupervisorSpec:
    default = SupervisorSpec(name=name)
    intensity = fields.count("intensity")
    strategy = fields.choice("strategy", Strategy, default.strategy)
    auto_shutdown = fields.choice("auto_shutdown", AutoShutdown, default.auto_shutdown)
    children = _children(fields, scope)
    if not children and strategy is not Strategy.DYNAMIC and "children" not in fields:
        scope.faults.add(fields.node.place, f"the supervisor {name!r} without children", "a list under children:")
    for child in children:
        if child.significant and auto_shutdown is AutoShutdown.NEVER:
            place = scope.names.places[(child.id, "significant")]
            message = f"{child.id!r} is significant, but auto_shutdown of {name!r} is never"
            scope.faults.add(place, message, "auto_shutdown: any_significant or all_significant")
    return SupervisorSpec(
        name=name,
        strategy=strategy,
        intensity=default.intensity if intensity is None else intensity,
        period_s=fields.duration("period") or default.period_s,
        auto_shutdown=auto_shutdown,
        startup=fields.choice("startup", Startup, default.startup),
        max_children=fields.count("max_children"),
        children=tuple(children),
        policies=_policies(fields),
        extra_config=_extra_config(fields, strategy, scope),
    )


def _extra_config(fields: Fields, strategy: Strategy, scope: Scope) -> Mapping[str, Any]:
    extra = read_config(fields)
    if extra and strategy is not Strategy.DYNAMIC:
        scope.faults.add(fields["with"].place, f"with: under strategy {strategy.value}", "strategy: dynamic")
    return extra


def _children(fields: Fields, scope: Scope) -> list[ChildSpec]:
    defaults = fields.section("defaults", DEFAULTS, _checked_defaults)
    inner = scope.within(defaults)
    found = [read_child(node, inner) for node in fields.items("children")]
    return [child for child in found if child is not None]


def _checked_defaults(fields: Fields) -> Node:
    """Read once by themselves, so that a mistake shows even where no child takes the value."""
    child_spec(fields, "defaults", read_process(fields, ""), ChildType.WORKER)
    return fields.node


def _policies(fields: Fields) -> tuple[PolicySpec, ...]:
    found: dict[str, PolicySpec] = {}
    for node in fields.items("policies"):
        policy = _policy(node, fields)
        if policy is None:
            continue
        if policy.name in found:
            fields.faults.add(node.place, f"the policy {policy.name!r} for the second time", "each policy once")
        found[policy.name] = policy
    return tuple(found.values())


def _policy(node: Node, fields: Fields) -> PolicySpec | None:
    """`- name` or `- name: {parameter: value}`."""
    if isinstance(node.value, str):
        name, params = node.value, None
    elif isinstance(node.value, Mapping) and len(node.value) == 1:
        name, params = next(iter(node.value.items()))
    else:
        fields.faults.wrong(node, "an entry of policies", "a name, or one name with its parameters")
        return None
    if name not in POLICIES:
        fields.faults.not_one_of(node, "policy", name, POLICIES)
        return None
    if params is None or params.value is None:
        return PolicySpec(name=name)
    section = Fields(params, f"the policy {name}", fields.faults)
    section.only(POLICIES[name])
    return PolicySpec(name=name, params=_parameters(section, POLICIES[name]))


def _parameters(section: Fields, kinds: Mapping[str, str]) -> dict[str, Any]:
    read = [_parameter(section, key, kind) for key, kind in kinds.items() if key in section]
    return {key: value for key, value in read if value is not None}


def _parameter(section: Fields, key: str, kind: str) -> tuple[str, Any]:
    match kind:
        case "duration":
            return f"{key}_s", section.duration(key)
        case "count":
            return key, section.count(key, 1)
        case "names":
            return key, section.words(key)
        case "text":
            return key, section.text(key)
        case "flag":
            return key, section.flag(key)
        case "criteria":
            return key, tuple(_criterion(node, section) for node in section.items(key))
        case _:
            return key, section.number(key, 0, LARGEST)


def _criterion(node: Node, section: Fields) -> dict[str, Any]:
    """One entry of `criteria`; what is missing in it, or one too many, the policy tells."""
    fields = Fields(node, "a criterion", section.faults)
    fields.only(CRITERION)
    return _parameters(fields, CRITERION)
