"""The tables of the page: what was found in each run, coverage by category and kernel, Chaos Kong.

Data in, markup out. Invariant: a state is told by a sign and a word, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos.report.markup import Markup, element
from chaos.report.timeline import marks_of, picture
from chaos.report.words import (
    GATES,
    KONG,
    NONE,
    mapping,
    mappings,
    moment,
    number,
    plain,
    seconds,
    text,
    title_of,
    verdict,
    words,
)

_SIGNS = {
    "passed": ("✓", "good"),
    "failed": ("✖", "bad"),
    "deviated": ("✖", "bad"),
    "aborted": ("✖", "bad"),
    "interrupted": ("✖", "bad"),
    "running": ("●", "calm"),
    "not judged": (NONE, "dim"),
    "never drilled": ("○", "dim"),
}
_TOLD_APART = frozenset(
    {"run", "id", "title", "by", "status", "phase", "started_at", "ended_at", "activities", "gates", "said", "detect_s"}
    | {"heal_s", "passed", "reason", "journal", "timeline", "at", "card", "started_by"}
)
"""What of a run has a place of its own."""
Row = Sequence[Markup | str]
NO_SHARE = element("span", NONE)


def state(word: str) -> Markup:
    """Sign and word of a state."""
    sign, style = _SIGNS.get(word, ("?", "warn"))
    return element("span", f"{sign} {word}", class_=f"state {style}")


def judged(value: Any) -> Markup:
    """A gate, or a kernel's last drill: passed, failed, or not judged."""
    return state("passed" if value is True else "failed" if value is False else "not judged")


def table(titles: Sequence[str], rows: Sequence[Row], *, numbers: Sequence[str] = ()) -> Markup:
    """A table; the columns of `numbers` are set to the right."""
    kinds: list[dict[str, str | float]] = [{"class_": "number"} if title in numbers else {} for title in titles]
    head = element("tr", *(element("th", title, **kind) for title, kind in zip(titles, kinds, strict=True)))
    body = [
        element("tr", *(element("td", cell, **kind) for cell, kind in zip(row, kinds, strict=True))) for row in rows
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="wide", tabindex="0")  # what may have to be scrolled is reached by keys


def tile(title: str, figure: str, below: Markup | str = "") -> Markup:
    """One figure that counts, with its name above and what it is of below."""
    return element("div", element("span", title, class_="dim"), element("b", figure), below, class_="tile")


def share(part: Any, whole: Any) -> Markup:
    """So many of so many, with a bar."""
    done, total = number(part), number(whole)
    return (
        element("span", share_bar(part, whole), f" {done:g} of {total:g}") if done is not None and total else NO_SHARE
    )


def share_bar(part: Any, whole: Any) -> Markup:
    """The bar alone, beside a figure that says the same."""
    done, total = number(part), number(whole)
    if done is None or not total:
        return NO_SHARE
    percent = min(max(100 * done / total, 0), 100)
    return element("span", element("i", style=f"width: {percent:.0f}%"), class_="bar", aria_hidden="true")


# ---- one run --------------------------------------------------------------------------------------------------------


def run_part(run: Mapping[str, Any], anchor: str) -> Markup:
    """One run: how it ended, its picture, its gates, what happened in words."""
    named = f"{text(run.get('id'))} {title_of(run)}".rstrip()
    head = element("header", element("h3", named), state(verdict(run)), element("span", _when(run), class_="dim"))
    return element("article", head, *_body(run, named), id=anchor)


def _body(run: Mapping[str, Any], named: str) -> Iterator[Markup]:
    yield element("p", _how_fast(run))
    if run.get("reason"):
        yield element("p", text(run["reason"]), class_="warn" if verdict(run) != "passed" else "dim")
    if marks_of(run):
        drawn = picture(run, label=f"Time line of {named}: {verdict(run)}")
        yield element("p", "The picture is wider than the screen: it scrolls to the right.", class_="scrolls dim")
        yield element("figure", drawn, tabindex="0")
    yield gates(run)
    if marks_of(run):
        rows: list[Row] = [(seconds(mark.at_s), mark.what, mark.subject, mark.text) for mark in marks_of(run)]
        happened = table(("after", "what", "of", "told"), rows, numbers=("after",))
        yield element("details", element("summary", f"{len(rows)} things that happened"), happened)
    rest = {key: value for key, value in run.items() if key not in _TOLD_APART and value not in (None, "", [], {})}
    if rest:
        yield table(("figure", "value"), [(text(key).replace("_", " "), plain(value)) for key, value in rest.items()])
    if run.get("journal"):
        yield element("p", "journal: ", element("code", text(run["journal"])), class_="dim")


def _how_fast(run: Mapping[str, Any]) -> str:
    """How long noticing and healing took. Chaos Kong has no one thing to notice."""
    named = {"heal_s": "healed"} if run.get("id") == KONG else {"detect_s": "noticed", "heal_s": "healed"}
    known = [f"{word} after {seconds(run[key])}" for key, word in named.items() if number(run.get(key)) is not None]
    missing = [word for key, word in named.items() if number(run.get(key)) is None]
    return ", ".join([*known, *([f"no time known of when it was {' or '.join(missing)}"] if missing else [])])


def _when(run: Mapping[str, Any]) -> str:
    by = f" by {text(run['by'])}" if run.get("by") else ""
    return f"{text(run.get('run'))}, {moment(run.get('started_at', run.get('at')))}{by}"


def gates(run: Mapping[str, Any]) -> Markup:
    """The gates, each with its reason in words; Chaos Kong has its own."""
    found, said = mapping(run.get("gates")), mapping(run.get("said"))
    names = found if run.get("id") == KONG else [*GATES, *(key for key in found if key not in GATES)]
    rows: list[Row] = [
        (GATES.get(key) or text(key).replace("_", " "), judged(found.get(key)), text(said.get(key))) for key in names
    ]
    return table(("gate", "verdict", "why"), rows)


# ---- coverage -------------------------------------------------------------------------------------------------------


def coverage(found: Mapping[str, Any]) -> Iterator[Markup]:
    """Which drills are due, and how each category and each kernel stands."""
    for key, title in (("never", "never run"), ("overdue", "overdue"), ("high_risk_pending", "high risk, and due")):
        if ids := words(found.get(key)):
            yield element("p", element("b", f"{title}: "), ", ".join(ids))
    categories = mapping(found.get("by_category"))
    if categories:
        rows: list[Row] = [
            (text(name), share(mapping(each).get("drilled"), mapping(each).get("total")))
            for name, each in categories.items()
        ]
        yield table(("category", "drilled in time"), rows)
    kernels = mapping(found.get("kernels"))
    if kernels:
        yield table(
            ("kernel", "last drill", "verdict", "drills"), [_kernel(text(k), mapping(v)) for k, v in kernels.items()]
        )
    deviated = mappings(found.get("deviated"))
    if deviated:
        told: list[Row] = [
            (text(each.get("id")), text(each.get("run")), moment(each.get("at")), text(each.get("reason")))
            for each in deviated
        ]
        yield element("h3", "What deviated last")
        yield table(("drill", "run", "when", "why"), told)


def _kernel(name: str, found: Mapping[str, Any]) -> Row:
    last = found.get("last")
    when = moment(last) if number(last) is not None else text(last)
    seen = state("never drilled") if last is None else judged(found.get("passed"))
    return name, when, seen, ", ".join(words(found.get("cards"))) or NONE


def empty(told: str) -> Markup:
    """Says that there is nothing to show."""
    return element("p", told, class_="dim")
