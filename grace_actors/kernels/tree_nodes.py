"""The supervision tree as the status actor shows it, read into plain nodes.

Several kernels ask `status` and look for names, states and dependencies; this is the one place that knows the shape
of the answer. It must not know why a kernel asks.
Invariant: any answer gives a list of nodes, an odd one an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """One actor or supervisor. `last_exit` is the reason in words, empty if it never ended."""

    name: str
    kind: str = "kernel"
    state: str = ""
    restarts: int = 0
    last_exit: str = ""
    critical: bool = False
    parent: str = ""
    does: str = ""
    depends_on: tuple[str, ...] = field(default_factory=tuple)
    degraded: tuple[str, ...] = field(default_factory=tuple)

    @property
    def is_supervisor(self) -> bool:
        return self.kind == "supervisor"


def tree_nodes(answer: Any) -> list[TreeNode]:
    """Every node of an answer to `status`, parents before children."""
    return list(_walk(answer, ""))


def _walk(value: Any, parent: str) -> Iterator[TreeNode]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _walk(item, parent)
        return
    if not isinstance(value, dict):
        return
    name = value.get("name")
    if isinstance(name, str) and name and ("state" in value or "children" in value or "kind" in value):
        yield _node(value, name, parent)
        parent = name
    for key in ("tree", "root", "nodes", "children"):
        yield from _walk(value.get(key), parent)


def _node(value: dict[str, Any], name: str, parent: str) -> TreeNode:
    restarts = value.get("restarts")
    return TreeNode(
        name=name.rsplit("/", 1)[-1],
        kind=str(value.get("kind") or ("supervisor" if value.get("children") else "kernel")),
        state=str(value.get("state") or ""),
        restarts=restarts if isinstance(restarts, int) else 0,
        last_exit=_exit_words(value.get("last_exit")),
        critical=value.get("critical") is True,
        parent=parent,
        does=str(value.get("does") or ""),
        depends_on=_texts(value.get("depends_on")),
        degraded=_texts(value.get("degraded")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def _exit_words(value: Any) -> str:
    if isinstance(value, dict):
        kind, reason = str(value.get("kind") or ""), str(value.get("reason") or "")
        return f"{kind}: {reason}" if kind and reason and kind not in reason else reason or kind
    return str(value or "")
