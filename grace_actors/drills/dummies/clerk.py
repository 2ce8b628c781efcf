"""A kernel that works for a while on each request, so that its queue can be made to grow.

It knows nothing of who asks. Invariant: what it answers is done.
"""

from __future__ import annotations

import time

from grace_actors.errors import Refused
from grace_actors.kernel import Data, Kernel, Request, need

MOST_S = 0.5
"""A longer piece of work would be taken for a hang."""


class Clerk(Kernel):
    """Verbs: `serve` {seconds}, `served`."""

    served = 0

    def do_serve(self, request: Request) -> int:
        """One piece of work of so many seconds; how many are done now."""
        seconds = float(need(request, "seconds", (int, float)))
        if not 0 <= seconds <= MOST_S:
            raise Refused(f"serve: seconds is {seconds}", hint=f"0 to {MOST_S:g}")
        time.sleep(seconds)
        self.served += 1
        self.did = f"served {self.served}"
        return self.served

    def do_served(self, request: Request) -> Data:
        """How many pieces of work this incarnation has done."""
        return {"served": self.served}
