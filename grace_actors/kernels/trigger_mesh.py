"""trigger_mesh: evaluates the trigger table every half minute and distributes events by pattern.

Takes the figures, lets `triggers` judge them and `storm` decide what is told, and tells: an event in the log and
a message to the kernel that acts. It repairs nothing itself. Invariant: a trigger that could not be evaluated is
listed as such, with the figure that is missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grace_actors.errors import Refused, StoreFailed
from grace_actors.kernel import LATER, Answer, Check, Context, Data, Kernel, Later, Request
from grace_actors.kernels import known_good
from grace_actors.kernels.arguments import mapping_or_empty, text, text_or, whole_or
from grace_actors.kernels.host_sample import read_host
from grace_actors.kernels.storm import Storm, Verdict
from grace_actors.kernels.tree_events import read_event
from grace_actors.kernels.triggers import TRIGGERS, Host, Issue, Measurements, Trigger, missing_figures
from grace_actors.preflight import needed_packages
from grace_actors.status.model import walk
from grace_actors.status.reading import pattern

EVALUATE_S = 30.0
HOST_S = 10.0
RENEW_S = 60.0
PACKAGES_S = 300.0
ERROR_WINDOW_S = 600.0
ASK_S = 5.0
_KEPT_SAMPLES = 20
_KEPT_FIRED = 200
_MOST_ROUTES = 500
_MOST_ERRORS = 5_000


@dataclass(slots=True)
class Record:
    """What one trigger did so far. `problem` says why it was not evaluated the last time."""

    runs: int = 0
    issues: int = 0
    fired: int = 0
    suppressed: int = 0
    last_run_at: float | None = None
    problem: str = ""


class TriggerMesh(Kernel):
    """Verbs: triggers, evaluate, fired, accept, subscribe, unsubscribe, match, route, event."""

    emits = ("trigger.fired", "storm.began", "storm.ended")

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._records = {trigger.name: Record() for trigger in TRIGGERS}
        self._fired: deque[Data] = deque(maxlen=_KEPT_FIRED)
        self._storm = Storm()
        self._was_open = False
        self._routes: dict[str, list[str]] = {}
        self._host: deque[Host] = deque(maxlen=6)
        self._mailboxes: dict[str, deque[int]] = {}
        self._errors: deque[tuple[float, str]] = deque(maxlen=_MOST_ERRORS)
        self._packages: dict[str, str] | None = None
        self._packages_at = float("-inf")
        self._baseline = known_good.Baseline()
        self._waiting: list[Request] = []
        self._is_evaluating = False
        self._is_subscribed = False

    def setup(self) -> None:
        self._baseline = known_good.load(self._baseline_file) or self._accept("config", "packages")
        self._sample_host(first=True)
        self._subscribe()
        self.ctx.every(HOST_S, self._sample_host)
        self.ctx.every(RENEW_S, self._subscribe)
        self.ctx.every(EVALUATE_S, self._evaluate)

    def ready(self) -> list[Check]:
        table = [trigger for trigger in TRIGGERS if trigger.evaluate is not None]
        return [Check(name="triggers", ok=len(table) > 0, detail=f"{len(table)} of {len(TRIGGERS)} are evaluated")]

    def metrics(self) -> dict[str, float]:
        records = self._records.values()
        return {
            "checks_total": sum(record.runs for record in records),
            "issues_total": sum(record.issues for record in records),
            "fired_total": sum(record.fired for record in records),
            "suppressed_total": sum(self._storm.refused.values()),
            "routes": sum(map(len, self._routes.values())),
        }

    def snapshot(self) -> Data | None:
        return {"routes": self._routes}

    def restore(self, state: Data) -> None:
        routes = state.get("routes")
        if not isinstance(routes, dict) or not all(isinstance(globs, list) for globs in routes.values()):
            raise ValueError(f"routes must be name -> list of patterns, not {routes!r:.200}")
        self._routes = {name: [str(glob) for glob in globs] for name, globs in routes.items()}

    # ---- figures --------------------------------------------------------------------------------

    @property
    def _baseline_file(self) -> Any:
        return self.ctx.data / "known_good.json"

    def _accept(self, *what: str) -> known_good.Baseline:
        """Take the present state as good and keep it. A disk that refuses leaves it in memory, degraded."""
        config = known_good.config_digests(self.ctx.home / "config") if "config" in what else self._baseline.config
        packages = known_good.package_versions(needed_packages()) if "packages" in what else self._baseline.packages
        self._packages_at = float("-inf")
        self._baseline = known_good.Baseline(config=config, packages=packages)
        try:
            known_good.save(self._baseline_file, self._baseline)
            self.degraded = []
        except OSError as error:
            self.degraded = [f"the known good state could not be kept: {error.strerror}"]
        return self._baseline

    def _sample_host(self, *, first: bool = False) -> None:
        sample = read_host(self.ctx.wall(), self.ctx.home, first=first)
        self._host.append(
            Host(cpu_percent=sample.cpu_percent, memory_percent=sample.memory_percent, load_1m=sample.load_1m)
        )

    def _package_changes(self) -> dict[str, str]:
        """Looked up every five minutes: a package does not change by the second, and reading costs."""
        if self._packages is None or self.ctx.now() - self._packages_at >= PACKAGES_S:
            self._packages = known_good.package_versions(list(self._baseline.packages))
            self._packages_at = self.ctx.now()
        return known_good.differences(self._baseline.packages, self._packages)

    def _error_counts(self) -> dict[str, int]:
        while self._errors and self._errors[0][0] <= self.ctx.now() - ERROR_WINDOW_S:
            self._errors.popleft()
        counts: dict[str, int] = {}
        for _, key in self._errors:
            counts[key] = counts.get(key, 0) + 1
        return counts

    def _measure(self, answers: dict[str, Any]) -> Measurements:
        health, risks = answers.get("health"), answers.get("risks")
        return Measurements(
            silent_s=None if health is None else _figures(health["names"], "waiting_s"),
            latency_ms=None if health is None else _figures(health["names"], "recent_mean_ms"),
            mailboxes=self._mailbox_samples(answers.get("status")),
            host=tuple(self._host),
            config_changes=known_good.differences(
                self._baseline.config, known_good.config_digests(self.ctx.home / "config")
            ),
            version_changes=self._package_changes(),
            missing_binaries=known_good.missing_binaries(),
            error_counts=self._error_counts() if self._is_subscribed else None,
            risks=None if risks is None else _figures(risks["kernels"], "risk"),
        )

    def _mailbox_samples(self, status: Data | None) -> dict[str, tuple[int, ...]] | None:
        """One more sample of each queue; a queue that is gone is forgotten."""
        if status is None:
            return None
        sizes = {node["name"]: node["mailbox"] for node in walk(status["tree"]) if node["mailbox"] is not None}
        for name in self._mailboxes.keys() - sizes.keys():
            del self._mailboxes[name]
        for name, size in sizes.items():
            self._mailboxes.setdefault(name, deque(maxlen=_KEPT_SAMPLES)).append(size)
        return {name: tuple(samples) for name, samples in self._mailboxes.items()}

    # ---- evaluation -----------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Ask for the figures of others; whatever came within the time is judged."""
        if self._is_evaluating:
            return
        self._is_evaluating = True
        asked: dict[str, tuple[str, str, Data]] = {
            "status": ("status", "status", {}),
            "health": ("health_monitor", "suspicion", {}),
            "risks": ("learning_integration", "top", {}),
        }
        answers: dict[str, Any] = {}
        missing = set(asked)

        def taker(key: str) -> Callable[[Answer], None]:
            def on_answer(answer: Answer) -> None:
                missing.discard(key)
                if answer.ok:
                    answers[key] = answer.value
                if not missing:
                    self._judge(self._measure(answers))

            return on_answer

        for key, (to, verb, args) in asked.items():
            self.ctx.ask(to, verb, args, taker(key), timeout_s=ASK_S)

    def _judge(self, measurements: Measurements) -> None:
        self._is_evaluating = False
        self._note_circuit()
        told: list[Data] = []
        for trigger in TRIGGERS:
            told += self._judge_one(trigger, measurements)
        self.did = f"evaluated {sum(t.evaluate is not None for t in TRIGGERS)} triggers, {len(told)} fired"
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self.ctx.answer(request, {"fired": told, "triggers": self._table()})

    def _judge_one(self, trigger: Trigger, measurements: Measurements) -> list[Data]:
        record = self._records[trigger.name]
        missing = missing_figures(trigger, measurements)
        record.problem = f"not measured: {', '.join(missing)}" if missing else ""
        if trigger.evaluate is None or missing:
            return []
        record.runs += 1
        record.last_run_at = self.ctx.wall()
        issues = trigger.evaluate(measurements)
        record.issues += len(issues)
        return [told for issue in issues if (told := self._fire(trigger, issue, record)) is not None]

    def _fire(self, trigger: Trigger, issue: Issue, record: Record) -> Data | None:
        verdict = self._storm.finding((trigger.name, issue.issue, issue.subject), issue.severity, self.ctx.now())
        if verdict is not Verdict.PASS:
            record.suppressed += 1
            return None
        record.fired += 1
        data = {
            "trigger": trigger.name,
            "issue": issue.issue,
            "severity": issue.severity.name.lower(),
            "action": trigger.action,
            "target": trigger.target,
            "detail": issue.detail,
        }
        event = {"type": "trigger.fired", "subject": issue.subject, "data": data, "at": self.ctx.wall()}
        self._fired.append(event)
        self.ctx.emit("trigger.fired", issue.subject, data)
        for target in dict.fromkeys(("self_healing", trigger.target)):
            self.ctx.tell(target, "event", event)
        return event

    # ---- events ---------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        globs = sorted({"child.exited", *(glob for globs in self._routes.values() for glob in globs)})
        self.ctx.ask("status", "subscribe", {"types": globs[:50]}, self._subscribed)

    def _subscribed(self, answer: Answer) -> None:
        self._is_subscribed = answer.ok

    def do_event(self, request: Request) -> None:
        """Take an event of the log: count an error, pass it on to those who want it."""
        event = read_event(request.args, self.ctx.wall())
        if event.is_abnormal_exit:
            line = (event.reason or event.kind).strip().partition("\n")[0]
            self._errors.append((self.ctx.now(), f"{event.subject}: {line[:100]}"))
        self._pass_on(event.type, request.args)

    def do_route(self, request: Request) -> Data:
        """Pass an event {type, subject, data} on to everyone whose pattern matches; answers who was told."""
        data = mapping_or_empty(request, "data")
        event = {"type": text(request, "type", max_chars=200), "subject": text(request, "subject", max_chars=500)}
        return {"told": self._pass_on(event["type"], {**event, "data": data, "at": self.ctx.wall()})}

    def _pass_on(self, type: str, event: Data) -> list[str]:
        verdict = self._storm.event(type, self.ctx.now())
        self._note_circuit()
        if verdict is not Verdict.PASS:
            return []
        names = self._interested(type)
        for name in names:
            self.ctx.tell(name, "event", event)
        return names

    def _note_circuit(self) -> None:
        is_open = self._storm.is_open(self.ctx.now())
        if is_open != self._was_open:
            self._was_open = is_open
            refused = {verdict.value: count for verdict, count in self._storm.refused.items()}
            self.ctx.emit("storm.began" if is_open else "storm.ended", self.ctx.name, {"refused": refused})

    def _interested(self, type: str) -> list[str]:
        return [name for name, globs in self._routes.items() if any(pattern(glob).match(type) for glob in globs)]

    def do_subscribe(self, request: Request) -> Data:
        """Have events whose type matches `pattern` (`error.*`) told to the sender, until it unsubscribes."""
        glob, sender = text(request, "pattern", max_chars=200), request.sender
        globs = self._routes.get(sender, [])
        if not sender:
            raise Refused("subscribe: the sender has no name", hint="only a registered actor can be told")
        if glob not in globs and sum(map(len, self._routes.values())) >= _MOST_ROUTES:
            raise Refused(f"subscribe: there are {_MOST_ROUTES} routes already", hint="unsubscribe what is not needed")
        self._routes[sender] = [*globs, *([glob] if glob not in globs else [])]
        self.ctx.save()
        self._subscribe()
        return {"patterns": self._routes[sender]}

    def do_unsubscribe(self, request: Request) -> Data:
        """End the sender's subscription to `pattern`, or to everything."""
        glob = text_or(request, "pattern", max_chars=200)
        left = [each for each in self._routes.pop(request.sender, []) if glob and each != glob]
        if left:
            self._routes[request.sender] = left
        self.ctx.save()
        return {"patterns": left}

    def do_match(self, request: Request) -> Data:
        """Who would be told of an event of this `type`."""
        return {"names": self._interested(text(request, "type", max_chars=200))}

    # ---- verbs ----------------------------------------------------------------------------------

    def do_triggers(self, request: Request) -> Data:
        """The table, with what each trigger did and why one is not evaluated."""
        refused = {verdict.value: count for verdict, count in self._storm.refused.items()}
        return {"interval_s": EVALUATE_S, "triggers": self._table(), "suppressed": refused}

    def _table(self) -> list[Data]:
        return [self._row(number, trigger) for number, trigger in enumerate(TRIGGERS, 1)]

    def _row(self, number: int, trigger: Trigger) -> Data:
        record = self._records[trigger.name]
        return {
            "number": number,
            "name": trigger.name,
            "available": trigger.evaluate is not None and not record.problem,
            "reason": trigger.unavailable or record.problem or None,
            "action": trigger.action,
            "target": trigger.target,
            "last_run_at": record.last_run_at,
            "runs": record.runs,
            "issues": record.issues,
            "fired": record.fired,
            "suppressed": record.suppressed,
        }

    def do_evaluate(self, request: Request) -> Later:
        """Evaluate now; answered with what fired and the table."""
        self._waiting.append(request)
        self._evaluate()
        return LATER

    def do_fired(self, request: Request) -> Data:
        """The last `limit` firings, newest first."""
        limit = whole_or(request, "limit", 20, low=1, high=_KEPT_FIRED)
        return {"fired": list(self._fired)[::-1][:limit]}

    def do_accept(self, request: Request) -> Data:
        """Accept the present `config` or `packages` as good, after a change that was meant."""
        what = text(request, "what", max_chars=20)
        if what not in ("config", "packages"):
            raise Refused(f"accept: what is {what!r}", hint="config or packages")
        baseline = self._accept(what)
        if self.degraded:
            raise StoreFailed(f"accepted until the next restart only: {self.degraded[0]}", hint="free disk space")
        return {"config": dict(baseline.config), "packages": dict(baseline.packages)}


def _figures(rows: list[Data], key: str) -> dict[str, float]:
    """name -> figure, for the rows that have one."""
    return {row["name"]: float(row[key]) for row in rows if isinstance(row.get(key), int | float)}
