"""One run of a drill as a person reads it: what is done, the gates as they are judged, the time line, the verdict.

Turns the answer of `drill_run` into lines; prints nothing, asks nobody. Invariant: every activity and every gate has
one line, and none is wider than the console.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.lines import compact, heading, is_number, mappings, part, sign
from grace_actors.console.words import duration, one_line, took

if TYPE_CHECKING:
    from rich.text import Text

GATES = ("trigger", "playbook", "work_order", "slo")
KONG = "KONG"
"""What stands in place of a drill's id in a run of Chaos Kong."""
NEXT = "a gate that fails is an incident: why chaos_runner"
OVER = frozenset({"completed", "aborted", "interrupted", "failed"})
_NAME_CHARS = 34
_BAR_CHARS = 60
Run = Mapping[str, Any]


def verdict(run: Run) -> str:
    """How it is with a run: running, passed, deviated, failed, aborted or interrupted."""
    if run.get("status") not in OVER:
        return str(run.get("status") or "running")
    if run.get("passed") is True:
        return "passed"
    return "deviated" if run["status"] == "completed" else str(run["status"])


def gates_of(run: Run) -> tuple[str, ...]:
    """The gates it is judged by. Chaos Kong has its own, and tells them at its end."""
    found = tuple(map(str, part(run, "gates")))
    if run.get("id") == KONG:
        return found
    return (*GATES, *(gate for gate in found if gate not in GATES))


def run_view(run: Run, *, width: int, now: float, most: int | None = None) -> Iterator[Text]:
    """The whole run, with at most so many activities. Every line is cut at the width but the last, which are
    wrapped."""
    yield _headline(run, now)
    phase = f", {phase_of(run)}" if run.get("phase") and not _is_over(run) else ""
    yield _text(f"  {one_line(str(run.get('run')))}, started by {one_line(str(run.get('by')))}{phase}", "dim")
    yield from _activities(mappings(run.get("activities")), most)
    if gates := gates_of(run):
        yield heading("gates")
        chars = max(map(len, gates)) + 2
        yield from (_gate(run, gate, chars) for gate in gates)
    yield from time_line(run, width)
    if _is_over(run):
        yield from ending(run)


def _headline(run: Run, now: float) -> Text:
    from rich.text import Text

    began, ended = run.get("started_at"), run.get("ended_at")
    until = float(ended) if isinstance(ended, int | float) else now
    took = duration(until - began) if isinstance(began, int | float) else "-"
    head = Text(no_wrap=True, overflow="ellipsis").append(f"{one_line(str(run.get('id')))}  ", style="bold")
    head.append_text(sign(verdict(run))).append(f"  {took}  ", style="dim")
    return head.append(title_of(run))


def title_of(each: Mapping[str, Any]) -> str:
    """The title of a drill. Cards begin theirs with the id, which stands beside it anyway."""
    return one_line(str(each.get("title") or "")).removeprefix(str(each.get("id"))).lstrip(" -:")


def phase_of(run: Run) -> str:
    """What a run is at, in words."""
    return _words(run.get("phase"))


def _activities(found: list[Mapping[str, Any]], most: int | None) -> Iterator[Text]:
    """All of them, or those around the one that is under way."""
    first, last = _window(found, len(found) if most is None else most)
    names = max((len(str(each.get("name"))) for each in found), default=0)
    if first:
        yield _text(f"  {first} before", "dim")
    yield from _lines(found[first:last], names)
    if last < len(found):
        yield _text(f"  {len(found) - last} more", "dim")


