"""Answers as people read them: the tree, tables of status, a node in detail, event lines.

Turns data into rich renderables or text; prints nothing itself, asks nobody.
Invariant: no line of a table is wider than the console, and a state is always told by a glyph and a word,
never by colour alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grace_actors.console.model import UP, Event, Node, overall, read_node
from grace_actors.console.progress import Progress
from grace_actors.console.words import badge, duration, glyph_of, one_line

__all__ = ["Progress", "checks_view", "detail_view", "event_line", "status_view", "tree_view", "welcome_view"]

WIDE = 110
"""From this many columns on, a table has room for everything."""
_VALUE_CHARS = 100
_FIRST_TOLD = ("kind", "reason", "fault", "reasons")
"""Data shown first: a narrow terminal cuts the rest."""
_A_DATE = 1e9
"""From here on a number of seconds is a time of the clock."""
_EVENT_COLOURS = {"exited": "red", "failed": "red", "quarantined": "red", "gave_up": "red", "died": "red"}


def tree_view(root: Node, *, width: int, now: float | None = None) -> Table:
    """The tree with one line a node."""
    table = _node_table("tree", width)
    for lead, node in _branches(root):
        table.add_row(*_node_row(lead, node, width, now))
    return table


def status_view(value: Mapping[str, Any], *, width: int, now: float | None = None) -> list[Text | Table]:
    """The answer of `status`: a headline, the kernels, and what needs attention."""
    root = read_node(value.get("tree"))
    table = _node_table("name", width)
    for node in root.walk():
        if node.kind != "supervisor":
            table.add_row(*_node_row("", node, width, now))
    return [headline(value), *([table] if table.row_count else []), *attention(root)]


def headline(value: Mapping[str, Any]) -> Text:
    """State, kernels and times in a line, pid and home in the next."""
    instance = value.get("instance") or {}
    kernels = value.get("kernels") or {}
    state = overall(value)
    line = Text("grace ").append_text(badge(state))
    parts = [
        f"{kernels.get('running', 0)}/{kernels.get('total', 0)} kernels",
        *(f"{kernels[key]} {key}" for key in ("degraded", "failed") if kernels.get(key)),
        f"up {duration(instance.get('uptime_s'))}",
    ]
    ready = (value.get("boot") or {}).get("ready_s")
    if isinstance(ready, int | float):
        parts.append(f"ready in {ready:.2f} s")
    return line.append("".join(f" · {part}" for part in parts)).append(
        f"\npid {instance.get('pid', '-')} · home {instance.get('home', '-')}", style="dim"
    )


def attention(root: Node) -> list[Text]:
    """One line for each node that needs somebody, and what to look at next."""
    lines = [
        Text("  ", no_wrap=True, overflow="ellipsis").append_text(badge(node.state)).append(f" {node.name}{_why(node)}")
        for node in root.walk()
        if node.needs_attention and not any(child.needs_attention for child in node.children)
    ]
    if not lines:
        return []
    return [
        Text("needs attention:", style="bold"),
        *lines,
        Text("look with `status NAME` and `tail NAME`", style="dim"),
    ]


def welcome_view(value: Mapping[str, Any], *, url: str | None, logs: str, width: int) -> list[Text | Table]:
    """What the shell shows first: the tree, where to look, what needs attention."""
    root = read_node(value.get("tree"))
    places = Table.grid(padding=(0, 2))
    places.add_column(style="dim", no_wrap=True)
    places.add_column(overflow="fold")
    if url:
        places.add_row("API", url)
    places.add_row("logs", logs)
    places.add_row("help", "`help` lists the verbs, `help VERB` explains one; Ctrl-C stops everything in order")
    return [tree_view(root, width=width), Text(), headline(value), places, *attention(root)]


def detail_view(value: Mapping[str, Any], *, width: int, now: float | None = None) -> list[RenderableType]:
    """The answer of `status NAME`: facts, the last exit in full, checks, metrics, children."""
    node = read_node(value.get("node"))
    if value.get("does"):  # it has just said so itself; the tree knows it from the last heartbeat
        node = replace(node, does=str(value["does"]))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, fact in _facts(node, now):
        facts.add_row(label, fact)
    parts: list[RenderableType] = [Text(f"{node.name} ", style="bold").append_text(badge(node.state)), facts]
    if node.last_exit and node.last_exit.detail:
        parts += [Text("last exit in detail:", style="bold"), Padding(Text(_safe(node.last_exit.detail)), (0, 0, 0, 2))]
    if checks := list(value.get("checks") or ()):
        parts += [Text("checks:", style="bold"), checks_view(checks)]
    if metrics := value.get("metrics"):
        parts += [Text("metrics:", style="bold"), pairs_view(metrics)]
    if node.children:
        parts.append(tree_view(node, width=width, now=now))
    return parts


def checks_view(checks: Iterable[Mapping[str, Any]]) -> Table:
    """Checks with their outcome; the detail may take several lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        mark = Text("✓ ok", style="green") if check.get("ok") else Text("✖ failed", style="red")
        table.add_row(mark, str(check.get("name", "?")), str(check.get("detail", "")))
    return table


