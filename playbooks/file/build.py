"""Builds a playbook from the sections of its file.

Inputs, triggers and policy are built here, steps and checks by `blocks`. Sections in, specs and faults out.
Invariant: whatever is wrong, every part of the file is still checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbooks.file.blocks import Blocks
from playbooks.file.expressions import Compiler
from playbooks.file.keys import SCHEMA
from playbooks.file.sections import Section
from playbooks.params import problem_of
from playbooks.spec import Actions, Approval, Concurrency, OnFailure, Param, Playbook, Policy, Trigger
from supervisors.durations import nearest_match
from supervisors.tree_file.fields import Faults
from supervisors.yaml_source import Node

ISSUE: Mapping[str, None] = {"issue": None}


def build(node: Node, text: str, digest: str, actions: Actions, faults: Faults) -> Playbook:
    """The playbook, to be used only if no fault was found."""
    root = Section(node, "root", faults)
    if "schema" in root and root["schema"] != SCHEMA:
        faults.wrong(root.at("schema"), "schema", SCHEMA)
    compiler = Compiler(tuple(text.splitlines()), faults)
    inputs = {name: _input(name, section) for name, section in root["inputs"].items()}
    blocks = Blocks(compiler, actions, tuple(inputs))
    steps = blocks.steps(root["steps"], may_rescue=bool(root["rescue"]))
    rescue = blocks.steps(root["rescue"], may_rescue=False)
    if rescue and not any(section["on_failure"] is OnFailure.RESCUE for section in root["steps"]):
        faults.add(root.place("rescue"), "rescue, but no step leads to it", "on_failure: rescue at a step")
    verify = blocks.checks(root["verify"])
    return Playbook(
        name=root["name"] or "",
        title=root["title"] or "",
        description=root["description"],
        tags=root["tags"],
        enabled=root["enabled"],
        severity=root["severity"],
        inputs=inputs,
        triggers=tuple(_trigger(section, compiler, inputs) for section in root["triggers"]),
        policy=_policy(root["policy"], compiler, tuple(inputs)),
        approval=_approval(root["approval"]),
        steps=steps,
        rescue=rescue,
        verify=verify,
        always=blocks.steps(root["always"], may_rescue=False),
        digest=digest,
    )


def _input(name: str, section: Section) -> Param:
    param = Param(
        type=section["type"],
        required=section["required"],
        default=section["default"],
        enum=section["enum"],
        description=section["description"],
    )
    of_type = Param(type=param.type)
    for node in section.fields.items("enum") if section["enum"] else ():
        if allowed := problem_of(of_type, node.plain()):
            section.faults.wrong(node, f"an entry of enum of {name}", allowed)
    if param.default is not None and (allowed := problem_of(param, param.default)):
        section.faults.wrong(section.at("default"), f"the default of {name}", allowed)
    return param


def _trigger(section: Section, compiler: Compiler, inputs: Mapping[str, Param]) -> Trigger:
    node: Node | None = section["with"]
    values: dict[str, Any] = compiler.value(node, ISSUE) if node is not None else {}
    for name in values:
        if name not in inputs:
            place = node.keys[name] if node is not None else section.node.place
            near = nearest_match(name, inputs)
            section.faults.add(place, f"unknown input {name[:60]!r}", ", ".join(inputs) or "none", near)
    return Trigger(type=section["type"] or "", when=compiler.conditions(section, ISSUE), values=values)


def _policy(section: Section | None, compiler: Compiler, inputs: tuple[str, ...]) -> Policy:
    if section is None:
        return Policy()
    limit: Section | None = section["concurrency"]
    concurrency = None
    if limit is not None:
        names = {"inputs": inputs, "issue": None}
        key = compiler.expression(limit["key"], "key", names) if limit["key"] is not None else None
        concurrency = Concurrency(key=key, max=limit["max"], on_limit=limit["on_limit"])
    return Policy(concurrency=concurrency, cooldown_s=section["cooldown"], timeout_s=section["timeout"])


def _approval(section: Section | None) -> Approval:
    if section is None:
        return Approval()
    return Approval(required=section["required"], route=section["route"], ttl_s=section["ttl"] or None)
