"""Which repair is taken for a failure: what is known of its signature first, then the playbooks that match.

Pure. Invariant: a repair is automatic only if it was learned on the specific hash of this very failure, and no
playbook is chosen that was tried for the incident already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playbooks.matching import TriggerEvent, match
from playbooks.spec import Playbook, Severity

PATCH = "patch"
"""Stands in the knowledge base for a repair that was a change of code: it cannot be applied again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A playbook that may repair the failure. `params` are what it is learned with: empty where its trigger gives the
    inputs anew each time. `asks`: the playbook itself asks for approval."""

    playbook: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    severity: int = 0
    asks: bool = False
    successes: int = 0
    failures: int = 0

    @property
    def record(self) -> str:
        """Its past in words."""
        return f"{self.successes} successes, {self.failures} failures elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What was found: the repair that worked for the signature, whether it may be applied unasked, with how much
    confidence (hundredths), and the playbooks whose triggers match."""

    known: Candidate | None = None
    is_auto: bool = False
    is_specific: bool = False
    confidence: int = 0
    matched: tuple[Candidate, ...] = ()


def candidates_of(playbooks: Iterable[Playbook], events: Iterable[TriggerEvent]) -> list[Candidate]:
    """The playbooks that one of the events starts, each once, with the inputs that the first such event gives."""
    found: dict[str, Candidate] = {}
    held = list(playbooks)
    for event in events:
        for playbook in held:
            attempt = match(playbook, event).attempt
            if attempt is not None and playbook.name not in found:
                found[playbook.name] = Candidate(
                    playbook=playbook.name,
                    inputs=attempt.inputs,
                    severity=list(Severity).index(playbook.severity),
                    asks=playbook.approval.required,
                )
    return list(found.values())


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """By past success (successes less failures), then the graver playbook, then by name."""
    return sorted(candidates, key=lambda one: (one.failures - one.successes, -one.severity, one.playbook))


def known_repair(repairs: Iterable[Mapping[str, Any]], usable: Collection[str]) -> Mapping[str, Any] | None:
    """The most trusted repair that ever worked and whose playbook is still there; `repairs` come in that order."""
    for repair in repairs:
        if repair["successes"] and repair["playbook"] != PATCH and repair["playbook"] in usable:
            return repair
    return None


def choose(knowledge: Knowledge, tried: Collection[str]) -> Candidate | None:
    """The repair to take: the known one, else the best that matches; None when nothing is left."""
    known = knowledge.known
    if known is not None and known.playbook not in tried:
        return known
    left = [one for one in knowledge.matched if one.playbook not in tried]
    return in_order(left)[0] if left else None
