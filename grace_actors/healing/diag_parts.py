"""What is read out of a failure, and out of the answers of others about it: the traceback, the tree, the pings.

Pure. An answer of an odd form gives less, never an error. Invariant: each part is plain data of a bounded size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from grace_actors.clipping import clip_line, head_and_tail, json_bytes, printable
from grace_actors.kernel import Data
from playbooks.recognition.traceback_text import Raised, parse

TEXT_BYTES = 14 * 1024
CHAIN_BYTES = 6 * 1024
MAX_CHAIN = 20
HANDLING = "while handling: "
HANDLING_CHARS = 500
"""As many characters of the message an actor tells in its last words: a longer one was cut, anywhere."""
MAX_NODES = 60
TREE_BYTES = 6 * 1024
MAX_PATH = 20
MAX_PINGS = 20
MAX_TEXT = 300


# ---- the traceback ----------------------------------------------------------------------------------


def traceback_of(detail: str) -> tuple[Data, str | None]:
    """The exceptions of a detail, as Python prints them the last raised at the end, and the message that was being
    handled."""
    text, handling = _split(printable(detail))
    chain: list[Data] = []
    room = CHAIN_BYTES
    found = parse(text)
    everything = [one for root in reversed(found) for one in root.everything()]
    for raised in everything[:MAX_CHAIN]:
        one = _exception(raised)
        room -= json_bytes(one)
        if room < 0:
            break
        chain.append(one)
    return {
        "text": head_and_tail(text.strip("\n"), TEXT_BYTES),
        "chain": chain[::-1],
        "left_out": len(everything) - len(chain),
    }, handling


def _split(detail: str) -> tuple[str, str | None]:
    """The words of `Actor.crash` end with the message; it is no part of the exception's own."""
    text, mark, message = detail.rpartition(f"\n{HANDLING}")
    if not mark:
        return detail, None
    if len(message) >= HANDLING_CHARS:
        message = clip_line(message, HANDLING_CHARS - 1)
    return f"{text}\n", message


def _exception(raised: Raised) -> Data:
    where = ""
    if raised.frames:
        last = raised.frames[-1]
        where = f"{last.file}:{last.line}" + (f" in {last.function}" if last.function else "")
    return {
        "type": clip_line(raised.qualname, MAX_TEXT),
        "message": clip_line(raised.message, MAX_TEXT),
        "where": clip_line(where, MAX_TEXT),
        "relation": raised.relation.value,
    }


# ---- the tree ---------------------------------------------------------------------------------------


def nodes_of(answer: Any) -> list[tuple[Data, tuple[Data, ...]]]:
    """Every node of an answer of `status` with those above it, parents first."""
    return list(_walk(answer.get("tree") if isinstance(answer, dict) else None, ()))


def _walk(node: Any, above: tuple[Data, ...]) -> Iterator[tuple[Data, tuple[Data, ...]]]:
    if not isinstance(node, dict) or not isinstance(node.get("name"), str):
        return
    yield node, above
    children = node.get("children")
    for child in children if isinstance(children, list) else ():
        yield from _walk(child, (*above, node))


def tree_part(nodes: list[tuple[Data, tuple[Data, ...]]], name: str) -> Data:
    """Counts by state, what does not run as it should, and the supervisors above `name`, the root first."""
    above = next((above for node, above in nodes if node["name"] == name), ())
    odd = [node for node, _ in nodes if not _is_well(node)]
    shown: list[Data] = []
    room = TREE_BYTES
    for node in odd[:MAX_NODES]:
        one = {key: plain(node.get(key)) for key in ("name", "state", "generation", "restarts")}
        room -= json_bytes(one)
        if room < 0:
            break
        shown.append(one)
    return {
        "counts": dict(Counter(plain(node.get("state")) or "unknown" for node, _ in nodes).most_common(15)),
        "not_running": shown,
        "left_out": len(odd) - len(shown),
        "path": [{"name": plain(node["name"]), "strategy": plain(node.get("strategy"))} for node in above[:MAX_PATH]],
    }


def _is_well(node: Data) -> bool:
    """It runs, or has done what it was there for."""
    if node.get("state") == "stopped":
        last = node.get("last_exit")
        return isinstance(last, dict) and last.get("reason") == "normal"
    return bool(node.get("state") == "running")


def actor_part(node: Data) -> Data:
    """What the tree says of the actor itself now."""
    keys = ("kind", "state", "pid", "generation", "restarts", "uptime_s", "memory_mb", "mailbox", "does", "critical")
    degraded = node.get("degraded")
    reasons = [plain(each) for each in degraded[:5]] if isinstance(degraded, list) else []
    return {key: plain(node.get(key)) for key in keys} | {"degraded": reasons}


def state_of(nodes: list[tuple[Data, tuple[Data, ...]]], name: str) -> str:
    """The state of an actor in the tree; empty when there is none of that name."""
    return next((str(node.get("state")) for node, _ in nodes if node["name"] == name), "")


# ---- the heartbeat ----------------------------------------------------------------------------------


def heartbeat_part(failure: Data, answer: Any) -> Data:
    """The pings of the incarnation that failed if it is known which, else of all that are known; and what the
    supervisor saw itself."""
    event = failure.get("event")
    given = event if isinstance(event, dict) else {}
    known = answer.get("incarnations") if isinstance(answer, dict) else None
    found = [each for each in known if isinstance(each, dict)] if isinstance(known, list) else []
    same = [each for each in found if each.get("generation") == failure.get("generation")]
    return {
        "hung": failure.get("kind") == "hung",
        "misses": plain(given.get("misses")),
        "interval_s": plain(given.get("interval_s")),
        "incarnations": [_incarnation(each) for each in (same or found)[:2]],
    }


def _incarnation(each: Data) -> Data:
    pings = each.get("pings")
    shown = [ping for ping in pings if isinstance(ping, dict)] if isinstance(pings, list) else []
    return {key: plain(each.get(key)) for key in ("generation", "ended_at", "level", "suspected", "misses")} | {
        "pings": [{key: plain(ping.get(key)) for key in ("at", "answer_ms")} for ping in shown[-MAX_PINGS:]]
    }


def plain(value: Any) -> Any:
    """A figure, or a short text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return clip_line(printable(str(value)), MAX_TEXT)
