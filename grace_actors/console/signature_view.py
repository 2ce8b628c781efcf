"""What people see of the knowledge base of signatures.

Turns answers of the signature actor into renderables; asks nobody. Invariant: whether a repair is automatic is always
said with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.lines import ago, clock, given, heading, items, line, mappings, part, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


def list_view(found: list[Mapping[str, Any]], *, width: int) -> Iterator[RenderableType]:
    """One line a repair, then how many act by themselves."""
    if not found:
        yield text("no signature is known")
        return
    rows = [
        (
            each["kernel"] or "-",
            f"{each['confidence']:.2f}" if each["playbook_name"] else "-",
            f"{each['success_count']}/{each['failure_count']}",
            _auto(each["auto_apply"]),
            (each["last_used"] or "never")[:19],
            each["playbook_name"] or "-",
            each["signature_id"],
        )
        for each in found
    ]
    titles = ("kernel", "confidence", "ok/failed", "automatic", "last used", "playbook", "signature")
    yield table(titles, rows, width=width, may_go=("last used", "kernel", "ok/failed"))
    known = len({each["signature_id"] for each in found})
    automatic = len({each["signature_id"] for each in found if each["auto_apply"]})
    yield text(f"{counted(known, 'signature')}, {automatic} repaired without a question", style="dim")


def signature_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """One signature: its names, its repairs and how they went, what comes next, and why it was grouped so."""
    from rich.text import Text

    now = time.time()
    yield Text(str(value["signature"]), style="bold").append(f"  {value['kernel']}", style="default")
    seen = f"{value['seen']} times, first {clock(value['first_seen'])}, last {ago(value['last_seen'], now)}"
    yield line("seen", seen)
    for label in ("aliases", "hints"):
        for name in items(value[label]):
            yield line(label, str(name))
    following = part(value, "next")
    repair = f"{following['repair']} {given(following['params'])}".strip() if following["repair"] else "no known repair"
    yield line("next time", repair, style="bold")
    yield line("", str(following["why"]), full=True)
    for each in mappings(value["repairs"]):
        yield from _repair_view(each, now)
    components = mappings(value["components"])
    yield heading("why it is recognised")
    if not components:
        yield line("", "what went into it was not kept: see `signature explain FILE`")
    for each in components:
        into = f" [{', '.join(map(str, items(each.get('into'))))}]" if each.get("contributes") else " [not in]"
        yield line(str(each.get("name"))[:10], f"{each.get('value') or ''}{into}: {each.get('hint') or ''}", full=True)


def _repair_view(repair: Mapping[str, Any], now: float) -> Iterator[RenderableType]:
    yield heading(f"{repair['playbook']} {given(repair['params'])}".strip())
    trust = f"confidence {repair['confidence'] / 100:.2f}, {repair['successes']} worked, {repair['failures']} failed"
    yield line("trust", f"{trust}, automatic: {'yes' if repair['auto_apply'] else 'no'}")
    used = ago(repair["last_used"], now) if repair["last_used"] else "never"
    before = part(repair, "before")
    told = f"; {before['successes']} worked and {before['failures']} failed before" if any(before.values()) else ""
    yield line("last used", used + (told if repair["history"] else ""))
    for past in mappings(repair["history"]):
        mark = "✓" if past["ok"] else "✖"
        unverified = "" if past["verified"] else ", not verified"
        where = " ".join(str(past[key]) for key in ("run", "incident", "detail") if past[key])
        yield line(mark, f"{clock(past['at'])}  {past['confidence'] / 100:.2f}{unverified}  {where}")


def merged_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What was merged, and where to look."""
    moved = f"{value['repairs_moved']} moved, {value['repairs_united']} united"
    yield text(f"{value['from']} is {value['signature']} from now on; repairs: {moved}")


def imported_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What an import did."""
    yield text(f"signatures: {value['signatures_added']} new, {value['signatures_known']} known before")
    kinds = ("added", "raised", "kept", "replaced")
    yield text("repairs: " + ", ".join(f"{value[f'repairs_{kind}']} {kind}" for kind in kinds))
    for note in items(value["notes"]):
        yield line("note", str(note), full=True)


def _auto(is_automatic: Any) -> Text:
    return text("✓ yes" if is_automatic else "no", style="green" if is_automatic else "")


def counted(count: int, what: str) -> str:
    """`1 repair`, `2 repairs`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def text(text: str, style: str = "") -> Text:
    """One line that moves no cursor."""
    from rich.text import Text

    from grace_actors.console.words import one_line

    return Text(one_line(text), style=style)
