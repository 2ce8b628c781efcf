"""The smallest pieces of what people read: a state, a length of time, text that is safe to print.

Invariant: a state is always told by a glyph and a word, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

GLYPHS: Mapping[str, tuple[str, str]] = {
    "running": ("●", "green"),
    "completed": ("✓", "green"),
    "starting": ("◐", "yellow"),
    "restarting": ("◐", "yellow"),
    "booting": ("◐", "yellow"),
    "delayed": ("◐", "yellow"),
    "stopping": ("◑", "yellow"),
    "degraded": ("▲", "yellow"),
    "paused": ("‖", "cyan"),
    "stopped": ("○", "dim"),
    "waiting": ("◌", "yellow"),
    "awaiting_repair": ("✚", "magenta"),
    "quarantined": ("■", "red"),
    "failed": ("✖", "red"),
}
_UNKNOWN = ("?", "magenta")


def glyph_of(state: str) -> tuple[str, str]:
    """Glyph and style of a state."""
    return GLYPHS.get(state, _UNKNOWN)


def badge(state: str) -> Text:
    """Glyph and word of a state."""
    glyph, style = glyph_of(state)
    return Text(f"{glyph} {state}", style=style)


def duration(seconds: Any) -> str:
    """A length of time in its largest unit: 0.4s, 12s, 3m, 5h, 2d."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def took(seconds: Any) -> str:
    """A length of time that was measured: below a second to the hundredth, as in 0.03s."""
    is_short = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds < 1
    return f"{max(seconds, 0):.2f}s" if is_short else duration(seconds)


def one_line(text: str) -> str:
    """Text that cannot break a line or move the cursor."""
    return "".join(char if char.isprintable() else " " for char in text)