def pairs_view(pairs: Mapping[str, Any]) -> Table:
    """Names and values in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(f"  {name}", f"{value:g}" if isinstance(value, float) else str(value))
    return table


def event_line(event: Event) -> Text:
    """One event in one line: time, sequence number, type, subject, data."""
    clock = "--:--:--.---"
    if event.at is not None:
        clock = time.strftime("%H:%M:%S", time.localtime(event.at)) + f".{int(event.at * 1000) % 1000:03d}"
    style = _EVENT_COLOURS.get(event.type.rpartition(".")[2], "cyan")
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(clock, style="dim").append(f" #{event.seq if event.seq is not None else '-':<5} ", style="dim")
    line.append(f"{event.type:<22} ", style=style).append(event.subject, style="bold")
    told = [key for key, value in event.data.items() if _is_told(key, value)]
    told.sort(key=lambda key: _FIRST_TOLD.index(key) if key in _FIRST_TOLD else 99 if key == "supervisor" else 9)
    data = " ".join(f"{key}={_short(key, event.data[key])}" for key in told)
    return line.append(f"  {data}" if data else "")


def _branches(node: Node, indent: str = "", lead: str = "") -> Iterator[tuple[str, Node]]:
    yield lead, node
    for number, child in enumerate(node.children, 1):
        last = number == len(node.children)
        yield from _branches(child, indent + ("   " if last else "│  "), indent + ("└─ " if last else "├─ "))


def _node_table(title: str, width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim", width=width)
    table.add_column(title, no_wrap=True)
    if width >= WIDE:
        table.add_column("state", no_wrap=True)
    for column in ("pid", "up", "mem"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("↻", no_wrap=True)
    table.add_column("does", no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _node_row(lead: str, node: Node, width: int, now: float | None) -> list[Text]:
    glyph, style = glyph_of(node.state)
    name = Text(lead, style="dim").append(f"{glyph} ", style=style).append(node.name, style="bold" if lead else "")
    does = _does(node, now)
    if width < WIDE and node.state not in UP:
        does = Text(f"{node.state} ", style=style).append_text(does)
    return [
        name,
        *([Text(node.state, style=style)] if width >= WIDE else []),
        Text(str(node.pid) if node.pid else "-"),
        Text(duration(node.uptime_s)),
        Text(f"{node.memory_mb:.0f}M" if node.memory_mb is not None else "-"),
        Text(f"↻{node.restarts}" if node.restarts else "", style="yellow"),
        does,
    ]


def _does(node: Node, now: float | None) -> Text:
    if node.degraded:
        return Text(one_line("; ".join(node.degraded)), style="yellow")
    if node.state == "waiting":
        return Text(one_line(node.does), style="yellow")
    if node.state not in UP and node.last_exit:
        return Text(one_line(f"{node.last_exit.reason}{_ago(node.last_exit.at, now)}"), style="red")
    if node.kind == "supervisor":
        return Text(one_line(" ".join((node.strategy, *node.policies))), style="dim")
    return Text(one_line(node.does))


def _facts(node: Node, now: float | None) -> Iterator[tuple[str, str]]:
    yield "kind", " ".join(word for word in (node.kind, node.strategy) if word) or "-"
    yield "does", node.does or "-"
    if node.cause:
        yield "cause", one_line(node.cause)
    if node.next_step:
        yield "next step", one_line(node.next_step)
    if node.degraded:
        yield "degraded", "; ".join(node.degraded)
    yield "pid", str(node.pid or "-")
    yield "generation", f"{node.generation if node.generation is not None else '-'} ({node.restarts} restarts)"
    yield "up", duration(node.uptime_s)
    if node.memory_mb is not None:
        yield "memory", f"{node.memory_mb:.1f} MB"
    if node.mailbox is not None:
        yield "mailbox", f"{node.mailbox} waiting"
    if node.policies:
        yield "policies", ", ".join(node.policies)
    yield "last exit", f"{node.last_exit.reason}{_ago(node.last_exit.at, now)}" if node.last_exit else "none"


def _why(node: Node) -> str:
    is_told_by_exit = node.last_exit is not None and node.state != "waiting"
    why = "; ".join(node.degraded) or (node.last_exit.reason if is_told_by_exit and node.last_exit else node.does)
    return f": {one_line(why)}" if why else ""


def _ago(at: float | None, now: float | None) -> str:
    return "" if at is None else f", {duration((time.time() if now is None else now) - at)} ago"


def _is_told(key: str, value: Any) -> bool:
    """Empty values and whole tracebacks say nothing in a line; `--json` has them."""
    return value not in (None, "", [], {}) and not (key == "detail" and "\n" in str(value))


def _short(key: str, value: Any) -> str:
    if (key == "at" or key.endswith("_at")) and isinstance(value, float) and value >= _A_DATE:
        return time.strftime("%H:%M:%S", time.localtime(value))
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(text if len(text) <= _VALUE_CHARS else text[: _VALUE_CHARS - 1] + "…")


def _safe(text: str) -> str:
    return "\n".join(one_line(line) for line in text.rstrip().splitlines())
