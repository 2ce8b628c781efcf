"""One fault of a spec: where it is, what is wrong, what is allowed instead.

Data only, shared by `supervisors.validate` and by the policies that judge their own parameters.
It knows neither files nor lines; `supervisors.loader` finds those from the path.
Invariant: `code` is a stable word that scripts may compare; `message` is for people.
"""

from __future__ import annotations

from dataclasses import dataclass

ADVISORY = frozenset({"unreachable_limit"})
"""Codes of faults with which a supervisor works, only not as its author will expect."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`path` leads from the outermost supervisor to the field, for example `("children", "a", "shutdown_s")`;
    `code` is OTP's word where OTP has the rule; `allowed` names the legal values or forms."""

    path: tuple[str, ...]
    code: str
    message: str
    allowed: tuple[str, ...] = ()

    @property
    def is_fatal(self) -> bool:
        """Whether the core refuses the spec because of it."""
        return self.code not in ADVISORY

    def under(self, *above: str) -> Fault:
        """The same fault, seen from further out."""
        return Fault((*above, *self.path), self.code, self.message, self.allowed)

    def __str__(self) -> str:
        where = ".".join(self.path) or "spec"
        allowed = f" (allowed: {', '.join(self.allowed)})" if self.allowed else ""
        return f"{where}: {self.code}: {self.message}{allowed}"
