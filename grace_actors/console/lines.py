"""Records for people: states with their signs, labels with a line of text, tables that fit, plain data in a line.

Turns data into rich renderables or text; prints nothing, asks nobody, knows no record. Invariant: whatever text comes
in, what goes out neither breaks a line nor moves the cursor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grace_actors.console.words import GLYPHS, duration, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

LAST_COLUMN_CHARS = 24
SIGNS: Mapping[str, tuple[str, str]] = {
    **GLYPHS,
    **dict.fromkeys(("requested", "scheduled", "canceling", "open"), ("●", "cyan")),
    **dict.fromkeys(("awaiting_approval", "awaiting_patch", "pending"), ("‖", "cyan")),
    **dict.fromkeys(("repairing", "assigned", "in_progress", "testing"), ("◐", "yellow")),
    **dict.fromkeys(("succeeded", "healed", "recovered", "resolved", "approved", "used"), ("✓", "green")),
    **dict.fromkeys(("passed", "ok", "undone", "off"), ("✓", "green")),
    **dict.fromkeys(("rejected", "timed_out", "canceled", "abandoned"), ("✖", "red")),
    **dict.fromkeys(("aborted", "deviated", "interrupted", "undo_failed"), ("✖", "red")),
    **dict.fromkeys(("queued", "prepared", "injected"), ("◌", "yellow")),
    **dict.fromkeys(("skipped", "not judged", "not yet", "no drill"), ("\N{EN DASH}", "dim")),
    "never": ("○", "dim"),
}


def sign(state: Any) -> Text:
    """Sign and word of a state."""
    from rich.text import Text

    mark, style = SIGNS.get(str(state), ("?", "magenta"))
    return Text(f"{mark} {one_line(str(state))}", style=style)


def line(label: str, text: str, *, full: bool = False, style: str = "") -> RenderableType:
    """A label and one line of text that is cut at the width; with `full` it takes as many as it needs."""
    from rich.table import Table
    from rich.text import Text

    if not full:
        found = Text(f"  {label:<11} ", style="dim", no_wrap=True, overflow="ellipsis")
        return found.append(one_line(text.rstrip()), style=style or "not dim")
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=13, no_wrap=True, style="dim")
    grid.add_column(overflow="fold", style=style)
    grid.add_row(f"  {label}", Text("\n".join(map(one_line, text.rstrip().splitlines()))))
    return grid


def heading(text: str) -> Text:
    """The title of a part."""
    from rich.text import Text

    return Text(text, style="bold")


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int, may_go: Sequence[str] = ()) -> Table:
    """Columns of whole words, the last one cut to what is left; `may_go` names columns to leave out, in this order,
    when it is narrow."""
    from rich.table import Table
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(one_line(str(cell))) for cell in row] for row in rows]
    sizes = {title: max([len(title), *(row[at].cell_len for row in cells)]) + 1 for at, title in enumerate(titles)}
    kept = list(titles)
    for title in may_go:
        if sum(sizes[each] for each in kept[:-1]) + LAST_COLUMN_CHARS > width:
            kept.remove(title)
    found = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for title in kept[:-1]:
        found.add_column(title, no_wrap=True, width=sizes[title] - 1)
    room = max(len(kept[-1]), width - sum(sizes[title] for title in kept[:-1]) - 1)
    found.add_column(kept[-1], no_wrap=True, overflow="ellipsis", width=min(sizes[kept[-1]] - 1, room))
    for row in cells:
        found.add_row(*(row[at] for at, title in enumerate(titles) if title in kept))
    return found


def ago(at: Any, now: float) -> str:
    """How long ago, or how long from now."""
    if not is_number(at):
        return "-"
    return f"{duration(now - at)} ago" if at <= now else f"in {duration(at - now)}"


def clock(at: Any) -> str:
    """A time of the day; with the date when that is not today."""
    if not is_number(at):
        return "-"
    moment = time.localtime(at)
    is_today = moment[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S", moment)


def is_number(value: Any) -> bool:
    """A number that is no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def compact(value: Any) -> str:
    """Plain data in a line: `a 1, b x`; what is missing is "no data"."""
    match value:
        case None:
            return "no data"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
        case str():
            return one_line(value)
        case Mapping():
            return ", ".join(f"{one_line(str(key))} {_named(str(key), part)}" for key, part in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(_part, value)) or "none"
    return one_line(json.dumps(value, ensure_ascii=False, default=str))


def _named(key: str, value: Any) -> str:
    is_time = (key == "at" or key.endswith("_at")) and is_number(value)
    return clock(value) if is_time else _part(value)


def _part(value: Any) -> str:
    return f"({compact(value)})" if isinstance(value, Mapping | list | tuple) and value else compact(value)


def given(values: Any) -> str:
    """Parameters as they are typed: `a=1 b=x`."""
    if not isinstance(values, Mapping):
        return ""
    return " ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for key, value in values.items()
    )


def known(value: Any) -> Any:
    """Plain data without what is missing or empty in it."""
    if not isinstance(value, Mapping):
        return value
    found = {key: known(part) for key, part in value.items()}
    return {key: part for key, part in found.items() if part not in (None, "", [], {})}


def items(value: Any) -> list[Any]:
    """A list of an answer; whatever else is there counts as none."""
    return list(value) if isinstance(value, list | tuple) else []


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list of an answer."""
    return [item for item in items(value) if isinstance(item, Mapping)]


def part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping within an answer; whatever else is there counts as an empty one."""
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}
