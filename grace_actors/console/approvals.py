"""The verb approval: what waits for a person's word, what each answer would lead to, and giving it.

governance decides whether an answer counts; here it is asked and shown. Invariant: a rejection is sent only with a
reason, and nobody answers in another one's name without saying so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError
from grace_actors.console.lines import ago, clock, compact, given, heading, line, mappings, part, sign, table
from grace_actors.console.out import Out
from grace_actors.console.records import MOST, Action, arguments, ask, by_id, perform, show, user
from grace_actors.console.table import Args, Kind, Option, Takes, Verb

if TYPE_CHECKING:
    from rich.console import RenderableType

KERNEL = "governance"
RISKS = {"red": "red", "amber": "yellow", "green": "green"}
_PLAYBOOK = "playbook."
_TOLD_APART = ("subject", "run", "inputs", "incident", "on_yes", "on_no", "on_timeout")
"""What of the context has a line of its own."""


def approval(client: Client, args: Args, out: Out) -> ExitCode:
    """List approvals, show one, answer one."""
    return perform("approval", ACTIONS, client, args, out)


def _list(client: Client, args: Args, out: Out) -> ExitCode:
    state = args["state"] or ""
    value = ask(client, KERNEL, "approvals", {"state": state, "limit": MOST})
    return show(out, value, lambda: list_view(mappings(value.get("approvals")), state, width=out.console.width))


def _show(client: Client, args: Args, out: Out) -> ExitCode:
    found = _about(client, args["id"], lambda id: ask(client, KERNEL, "approval", {"id": id}))
    value = {**found, "outcomes": outcomes(found)}
    return show(out, value, lambda: approval_view(value))


def _approve(client: Client, args: Args, out: Out) -> ExitCode:
    return _respond(client, args, out, "approve")


def _reject(client: Client, args: Args, out: Out) -> ExitCode:
    if not (args["reason"] or "").strip():
        raise UsageError("approval reject without --reason", hint="say why: --reason 'not on a Friday'")
    return _respond(client, args, out, "reject")


def _respond(client: Client, args: Args, out: Out, response: str) -> ExitCode:
    said = {"response": response, "by": args["by"] or user(), "reason": args["reason"] or ""}
    value = _about(client, args["id"], lambda id: ask(client, KERNEL, "respond", {"id": id, **said}))
    return show(out, value, lambda: answered_view(value))


def _about(client: Client, id: str, call: Any) -> Any:
    def known() -> list[str]:
        found = ask(client, KERNEL, "approvals", {"limit": MOST})
        return [str(each.get("id")) for each in mappings(found.get("approvals"))]

    return by_id(id, call, known, "approval", hint="see: approval list")


def outcomes(found: Mapping[str, Any]) -> dict[str, str]:
    """What follows when a person approves, rejects, or says nothing. Who asks may have said it in the context."""
    context = part(found, "context")
    action, actor, until = str(found.get("action")), str(found.get("actor")), clock(found.get("expires_at"))
    run = context.get("run")
    if action.startswith(_PLAYBOOK) and run:
        name, inputs = action.removeprefix(_PLAYBOOK), given(context.get("inputs"))
        yes = f"the playbook {name} begins, as {run}" + (f", with {inputs}" if inputs else "")
        no = f"nothing is done: {run} is canceled"
        late = f"nothing is done: {run} ends as timed_out"
    else:
        yes = f"{actor} may do {action} once, until {until}"
        no = f"{action} is not done, and {actor} is told your reason"
        late = f"{action} is not done; {actor} would have to ask again"
    told = {"approve": ("on_yes", yes), "reject": ("on_no", no), "timeout": ("on_timeout", late)}
    return {key: str(context.get(own) or usual) for key, (own, usual) in told.items()}


# ---- for people -----------------------------------------------------------------------------------------------------


def list_view(found: list[Mapping[str, Any]], state: str, *, width: int) -> Iterator[RenderableType]:
    """One line an approval, and how to answer."""
    from rich.text import Text

    now = time.time()
    if not found:
        yield Text(f"no approval is {state}" if state else "nobody has asked for an approval yet")
        return
    titles = ("approval", "subject", "state", "risk", "expires", "reason")
    yield table(titles, [_row(each, now) for each in found], width=width, may_go=("risk",))
    waiting = [each for each in found if each.get("state") == "pending"]
    if waiting:
        yield Text(f"answer: approval show {waiting[0].get('id')}, then approve or reject it", style="dim")


def _row(each: Mapping[str, Any], now: float) -> tuple[Any, ...]:
    state = each.get("state")
    expiry = ago(each.get("expires_at"), now) if state in ("pending", "approved") else "-"
    return each.get("id"), each.get("subject"), sign(state), _risk(each), expiry, each.get("reason")


def approval_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """One approval: what it is about, who asks, and what follows from each answer."""
    from rich.text import Text

    now, id = time.time(), value.get("id")
    context = part(value, "context")
    state, risk = sign(value.get("state")), _risk(value)
    yield Text(f"{id}  ", style="bold").append_text(state).append("  risk ").append_text(risk)
    yield line("subject", compact(value.get("subject")), style="bold")
    yield line("action", compact(value.get("action")))
    yield line("asked", f"by {value.get('actor')}, {ago(value.get('requested_at'), now)}")
    yield line("reason", compact(value.get("reason")), full=True)
    yield from (line(key, f"{id}  (look: {key} show {id})") for key, id in _references(value))
    rest = {key: told for key, told in context.items() if key not in _TOLD_APART and told not in (None, "")}
    if rest:
        yield line("context", compact(rest), full=True)
    if value.get("state") != "pending":
        yield from _ended(value, now)
        return
    yield line("expires", f"{clock(value.get('expires_at'))} ({ago(value.get('expires_at'), now)})")
    yield heading("what follows")
    for label, key in (("approved", "approve"), ("rejected", "reject"), ("no answer", "timeout")):
        yield line(label, value["outcomes"][key], full=True)
    yield Text(f"answer: approval approve {id}, or approval reject {id} --reason WHY", style="dim")


def answered_view(value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What was just said, and where to look on."""
    from rich.text import Text

    state = str(value.get("state"))
    yield sign(state).append(f"  {value.get('subject')} ({value.get('id')}) by {value.get('decided_by')}")
    for key, id in _references(value)[-1:]:
        yield Text(f"look: {key} show {id}", style="dim")


