"""trigger_mesh: notices what is wrong, from figures and from logs, and distributes events by pattern.

Takes the figures, lets the trigger table judge them and storm protection decide what is told, and tells: an event in
the log, which self_healing reads. What can be noticed at once is: a sample of the host, an exit, a changed file and a
line of a log are judged when they come, the rest every half minute. It repairs nothing itself. Invariant: a trigger
that could not be evaluated is listed as such, with the figure that is missing and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grace_actors.errors import Injected, Refused, StoreFailed
from grace_actors.folder_watch import FolderWatch
from grace_actors.kernel import LATER, Answer, Check, Context, Data, Kernel, Later, Request, Timer
from grace_actors.kernels.arguments import mapping_or_empty, text, text_or, whole_or
from grace_actors.kernels.storm import Verdict
from grace_actors.kernels.tree_events import TreeEvent, read_event
from grace_actors.kernels.triggers import TRIGGERS, Measurements
from grace_actors.kernels.watch.figures import Figures
from grace_actors.kernels.watch.firing import KEPT_FIRED, Firing
from grace_actors.kernels.watch.logs import LogWatch
from grace_actors.kernels.watch.rules import LogRules
from grace_actors.kernels.watch.settings import settings
from grace_actors.status.reading import pattern

HOST_S = 10.0
RENEW_S = 60.0
ASK_S = 5.0
READ_CODE_AFTER_S = 2.0
"""Let the boot go first: nobody waits for this."""
ARTEFACTS_STILL_S = 0.5
"""An artefact that changes is looked at once it has been still for so long."""
DRILL_OVER = ("drill.passed", "drill.deviated", "drill.failed", "drill.aborted", "drill.interrupted")
OWN_TYPES = ("child.exited", "health.suspected", "risk.raised", "drill.started", *DRILL_OVER)
_MOST_GLOBS = 50
_MOST_ROUTES = 500


class TriggerMesh(Kernel):
    """Verbs: triggers, evaluate, fired, accept, logs, subscribe, unsubscribe, match, route, event."""

    emits = (
        *("trigger.fired", "trigger.cleared", "storm.began", "storm.ended", "log_lines.skipped"),
        *sorted(LogRules().events),
    )

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.settings = settings(ctx.config)
        self._firing = Firing(
            ctx,
            self.settings.limits,
            repeat_after_s=self.settings.repeat_after_s,
            interval_s=self.settings.interval_s,
        )
        self._figures = Figures(ctx, self.settings.repeat_window_s)
        self._logs = LogWatch(
            ctx,
            LogRules(self.settings.log_rules),
            fold_s=self.settings.log_fold_s,
            ignored=self.settings.log_ignore,
            leak=self._leaked,
        )
        self._routes: dict[str, list[str]] = {}
        self._waiting: list[Request] = []
        self._is_evaluating = False
        self._will_evaluate = False
        self._is_drilled = False
        self._started = ctx.now()
        self._artefacts = FolderWatch(ctx, ctx.home / "artefacts", self._artefacts_changed)
        self._settling: Timer | None = None

    def setup(self) -> None:
        self._firing.on_change = self.ctx.save
        self._figures.load()
        self._figures.sample_host(first=True)
        self._subscribe()
        self._logs.look()
        self._artefacts.start()
        self.ctx.every(self.settings.log_interval_s, self._tick)
        self.ctx.every(HOST_S, self._sample_host)
        self.ctx.every(RENEW_S, self._subscribe)
        self.ctx.every(self.settings.interval_s, self._evaluate)
        self.ctx.after(READ_CODE_AFTER_S, lambda: self._figures.read_code(self._judge_code))

    def ready(self) -> list[Check]:
        logs = self._logs.tail
        return [
            Check(
                name="triggers", ok=len(TRIGGERS) > 0, detail=f"{len(TRIGGERS)} triggers, every half minute or at once"
            ),
            Check(name="logs", ok=True, detail=logs.problem or f"{len(logs.places)} logs in {logs.directory}"),
        ]

    def stop(self, reason: str) -> None:
        self._artefacts.close()

    def metrics(self) -> dict[str, float]:
        records, lines = self._firing.records.values(), self._logs.totals()
        return {
            "checks_total": sum(record.runs for record in records),
            "issues_total": sum(record.issues for record in records),
            "fired_total": sum(record.fired for record in records),
            "suppressed_total": sum(self._firing.storm.refused.values()),
            "routes": sum(map(len, self._routes.values())),
            "log_lines_total": lines["lines"],
            "log_warnings_total": lines["warning"],
            "log_events_total": self._logs.events,
            "log_folded_total": lines["folded"] + lines["refused"],
            "log_skipped_bytes_total": lines["skipped_bytes"],
        }

    def snapshot(self) -> Data | None:
        kept = {"routes": self._routes, "logs": self._logs.as_data(), "errors": self._figures.errors.as_data()}
        return kept | {"told": self._firing.told(), "lately": self._firing.lately()}

    def restore(self, state: Data) -> None:
        routes = state.get("routes")
        if not isinstance(routes, dict) or not all(isinstance(globs, list) for globs in routes.values()):
            raise ValueError(f"routes must be name -> list of patterns, not {routes!r:.200}")
        self._routes = {name: [str(glob) for glob in globs] for name, globs in routes.items()}
        if "logs" in state:
            self._logs.tail.restore(state["logs"])
        self._figures.errors.restore(state.get("errors", []), self.ctx.now())
        self._firing.restore(state.get("told", []))
        self._firing.restore_lately(state.get("lately", []))

    # ---- at once --------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._logs.look()
        self._firing.end_storms()
        if self._figures.has_config_changed():
            self._firing.judge("config_secret_drift", self._figures.config())

    def _sample_host(self) -> None:
        self._figures.sample_host()
        self._firing.judge("resource_pressure", self._figures.host())

    def _judge_code(self) -> None:
        self._firing.judge("pre_boot_code_diff", self._figures.own_code())

    def _judge_artefacts(self) -> None:
        self._firing.judge("model_integrity", self._figures.artefact_faults())

    def _artefacts_changed(self) -> None:
        """Look as soon as nobody writes any more, and not only in half a minute."""
        if self._settling is not None:
            self._settling.cancel()
        self._settling = self.ctx.after(ARTEFACTS_STILL_S, lambda: self._figures.check_artefacts(self._judge_artefacts))

    def _leaked(self, name: str, kinds: tuple[str, ...]) -> None:
        self._firing.judge("security_signal", Measurements(leaks={name: kinds}), is_whole=False)

    def _heard(self, event: TreeEvent) -> None:
        """Judge what an event of the tree says, in this call."""
        if event.type == "drill.started" or event.type in DRILL_OVER:
            self._is_drilled = event.type == "drill.started"
        elif line := self._error(event):
            counted = self._figures.error(f"{event.subject}: {line[:100]}")
            self._firing.judge("live_error_feed", counted, is_whole=False)
        elif event.type == "risk.raised" and isinstance(event.data.get("risk"), int | float):
            risks = {event.subject: float(event.data["risk"])}
            self._firing.judge("predictive_failure", Measurements(risks=risks), is_whole=False)
        elif event.type == "health.suspected" and not self._will_evaluate:
            self._will_evaluate = True
            waited_s = event.data.get("waited_s")
            rest_s = self.settings.limits.silent_s - (waited_s if isinstance(waited_s, int | float) else 0.0)
            self.ctx.after(max(0.0, rest_s) + 0.1, self._evaluate_suspected)

    def _error(self, event: TreeEvent) -> str:
        """The error that ended an actor; empty for a signal from outside, and for the crash of a drill, which would
        add up with those of the next one: no code is to blame for it."""
        if not event.is_abnormal_exit or event.kind == "killed":
            return ""
        line = (event.reason or event.kind).strip().partition("\n")[0]
        is_drill = self._is_drilled and line.partition(":")[0] == Injected.__name__
        return "" if is_drill else line

    def _evaluate_suspected(self) -> None:
        """The silence of somebody may be too long by now; whether it still lasts, health_monitor knows."""
        self._will_evaluate = False
        self._evaluate()

    # ---- every half minute ----------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Ask for the figures of others; whatever came within the time is judged."""
        if self._is_evaluating:
            return
        self._is_evaluating = True
        asked: dict[str, tuple[str, str, Data]] = {
            "status": ("status", "status", {}),
            "health": ("health_monitor", "suspicion", {}),
            "risks": ("learning_integration", "top", {"limit": 500}),
        }
        answers: dict[str, Any] = {}
        problems: dict[str, str] = {}
        missing = {*asked, "api"}

        def came(key: str) -> None:
            missing.discard(key)
            if not missing:
                self._judge(answers, problems)

        def taker(key: str) -> Callable[[Answer], None]:
            def on_answer(answer: Answer) -> None:
                if answer.ok:
                    answers[key] = answer.value
                else:
                    problems[key] = (answer.error or {}).get("message", f"{asked[key][0]} gave no reason")
                came(key)

            return on_answer

        self._figures.check_artefacts(self._judge_artefacts)
        for key, (to, verb, args) in asked.items():
            self.ctx.ask(to, verb, args, taker(key), timeout_s=ASK_S)
        self._figures.ask_api(lambda: came("api"))

    def _judge(self, answers: dict[str, Any], problems: dict[str, str]) -> None:
        self._is_evaluating = False
        self._record_good_code(answers.get("status"))
        measurements = self._figures.measurements(answers, problems)
        told = [
            event
            for trigger in TRIGGERS
            for event in self._firing.judge(trigger.name, measurements, is_whole=trigger.name != "security_signal")
        ]
        self.degraded = [self._figures.unkept] if self._figures.unkept else []
        self.did = f"evaluated {len(TRIGGERS)} triggers, {len(told)} fired"
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self.ctx.answer(request, {"fired": told, "triggers": self._firing.table()})

    def _record_good_code(self, status: Data | None) -> None:
        """The program runs as a whole and has for a while: the code it runs is good."""
        is_well = status is not None and status["state"] == "running"
        lasted = self.ctx.now() - self._started >= self.settings.good_after_s
        code = self._figures.code
        if is_well and lasted and code.wants_recording and (problem := code.record()) and code.changes is None:
            code.problem = problem

    # ---- events ---------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        wanted = sorted({glob for globs in self._routes.values() for glob in globs} - set(OWN_TYPES))
        self.ctx.ask("status", "subscribe", {"types": [*OWN_TYPES, *wanted][:_MOST_GLOBS]}, self._subscribed)

    def _subscribed(self, answer: Answer) -> None:
        self._figures.is_hearing = answer.ok

    def do_event(self, request: Request) -> None:
        """Take an event of the log: judge what it says, pass it on to those who want it."""
        event = read_event(request.args, self.ctx.wall())
        self._heard(event)
        self._pass_on(event.type, request.args)

    def do_route(self, request: Request) -> Data:
        """Pass an event {type, subject, data} on to everyone whose pattern matches; answers who was told."""
        data = mapping_or_empty(request, "data")
        event = {"type": text(request, "type", max_chars=200), "subject": text(request, "subject", max_chars=500)}
        return {"told": self._pass_on(event["type"], {**event, "data": data, "at": self.ctx.wall()})}

    def _pass_on(self, type: str, event: Data) -> list[str]:
        verdict = self._firing.storm.event(type, self.ctx.now())
        if verdict is not Verdict.PASS:
            self._firing.refuse("events", verdict)
            return []
        names = self._interested(type)
        for name in names:
            self.ctx.tell(name, "event", event)
        return names

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
        refused = {verdict.value: count for verdict, count in self._firing.storm.refused.items()}
        return {"interval_s": self.settings.interval_s, "triggers": self._firing.table(), "suppressed": refused}

    def do_evaluate(self, request: Request) -> Later:
        """Evaluate now; answered with what fired and the table."""
        self._waiting.append(request)
        self._evaluate()
        return LATER

    def do_fired(self, request: Request) -> Data:
        """The last `limit` firings, newest first."""
        limit = whole_or(request, "limit", 20, low=1, high=KEPT_FIRED)
        return {"fired": list(self._firing.fired)[::-1][:limit]}

    def do_logs(self, request: Request) -> Data:
        """What became of the lines of each log, and whether stored secrets are looked for in them."""
        return {
            "directory": str(self._logs.directory),
            "logs": self._logs.counts(),
            "problem": self._logs.tail.problem or None,
            "secrets_problem": self._logs.secrets_problem or None,
        }

    def do_accept(self, request: Request) -> Data:
        """Accept the present `config`, `packages` or `code` as good, after a change that was meant."""
        what = text(request, "what", max_chars=20)
        if what == "code":
            return self._accept_code()
        if what not in ("config", "packages"):
            raise Refused(f"accept: what is {what!r}", hint="config, packages or code")
        self._figures.accept(what)
        self.degraded = [self._figures.unkept] if self._figures.unkept else []
        if self.degraded:
            raise StoreFailed(f"accepted until the next restart only: {self.degraded[0]}", hint="free disk space")
        baseline = self._figures.baseline
        return {"config": dict(baseline.config), "packages": dict(baseline.packages)}

    def _accept_code(self) -> Data:
        try:
            problem = self._figures.code.record(by_hand=True)
        except OSError as error:
            raise StoreFailed(
                f"the good code could not be recorded: {error.strerror}", hint="free disk space"
            ) from None
        if problem:
            raise Refused(f"accept: {problem}", hint="ask again in a few seconds")
        return {"code": str(self._figures.code.file)}
