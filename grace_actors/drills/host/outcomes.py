"""Keeps what came of a drill, and tells self_healing of a gate that failed.

It judges nothing. Invariants: a disk that takes nothing loses the journal, never the verdict, which is told from memory
until it can be written; a report that nobody took is made again until somebody does.
"""

from __future__ import annotations

import platform

from chaos.drill.journal import journal
from chaos.drill.messages import Verdict
from grace_actors.actions.action import Result
from grace_actors.drills.host.drill import Hosted
from grace_actors.drills.host.kong import KongRun
from grace_actors.drills.host.problems import Problems
from grace_actors.drills.host.rows import Runs
from grace_actors.drills.host.surroundings import HEALER, children
from grace_actors.errors import StoreFailed
from grace_actors.kernel import Answer, Context, Data

AGAIN_S = 5.0
KIND = "drill"
"""The kind of the incident of a gate that failed."""


class Outcomes:
    """The end of runs."""

    def __init__(self, ctx: Context, runs: Runs, problems: Problems) -> None:
        self._ctx, self._runs, self._problems = ctx, runs, problems

    def of_drill(self, hosted: Hosted, verdict: Verdict) -> None:
        """Keep and tell what came of a drill."""
        written = journal(hosted.drill, platform=platform.platform(), node=platform.node())
        self._keep(hosted.run, written | {"activities": hosted.shown()["activities"]}, _plain(verdict, written))
        if verdict.deviated:
            self._inform(f"{hosted.card.id}: {_why(verdict)}", hosted.run)
        elif verdict.passed:
            self._problems.say("report", "")

    def of_kong(self, kong: KongRun) -> None:
        """Keep and tell what came of Kong."""
        self._keep(kong.run, kong.journal(), kong.verdict())
        if kong.passed is False:
            self._inform(f"Kong: {kong.reason}", kong.run)

    def _keep(self, run: str, written: Data, verdict: Data) -> None:
        try:
            self._runs.write_journal(run, written)
            self._problems.say("journal", "")
        except StoreFailed as error:
            text = f"the journal could not be written: {error.message}"
            self._problems.say("journal", f"{run}: {text}")
            verdict = {**verdict, "reason": "; ".join(filter(None, (verdict["reason"], text)))}
        try:
            self._runs.end(run, self._ctx.wall(), verdict)
        except StoreFailed as error:
            self._problems.say("verdict", f"what came of {run} is not on the disk: {error.message}")
            self._ctx.after(AGAIN_S, self._again)

    def _again(self) -> None:
        try:
            self._runs.write_left()
            self._problems.say("verdict", "")
        except StoreFailed:  # it is told already
            self._ctx.after(AGAIN_S, self._again)

    def _inform(self, reason: str, run: str) -> None:
        """A gate that failed is a failure of Grace: an incident, which makes a work order when no playbook fits."""
        detail = f"the drill {run}; see: drill report"
        told = {"kernel": self._ctx.name, "kind": KIND, "reason": reason, "detail": detail}

        def answered(answer: Answer) -> None:
            self._problems.say("report", "" if answer.ok else f"{HEALER} was not told yet that {run} has not passed")
            if not answer.ok:
                self._ctx.after(AGAIN_S, lambda: self._inform(reason, run))

        def known(found: Result) -> None:
            if found.ok and HEALER not in found.data["value"]:
                self._only_kept(run)
            else:
                self._ctx.ask(HEALER, "report", told, answered)

        children.perform(self._ctx, {}, False, known)

    def _only_kept(self, run: str) -> None:
        """Nobody here can open an incident: that is told once, and the journal keeps it."""
        text = f"no incident was opened, for the tree has no {HEALER}"
        self._problems.say("report", f"{run} has not passed, and {text}; see: drill report")
        try:
            self._runs.add_problem(run, text)
        except StoreFailed as error:
            self._problems.say("journal", f"{run}: the journal could not be written: {error.message}")


def _plain(verdict: Verdict, written: Data) -> Data:
    """A verdict as it is kept in its row."""
    return {
        "status": str(verdict.status),
        "passed": verdict.passed,
        "reason": verdict.reason,
        "gates": dict(verdict.gates),
        "said": dict(verdict.said),
        "timeline": written["timeline"],
        "detect_s": verdict.detect_s,
        "heal_s": verdict.heal_s,
    }


def _why(verdict: Verdict) -> str:
    failed = [f"gate {name}: {verdict.said.get(name, '')}" for name, ok in verdict.gates.items() if ok is False]
    return "; ".join((*failed, *verdict.problems)) or verdict.reason