def _references(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The incident and the run it is about, as far as they are known."""
    context, subject = part(value, "context"), str(value.get("subject"))
    incident = context.get("incident") or (subject if subject.startswith("inc_") else None)
    return [(key, str(id)) for key, id in (("incident", incident), ("run", context.get("run"))) if id]


def _ended(value: Mapping[str, Any], now: float) -> Iterator[RenderableType]:
    who = f"by {value['decided_by']}, {ago(value.get('decided_at'), now)}" if value.get("decided_by") else "by nobody"
    yield line("answered", who)
    if value.get("note"):
        yield line("note", str(value["note"]), full=True)
    if value.get("state") == "approved":
        yield line("expires", f"{clock(value.get('expires_at'))} unless it is used before")


def _risk(each: Mapping[str, Any]) -> Any:
    from rich.text import Text

    risk = compact(each.get("risk"))
    return Text(risk, style=RISKS.get(risk, ""))


ACTIONS: Mapping[str, Action] = {
    "list": Action(run=_list, id=False, options=("state",)),
    "show": Action(run=_show),
    "approve": Action(run=_approve, options=("by", "reason")),
    "reject": Action(run=_reject, options=("by", "reason")),
}
VERBS = (
    Verb(
        name="approval",
        summary="list what waits for a person's word, show it, approve or reject it",
        help=(
            "`approval list` shows the newest first; `approval show ID` what it is about and what follows when it is "
            "approved, rejected, or left until it expires. `approval approve ID` and `approval reject ID --reason WHY` "
            "answer it; an answer is final, and one that comes too late or twice is refused. With --json an approval "
            "has `id`, `subject`, `risk`, `reason`, `expires_at`, `state` and more; `show` adds `outcomes`."
        ),
        example="approval approve ap_20261121_0001 --by ada",
        kind=Kind.REMOTE,
        run=approval,
        args=arguments(ACTIONS, "the approval, for all but `list`"),
        options=(
            Option(
                name="state",
                help="for `list`: pending, approved, rejected, timed_out or used",
                takes=Takes.TEXT,
                metavar="STATE",
            ),
            Option(name="by", help="who answers; default: the user of the OS", takes=Takes.TEXT, metavar="NAME"),
            Option(name="reason", help="why; a rejection needs one", takes=Takes.TEXT, metavar="WHY"),
        ),
    ),
)
