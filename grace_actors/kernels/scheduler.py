"""scheduler: asks kernels to do things at set times, and remembers how it went.

Jobs are durable; one timer waits for the one that is due next, nothing is polled. What a job does is the target
kernel's business. Invariant: a job that was due while nobody could run it is run once or left out, as its misfire
policy says, and never several times to catch up.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from grace_actors.errors import NotFound, Refused, StoreFailed
from grace_actors.kernel import Answer, Check, Context, Data, Kernel, Request, Timer
from grace_actors.kernels.arguments import choice, flag, mapping_or_empty, number_or, text, text_or, whole_or
from grace_actors.kernels.job_store import KEPT_RUNS, Jobs, RunState, migrations
from grace_actors.kernels.schedule import BadSchedule, Schedule, parse
from grace_actors.stores.sqlite import EVENTS, Store

SETTLE_S = 30.0
"""What was missed is made up for this long after a start: its target may still be booting."""
LATE_S = 60.0
LONGEST_WAIT_S = 3600.0
"""The timer counts running time, jobs count the clock: a clock that was set is noticed at the latest after this."""
RETRY_S = 30.0
MAX_JOBS = 1000

DEFAULT_JOBS: tuple[Data, ...] = (
    {"name": "verify_log", "schedule": "1h", "target": "immutable_log", "verb": "verify"},
    {"name": "verify_snapshots", "schedule": "1h", "target": "memory_fusion", "verb": "verify"},
    {"name": "backup_jobs", "schedule": "30 3 * * *", "target": "scheduler", "verb": "backup"},
)


class Misfire(StrEnum):
    """What follows when a job was due while nobody could run it."""

    RUN_ONCE = "run_once"
    SKIP = "skip"


class Scheduler(Kernel):
    """Config: `jobs`, a list of jobs as for `add`, instead of DEFAULT_JOBS.
    Verbs: add, remove, list, run_now, history, pause_job, resume_job, backup."""

    emits = ("job.finished", "job.failed", "job.skipped", "job.missed", *EVENTS)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._timer: Timer | None = None
        self._running: dict[str, int] = {}
        self._problems: list[str] = []

    def setup(self) -> None:
        self._store = Store(
            self.ctx.data / "jobs.db", migrations, emit=self.ctx.emit, name=self.ctx.name, wall=self.ctx.wall
        )
        self._jobs = Jobs(self._store)
        for name in self._jobs.interrupted(self.ctx.wall()):
            self.ctx.emit("job.failed", name, {"reason": "interrupted"})
        self._take_configured()
        self._settle()
        self._arm()

    def ready(self) -> list[Check]:
        jobs = self._jobs.all()
        return [self._store.writable(), Check(name="jobs", ok=True, detail=f"{len(jobs)} jobs")]

    def stop(self, reason: str) -> None:
        self._store.close()

    def metrics(self) -> dict[str, float]:
        return {"jobs": len(self._jobs.all()), "running": len(self._running)}

    # ---- start ----------------------------------------------------------------------------------

    def _take_configured(self) -> None:
        """Bring the jobs of the tree file up to date. One that is wrong is left out and said."""
        configured = self.ctx.config.get("jobs", DEFAULT_JOBS)
        for given in configured if isinstance(configured, list | tuple) else ():
            try:
                job = self._job_of(Request(verb="jobs", args=dict(given)), origin="config")
            except (Refused, TypeError, ValueError) as error:
                self._problems.append(f"a configured job was left out: {error}")
                continue
            known = self._jobs.find(job["name"])
            if known is None or any(known[key] != job[key] for key in ("schedule", "target", "verb", "args")):
                self._jobs.put(job)
        self.degraded = list(self._problems)

    def _settle(self) -> None:
        """Decide on what was due while this kernel did not run."""
        now = self.ctx.wall()
        for job in self._jobs.all():
            if not job["enabled"] or job["next_run"] is None or job["next_run"] > now:
                continue
            late_s = round(now - job["next_run"], 1)
            self.ctx.emit("job.missed", job["name"], {"late_s": late_s, "misfire": job["misfire"]})
            is_made_up = job["misfire"] == Misfire.RUN_ONCE
            due = now + SETTLE_S if is_made_up else parse(job["schedule"]).next_due(job["next_run"], now)
            self._jobs.set(job["name"], next_run=due)

    # ---- the one timer --------------------------------------------------------------------------

    def _arm(self) -> None:
        """Wait for the job that is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [job["next_run"] for job in self._jobs.all() if job["enabled"] and job["next_run"] is not None]
        if due:
            wait = min(max(0.0, min(due) - self.ctx.wall()), LONGEST_WAIT_S)
            self._timer = self.ctx.after(wait, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now = self.ctx.wall()
        try:
            for job in self._jobs.all():
                if job["enabled"] and job["next_run"] is not None and job["next_run"] <= now:
                    self._due(job, now)
            self._arm()
            self.degraded = list(self._problems)
        except StoreFailed as error:
            self.degraded = [*self._problems, f"jobs wait: {error.message}"]
            self._timer = self.ctx.after(RETRY_S, self._on_time)

    def _due(self, job: Data, now: float) -> None:
        next_run = parse(job["schedule"]).next_due(job["next_run"], now)
        late_s = now - job["next_run"]
        if job["name"] in self._running:
            self._skip(job, now, next_run, "the run before is not over")
        elif late_s > LATE_S and job["misfire"] == Misfire.SKIP:
            self._skip(job, now, next_run, f"{late_s:.0f} s late")
        else:
            self._run(job, job["next_run"], next_run)

    def _skip(self, job: Data, now: float, next_run: float, why: str) -> None:
        number = self._jobs.begin(job["name"], job["next_run"], now, next_run, RunState.SKIPPED)
        self._jobs.finish(number, job["name"], now, RunState.SKIPPED, why)
        self.ctx.emit("job.skipped", job["name"], {"reason": why})

    def _run(self, job: Data, due_at: float | None, next_run: float | None) -> int:
        """Begin a run; its end is noted when the answer comes."""
        name, started = job["name"], self.ctx.wall()
        number = self._jobs.begin(name, due_at, started, next_run, RunState.RUNNING)
        self._running[name] = number
        self.did = f"began {name}"

        def on_answer(answer: Answer) -> None:
            self._running.pop(name, None)
            self._ended(name, number, started, answer)

        self.ctx.ask(job["target"], job["verb"], dict(job["args"]), on_answer, timeout_s=job["timeout_s"])
        return number

    def _ended(self, name: str, number: int, started: float, answer: Answer) -> None:
        now = self.ctx.wall()
        state = RunState.DONE if answer.ok else RunState.FAILED
        error = answer.error or {}
        detail = _shown(answer.value) if answer.ok else f"{error.get('code')}: {error.get('message')}"
        data: Data = {"run": number, "seconds": round(now - started, 3)}
        self.ctx.emit(
            "job.finished" if answer.ok else "job.failed", name, data if answer.ok else data | {"reason": detail}
        )
        self.did = f"{name} {state.value}"
        try:
            self._jobs.finish(number, name, now, state, detail)
        except StoreFailed as failed:  # the event says how it ended; the row stays `running` until the next start
            self.degraded = [*self._problems, f"a run could not be noted: {failed.message}"]

    # ---- verbs ----------------------------------------------------------------------------------

    def do_add(self, request: Request) -> Data:
        """Add a job or replace one: name, schedule (cron in UTC, or an interval), target, verb, args; `misfire`
        run_once or skip, `timeout_s`, `enabled`."""
        job = self._job_of(request, origin="operator")
        known = self._jobs.find(job["name"])
        if known is not None and known["origin"] == "config":
            raise Refused(f"add: {job['name']!r} comes from the tree file", hint="choose another name, or pause it")
        if known is None and len(self._jobs.all()) >= MAX_JOBS:
            raise Refused(f"add: there are {MAX_JOBS} jobs already", hint="remove one")
        self._jobs.put(job)
        self._arm()
        self.did = f"added {job['name']}"
        return job

    def do_remove(self, request: Request) -> Data:
        """Forget a job and its history."""
        job = self._known(request)
        if job["origin"] == "config":
            raise Refused(f"remove: {job['name']!r} comes from the tree file", hint="pause it, or edit the file")
        self._jobs.remove(job["name"])
        self._arm()
        return {"removed": job["name"]}

    def do_list(self, request: Request) -> Data:
        """Every job, with its last and next run (Unix seconds)."""
        return {"jobs": [job | {"running": job["name"] in self._running} for job in self._jobs.all()]}

    def do_run_now(self, request: Request) -> Data:
        """Begin a run now; the schedule stays as it is. Answers the number of the run, see `history`."""
        job = self._known(request)
        if job["name"] in self._running:
            raise Refused(f"run_now: {job['name']!r} is running", hint=f"see run {self._running[job['name']]}")
        return {"run": self._run(job, None, job["next_run"])}

    def do_history(self, request: Request) -> Data:
        """The last `limit` runs, of the job `name` or of all, newest first."""
        name = self._known(request)["name"] if text_or(request, "name") else None
        return {"runs": self._jobs.runs(name, whole_or(request, "limit", 20, low=1, high=KEPT_RUNS))}

    def do_pause_job(self, request: Request) -> Data:
        """Leave a job out until it is resumed."""
        return self._enable(self._known(request), is_enabled=False)

    def do_resume_job(self, request: Request) -> Data:
        """Take a job up again, at its next time from now."""
        return self._enable(self._known(request), is_enabled=True)

    def do_backup(self, request: Request) -> Data:
        """Take a snapshot of the jobs' own store if they changed."""
        taken = self._store.backup_if_changed()
        return {"snapshot": None if taken is None else taken.name}

    def _enable(self, job: Data, *, is_enabled: bool) -> Data:
        next_run = parse(job["schedule"]).after(self.ctx.wall()) if is_enabled else None
        self._jobs.set(job["name"], enabled=int(is_enabled), next_run=next_run)
        self._arm()
        return job | {"enabled": is_enabled, "next_run": next_run}

    def _known(self, request: Request) -> Data:
        name = text(request, "name", max_chars=100)
        job = self._jobs.find(name)
        if job is None:
            names = ", ".join(each["name"] for each in self._jobs.all())
            raise NotFound(f"{request.verb}: there is no job {name!r}", hint=f"jobs: {names or 'none'}")
        return job

    def _job_of(self, request: Request, origin: str) -> Data:
        """A checked job. Raises Refused."""
        schedule = _schedule(request)
        args = mapping_or_empty(request, "args")
        try:
            json.dumps(args, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Refused(f"{request.verb}: args cannot be kept: {error}", hint="plain JSON data") from error
        is_enabled = flag(request, "enabled", True)
        return {
            "name": text(request, "name", max_chars=100),
            "schedule": schedule.text,
            "target": text(request, "target", max_chars=200),
            "verb": text(request, "verb", max_chars=100),
            "args": args,
            "misfire": choice(request, "misfire", Misfire, Misfire.RUN_ONCE).value,
            "timeout_s": number_or(request, "timeout_s", 300.0, low=1, high=86_400),
            "enabled": is_enabled,
            "origin": origin,
            "next_run": schedule.after(self.ctx.wall()) if is_enabled else None,
            "last_run": None,
            "last_state": "",
        }


def _schedule(request: Request) -> Schedule:
    try:
        return parse(text(request, "schedule", max_chars=200))
    except BadSchedule as error:
        raise Refused(f"{request.verb}: schedule: {error}", hint=error.hint) from error


def _shown(value: Any) -> str:
    """An answer in a few words for the history."""
    return json.dumps(value, default=str)[:500]
