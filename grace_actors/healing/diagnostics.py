"""Collects what is known at the moment of a failure: log, heartbeat, configuration, resources, traceback, tree.

Files and the host are read at once, in bounded parts; other actors are asked and not waited for longer than a second.
It judges nothing and stores nothing, and what it gives may hold secrets. Invariant: `done` is called exactly once,
with plain data of at most `MOST_BYTES` as JSON, which lists what could not be had and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grace_actors.clipping import clip_line, json_bytes, printable
from grace_actors.healing.config_history import ConfigHistory
from grace_actors.healing.diag_host import HostGauge, process_part
from grace_actors.healing.diag_log import log_end
from grace_actors.healing.diag_parts import (
    actor_part,
    heartbeat_part,
    nodes_of,
    plain,
    state_of,
    traceback_of,
    tree_part,
)
from grace_actors.kernel import Answer, Context, Data, Timer

ASK_S = 0.8
MOST_S = 0.95
"""No answer is waited for longer than `ASK_S`; this is for a clock that jumps, or a busy mailbox."""
MOST_BYTES = 64 * 1024
TREE, PINGS = "status", "health_monitor"
WITHHELD_FROM = "secret_manager"
"""What it is given to keep is in its messages and nowhere else yet: nobody could redact it."""
MOST_NAME, MOST_REASON = 200, 500
_LEAST_NEEDED_FIRST = ("log", "config", "tree", "heartbeat", "traceback", "resources")


class Diagnostics:
    """Collects the diagnostics of one failure after the other; many may be under way."""

    def __init__(self, ctx: Context, config: ConfigHistory) -> None:
        self._ctx, self._config = ctx, config
        self._host = HostGauge(ctx)

    def collect(self, failure: Data, done: Callable[[Data], None]) -> None:
        """Call `done` with the diagnostics of `failure`, within a second."""
        one = _Collection(ctx=self._ctx, failure=failure, name=str(failure.get("kernel") or ""), done=done)
        one.read(self._config, self._host)
        one.ask()


@dataclass(slots=True)
class _Collection:
    """One failure being looked at."""

    ctx: Context
    failure: Data
    name: str
    done: Callable[[Data], None]
    found: Data = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    timer: Timer | None = None
    began: float = 0.0
    is_done: bool = False

    # ---- what needs nobody --------------------------------------------------------------------------

    def read(self, config: ConfigHistory, host: HostGauge) -> None:
        """Everything that is here. The configuration first: the next good start replaces what was good."""
        self.began = self.ctx.now()
        self.found["config"] = config.differences(self.name)
        if not config.knows(self.name):
            self._lack("config", f"no good start of {self.name} is remembered")
        elif config.problem:
            self._lack("config", config.problem)
        self.found["log"], self.found["log_file"], why = log_end(self.ctx.home, self.name)
        if why:
            self._lack("log", why)
        self.found["traceback"], handling = traceback_of(str(self.failure.get("detail") or ""))
        self.found["handling"] = _verb_of(handling) if self.name == WITHHELD_FROM else handling
        self.found["resources"] = {"host": None, "actor": None, "process": None}
        try:
            self.found["resources"]["host"] = host.read()
        except OSError as error:
            self._lack("resources", f"the host cannot be read: {error.strerror or error}")

    def _lack(self, what: str, why: str) -> None:
        self.missing[what] = clip_line(printable(why), MOST_REASON)

    # ---- what others know ---------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask both at once; whoever is silent costs his own part alone."""
        self.waiting = {TREE, PINGS}
        self.timer = self.ctx.after(MOST_S, self._end)
        self.ctx.ask(PINGS, "history", {"name": self.name[:MOST_NAME]}, self._on_pings, timeout_s=ASK_S)
        self.ctx.ask(TREE, "status", {}, self._on_tree, timeout_s=ASK_S)

    def _on_pings(self, answer: Answer) -> None:
        self._take(PINGS, "heartbeat", answer)

    def _on_tree(self, answer: Answer) -> None:
        if answer.ok and PINGS in self.waiting:
            state = state_of(nodes_of(answer.value), PINGS)
            if state != "running":  # it will not answer: a repair must not wait for it
                self.waiting.discard(PINGS)
                self._lack("heartbeat", f"{PINGS} is {state or 'not in the tree'}")
        self._take(TREE, "tree", answer)

    def _take(self, who: str, part: str, answer: Answer) -> None:
        if self.is_done or who not in self.waiting:
            return
        self.waiting.discard(who)
        if answer.ok:
            self.answers[who] = answer.value
        else:
            self._lack(part, f"{who}: {(answer.error or {}).get('message', 'it gave no reason')}")
        if not self.waiting:
            self._end()

    # ---- the end ------------------------------------------------------------------------------------

    def _end(self) -> None:
        if self.is_done:
            return
        self.is_done = True
        if self.timer is not None:
            self.timer.cancel()
        for who, part in ((TREE, "tree"), (PINGS, "heartbeat")):
            if who in self.waiting:
                self._lack(part, f"{who} did not answer in time")
        self._add_tree()
        self.found["heartbeat"] = heartbeat_part(self.failure, self.answers.get(PINGS))
        head = {key: plain(self.failure.get(key)) for key in ("incident", "kernel", "kind", "generation", "at")}
        head |= {"collected_at": self.ctx.wall(), "took_s": round(self.ctx.now() - self.began, 3)}
        self.done(_fitting({**head, "missing": self.missing, **self.found}))

    def _add_tree(self) -> None:
        self.found["tree"] = None
        if TREE not in self.answers:
            return
        nodes = nodes_of(self.answers[TREE])
        if not nodes:
            self._lack("tree", f"{TREE} knows no tree yet")
            return
        self.found["tree"] = tree_part(nodes, self.name)
        node = next((node for node, _ in nodes if node["name"] == self.name), None)
        if node is None:
            return
        resources = self.found["resources"]
        resources["actor"] = actor_part(node)
        if isinstance(node.get("pid"), int):
            process = process_part(node["pid"])
            if process is None:
                self._lack("process", f"process {node['pid']} is gone meanwhile")
            else:
                resources["process"] = process | {"generation": node.get("generation")}


def _verb_of(handling: str | None) -> str | None:
    """Of a message with secrets in it, what was asked."""
    if handling is None:
        return None
    _, _, rest = handling.partition("verb='")
    return f"{rest.partition(chr(39))[0] or 'a message'} (its content is withheld)"


def _fitting(found: Data) -> Data:
    """Each part is bounded already; should they be too much together, the least needed go."""
    for part in _LEAST_NEEDED_FIRST:
        if json_bytes(found) <= MOST_BYTES:
            break
        found["missing"][part] = "left out: there is more than fits"
        found[part] = None
    return found
