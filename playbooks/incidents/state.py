"""Everything a case remembers, and its form as plain JSON data.

Data only; what it means is the case's. Invariant: `record_of(record.to_data()) == record`, through JSON as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any


class CaseState(StrEnum):
    """What people are shown of an incident."""

    OPEN = "open"
    REPAIRING = "repairing"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_PATCH = "awaiting_patch"
    HEALED = "healed"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class Phase(StrEnum):
    """What a case waits for."""

    WATCH = "watch"  # the supervisor restarts
    LOOKUP = "lookup"  # what is known of the signature, and which playbooks match
    QUEUED = "queued"  # another case of the same kernel is being repaired
    APPROVAL = "approval"  # a person's word about a repair that is known but not yet automatic
    RUN = "run"  # a playbook
    ORDER = "order"  # a work order is being made
    PATCH = "patch"  # a work order is being done
    VERIFY = "verify"  # the kernel is ready and the signature stays away
    REST = "rest"  # nothing goes on by itself; a start by hand or a patch may still come
    OVER = "over"


class How(StrEnum):
    """Why a repair was taken."""

    RESTART = "restart"  # the supervisor's, which comes first
    AUTO = "auto"  # it worked before for this very signature, often enough
    APPROVED = "approved"  # it worked before, and a person agreed
    MATCHED = "matched"  # its triggers match; nothing is known yet
    PATCH = "patch"  # a work order was completed
    BY_HAND = "by hand"  # somebody started the kernel


_BUSY = frozenset({Phase.LOOKUP, Phase.RUN, Phase.VERIFY})
PATIENT = frozenset({CaseState.AWAITING_APPROVAL, CaseState.AWAITING_PATCH})
"""It waits for people, in whatever phase."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One repair that was taken. `params` are None where the trigger gives them anew each time."""

    playbook: str
    how: How
    params: dict[str, Any] | None = None
    run: str = ""
    by: str = ""


@dataclass(slots=True, kw_only=True)
class Record:
    """A case between two events. `is_held`: its supervisor keeps the kernel down; `decide`: no supervisor answers it;
    `lived_s`: how long the incarnation that failed had lived, None where that means nothing; `is_cleared`: what a
    trigger had found is no longer so; `was_known`: an automatic repair was known; `orders`: how many work orders were
    made for it and not withdrawn, and `is_ordered`: the last one may still help."""

    id: str
    kernel: str
    specific: str
    signature: str
    failed_at: float
    kind: str = ""
    reason: str = ""
    state: CaseState = CaseState.OPEN
    phase: Phase = Phase.WATCH
    is_held: bool = False
    decide: bool = False
    is_ready: bool = False
    is_settled: bool = False
    is_cleared: bool = False
    was_known: bool = False
    lived_s: float | None = None
    looks: int = 0
    tried: list[str] = field(default_factory=list)
    attempt: Attempt | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    work_order: str = ""
    orders: int = 0
    is_ordered: bool = False
    repair: str = ""
    is_auto: bool = False
    cause: str = ""
    next_step: str = ""
    first_action_at: float | None = None
    healed_at: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the case has its kernel for itself. Who waits for people has not: that may take days."""
        return self.phase in _BUSY and self.state not in PATIENT

    def to_data(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def record_of(data: Mapping[str, Any]) -> Record:
    """The record in `to_data`'s form. Raises ValueError for anything else."""
    names = {each.name for each in fields(Record)}
    values = {key: value for key, value in data.items() if key in names}
    try:
        values["state"], values["phase"] = CaseState(values["state"]), Phase(values["phase"])
        attempt = values.get("attempt")
        if attempt is not None:
            values["attempt"] = Attempt(**{**attempt, "how": How(attempt["how"])})
        return Record(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not the data of a case: {type(error).__name__}: {error}") from None
