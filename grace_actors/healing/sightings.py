"""Recognises failures, and knows how long the incarnation that failed had lived.

It must not know incidents. Invariant: what is remembered has an end, however many kernels and failures there are.
"""

from __future__ import annotations

from collections import OrderedDict

from grace_actors.healing.intake import Seen
from playbooks.recognition import Failure, Signature, signature_of

KNOWN_SIGNATURES = 512
KNOWN_STARTS = 2000


class Sightings:
    """Signatures of the last failures, and the last starts."""

    def __init__(self) -> None:
        self._signatures: OrderedDict[Failure, Signature] = OrderedDict()
        self._started: OrderedDict[str, float] = OrderedDict()

    def signature(self, failure: Failure) -> Signature:
        """The recipe costs a fraction of a millisecond: in a storm the same failure is looked at once."""
        found = self._signatures.get(failure)
        if found is None:
            found = self._signatures[failure] = signature_of(failure)
            while len(self._signatures) > KNOWN_SIGNATURES:
                self._signatures.popitem(last=False)
        return found

    def started(self, kernel: str, at: float) -> None:
        """A kernel was started."""
        self._started[kernel] = at
        self._started.move_to_end(kernel)
        while len(self._started) > KNOWN_STARTS:
            self._started.popitem(last=False)

    def lived(self, seen: Seen) -> float | None:
        """How long it had lived before it failed; None where that means nothing."""
        if seen.decide:
            return None
        if seen.event.type == "child.start_failed":
            return 0.0
        started = self._started.get(seen.failure.kernel)
        return None if started is None else max(0.0, seen.at - started)
