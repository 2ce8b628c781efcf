"""How long to wait before the n-th restart in a row.

Pure arithmetic: the randomness is one number in [0, 1) handed in by the caller.
delay(n) = min(max, min * 2**n) * (1 + u * jitter), as Pekko's BackoffSupervisor computes it.
Invariant: no n, however large, overflows or exceeds max_s * (1 + jitter).
"""

from __future__ import annotations

import math

from supervisors.spec import Backoff


def delay_s(backoff: Backoff, n: int, u: float = 0.0) -> float:
    """Seconds before restart number `n` (0 is the first) with the random draw `u` in [0, 1)."""
    return min(backoff.max_s, _doubled(backoff, n)) * (1.0 + u * backoff.jitter)


def reset_after_s(backoff: Backoff) -> float:
    """The run length that sets n back to 0; unless given it is (min_s + max_s) / 2, as in Akka typed."""
    return backoff.reset_after_s if backoff.reset_after_s is not None else (backoff.min_s + backoff.max_s) / 2


def slowest_s(backoff: Backoff) -> float:
    """The longest possible delay."""
    return backoff.max_s * (1.0 + backoff.jitter)


def _doubled(backoff: Backoff, n: int) -> float:
    # Comparing exponents first keeps 2**n from overflowing (akka PR#24420, ray#61003).
    if n > math.log2(backoff.max_s / backoff.min_s) + 1:
        return backoff.max_s
    return backoff.min_s * 2.0**n
