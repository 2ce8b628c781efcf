"""Whether a drill may begin now, in words. Pure; the same for a person who asks and for the schedule.

Invariant: what is refused here was not begun, so that nothing has to be undone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chaos.card import Card
from supervisors.durations import nearest_match


def objection(card: Card, *, incidents: Sequence[tuple[str, str]] = (), tree: Collection[str] | None = None) -> str:
    """Why the drill may not begin, or an empty text. `incidents` are the open ones as `(id, kernel)`, `tree` the names
    in the tree (None: not known)."""
    if incidents:
        id, kernel = incidents[0]
        more = f" and {len(incidents) - 1} more" if len(incidents) > 1 else ""
        return f"the incident {id} of {kernel} is open{more}; a drill begins only when all is well"
    missing = [] if tree is None else [name for name in card.kernels if name not in tree]
    if missing:
        near = nearest_match(missing[0], tree or ())
        meant = f"; did you mean {near!r}?" if near else ""
        return f"{card.id} needs {', '.join(missing)}, which is not in the tree{meant}"
    return ""
