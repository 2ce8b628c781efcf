"""Looking again and again at something that the instance does, until it is over.

What it does may well take down those who answer, so silence is borne for a while. Must not know what is looked at.
Invariant: it never looks on when the instance itself is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import Interrupted, NotRunning, RemoteFailed

LOOK_S = 0.2
SILENCE_S = 60.0
"""So long nobody may answer before looking is given up; what is looked at goes on."""


def looks(client: Client, call: Callable[[], Any], *, about: str, later: str) -> Iterator[Any]:
    """One answer after the other, a moment apart; the caller stops when it has seen enough. Raises Interrupted, with
    `later` as what to do, when nobody answers for long."""
    heard = time.monotonic()
    while True:
        try:
            value = call()
        except (RemoteFailed, Interrupted, NotRunning) as error:  # whoever answers is being restarted, or it is over
            if isinstance(error, NotRunning) and client.home.running_pid() is None:
                raise
            if time.monotonic() - heard > SILENCE_S:
                raise Interrupted(f"nobody knows how {about} goes: {error.message}", hint=f"later: {later}") from None
        else:
            yield value
            heard = time.monotonic()
        time.sleep(LOOK_S)
