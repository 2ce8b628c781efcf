"""The smallest kernel there is, for measuring what the runtime itself costs."""

from __future__ import annotations

from grace_actors.kernel import Kernel


class Trivial(Kernel):
    """Answers the built-in verbs and nothing else."""
