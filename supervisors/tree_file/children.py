"""Builds the spec of one child: a kernel, a built-in actor or an OS process.

Decides what the keys mean that every child may have; `processes` does so for commands and `branches` for
supervisors. It never looks at another child.
Invariant: a child with a fault is still built, so that later checks see the whole tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from supervisors.spec import (
    BRUTAL_KILL,
    INFINITY,
    Backoff,
    Budget,
    ChildSpec,
    ChildType,
    Heartbeat,
    KernelStart,
    OnExhausted,
    Restart,
    Shutdown,
)
from supervisors.tree_file.fields import Fields, duration_of
from supervisors.tree_file.keys import ACTORS, BACKOFF, BUDGET, HEARTBEAT, SECTIONS
from supervisors.tree_file.processes import read_process
from supervisors.tree_file.scope import Scope
from supervisors.yaml_source import Node

_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def read_worker(node: Node, section: str, scope: Scope) -> ChildSpec:
    """The child of an entry that holds the key `section`."""
    fields = Fields(node, f"a child with {section}:", scope.faults)
    fields.only(SECTIONS[section])
    if section == "actor":
        return _actor(fields, scope)
    name = scope.claim(fields, "id")
    filled = scope.filled(fields, section, name)
    start = _kernel(filled, scope) if section == "kernel" else read_process(filled, str(scope.folder))
    return child_spec(filled, name, start, ChildType.WORKER)


def child_spec(fields: Fields, name: str, start: Any, kind: ChildType) -> ChildSpec:
    """The keys that every child has, whatever it starts."""
    return ChildSpec(
        id=name,
        start=start,
        type=kind,
        restart=fields.choice("restart", Restart, Restart.PERMANENT),
        shutdown_s=read_shutdown(fields),
        significant=fields.flag("significant") or False,
        start_timeout_s=None if fields.is_none("start_timeout") else fields.duration("start_timeout"),
        heartbeat=None if fields.is_none("heartbeat") else fields.section("heartbeat", HEARTBEAT, _heartbeat),
        backoff=None if fields.is_none("backoff") else fields.section("backoff", BACKOFF, _backoff),
        budget=None if fields.is_none("budget") else fields.section("budget", BUDGET, _budget),
        on_exhausted=fields.choice("on_exhausted", OnExhausted, OnExhausted.ESCALATE),
        permanent_failure=fields.words("permanent_failure"),
        clean_exits=fields.words("clean_exits"),
        depends_on=fields.words("depends_on"),
        apart=fields.flag("apart") or False,
        critical=fields.flag("critical") or False,
        tier=fields.text("tier") or "",
    )


def read_shutdown(fields: Fields) -> Shutdown | None:
    """Seconds, `brutal_kill` or `infinity`; None for the default of the type."""
    if "shutdown" not in fields:
        return None
    node = fields["shutdown"]
    if node.value in (BRUTAL_KILL, INFINITY):
        return str(node.value)
    if isinstance(node.value, str) and node.value[:1].isalpha():
        fields.faults.not_one_of(node, "shutdown", node.value, ["5s", BRUTAL_KILL, INFINITY])
        return None
    return duration_of(node, "shutdown", fields.faults, positive=False)


def _heartbeat(fields: Fields) -> Heartbeat | None:
    interval_s = fields.needs("interval", fields.duration("interval"))
    misses = fields.count("misses", 1)
    return Heartbeat(interval_s=interval_s, misses=misses or 3) if interval_s else None


def _backoff(fields: Fields) -> Backoff | None:
    min_s = fields.needs("min", fields.duration("min"))
    max_s = fields.needs("max", fields.duration("max"))
    jitter = fields.number("jitter", 0, 1) or 0.0
    reset_after_s = fields.duration("reset_after")
    if min_s is None or max_s is None:
        return None
    return Backoff(min_s=min_s, max_s=max_s, jitter=jitter, reset_after_s=reset_after_s)


def _budget(fields: Fields) -> Budget | None:
    intensity = fields.needs("intensity", fields.count("intensity"))
    period_s = fields.needs("period", fields.duration("period"))
    return None if intensity is None or period_s is None else Budget(intensity=intensity, period_s=period_s)


def read_config(fields: Fields) -> dict[str, Any]:
    """The mapping under `with:`."""
    if "with" not in fields:
        return {}
    node = fields["with"]
    if not isinstance(node.value, Mapping):
        fields.faults.wrong(node, "with", "a mapping")
        return {}
    config: dict[str, Any] = node.plain()
    return config


def _kernel(fields: Fields, scope: Scope) -> KernelStart:
    path = fields.text("kernel") or ""
    if path and not _CLASS.fullmatch(path):
        scope.faults.add(fields["kernel"].place, f"kernel is {path[:80]!r}", "package.module:Class")
    elif path:
        scope.names.classes.setdefault(path, fields["kernel"].place)
    return KernelStart(path=path, config=read_config(fields))


def _actor(fields: Fields, scope: Scope) -> ChildSpec:
    """A built-in actor is found by its name, so the name cannot be chosen."""
    actor = fields.text("actor") or ""
    if actor not in ACTORS:
        if actor:
            scope.faults.not_one_of(fields["actor"], "actor", actor, ACTORS)
    else:
        scope.names.actors.setdefault(ACTORS[actor], fields["actor"].place)
        if fields.text("id") not in (None, actor):
            scope.faults.add(fields["id"].place, f"the id {fields['id'].text[:60]!r} of the actor {actor}", actor)
    name = scope.claim(fields, "id" if "id" in fields else "actor", actor=True)
    start = KernelStart(path=ACTORS.get(actor, ""), config=read_config(fields))
    return child_spec(scope.filled(fields, "actor", name), name, start, ChildType.WORKER)
