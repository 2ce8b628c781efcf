"""The exit of a child in the words of recognition.

A start that failed its self-test ends with an exception of the runtime, whose frames say nothing: what counts is which
checks failed, and how. Pure. Invariant: any kind and any texts give a failure.
"""

from __future__ import annotations

from playbooks.recognition.signature import Failure, FailureKind

NOT_READY = "NotReady: "
"""How the reason of a failed self-test begins: `NotReady: CHECK: what was seen; CHECK: ...`."""
_KINDS = frozenset(FailureKind)


def failure_of_exit(kernel: str, kind: str, reason: str, detail: str) -> Failure:
    """The failure that an exit of this kind is; an unknown kind counts as a crash."""
    if reason.startswith(NOT_READY):
        said = reason.removeprefix(NOT_READY)
        names = [part.partition(": ")[0].strip() for part in said.split("; ") if ": " in part]
        return Failure(kernel=kernel, kind=FailureKind.NOT_READY, reason=said, check=",".join(names) or "self_test")
    known = FailureKind(kind) if kind in _KINDS else FailureKind.CRASH
    return Failure(kernel=kernel, kind=known, reason=reason or kind, detail=detail)
