"""The verb why: the story of a name or an incident.

self_healing tells it. Where that is not in the tree, or does not answer, status and the events of the name are told
instead: whoever asks why is in trouble already. Invariant: looking changes nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, RemoteFailed
from grace_actors.console.incidents import KERNEL, ids_of
from grace_actors.console.lines import ago, compact, items
from grace_actors.console.model import Event, read_event
from grace_actors.console.names import known_names
from grace_actors.console.out import Out
from grace_actors.console.records import ask, by_id
from grace_actors.console.table import Arg, Args, Kind, Takes, Verb
from grace_actors.console.text import wrapped
from grace_actors.console.words import one_line

LAST = 6
_SAID = {
    "child.started": "it was started ({cause}), generation {gen}",
    "child.exited": "it ended: {kind}, {reason}",
    "child.stopped": "it was stopped: {detail}",
    "child.start_failed": "its start failed: {reason}",
    "child.restart_delayed": "its next start waits {delay_s} s, number {attempt} in a row",
    "child.awaiting_repair": "it is held for repair: {cause}",
    "child.quarantined": "it is out of service: {cause}",
    "child.failed": "it has failed for good: {cause}",
    "code.changed": "it runs code that was changed: {files}",
}


def why(client: Client, args: Args, out: Out) -> ExitCode:
    """Tell the story."""
    value = _told(client, args["subject"])
    if out.json:
        out.value(value)
    else:
        out.say(wrapped("\n".join(story(value)), out.console.width, hang=2))
    return ExitCode.OK


def _told(client: Client, subject: str) -> Any:
    def known() -> list[str]:
        return [*names, *ids_of(client)]

    def call(word: str) -> Any:
        return ask(client, KERNEL, "why", {"subject": word})

    def without(remark: str) -> Any:
        return by_id(subject, lambda word: of_events(client, word, remark), lambda: names, "name", hint="see: tree")

    names = _names(client)
    if names and KERNEL not in names:
        return without(f"{KERNEL} is not in this tree: failures are restarted, not diagnosed.")
    try:
        return by_id(subject, call, known, "name or incident", hint="see: tree, incident list")
    except RemoteFailed as error:
        if error.code == "not_found":
            raise
        return without(f"{KERNEL} does not answer ({error.message}): this is what the event log says.")


def _names(client: Client) -> list[str]:
    """Empty when the instance cannot list them now; incidents are still known."""
    with contextlib.suppress(RemoteFailed):
        return known_names(client)
    return []


def of_events(client: Client, name: str, remark: str) -> dict[str, Any]:
    """What status and the last events say of a name. Raises RemoteFailed for one that is not in the tree."""
    from grace_actors.healing.telling import of_node

    node = client.call("status", {"name": name})["node"]
    now = time.time()
    last = [read_event(each) for each in client.events({"subject": name, "limit": LAST})]
    told = [f"{ago(event.at, now)} {_said(event)}." for event in last]
    return {
        "subject": name,
        "sentences": [*of_node(name, node), *told, remark],
        "incident": None,
        "next_step": node.get("next_step") or f"tail {name}",
    }


def _said(event: Event) -> str:
    fields = {key: one_line(compact(value)) for key, value in event.data.items()}
    return _SAID.get(event.type, event.type).format_map(defaultdict(lambda: "?", fields))


def story(value: Mapping[str, Any]) -> Iterator[str]:
    """The sentences, what to do, and where to look."""
    yield from (one_line(str(sentence)) for sentence in items(value.get("sentences")))
    if value.get("next_step"):
        yield f"Next: {one_line(str(value['next_step']))}"
    if value.get("incident"):
        yield f"Look: incident show {one_line(str(value['incident']))}"


VERBS = (
    Verb(
        name="why",
        summary="say in sentences why something is as it is",
        help=(
            "About a name of the tree: its last incident, what was done about it, and what comes next. About an "
            "incident: its story. In a tree without self_healing: how the name is, and its last events. The status is "
            "4 when nothing of that name is known."
        ),
        example="why librarian",
        kind=Kind.REMOTE,
        run=why,
        args=(
            Arg(name="subject", takes=Takes.NAME, help="a name of the tree, or an incident; a unique prefix will do"),
        ),
    ),
)
