"""The whole page: summary, overview, every run with its picture, coverage, Chaos Kong.

Takes the answer of the verb `report`; what is missing in it is told as missing. Invariant: every run and every
kernel of the data is on the page, once in its own part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos.report import parts
from chaos.report.markup import Markup, element, joined, raw
from chaos.report.style import SHEET
from chaos.report.timeline import legend
from chaos.report.words import (
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
    worst,
)

Run = Mapping[str, Any]


def render(data: Mapping[str, Any]) -> str:
    """The report as one HTML text."""
    runs, kong = mappings(data.get("runs")), mappings(data.get("kong"))
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "Grace: drills"),
        element("style", raw(SHEET)),
    )
    body = element("body", *_body(data, runs, kong))
    return f"<!doctype html>\n{element('html', element('head', *head), body, lang='en')}\n"


def _body(data: Mapping[str, Any], runs: Sequence[Run], kong: Sequence[Run]) -> Iterator[Markup]:
    covered = mapping(data.get("coverage"))
    yield element("h1", "Drills")
    yield element("p", f"{moment(data.get('made_at'))}, {_extent(len(runs), len(kong))}", class_="dim")
    yield element("div", *_summary(runs, covered), class_="tiles")
    yield element("h2", "Runs")
    if runs:
        yield _overview(runs)
        yield legend()
        yield joined(parts.run_part(run, f"run-{at}") for at, run in enumerate(runs, 1))
    else:
        yield parts.empty("No drill has been run yet.")
    yield element("h2", "Coverage")
    yield joined(parts.coverage(covered)) if covered else parts.empty("Nothing is known of it.")
    yield element("h2", "Chaos Kong")
    if kong:
        if not runs:
            yield legend()
        yield joined(parts.run_part({"id": KONG} | dict(run), f"kong-{at}") for at, run in enumerate(kong, 1))
    else:
        yield parts.empty("It has not been run yet.")


def _extent(runs: int, kong: int) -> str:
    """What the page is about."""
    told = f"the newest {runs} runs" if runs > 1 else "one run" if runs else "no run yet"
    return f"{told}, and {kong} of Chaos Kong" if kong else told


def _summary(runs: Sequence[Run], covered: Mapping[str, Any]) -> Iterator[Markup]:
    judged = [run for run in runs if verdict(run) != "running"]
    passed = sum(run.get("passed") is True for run in judged)
    not_passed = f"{len(judged) - passed} did not" if len(judged) > passed else "all did" if judged else "none was run"
    yield parts.tile("Runs that passed", f"{passed} of {len(judged)}", not_passed)
    total, drilled = number(covered.get("total")), number(covered.get("drilled_recently"))
    figure = f"{drilled:g} of {total:g}" if drilled is not None and total is not None else NONE
    yield parts.tile("Cards drilled in time", figure, parts.share_bar(drilled, total))
    yield _worst("Slowest to notice", runs, "detect_s")
    yield _worst("Slowest to heal", runs, "heal_s")


def _worst(title: str, runs: Sequence[Run], key: str) -> Markup:
    found = worst(runs, key)
    if found is None:
        return parts.tile(title, NONE, "no data")
    took, run = found
    at = next(number for number, each in enumerate(runs, 1) if each is run)
    return parts.tile(title, seconds(took), element("a", text(run.get("id")), href=f"#run-{at}"))


def _overview(runs: Sequence[Run]) -> Markup:
    rows: list[parts.Row] = [
        (
            element("a", text(run.get("id")), href=f"#run-{at}"),
            title_of(run),
            parts.state(verdict(run)),
            _gates(run),
            seconds(run.get("detect_s")),
            seconds(run.get("heal_s")),
            moment(run.get("started_at", run.get("at"))),
        )
        for at, run in enumerate(runs, 1)
    ]
    titles = ("drill", "title", "verdict", "gates", "noticed", "healed", "started")
    return parts.table(titles, rows, numbers=("noticed", "healed"))


def _gates(run: Run) -> str:
    """Which gates did not pass."""
    found = mapping(run.get("gates"))
    failed = [text(key).replace("_", " ") for key, value in found.items() if value is False]
    if failed:
        return f"not {plain(failed)}"
    return "all" if found and all(value is True for value in found.values()) else NONE
