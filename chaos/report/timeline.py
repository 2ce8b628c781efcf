"""The picture of one run: a lane for each kernel, and a mark where something happened.

Positions are a pure function of the times. Invariant: the distance of two marks is in proportion to the time between
them, for all lanes of a picture on the same scale; marks too near each other go below, never aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.report.markup import Markup, element, joined
from chaos.report.words import KONG, mappings, number, seconds, text

WIDTH, LEFT, RIGHT = 960.0, 190.0, 30.0
PLOT = WIDTH - LEFT - RIGHT
ROW, GAP, TOP, BOTTOM = 18.0, 10.0, 8.0, 26.0
NEAR = 14.0
"""Marks nearer than this would cover each other."""
MOST_ROWS = 8
"""So many go below each other; a storm of more covers itself."""
_LABEL_CHARS = 24
_SHAPES = {"injected": "injected", "detected": "detected", "recovered": "recovered", "undone": "undone"}
OTHER = "other"
LEGEND = (
    ("injected", "fault injected"),
    ("detected", "noticed"),
    ("recovered", "healed"),
    ("undone", "fault undone"),
    (OTHER, "other"),
    ("down", "down"),
)
_DRILL, _KONG_RUN = (("exited", "hung"), ("started",)), (("detected",), ("recovered",))
"""By which marks something goes down and comes up. What a drill detects may be something that runs all the while, and
what it calls recovered is everything; Kong calls so the end and the start of a process."""
WHOLE = "the drill"
"""The lane of what is about no kernel, or about the drill itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that happened, `at_s` seconds after the start of the run."""

    at_s: float
    what: str
    subject: str
    text: str

    @property
    def shape(self) -> str:
        return _SHAPES.get(self.what, OTHER)


def marks_of(run: Mapping[str, Any]) -> list[Mark]:
    """What is told with a time, in order of time."""
    found = [
        Mark(
            at_s=max(at_s, 0.0),
            what=text(each.get("what")),
            subject=text(each.get("subject") if each.get("subject") not in (None, "", run.get("id")) else WHOLE),
            text=str(each.get("text") or ""),
        )
        for each in mappings(run.get("timeline"))
        if (at_s := number(each.get("at_s"))) is not None
    ]
    return sorted(found, key=lambda mark: mark.at_s)


def length_s(run: Mapping[str, Any], marks: Sequence[Mark]) -> float:
    """How long the picture is: the run, and no less than its last mark."""
    began, ended = number(run.get("started_at")), number(run.get("ended_at"))
    took = ended - began if began is not None and ended is not None else 0.0
    return max([took, *(mark.at_s for mark in marks)]) or 1.0


def place(at_s: float, total_s: float) -> float:
    """Where a time is, from the left edge of the picture."""
    return LEFT + PLOT * at_s / total_s


def picture(run: Mapping[str, Any], *, label: str) -> Markup:
    """The whole picture; `label` is what a screen reader says of it."""
    marks = marks_of(run)
    total = length_s(run, marks)
    lanes: dict[str, list[Mark]] = {}
    for mark in marks:
        lanes.setdefault(mark.subject, []).append(mark)
    bands: list[Markup] = []
    drawn: list[Markup] = []
    top = TOP
    for subject, found in lanes.items():
        rows = _rows(found, total)
        height = GAP + ROW * (max(rows) + 1)
        style = "band odd" if len(bands) % 2 else "band"
        bands.append(element("rect", x=0, y=top, width=WIDTH, height=height, class_=style))
        drawn.append(
            _lane(
                subject,
                [(mark, row, place(mark.at_s, total)) for mark, row in zip(found, rows, strict=True)],
                list(_down(found, total, *(_KONG_RUN if run.get("id") == KONG else _DRILL))),
                top,
                height,
            )
        )
        top += height
    axis = joined(_axis(total, top))  # over the bands, which hid it, and under the marks
    size = {"viewBox": f"0 0 {WIDTH:g} {top + BOTTOM:g}", "role": "img", "aria_label": label}
    desc = f"{len(marks)} marks on {len(lanes)} lanes in {seconds(total)}; the same stands in words below the picture."
    return element("svg", element("desc", desc), *bands, axis, *drawn, class_="timeline", **size)


def _rows(marks: Sequence[Mark], total_s: float) -> list[int]:
    """For each mark the first row in which it covers no other."""
    last: list[float] = []
    rows = []
    for mark in marks:
        x = place(mark.at_s, total_s)
        lowest = min(len(last), MOST_ROWS - 1)
        row = next((number for number, before in enumerate(last) if x - before >= NEAR), lowest)
        last[row:] = [x, *last[row + 1 :]]
        rows.append(row)
    return rows


def _lane(
    subject: str,
    marks: Sequence[tuple[Mark, int, float]],
    spans: Sequence[tuple[float, float]],
    top: float,
    height: float,
) -> Markup:
    short = subject if len(subject) <= _LABEL_CHARS else f"{subject[: _LABEL_CHARS - 1]}\N{HORIZONTAL ELLIPSIS}"
    middle = top + height / 2
    name = element("text", element("title", subject), short, x=8, y=middle + 4, class_="lane")
    down = [
        element("rect", x=begin, y=middle - 2, width=max(end - begin, 1.0), height=4, class_="down")
        for begin, end in spans
    ]
    shapes = [_shape(mark, x, top + GAP / 2 + ROW * row + ROW / 2) for mark, row, x in marks]
    return element("g", name, *down, *shapes)


def _down(
    marks: Sequence[Mark], total_s: float, falls: Sequence[str], rises: Sequence[str]
) -> Iterator[tuple[float, float]]:
    """From each fall to the rise that follows; without one, to the end."""
    since: float | None = None
    for mark in marks:
        if mark.what in falls and since is None:
            since = mark.at_s
        elif mark.what in rises and since is not None:
            yield place(since, total_s), place(mark.at_s, total_s)
            since = None
    if since is not None:
        yield place(since, total_s), place(total_s, total_s)


def _shape(mark: Mark, x: float, y: float) -> Markup:
    told = f": {mark.text}" if mark.text else ""
    title = element("title", f"{seconds(mark.at_s)} {mark.what} {mark.subject}{told}")
    return element("g", title, symbol(mark.shape, x, y), class_=f"mark {mark.shape}", data_at=f"{mark.at_s!r}")


def symbol(shape: str, x: float, y: float) -> Markup:
    """A mark with its middle at x, y; told apart by its form, not by colour alone."""
    match shape:
        case "injected":
            return element("path", d=f"M{x - 6:.2f} {y - 5:.2f}H{x + 6:.2f}L{x:.2f} {y + 6:.2f}Z")
        case "detected":
            return element(
                "path", d=f"M{x:.2f} {y - 6:.2f}L{x + 6:.2f} {y:.2f}L{x:.2f} {y + 6:.2f}L{x - 6:.2f} {y:.2f}Z"
            )
        case "recovered":
            return element("circle", cx=x, cy=y, r=5.5)
        case "undone":
            return element("rect", x=x - 5, y=y - 5, width=10, height=10)
        case "down":
            return element("rect", x=x - 8, y=y - 2, width=16, height=4)
    return element("rect", x=x - 1.5, y=y - 6, width=3, height=12)


def legend() -> Markup:
    """What the marks mean."""
    items = [
        element(
            "span",
            element("svg", symbol(shape, 8, 8), viewBox="0 0 16 16", class_=f"key {shape}", aria_hidden="true"),
            f" {meaning}",
        )
        for shape, meaning in LEGEND
    ]
    return element("p", *items, class_="legend")


def _axis(total_s: float, bottom: float) -> Iterator[Markup]:
    for at_s in ticks(total_s):
        x = place(at_s, total_s)
        yield element("line", x1=x, y1=TOP, x2=x, y2=bottom, class_="grid")
        yield element("text", f"{at_s:g} s", x=x, y=bottom + 17, class_="tick")


def ticks(total_s: float) -> list[float]:
    """At most nine round times from 0 to the end."""
    step = 10.0**-3
    while total_s / step > 8:
        for factor in (2.0, 2.5, 2.0):  # 1, 2, 5, 10
            if total_s / step > 8:
                step *= factor
    return [round(step * n, 6) for n in range(int(total_s / step + 1e-9) + 1)]