def _window(found: list[Mapping[str, Any]], most: int) -> tuple[int, int]:
    now = next((at for at, each in enumerate(found) if each.get("state") in ("running", "waiting")), len(found))
    first = min(max(now - most // 2, 0), max(len(found) - most, 0))
    return first, min(first + most, len(found))


def _lines(found: list[Mapping[str, Any]], names: int) -> Iterator[Text]:
    for each in found:
        state = str(each.get("state"))
        line = _text(f"  {one_line(str(each.get('what'))):<9}", "dim")
        line.append(f"{_name(each):<{min(names, _NAME_CHARS)}}  ", style="not dim")
        line.append(_padded(state, 10))
        line.append(f"{took(each.get('seconds')) if state != 'waiting' else '':>5}  ", style="not dim")
        yield line.append(one_line(str(each.get("message") or "")), style="not dim")


def _name(each: Mapping[str, Any]) -> str:
    name = one_line(str(each.get("name")))
    return name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1] + "…"


def _padded(state: str, chars: int) -> Text:
    found = sign(state)
    found.stylize("not dim") if state not in ("waiting", "skipped") else found.stylize("dim")
    found.append(" " * max(chars - found.cell_len, 1))
    return found


def gate_state(run: Run, gate: str) -> str:
    """passed, failed, or why there is no answer: it is not yet judged, or never was."""
    value = part(run, "gates").get(gate)
    if isinstance(value, bool):
        return "passed" if value else "failed"
    return "not judged" if _is_over(run) else "not yet"


def _gate(run: Run, gate: str, chars: int) -> Text:
    line = _text(f"  {_words(gate):<{chars}}", "dim").append(_padded(gate_state(run, gate), 13))
    return line.append(one_line(str(part(run, "said").get(gate) or "")), style="not dim")


def time_line(run: Run, width: int) -> Iterator[Text]:
    """From the fault until all was well, to scale."""
    detect, heal = _number(run.get("detect_s")), _number(run.get("heal_s"))
    if detect is None:
        return
    from rich.text import Text

    whole = max(detect, heal or 0.0) or 1.0
    chars = max(min(_BAR_CHARS, width - 6), 10)
    at = chars if heal is None else min(round(chars * detect / whole), chars - 1)
    bar = Text("  ", no_wrap=True, overflow="ellipsis").append("▼", style="red").append("━" * at, style="red")
    bar.append("◆", style="yellow")
    told = f"  ▼ fault   ◆ noticed after {took(detect)}"
    if heal is not None:
        bar.append("━" * (chars - at), style="yellow").append("●", style="green")
        told += f"   ● healed after {took(heal)}"
    yield heading("time line")
    yield bar
    yield _text(told, "dim")


def ending(run: Run) -> Iterator[Text]:
    """The verdict in a sentence, and where the journal is."""
    from rich.text import Text

    yield Text("\n").append_text(sign(verdict(run))).append(f": {_why(run)}")
    if facts := part(run, "facts"):
        yield Text(f"  {', '.join(f'{_words(key)} {compact(value)}' for key, value in facts.items())}", style="dim")
    if run.get("journal"):
        yield Text(f"  journal {one_line(str(run['journal']))}", style="dim", overflow="fold")
    if run.get("status") == "completed" and run.get("passed") is False:
        yield Text(f"  {NEXT}", style="dim")


def _why(run: Run) -> str:
    if run.get("passed") is True:
        times = (("noticed", run.get("detect_s")), ("healed", run.get("heal_s")))
        return ", ".join(f"{what} after {took(time_s)}" for what, time_s in times if is_number(time_s)) or "all gates"
    if run.get("reason"):
        return one_line(str(run["reason"]))
    missed = [_words(gate) for gate in gates_of(run) if gate_state(run, gate) != "passed"]
    return f"not {', '.join(missed)}" if missed else "no reason was given"


def _is_over(run: Run) -> bool:
    return run.get("status") in OVER


def _words(key: Any) -> str:
    return one_line(str(key).replace("_", " "))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


# ---- off a terminal -------------------------------------------------------------------------------------------------


def changes(before: Run, now: Run) -> Iterator[str]:
    """A line for each thing that is another than before; before the first look everything is new."""
    if not before:
        run, by = one_line(str(now.get("run"))), one_line(str(now.get("by")))
        yield f"{one_line(str(now.get('id')))} {title_of(now)}: {run} started by {by}"
    states = [each.get("state") for each in mappings(before.get("activities"))]
    for number, each in enumerate(mappings(now.get("activities"))):
        state = str(each.get("state"))
        if state not in ("waiting", "running", states[number] if number < len(states) else None):
            message = f": {one_line(str(each['message']))}" if each.get("message") else ""
            time = f" ({took(each['seconds'])})" if is_number(each.get("seconds")) else ""
            yield f"  {one_line(str(each.get('what')))} {one_line(str(each.get('name')))} {state}{time}{message}"
    for gate in gates_of(now):
        value = part(now, "gates").get(gate)
        if isinstance(value, bool) and value is not part(before, "gates").get(gate):
            said = part(now, "said").get(gate)
            told = f": {one_line(str(said))}" if said else ""
            yield f"  gate {_words(gate)} {gate_state(now, gate)}{told}"
    if now.get("phase") != before.get("phase") and not _is_over(now):
        yield f"  {phase_of(now)}"  # behind what was done before it
    if _is_over(now) and not _is_over(before):
        yield f"{one_line(str(now.get('id')))} {verdict(now)}: {_why(now)}"
        if now.get("journal"):
            yield f"  journal {one_line(str(now['journal']))}"
        if now.get("status") == "completed" and now.get("passed") is False:
            yield f"  {NEXT}"
