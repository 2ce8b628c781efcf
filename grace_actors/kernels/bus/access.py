"""Who may publish to which topic, and what happens to those who keep trying.

Pure: time comes in as an argument. Knows no queue. Invariant: a topic without an entry is open; an entry covers the
topic and everything below it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_TABLE: Mapping[str, Sequence[str]] = {
    "kernel.memory": ("memory_fusion", "librarian"),
    "kernel.healing": ("self_healing", "orchestrator", "agentic_spine"),
    "kernel.governance": ("governance", "governance_engine", "orchestrator", "control_plane"),
    "kernel.code": ("coding_agent", "sandbox"),
    "kernel.crypto": ("secret_manager", "crypto_service", "orchestrator"),
    "system.control": ("orchestrator", "control_center", "control_plane", "grace", "console"),
    "system.health": ("health_monitor", "orchestrator"),
}
CONTROL_TOPICS = ("system.control",)
SPAM_PER_S = 10
CONTROL_MOST = 5
BLACKLIST_AT = 20
BLACKLIST_S = 300.0


class Alarm(StrEnum):
    """Why violations of one sender are worth an event."""

    FIRST = "first"
    SPAM = "spam"
    CONTROL = "control"
    BLACKLISTED = "blacklisted"


class Acl:
    """The table: topic -> names that may publish to it; and `granted`, what was allowed beyond it."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        self.table = {topic: frozenset(names) for topic, names in table.items()}
        self.granted: list[tuple[str, str]] = []

    def allows(self, topic: str, sender: str) -> bool:
        """Whether the sender may publish: every entry that covers the topic allows it, or it was granted."""
        return all(sender in names for _, names in self._covering(topic)) or self._is_granted(topic, sender)

    def grant(self, topic: str, sender: str) -> None:
        """Let a sender publish to a topic and everything below it, whatever the table says."""
        if (topic, sender) not in self.granted:
            self.granted.append((topic, sender))

    def revoke(self, topic: str, sender: str) -> None:
        """Take a grant back; what the table allows stays."""
        self.granted = [one for one in self.granted if one != (topic, sender)]

    def _is_granted(self, topic: str, sender: str) -> bool:
        return any(sender == who and (topic == key or topic.startswith(f"{key}.")) for key, who in self.granted)

    def allowed(self, topic: str) -> list[str]:
        """The names the topic's entries agree on."""
        sets = [names for _, names in self._covering(topic)]
        return sorted(frozenset.intersection(*sets)) if sets else []

    def _covering(self, topic: str) -> list[tuple[str, frozenset[str]]]:
        return [(key, names) for key, names in self.table.items() if topic == key or topic.startswith(f"{key}.")]


@dataclass(slots=True)
class _Offender:
    recent: deque[float] = field(default_factory=deque)
    total: int = 0
    control: int = 0
    spam_told_at: float = float("-inf")
    blacklisted_until: float = float("-inf")


class Watch:
    """Counts violations by sender. The number of senders remembered is bounded: names are actors of one tree."""

    def __init__(self) -> None:
        self._offenders: dict[str, _Offender] = {}
        self.total = 0

    def blacklisted(self, sender: str, now: float) -> bool:
        """Whether everything from this sender is refused for the moment."""
        found = self._offenders.get(sender)
        return found is not None and now < found.blacklisted_until

    def block(self, sender: str, until: float) -> None:
        """Refuse everything from this sender until then; a time that is over ends it."""
        self._offenders.setdefault(sender, _Offender()).blacklisted_until = until

    def blocked(self, now: float) -> dict[str, float]:
        """Those who are refused for the moment, and until when."""
        return {name: found.blacklisted_until for name, found in self._offenders.items() if self.blacklisted(name, now)}

    def violated(self, sender: str, topic: str, now: float) -> list[Alarm]:
        """Count one violation; the alarms it raises (a running storm raises one a second, not one a message)."""
        self.total += 1
        offender = self._offenders.setdefault(sender, _Offender())
        offender.total += 1
        offender.recent.append(now)
        while offender.recent[0] <= now - 1.0:
            offender.recent.popleft()
        alarms = [Alarm.FIRST] if offender.total == 1 else []
        if len(offender.recent) >= SPAM_PER_S and now - offender.spam_told_at >= 1.0:
            offender.spam_told_at = now
            alarms.append(Alarm.SPAM)
        if any(topic == one or topic.startswith(f"{one}.") for one in CONTROL_TOPICS):
            offender.control += 1
            if offender.control % CONTROL_MOST == 0:
                alarms.append(Alarm.CONTROL)
        if offender.total % BLACKLIST_AT == 0:
            offender.blacklisted_until = now + BLACKLIST_S
            alarms.append(Alarm.BLACKLISTED)
        return alarms

    def as_data(self, now: float) -> dict[str, dict[str, float | bool]]:
        """The offenders, for `stats`."""
        return {
            name: {"violations": found.total, "control": found.control, "blacklisted": now < found.blacklisted_until}
            for name, found in self._offenders.items()
        }


class Bucket:
    """A rate limit of so many a second, with bursts of one second's worth."""

    def __init__(self, per_s: float, now: float) -> None:
        self.per_s, self._tokens, self._at = per_s, per_s, now

    def take(self, now: float) -> bool:
        """Use one token if there is one."""
        self._tokens = min(self.per_s, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
