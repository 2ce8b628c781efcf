"""Verifies that kernels really work, by their own self-tests, and keeps the trust score of each component.

Every 60 s it checks three rules of the whole: the bus runs, the log is writable, every trust score is valid. It must
not repair anything, and verifying does not change trust: only recorded outcomes do.
Invariant: `ok` in an answer means that every check passed just now; silence is a failed check.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.kernel import LATER, Answer, Check, Data, Kernel, Request
from grace_actors.kernels.arguments import flag, text, text_or, texts_or_empty, whole_or
from grace_actors.kernels.tree_nodes import tree_nodes
from grace_actors.kernels.trust import Trust, trust_of

RULES_S = 60.0
FIRST_RULES_S = 7.0
ANSWER_S = 5.0
MAX_COMPONENTS = 1000
KEPT_KEYS = 500
"""Outcomes that were told are remembered so far back, because who did not hear the answer tells them again."""

Report = Callable[[Data], None]


class VerificationFramework(Kernel):
    """Verbs: verify, verify_all, trust, record_outcome, rules."""

    emits = ("rule.broken", "rule.restored", "kernel.verified", "trust.changed")

    def setup(self) -> None:
        self.scores: dict[str, Trust] = getattr(self, "scores", {})
        self.counted: deque[str] = getattr(self, "counted", deque(maxlen=KEPT_KEYS))
        self.rules: dict[str, Data] = {}
        self.verified = 0
        self.ctx.after(FIRST_RULES_S, self._check_rules)
        self.ctx.every(RULES_S, self._check_rules)

    def ready(self) -> list[Check]:
        trial = Trust(component="self_test").after(ok=True, at=0.0).after(ok=False, at=0.0)
        return [
            Check(name="trust_arithmetic", ok=trial.score == 45, detail="50 + 5 - 10"),
            self._trust_valid(),
        ]

    # ---- verifying ----------------------------------------------------------------------------------

    def do_verify(self, request: Request) -> Any:
        """Run the self-test of `name` now and answer its checks."""
        name = text(request, "name", max_chars=200)
        self._verify(name, lambda report: self.ctx.answer(request, self._told(report)))
        return LATER

    def do_verify_all(self, request: Request) -> Any:
        """Verify `names`, or every kernel the status actor knows."""
        names = texts_or_empty(request, "names", most=500)
        if names:
            self._verify_each(request, names)
            return LATER

        def on_tree(answer: Answer) -> None:
            nodes = tree_nodes(answer.value) if answer.ok else []
            found = [node.name for node in nodes if node.kind == "kernel"]
            if found:
                self._verify_each(request, found)
            else:
                what = answer.error["message"] if answer.error else "the status actor knows no kernel"
                self.ctx.answer(request, error=NotFound(f"verify_all: {what}", hint="give `names`"))

        self.ctx.ask("status", "status", {}, on_tree)
        return LATER

    def _verify_each(self, request: Request, names: list[str]) -> None:
        reports: dict[str, Data] = {}

        def on_report(report: Data) -> None:
            reports[report["name"]] = report
            if len(reports) == len(wanted):
                failed = [name for name in wanted if not reports[name]["ok"]]
                self.did = f"verified {len(wanted)} kernels, {len(failed)} failed"
                value = {"ok": not failed, "failed": failed, "reports": [reports[name] for name in wanted]}
                self.ctx.answer(request, value)

        wanted = list(dict.fromkeys(names))
        for name in wanted:
            self._verify(name, on_report)

    def _verify(self, name: str, report_to: Report) -> None:
        asked_at = self.ctx.now()

        def on_answer(answer: Answer) -> None:
            checks = _checks(answer)
            report_to(self._report(name, checks, took_s=self.ctx.now() - asked_at))

        if name == self.ctx.name:
            own = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in self.ready()]
            on_answer(Answer(ok=True, value={"checks": own}))
            return
        self.ctx.ask(name, "ready", {}, on_answer, timeout_s=ANSWER_S)

    def _report(self, name: str, checks: list[Data], *, took_s: float) -> Data:
        self.verified += 1
        trust = self.scores.get(name, Trust(component=name))
        return {
            "name": name,
            "ok": all(check["ok"] for check in checks),
            "checks": checks,
            "trust": trust.score,
            "took_s": round(took_s, 4),
            "at": self.ctx.wall(),
        }

    def _told(self, report: Data) -> Data:
        failed = [check["name"] for check in report["checks"] if not check["ok"]]
        self.did = f"verified {report['name']}: {', '.join(failed) + ' failed' if failed else 'all checks passed'}"
        self.ctx.emit("kernel.verified", report["name"], {"ok": report["ok"], "failed": failed})
        return report

    # ---- trust --------------------------------------------------------------------------------------

    def do_trust(self, request: Request) -> Any:
        """The trust score of `component`, or of all, lowest first."""
        name = text_or(request, "component", max_chars=200)
        if name:
            return self.scores.get(name, Trust(component=name)).as_data()
        limit = whole_or(request, "limit", 100, low=1, high=MAX_COMPONENTS)
        known = sorted(self.scores.values(), key=lambda trust: (trust.score, trust.component))
        return {"components": [trust.as_data() for trust in known[:limit]], "count": len(known)}

    def do_record_outcome(self, request: Request) -> Any:
        """Record that `component` did (`ok` true) or did not do what it should; the same `key` counts once."""
        name, ok = text(request, "component", max_chars=200), flag(request, "ok")
        key, before = text_or(request, "key", max_chars=300), self.scores.get(name, Trust(component=name))
        if key and key in self.counted:
            return before.as_data()
        if key:
            self.counted.append(key)
        after = before.after(ok=ok, at=self.ctx.wall())
        self.scores[name] = after
        self._forget_oldest()
        if after.score != before.score:
            self.ctx.emit("trust.changed", name, {"from": before.score, "to": after.score})
        self.did = f"trust of {name}: {before.score} to {after.score}"
        return after.as_data()

    def _forget_oldest(self) -> None:
        """A caller that invents names must not grow the table without end."""
        while len(self.scores) > MAX_COMPONENTS:
            del self.scores[min(self.scores.values(), key=lambda trust: trust.at).component]

    def snapshot(self) -> Data | None:
        return {"trust": [trust.as_data() for trust in self.scores.values()], "counted": list(self.counted)}

    def restore(self, state: Data) -> None:
        known = [trust_of(item) for item in state.get("trust", ())]
        self.scores = {trust.component: trust for trust in known}
        self.counted = deque((str(key) for key in state.get("counted", ())), maxlen=KEPT_KEYS)

    # ---- rules --------------------------------------------------------------------------------------

    def do_rules(self, request: Request) -> Any:
        """The rules and their last results (`ok` is null before the first); `now` checks them first."""
        if not flag(request, "now", False):
            return self._rules_data()
        self._check_rules(lambda: self.ctx.answer(request, self._rules_data()))
        return LATER

    def _rules_data(self) -> Data:
        holds = all(rule["ok"] for rule in self.rules.values()) if self.rules else None
        return {"ok": holds, "rules": list(self.rules.values())}

    def _check_rules(self, then: Callable[[], None] | None = None) -> None:
        own = self._trust_valid()
        results = {own.name: (own.ok, own.detail)}

        def take(rule: str, report: Data) -> None:
            failed = [f"{check['name']}: {check['detail']}" for check in report["checks"] if not check["ok"]]
            results[rule] = (report["ok"], "; ".join(failed))
            if len(results) == 3:
                self._judge(results)
                if then is not None:
                    then()

        self._verify("message_bus", lambda report: take("bus_running", report))
        self._verify("immutable_log", lambda report: take("log_writable", report))

    def _judge(self, results: dict[str, tuple[bool, str]]) -> None:
        for name, (ok, detail) in results.items():
            was_ok = self.rules.get(name, {"ok": True})["ok"]
            self.rules[name] = {"name": name, "ok": ok, "detail": detail, "at": self.ctx.wall()}
            if ok != was_ok:
                self.ctx.emit("rule.restored" if ok else "rule.broken", name, {"detail": detail})
        broken = [name for name, rule in self.rules.items() if not rule["ok"]]
        self.did = f"checked {len(results)} rules: {', '.join(broken) + ' broken' if broken else 'all hold'}"

    def _trust_valid(self) -> Check:
        invalid = [trust.component for trust in self.scores.values() if not trust.is_valid]
        detail = f"invalid: {', '.join(invalid)}" if invalid else f"{len(self.scores)} scores within 0 to 100"
        return Check(name="trust_scores_valid", ok=not invalid, detail=detail)

    def metrics(self) -> dict[str, float]:
        broken = sum(not rule["ok"] for rule in self.rules.values())
        return {"rules_broken": float(broken), "verifications_total": float(self.verified)}


def _checks(answer: Answer) -> list[Data]:
    """The checks of an answer to `ready`; no answer, or none with a check in it, is itself a failed check."""
    if not answer.ok:
        message = answer.error["message"] if answer.error else "no answer"
        return [{"name": "answers", "ok": False, "detail": message}]
    given = answer.value.get("checks") if isinstance(answer.value, dict) else None
    if not isinstance(given, list) or not given:
        return [{"name": "self_test", "ok": False, "detail": f"the answer holds no check: {answer.value!r:.100}"}]
    return [
        {"name": str(item.get("name")), "ok": item.get("ok") is True, "detail": str(item.get("detail") or "")}
        if isinstance(item, dict)
        else {"name": "self_test", "ok": False, "detail": f"not a check: {item!r:.60}"}
        for item in given
    ]
