"""Decides whether an action may happen: a table of rules, the traffic light of risk, the environment.

Green is free; amber is free outside production; red always needs a person. An action without a rule is red, an
environment that is not known is production. Pure: it must not know stores, files or the time.
Invariant: the same table and question give the same verdict, and every verdict names the rule and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Risk(StrEnum):
    """How much an action can hurt."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Environment(StrEnum):
    """Where the instance runs, from the freest to the strictest."""

    LOCAL = "local"
    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"

    @classmethod
    def of(cls, word: object) -> Environment:
        """The environment a word names; production for anything unknown."""
        try:
            return cls(str(word).strip().lower())
        except ValueError:
            return cls.PRODUCTION


STRICTNESS = list(Environment)


class Outcome(StrEnum):
    """What governance answers."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


Condition = Mapping[str, tuple[Any, ...]]
"""Keys of the context (and `environment`) with the values that satisfy them; all must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What holds for the actions matching a pattern (`kernel.restart`, `secret.*`).

    `outcome` overrides the traffic light; `auto_when` lists conditions under which no approval is needed;
    `actors` names who may do it at all (empty: everybody)."""

    action: str
    risk: Risk
    outcome: Outcome | None = None
    actors: tuple[str, ...] = ()
    auto_when: tuple[Condition, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision and why. `rule` is the pattern that decided, empty when none matched."""

    outcome: Outcome
    risk: Risk
    environment: Environment
    reason: str
    rule: str = ""

    def as_data(self) -> dict[str, Any]:
        return {
            "decision": self.outcome.value,
            "risk": self.risk.value,
            "environment": self.environment.value,
            "reason": self.reason,
            "rule": self.rule,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTable:
    """All rules. `require_all` asks a person for everything that is not green; `deny_all` is the reason why
    nothing is allowed (an unreadable policy file), empty when the table is sound."""

    rules: tuple[Rule, ...] = field(default_factory=tuple)
    environment: Environment = Environment.PRODUCTION
    require_all: bool = False
    deny_all: str = ""

    def rule_for(self, action: str) -> Rule | None:
        """The most specific rule: the exact name, else the longest pattern that matches."""
        matching = [rule for rule in self.rules if fnmatchcase(action, rule.action)]
        return max(matching, key=lambda rule: (rule.action == action, len(rule.action)), default=None)

    def evaluate(self, action: str, actor: str, context: Mapping[str, Any]) -> Verdict:
        """Judge one action. A context may ask for a stricter environment than the instance's, never a freer one."""
        where = self.environment
        if context.get("environment") is not None:
            where = max(where, Environment.of(context["environment"]), key=STRICTNESS.index)
        if self.deny_all:
            return Verdict(outcome=Outcome.DENY, risk=Risk.RED, environment=where, reason=self.deny_all)
        rule = self.rule_for(action)
        if rule is None:
            reason = "no rule names this action: unknown actions are red"
            return Verdict(outcome=Outcome.NEEDS_APPROVAL, risk=Risk.RED, environment=where, reason=reason)
        outcome, reason = self._outcome(rule, actor, where, context)
        return Verdict(outcome=outcome, risk=rule.risk, environment=where, reason=reason, rule=rule.action)

    def _outcome(self, rule: Rule, actor: str, where: Environment, context: Mapping[str, Any]) -> tuple[Outcome, str]:
        because = f": {rule.reason}" if rule.reason else ""
        if rule.actors and actor not in rule.actors:
            return Outcome.DENY, f"only {', '.join(rule.actors)} may do this, not {actor or 'an unnamed actor'}"
        if rule.outcome is not None:
            return rule.outcome, f"the rule says {rule.outcome.value}{because}"
        if rule.risk is Risk.GREEN:
            return Outcome.ALLOW, f"green is free{because}"
        if self.require_all:
            return Outcome.NEEDS_APPROVAL, "every action that is not green needs approval here"
        facts = dict(context) | {"environment": where.value}
        if any(_holds(condition, facts) for condition in rule.auto_when):
            return Outcome.ALLOW, f"a condition for going ahead without approval holds in {where.value}{because}"
        if rule.risk is Risk.AMBER and where is not Environment.PRODUCTION:
            return Outcome.ALLOW, f"amber is free in {where.value}{because}"
        return Outcome.NEEDS_APPROVAL, f"{rule.risk.value} needs approval in {where.value}{because}"


def _holds(condition: Condition, facts: Mapping[str, Any]) -> bool:
    """Types count: the number 1 does not satisfy `true`."""
    return all(
        any(facts.get(key) == v and type(facts.get(key)) is type(v) for v in allowed)
        for key, allowed in condition.items()
    )


def _rule(action: str, risk: Risk, reason: str = "", **more: Any) -> Rule:
    return Rule(action=action, risk=risk, reason=reason, **more)


PATCH_CONDITIONS: tuple[Condition, ...] = (
    {"environment": ("dev", "staging"), "severity": ("critical",), "category": ("reliability",)},
    {"environment": ("local",), "validated": (True,)},
)
"""A change of code goes ahead by itself only for critical reliability faults in dev and staging, and locally once
it was validated; in production always a person decides."""

DEFAULT_RULES = (
    _rule("*.read", Risk.GREEN, "reading changes nothing"),
    _rule("kernel.restart", Risk.GREEN, "recovery of service never waits for a person"),
    _rule("snapshot.restore", Risk.GREEN, "recovery of service never waits for a person"),
    _rule("traffic.failover", Risk.GREEN, "recovery of service never waits for a person"),
    _rule("patch.roll_back", Risk.GREEN, "going back to what worked never waits for a person"),
    _rule("suggestion.record", Risk.GREEN, "a suggestion changes nothing"),
    _rule("diagnosis.run", Risk.GREEN, "diagnosis reads only"),
    _rule("playbook.run", Risk.AMBER, "a playbook changes the running system"),
    _rule("kernel.stop", Risk.AMBER, "a stopped kernel serves nobody"),
    _rule("load.shed", Risk.GREEN, "shedding load protects the service"),
    _rule("sandbox.run", Risk.AMBER, "isolated code still uses the host"),
    _rule("threshold.change", Risk.AMBER, "thresholds decide when the system acts"),
    _rule("drill.run", Risk.AMBER, "a drill breaks something on purpose"),
    _rule("config.change", Risk.RED, "configuration decides what the system is"),
    _rule("code.patch", Risk.RED, "a patch changes the program itself", auto_when=PATCH_CONDITIONS),
    _rule("dependency.install", Risk.RED, "packages are never installed by the system", outcome=Outcome.DENY),
    _rule("secret.read", Risk.AMBER, "a secret leaves its store"),
    _rule("secret.*", Risk.RED, "secrets are managed by a person"),
    _rule("log.truncate", Risk.RED, "the audit trail is append-only", outcome=Outcome.DENY),
)
