"""What is known of drills as a person reads it: the list, and one card with its history.

Turns answers into lines and tables; prints nothing, asks nobody. Invariant: what was never measured is told as such,
and an id is always whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grace_actors.console.drill_view import GATES, title_of, verdict
from grace_actors.console.lines import (
    ago,
    compact,
    given,
    heading,
    is_number,
    items,
    line,
    mappings,
    part,
    sign,
    table,
)
from grace_actors.console.words import duration, one_line, took

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_NARROW = ("runs", "category", "healed", "noticed", "weight")
"""Columns of the list that go first when it is narrow."""


def list_view(
    found: list[Mapping[str, Any]], problems: Sequence[str] = (), *, width: int, now: float
) -> Iterator[RenderableType]:
    """One line a drill, then how they stand, and what is wrong with files that are left out."""
    from rich.text import Text

    if not found:
        yield Text("there are no drills")
        return
    titles = ("drill", "last", "when", "weight", "category", "noticed", "healed", "runs", "title")
    yield table(titles, [_row(each, now) for each in found], width=width, may_go=_NARROW)
    counts = {
        "passed": sum(each.get("passed") is True for each in found),
        "deviated": sum(each.get("passed") is False for each in found),
        "never run": sum(each.get("last_run") is None for each in found),
        "due": sum(each.get("due") is True for each in found),
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    yield Text(f"{len(found)} drills: {told or 'none judged'}. Run one: drill run {_next(found)}", style="dim")
    for problem in problems:
        yield Text(f"✖ left out: {one_line(problem)}", style="red")


def _next(found: list[Mapping[str, Any]]) -> Any:
    """The one that is due and weighs most, else the first."""
    due = [each for each in found if each.get("due") is True and is_number(each.get("weight"))]
    return max(due, key=lambda each: float(each["weight"]), default=found[0]).get("id")


def _row(each: Mapping[str, Any], now: float) -> tuple[Any, ...]:
    when = f"{ago(each.get('last_run'), now)}{', due' if each.get('due') else ''}" if each.get("last_run") else "due"
    if not each.get("last_run") and not each.get("due"):
        when = "-"
    weight = f"{each['weight']:.1f}" if is_number(each.get("weight")) else "-"
    times = took(each.get("detect_s")), took(each.get("heal_s"))
    return (
        each.get("id"),
        result(each),
        when,
        weight,
        compact(each.get("category")),
        *times,
        _runs(each),
        title_of(each),
    )


def _runs(each: Mapping[str, Any]) -> str:
    deviations = each.get("deviations")
    return f"{compact(each.get('runs'))}{f' ({deviations} deviated)' if deviations else ''}"


def result(each: Mapping[str, Any]) -> Text:
    """How the last run of a drill went."""
    passed = each.get("passed")
    if isinstance(passed, bool):
        return sign("passed" if passed else "deviated")
    return sign("never" if each.get("last_run") is None else "not judged")


# ---- one drill ------------------------------------------------------------------------------------------------------


def card_view(value: Mapping[str, Any], *, width: int, now: float) -> Iterator[RenderableType]:
    """What the drill does, what must come of it, and how it went before."""
    from rich.text import Text

    card = part(value, "card")
    card = part(card, "experiment") or card
    grace = next((each for each in mappings(card.get("extensions")) if each.get("name") == "grace"), {})
    yield Text(f"{value.get('id')}  ", style="bold").append_text(result(value)).append(f"  {title_of(value)}")
    if card.get("description"):
        yield line("what", one_line(str(card["description"]).strip()), full=True)
    due = "due now" if value.get("due") else "not due"
    micro = "; small enough to be done by itself (micro)" if value.get("micro") else ""
    yield line("weight", f"{compact(value.get('weight'))}, {compact(value.get('category'))}, {due}{micro}")
    yield from _expected(part(grace, "expect"), items(grace.get("radius")))
    yield heading("what is done")
    hypothesis = part(card, "steady-state-hypothesis")
    for label, found in (
        ("first", hypothesis.get("probes")),
        ("then", card.get("method")),
        ("at the end", card.get("rollbacks")),
    ):
        for number, each in enumerate(mappings(found)):
            yield line("" if number else label, _activity(each), full=True)
    yield heading("history")
    yield from _history(mappings(value.get("history")), width, now)
    yield Text(f"run it: drill run {value.get('id')}", style="dim")


def _expected(expect: Mapping[str, Any], radius: list[Any]) -> Iterator[RenderableType]:
    yield heading("what must come of it")
    trigger = part(expect, "trigger")
    about = f" of {compact(trigger['subject'])}" if trigger.get("subject") else " of what it is done to"
    where = f", {given(trigger['where'])}" if trigger.get("where") else ""
    within = _limit(expect.get("detect_within"))
    yield line("trigger", f"{compact(trigger.get('type'))}{about}{where} within {within}", full=True)
    playbook = expect.get("playbook")
    told = {"restart": "the restart by its supervisor", "none": "none has to run", None: "-"}.get(playbook)
    yield line("playbook", told or f"{compact(playbook)} runs and succeeds")
    orders = expect.get("work_orders")
    yield line("work order", f"at least {orders}" if is_number(orders) and orders else "none is made")
    yield line("limits", f"healed within {_limit(expect.get('heal_within'))}, and all steady again")
    if radius:
        whose = f"incidents of {', '.join(map(compact, radius))} belong to it; any other ends it"
        yield line("radius", "every incident belongs to it" if "*" in radius else whose, full=True)


def _limit(value: Any) -> str:
    return duration(value) if is_number(value) else compact(value)


def _activity(each: Mapping[str, Any]) -> str:
    provider = part(each, "provider")
    arguments = given({key: _plain(value) for key, value in part(provider, "arguments").items()})
    wanted = f", wanted: {_wanted(each['tolerance'])}" if each.get("tolerance") is not None else ""
    return f"{compact(provider.get('func'))} {arguments}".rstrip() + f"{wanted}  ({compact(each.get('name'))})"


def _plain(value: Any) -> Any:
    """A list of words as a person reads it."""
    is_words = isinstance(value, list) and value and not any(isinstance(item, Mapping | list) for item in value)
    return ",".join(map(compact, value)) if is_words else value


def _wanted(tolerance: Any) -> str:
    """What a probe's value must be."""
    if isinstance(tolerance, Mapping):
        if tolerance.get("type") == "regex":
            return f"a text like {compact(tolerance.get('pattern'))}"
        tolerance = items(tolerance.get("range"))
    if not isinstance(tolerance, list):
        return compact(tolerance)
    if len(tolerance) == 2 and all(map(is_number, tolerance)):
        least, most = map(compact, tolerance)
        return least if least == most else f"{least} to {most}"
    return " or ".join(map(compact, tolerance))


def _history(found: list[Mapping[str, Any]], width: int, now: float) -> Iterator[RenderableType]:
    from rich.text import Text

    if not found:
        yield Text("  it has never been run")
        return
    rows = [
        (
            each.get("run"),
            sign(verdict(each)),
            ago(each.get("at"), now),
            gates_told(each),
            took(each.get("detect_s")),
            took(each.get("heal_s")),
            each.get("reason") or "",
        )
        for each in found
    ]
    titles = ("run", "ended", "when", "gates", "noticed", "healed", "why")
    yield table(titles, rows, width=width, may_go=("noticed", "when", "healed"))


def gates_told(run: Mapping[str, Any]) -> str:
    """Which gates did not pass; `all` when each did."""
    found = part(run, "gates")
    failed = [gate.replace("_", " ") for gate in GATES if found.get(gate) is False]
    if failed:
        return f"not {', '.join(failed)}"
    return "all" if all(found.get(gate) is True for gate in GATES) else "not judged"
