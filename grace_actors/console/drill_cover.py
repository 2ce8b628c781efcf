"""How far drills reach, as a person reads it: coverage, the schedule, the leash.

Turns answers into lines and tables; prints nothing, asks nobody. Invariant: what was never drilled is told first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.drill_lists import result
from grace_actors.console.lines import (
    ago,
    clock,
    compact,
    heading,
    is_number,
    items,
    line,
    mappings,
    part,
    sign,
    table,
)
from grace_actors.console.words import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

_BAR_CHARS = 24
_LISTS = {"never run": "never", "overdue": "overdue", "high risk": "high_risk_pending", "no drill": "no_drill"}
"""What is wanting, by its label: cards, and what of the tree no card breaks."""


def coverage_view(value: Mapping[str, Any], *, width: int, now: float) -> Iterator[RenderableType]:
    """Which drills are due, and how each category and each kernel stands."""
    yield heading("coverage")
    yield line("in time", _share(value.get("drilled_recently"), value.get("total")))
    for label, key in _LISTS.items():
        if value.get(key, ()) is None:
            yield line(label, "no data: status does not show the tree", style="yellow")
            continue
        ids = ", ".join(map(compact, items(value.get(key))))
        yield line(label, ids or "none", full=True, style="yellow" if ids else "")
    categories = part(value, "by_category")
    if categories:
        yield heading("categories")
        rows = [(name, _share(_of(each, "drilled"), _of(each, "total"))) for name, each in categories.items()]
        yield table(("category", "drilled in time"), rows, width=width)
    kernels = part(value, "kernels")
    if kernels:
        yield heading("kernels")
        rows = [_kernel(str(name), each if isinstance(each, Mapping) else {}, now) for name, each in kernels.items()]
        yield table(("kernel", "last", "when", "drills"), rows, width=width)
    deviated = mappings(value.get("deviated"))
    if deviated:
        yield heading("what deviated last")
        told = [
            (each.get("id"), each.get("run"), ago(each.get("at"), now), each.get("reason") or "") for each in deviated
        ]
        yield table(("drill", "run", "when", "why"), told, width=width, may_go=("when",))


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _share(part: Any, whole: Any) -> str:
    if not is_number(part) or not is_number(whole) or whole <= 0:
        return "no data"
    full = min(round(_BAR_CHARS * part / whole), _BAR_CHARS)
    return f"{'█' * full}{'░' * (_BAR_CHARS - full)} {part} of {whole}"


def _kernel(name: str, found: Mapping[str, Any], now: float) -> tuple[Any, ...]:
    cards = ", ".join(map(compact, items(found.get("cards"))))
    told = {"passed": found.get("passed"), "last_run": found.get("last")}
    seen = result(told) if cards else sign("no drill")
    return name, seen, ago(found.get("last"), now), cards or "none"


def schedule_view(value: Mapping[str, Any], *, width: int, now: float) -> Iterator[RenderableType]:
    """Whether drills start by themselves, when the next one does, and what came of the last."""
    from rich.text import Text

    yield from leash_lines(value)
    if is_number(value.get("every_s")):
        window = f", within {compact(value['window'])}" if value.get("window") else ", at any time"
        gap = f", at least {duration(value['min_gap_s'])} apart" if is_number(value.get("min_gap_s")) else ""
        yield line("plan", f"one every {duration(value['every_s'])}{window}{gap}")
    next_in = value.get("next_in_s")
    if value.get("leashed") is False:
        yield line("next", f"in {duration(next_in)}" if is_number(next_in) else "none is planned")
    recent = mappings(value.get("recent"))
    yield heading("what was planned lately")
    if not recent:
        yield Text("  nothing since chaos_runner started")
        return
    rows = [(clock(each.get("at")), compact(each.get("type")), _data(each.get("data"))) for each in recent]
    yield table(("when", "what", ""), rows, width=width)


def leash_lines(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The leash, what runs, and what holds drills back."""
    is_on = value.get("leashed") is not False
    held = "on: no drill starts by itself. Allow them: chaos leash off"
    yield line("leash", held if is_on else "off: drills start by themselves. Hold them: chaos leash on", full=True)
    running = value.get("running")
    yield line("running", f"{compact(running)}  (drill follow, drill halt)" if running else "no drill")
    if value.get("withheld") and not (is_on and value["withheld"] == "leashed"):  # which the first line says
        yield line("withheld", compact(value["withheld"]), style="yellow")


def _data(value: Any) -> str:
    """What an event of the plan says, without whose it is."""
    if not isinstance(value, Mapping):
        return ""
    told = {key: each for key, each in value.items() if key != "supervisor"}
    words = {"in_s": "in", "every_s": "every"}
    return ", ".join(
        f"{words[key]} {duration(each)}" if key in words and is_number(each) else compact({key: each})
        for key, each in told.items()
    )
