"""What became of a child that was just ended: whether its supervisor has put a new one in its place.

Looks, for a moment, so that a person who kills and then looks does not see the dead one. It decides nothing and
never fails: whoever cannot be asked is not told about.
Invariant: `running again` is said only of a generation that was not there before.
"""

from __future__ import annotations

import time

from grace_actors.console.client import Client
from grace_actors.console.model import Node, read_node
from grace_actors.errors import GraceError

WAIT_S = 1.5
"""Longer than a restart usually takes, shorter than a person's patience."""
_POLL_S = 0.02
_ASK_S = 5.0
_SETTLED = frozenset({"completed", "failed", "quarantined", "awaiting_repair", "stopped"})


def _is_other(now: Node, before: Node) -> bool:
    return (now.generation, now.pid) != (before.generation, before.pid)


def look(client: Client, name: str) -> Node | None:
    """The node as it is now; None when it cannot be known."""
    try:
        value = client.call("status", {"name": name}, timeout_s=_ASK_S)
    except GraceError:
        return None
    node = read_node(value.get("node") if isinstance(value, dict) else None)
    return None if node.state == "unknown" else node


def aftermath(client: Client, name: str, before: Node | None, *, wait_s: float = WAIT_S) -> str:
    """What came after `before`: `running again, pid 4711`, or the state it is in instead; empty when unknown."""
    deadline = time.monotonic() + wait_s
    while before is not None:
        now = look(client, name)
        if now is not None and now.state in _SETTLED:
            return f"now {now.state}"
        if (
            now is not None
            and now.state in ("running", "degraded")
            and (now.generation, now.pid) != (before.generation, before.pid)
        ):
            return f"running again, pid {now.pid}"
        if time.monotonic() > deadline:
            return f"not back yet, look with `status {name}`" if now is not None else ""
        time.sleep(_POLL_S)
    return ""
