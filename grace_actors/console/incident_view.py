"""One incident as a person reads it: what happened, the evidence, what it is recognised by, what was tried, what was
decided, and when.

Turns data into lines; prints nothing, asks nobody. Invariant: without `full` an incident fits a screen (at most
`SCREEN_LINES`), whatever is in it, and says so when something was left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grace_actors.console.lines import (
    ago,
    clock,
    compact,
    given,
    heading,
    is_number,
    items,
    known,
    line,
    mappings,
    part,
    sign,
)
from grace_actors.console.words import duration, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

SCREEN_LINES = 40
_HOW = {"auto": "by itself", "approved": "approved", "matched": "its trigger matched", "by hand": "by hand"}
_ATTEMPT_SIGNS = {"healed": "✓", "succeeded": "✓", "passed": "✓", "completed": "✓", "running": "●", "paused": "‖"}
Part = tuple[str, str]
"""Label and text of a line."""


class Lines:
    """Collects lines. A part takes its first or last `most`; with `full` all of them, and none is cut."""

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self.lines: list[RenderableType] = []
        self.left_out = 0

    def title(self, text: str) -> None:
        """The title of a part."""
        self.lines.append(heading(text))

    def add(self, label: str, text: Any, *, style: str = "") -> None:
        """One line, if there is something to tell."""
        if text not in (None, ""):
            self.lines.append(
                line(label, text if isinstance(text, str) else compact(text), full=self.full, style=style)
            )

    def some(self, parts: Sequence[Part], most: int, *, last: bool = False, style: str = "") -> None:
        """As many as fit; the first, or the last. A label that repeats is told once."""
        shown = parts if self.full else parts[-most:] if last else parts[:most]
        self.left_out += len(parts) - len(shown)
        before = ""
        for label, text in shown:
            self.add(label if label != before else "", text, style=style)
            before = label


def incident_view(value: Mapping[str, Any], *, full: bool, now: float) -> Iterator[RenderableType]:
    """The whole incident, on a screen; with `full` everything that is known."""
    from rich.text import Text

    lines = Lines(full=full)
    lines.lines.append(_headline(value))
    _story(lines, value, now)
    _evidence(lines, part(value, "diagnostics"))
    _signature(lines, value)
    _tried(lines, value)
    _decision(lines, part(value, "decision"), is_over=is_number(value.get("healed_at")))
    _timeline(lines, value)
    yield from lines.lines
    if not full:
        more = f", {lines.left_out} lines more" if lines.left_out else ""
        yield Text(f"everything{more}: incident show {value.get('id')} --full", style="dim")


def _headline(value: Mapping[str, Any]) -> Text:
    from rich.text import Text

    count = value.get("count")
    times = f", {count} times" if is_number(count) and count != 1 else ""
    found = Text(f"{value.get('id')}  {value.get('kernel')}  ", style="bold", no_wrap=True, overflow="ellipsis")
    return found.append_text(sign(value.get("state"))).append(f"  {compact(value.get('kind'))}{times}", style="default")


def _story(lines: Lines, value: Mapping[str, Any], now: float) -> None:
    lines.add("what", value.get("reason"), style="bold")
    if value.get("cause") != value.get("reason"):
        lines.add("cause", value.get("cause"))
    told = f"{clock(value.get('opened_at'))}, {ago(value.get('opened_at'), now)}"
    if is_number(value.get("detected_s")):
        told += f"; noticed after {duration(value['detected_s'])}"
    if value.get("count") not in (None, 1) and is_number(value.get("last_at")):
        told += f"; again {ago(value['last_at'], now)}"
    lines.add("opened", told)
    if is_number(value.get("healed_at")):
        by = f" by {value['repair'].removeprefix('by ')}" if value.get("repair") else ""
        alone = ", by itself" if value.get("auto") else ""
        lines.add("healed", f"{clock(value['healed_at'])}, after {duration(value.get('heal_s'))}{by}{alone}")
    lines.add("next", value.get("next_step"))
    seen = (("run", "run"), ("approval", "approval"), ("work_order", "work-order"))
    lines.add("look", "; ".join(f"{verb} show {value[key]}" for key, verb in seen if value.get(key)))


def _evidence(lines: Lines, found: Mapping[str, Any]) -> None:
    lines.title("evidence")
    if not found:
        lines.add("", "none was gathered")
        return
    trace = part(found, "traceback")
    chain = [("raised", _raised(each)) for each in mappings(trace.get("chain"))]
    lines.some(chain, 1, last=True, style="red")
    lines.some(_texts("trace", str(trace.get("text") or "").splitlines()), 2, last=True)
    lines.add("handling", found.get("handling"))
    lines.some(_texts("log", [str(each) for each in items(found.get("log"))]), 2, last=True)
    for number, change in enumerate(mappings(found.get("config"))):
        if number < 2 or lines.full:
            lines.add("config", f"{change.get('file')}: {compact(change.get('change'))}")
            lines.some(_texts("", _changed_lines(change.get("diff"), full=lines.full)), 1)
        else:
            lines.left_out += 1
    for key in ("resources", "heartbeat"):
        lines.add(key, found.get(key) if lines.full else known(found.get(key)) or None)
    if lines.full:
        lines.add("tree", found.get("tree"))
    lines.add("not found", "; ".join(compact(each) for each in _listed(found.get("missing"))))


def _listed(value: Any) -> list[Any]:
    """What is missing: a list, or a mapping with its reasons."""
    return [f"{key}: {why}" for key, why in value.items()] if isinstance(value, Mapping) else items(value)


def _raised(each: Mapping[str, Any]) -> str:
    where = f"  at {compact(each['where'])}" if each.get("where") else ""
    return f"{each.get('type')}: {each.get('message')}{where}"


def _texts(label: str, texts: Sequence[str]) -> list[Part]:
    kept = [one_line(text).rstrip() for text in texts if text.strip()]
    return [(label, text) for text in kept]


def _changed_lines(diff: Any, *, full: bool) -> list[str]:
    """Of a diff on a screen: only what was added and removed."""
    found = str(diff or "").splitlines()
    return found if full else [each for each in found if each[:1] in "+-" and each[:3] not in ("+++", "---")]


def _signature(lines: Lines, value: Mapping[str, Any]) -> None:
    found = part(value, "signature")
    lines.title("recognised by")
    if not found:
        lines.add("", f"{value['signature_id']}" if value.get("signature_id") else "it has no signature")
        return
    known = " ".join(f"{key} {found[key]}" for key in ("specific", "full", "broad") if found.get(key))
    lines.add("signature", f"{found.get('id')}  {known}")
    parts = mappings(found.get("components"))
    lines.some([_component(each) for each in parts if each.get("contributes")], 2)
    if lines.full:
        lines.some([_component(each) for each in parts if not each.get("contributes")], 0)


def _component(each: Mapping[str, Any]) -> Part:
    into = f" [{', '.join(map(str, items(each.get('into'))))}]" if each.get("contributes") else " [left out]"
    value = f"{compact(each['value'])}" if each.get("value") not in (None, "") else ""
    hint = f": {each['hint']}" if each.get("hint") else ""
    return str(each.get("name")), f"{value}{into}{hint}".strip()


def _tried(lines: Lines, value: Mapping[str, Any]) -> None:
    attempts = mappings(value.get("attempts"))
    lines.title("tried")
    if not attempts:
        lines.add("", "the restart by its supervisor" if value.get("repair") == "restart" else "nothing yet")
    lines.some([("", _attempt(each)) for each in attempts], 2, last=True)


def _attempt(each: Mapping[str, Any]) -> str:
    mark = _ATTEMPT_SIGNS.get(str(each.get("status")), "✖")
    how = str(each.get("how"))
    words = (each.get("playbook"), given(each.get("params")), f"({_HOW.get(how, how)})", each.get("run"))
    message = f": {each['message']}" if each.get("message") else ""
    return f"{mark} {' '.join(str(word) for word in words if word)} {each.get('status')}{message}"


def _decision(lines: Lines, found: Mapping[str, Any], *, is_over: bool) -> None:
    lines.title("decided")
    if not found:
        lines.add("", "nothing had to be" if is_over else "nothing yet")
        return
    result = f"; it {found['result']}" if isinstance(found.get("result"), str) and found["result"] else ""
    lines.add("choice", f"{compact(found.get('choice'))}{result}")
    lines.some(_labelled("because", found.get("evidence")), 1)
    lines.some(_labelled("instead of", found.get("alternatives")), 1)


def _labelled(label: str, value: Any) -> list[Part]:
    texts = [compact(each) for each in items(value)] if not isinstance(value, str) else [value]
    return [(label, text) for text in texts]


def _timeline(lines: Lines, value: Mapping[str, Any]) -> None:
    entries = mappings(value.get("timeline"))
    if not entries:
        return
    lines.title("timeline")
    began = value.get("opened_at")
    lines.some([(_since(each.get("at"), began), compact(each.get("what"))) for each in entries], 5, last=True)


def _since(at: Any, began: Any) -> str:
    if not is_number(at) or not is_number(began):
        return clock(at)
    return f"{'+' if at >= began else '-'}{duration(abs(at - began))}"
