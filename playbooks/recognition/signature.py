"""The words of recognition: a failure goes in, a signature with its components comes out.

Data only. Invariant: a signature holds no time, no process number and no line number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class FailureKind(StrEnum):
    """How a failure was seen. The first five are the supervisors' words for an exit."""

    CRASH = "crash"
    KILLED = "killed"
    HUNG = "hung"
    START_TIMEOUT = "start_timeout"
    START_FAILED = "start_failed"
    NOT_READY = "not_ready"  # a self-test failed; `check` names it
    TRIGGER = "trigger"  # a trigger fired; `check` names what it found
    REPORTED = "reported"  # somebody said so


class Hash(StrEnum):
    """The three hashes. A repair is applied by itself only on `specific`."""

    SPECIFIC = "specific"
    BROAD = "broad"
    FULL = "full"


NOWHERE: tuple[Hash, ...] = ()
NARROWLY = (Hash.SPECIFIC,)
SPECIFICALLY = (Hash.SPECIFIC, Hash.FULL)
BROADLY = (Hash.BROAD,)
FULLY = (Hash.FULL,)
EVERYWHERE = (Hash.SPECIFIC, Hash.BROAD, Hash.FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of one failure: kernel, kind, reason and detail as an exit has them. `detail` is the text of a
    traceback or the last lines of output, the newest last."""

    kernel: str
    kind: FailureKind = FailureKind.CRASH
    reason: str = ""
    detail: str = ""
    check: str = ""


class Component(NamedTuple):
    """One thing that was looked at: into which hashes it went, and why, or why not."""

    name: str
    value: str
    into: tuple[Hash, ...]
    hint: str

    @property
    def contributes(self) -> bool:
        """Whether it is part of any hash."""
        return bool(self.into)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        into = [hash.value for hash in self.into]
        return {"name": self.name, "value": self.value, "contributes": bool(into), "into": into, "hint": self.hint}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a failure gives to the hashes. `error` is its name in a word; `is_bare` says that nothing but the way it
    ended is known, so that without its kernel it would be like any other."""

    error: str
    types: tuple[str, ...]
    message: str
    specific: tuple[str, ...]
    broad: tuple[str, ...]
    full: tuple[str, ...]
    components: tuple[Component, ...]
    is_bare: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """`id` is for people and follows from `specific`; hashes made by different `algo` are never compared."""

    algo: str
    id: str
    kernel: str
    kind: FailureKind
    error: str
    specific: str
    broad: str
    full: str
    components: tuple[Component, ...]

    @property
    def hashes(self) -> tuple[str, str, str]:
        """In the order in which they are looked up: specific, full, broad."""
        return (self.specific, self.full, self.broad)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "algo": self.algo,
            "id": self.id,
            "kernel": self.kernel,
            "kind": self.kind.value,
            "error": self.error,
            "specific": self.specific,
            "broad": self.broad,
            "full": self.full,
            "components": [component.as_dict() for component in self.components],
        }
