"""health_monitor: who answers, how quickly, and how strongly silence speaks against the rest.

Asks the status actor who should be running and pings them in turn; suspicion is computed from their own answer
times. It restarts nobody: supervisors do that by heartbeat, this is the second opinion others can ask for, and that the
policies of a suspect's supervisor are told every JUDGE_S.
Invariant: only an incarnation that is said to run is suspected, and a suspicion ends with its next answer.
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import LATER, Answer, Check, Context, Data, Kernel, Request
from grace_actors.kernels.arguments import text, text_or, whole_or
from grace_actors.kernels.suspicion import SUSPECT_LEVEL, Watched
from grace_actors.status.model import walk

TIERS = ("core", "governance", "execution", "agentic", "services")
ROUND_S = 10.0
JUDGE_S = 1.0
RENEW_S = 60.0
PING_TIMEOUT_S = 5.0
PINGS_A_ROUND = 10
MOST_MEASURED = 100
MOST_AT_ONCE = 10
"""Measurements under way: each may last minutes, longer than who asked for it waits."""
MOST_FORMER = 1000
"""Names whose former incarnation is remembered."""
_WATCHED_KINDS = ("kernel", "actor")
_EVENTS = ("child.started", "child.exited")


class HealthMonitor(Kernel):
    """Verbs: health, suspicion, tiers, history, measure, event."""

    emits = ("health.suspected", "health.recovered")

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._nodes: dict[str, Data] = {}
        self._watched: dict[str, Watched] = {}
        self._suspected: dict[str, float] = {}
        self._above: dict[str, str] = {}
        """The supervisor of each name."""
        self._former: OrderedDict[str, Data] = OrderedDict()
        """The history of the last incarnation that ended, by name: who died is asked about afterwards."""
        self._next = 0
        self._tree_at: float | None = None
        self._is_judging = False
        self._measuring = 0

    def setup(self) -> None:
        self._subscribe()
        self._look()
        self.ctx.every(ROUND_S, self._look)
        self.ctx.every(RENEW_S, self._subscribe)

    def ready(self) -> list[Check]:
        return [Check(name="watching", ok=True, detail=f"{len(self._nodes)} names, {len(self._suspected)} suspected")]

    def does(self) -> str:
        suspected = f", suspects {', '.join(sorted(self._suspected))}" if self._suspected else ""
        return f"watches {len(self._nodes)}{suspected}"

    def metrics(self) -> dict[str, float]:
        watched = self._watched.values()
        times = [each.mean_s for each in watched if each.answer_times_s]
        return {
            "watched": len(self._nodes),
            "suspected": len(self._suspected),
            "pings_total": sum(each.pings for each in watched),
            "misses_total": sum(each.misses for each in watched),
            "answer_mean_seconds": sum(times) / len(times) if times else 0.0,
        }

    # ---- watching -------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        self.ctx.ask("status", "subscribe", {"types": list(_EVENTS)}, self._subscribed)

    def _subscribed(self, answer: Answer) -> None:
        """Without the subscription a change is noticed a round later, so a failure of it needs no more."""

    def _look(self) -> None:
        """One round: who is there, then ping the next few of them."""
        self.ctx.ask("status", "status", {}, self._on_tree)

    def _on_tree(self, answer: Answer) -> None:
        if answer.ok:
            self._take_tree(answer.value["tree"])
            self.degraded = []
        else:
            message = (answer.error or {}).get("message", "no reason given")
            self.degraded = [f"the tree is not known: {message}"]
        self._ping_some()

    def _take_tree(self, tree: Data | None) -> None:
        self._tree_at = self.ctx.now()
        nodes = [node for node in walk(tree) if node["kind"] in _WATCHED_KINDS and node["name"] != self.ctx.name]
        self._nodes = {node["name"]: node for node in nodes}
        self._above = {below["name"]: node["name"] for node in walk(tree) for below in node["children"]}
        for name, node in self._nodes.items():
            known = self._watched.get(name)
            if node["state"] != "running" or (known is not None and known.generation != node["generation"]):
                self._drop(name)
        for name in [name for name in self._watched if name not in self._nodes]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        """This incarnation is over; its successor begins without a history or a suspicion."""
        if name in self._watched:
            self._former[name] = self._incarnation(name) | {"ended_at": self.ctx.wall()}
            self._former.move_to_end(name)
            if len(self._former) > MOST_FORMER:
                self._former.popitem(last=False)
        self._watched.pop(name, None)
        if self._suspected.pop(name, None) is not None:
            self._recovered(name, {"how": "replaced"})

    def _ping_some(self) -> None:
        """All that are unanswered, and as many of the others as a round allows, in turn."""
        running = [name for name, node in self._nodes.items() if node["state"] == "running"]
        late = [name for name in running if name in self._watched and self._watched[name].asked_at is not None]
        others = [name for name in running if name not in late]
        start = self._next % len(others) if others else 0
        turn = (others[start:] + others[:start])[:PINGS_A_ROUND]
        self._next = start + len(turn)
        for name in late + turn:
            self._ping(name)

    def _ping(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        sent_at, generation = self.ctx.now(), self._nodes[name]["generation"]
        watched = self._watched.setdefault(name, Watched(generation))
        ping = watched.asked(sent_at, self.ctx.wall())

        def on_answer(answer: Answer) -> None:
            if self._watched.get(name) is not watched:
                then()
                return  # another incarnation by now
            if answer.ok:
                ping.answer_s = self.ctx.now() - sent_at
                watched.answered(self.ctx.now(), sent_at)
                self._heard(name)
            else:
                watched.missed()
            self._judge()
            then()

        self.ctx.ask(name, "ping", {}, on_answer, timeout_s=PING_TIMEOUT_S)
        if not self._is_judging:
            self._is_judging = True
            self.ctx.after(JUDGE_S, self._judge_again)

    def _heard(self, name: str) -> None:
        since = self._suspected.pop(name, None)
        if since is not None:
            self._recovered(name, {"how": "answered", "after_s": round(self.ctx.now() - since, 3)})

    def _recovered(self, name: str, how: Data) -> None:
        self.ctx.emit("health.recovered", name, how)
        self._tell_its_supervisor("health.recovered", name, how)

    def _tell_its_supervisor(self, topic: str, name: str, data: Data) -> None:
        """Its policies may live on it; who has none takes no notice."""
        if name in self._above:
            self.ctx.tell(self._above[name], "observe", {"topic": topic, "subject": name, "data": data})

    def _judge_again(self) -> None:
        """Every second while a ping is unanswered."""
        self._judge()
        for name in self._suspected:  # only here: how often it is told says how long it lasts
            level = self._watched[name].level(self.ctx.now())
            self._tell_its_supervisor("health.suspected", name, {"level": round(level, 2)})
        self._is_judging = any(watched.asked_at is not None for watched in self._watched.values())
        if self._is_judging:
            self.ctx.after(JUDGE_S, self._judge_again)

    def _judge(self) -> None:
        now = self.ctx.now()
        for name, watched in self._watched.items():
            level = watched.level(now)
            if level < SUSPECT_LEVEL or name in self._suspected or watched.asked_at is None:
                continue
            self._suspected[name] = now
            waited = round(now - watched.asked_at, 3)
            tier = self._nodes[name]["tier"]
            self.ctx.emit("health.suspected", name, {"level": round(level, 2), "waited_s": waited, "tier": tier})

    # ---- verbs ----------------------------------------------------------------------------------

    def do_event(self, request: Request) -> None:
        """A child started or exited: its history is over, and the tree is looked at anew with the next round."""
        subject = text(request, "subject", max_chars=500).rsplit("/", 1)[-1]
        if request.args.get("type") == "child.exited":
            self._drop(subject)

    def do_health(self, request: Request) -> Data:
        """The health of `name`, or of everything watched."""
        name = text_or(request, "name", max_chars=200)
        if not name:
            return {"age_s": self._age(), "names": [self._health(each) for each in self._nodes]}
        if name not in self._nodes:
            raise self._not_watched("health", name)
        return self._health(name)

    def do_suspicion(self, request: Request) -> Data:
        """name -> suspicion level, highest first, with what it rests on."""
        levels = [self._suspicion(name) for name in self._watched]
        return {"suspect_level": SUSPECT_LEVEL, "names": sorted(levels, key=lambda each: -each["level"])}

    def do_tiers(self, request: Request) -> Data:
        """For each tier: how many are there, run, are suspected, and the names that keep it from healthy."""
        found = {tier: self._tier(tier) for tier in TIERS}
        others = [node for node in self._nodes.values() if node["tier"] not in TIERS]
        return {"age_s": self._age(), "tiers": found | ({"other": self._summary(others)} if others else {})}

    def do_history(self, request: Request) -> Data:
        """The last pings of `name`: of the incarnation that runs and of the one before it, the newest first."""
        name = text(request, "name", max_chars=200)
        if name not in self._nodes and name not in self._watched and name not in self._former:
            raise self._not_watched("history", name)
        running = [self._incarnation(name)] if name in self._watched else []
        former = [self._former[name]] if name in self._former else []
        return {"name": name, "suspect_level": SUSPECT_LEVEL, "incarnations": running + former}

    def do_measure(self, request: Request) -> Any:
        """Ping `name` so many `times`, one after the other, and answer its health: the turns of a round take minutes
        until its answer times can be judged."""
        name, left = text(request, "name", max_chars=200), whole_or(request, "times", 11, low=1, high=MOST_MEASURED)

        if self._measuring >= MOST_AT_ONCE:
            raise Refused(f"measure: {self._measuring} are under way", hint="wait for one of them to end")
        self._measuring += 1

        def begin(answer: Answer) -> None:
            if answer.ok:  # what it knows of the tree may be as old as a round
                self._take_tree(answer.value["tree"])
            go_on()

        def again() -> None:
            nonlocal left
            left -= 1
            go_on()

        def go_on() -> None:
            node = self._nodes.get(name)
            if left and node is not None and node["state"] == "running":
                self._ping(name, again)
                return
            self._measuring -= 1
            if node is None:
                self.ctx.answer(request, error=self._not_watched("measure", name))
            else:
                self.ctx.answer(request, self._health(name))

        self.ctx.ask("status", "status", {}, begin)
        return LATER

    def _incarnation(self, name: str) -> Data:
        """Plain data, so that it does not change any more once it is kept."""
        watched = self._watched[name]
        pings = [
            {"at": ping.at, "answer_ms": None if ping.answer_s is None else round(ping.answer_s * 1000, 2)}
            for ping in watched.history
        ]
        return {
            "generation": watched.generation,
            "ended_at": None,
            "level": round(watched.level(self.ctx.now()), 3),
            "suspected": name in self._suspected,
            "misses": watched.misses,
            "pings": pings,
        }

    def _not_watched(self, verb: str, name: str) -> NotFound:
        near = difflib.get_close_matches(name, self._nodes, n=1)
        return NotFound(f"{verb}: {name!r} is not watched", hint=f"did you mean {near[0]!r}?" if near else "")

    def _tier(self, tier: str) -> Data:
        return self._summary([node for node in self._nodes.values() if node["tier"] == tier])

    def _summary(self, nodes: list[Data]) -> Data:
        down = [node["name"] for node in nodes if node["state"] != "running"]
        suspected = [node["name"] for node in nodes if node["name"] in self._suspected]
        state = "empty" if not nodes else "down" if len(down) == len(nodes) else "healthy"
        if down or suspected:
            state = "down" if state == "down" else "impaired"
        running = len(nodes) - len(down)
        return {"state": state, "total": len(nodes), "running": running, "down": down, "suspected": suspected}

    def _age(self) -> float | None:
        return None if self._tree_at is None else round(self.ctx.now() - self._tree_at, 1)

    def _health(self, name: str) -> Data:
        node = self._nodes[name]
        is_healthy = node["state"] == "running" and name not in self._suspected
        kept = {key: node[key] for key in ("name", "state", "generation", "restarts", "tier", "critical", "degraded")}
        return kept | {"healthy": is_healthy, **(self._suspicion(name) if name in self._watched else _UNKNOWN)}

    def _suspicion(self, name: str) -> Data:
        watched, now = self._watched[name], self.ctx.now()
        heard, slowest, recent = watched.heard_at, watched.slowest_s(), watched.recent_mean_s()
        return {
            "name": name,
            "level": round(watched.level(now), 3),
            "suspected": name in self._suspected,
            "heard_s_ago": None if heard is None else round(now - heard, 1),
            "waiting_s": None if watched.asked_at is None else round(now - watched.asked_at, 3),
            "answer_mean_ms": round(watched.mean_s * 1000, 2) if watched.answer_times_s else None,
            "recent_mean_ms": None if recent is None else round(recent * 1000, 2),
            "answer_p95_ms": None if slowest is None else round(slowest * 1000, 2),
            "pings": watched.pings,
            "misses": watched.misses,
        }


_UNKNOWN: dict[str, Any] = {
    "level": None,
    "suspected": False,
    "heard_s_ago": None,
    "waiting_s": None,
    "answer_mean_ms": None,
    "recent_mean_ms": None,
    "answer_p95_ms": None,
    "pings": 0,
    "misses": 0,
}
"""What is said of a name that was not pinged yet, or does not run."""
