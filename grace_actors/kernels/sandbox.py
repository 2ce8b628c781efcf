"""Runs a Python snippet or a command isolated: no network, files only in its own directory, limited resources.

`jail.py` does the isolation in a process of its own; this kernel prepares the directory, starts it, and answers what
came out and which isolation was in force. It must not run anything it cannot isolate as its policy requires.
Invariant: at most `MAX_PARALLEL` runs at once; every run has an own directory and an end.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import LATER, Check, Completed, Data, Kernel, Request, need
from grace_actors.kernels import jail
from grace_actors.kernels.arguments import number_or, text_or, texts_or_empty, whole_or

TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 300.0
MAX_PARALLEL = 2
KEPT_RUNS = 50
KEPT_DIRECTORIES = 20
MAX_OUTPUT_BYTES = 64_000
PROBE_AFTER_S = 3.0
LIMITS = {
    "memory_bytes": 256 * 1024 * 1024,
    "file_bytes": 1024 * 1024,
    "open_files": 64,
    "processes": 32,
}
HIDDEN = ("/tmp", "/var/tmp", "/run", "/dev/shm")  # noqa: S108 - covered, not used
ISOLATIONS = ("network", "filesystem", "limits")


class SandboxUnavailable(WorldFailed):
    """The host cannot isolate as the policy requires; nothing was run."""

    code = "sandbox_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run that has been asked for. `request` is None for the probe at start."""

    id: str
    request: Request | None
    started: float
    at: float
    directory: Path

    @property
    def report(self) -> Path:
        return self.directory.with_suffix(".json")


class Sandbox(Kernel):
    """Verbs: run, runs, stats. Config: `require` (of network, filesystem, limits; default all), `read` (paths every
    run may read)."""

    emits = ("sandbox.run_finished", "sandbox.run_refused")

    def setup(self) -> None:
        self.require = _required(self.ctx.config.get("require"))
        self.readable = [str(path) for path in self.ctx.config.get("read", ())]
        self.runs: deque[Data] = deque(getattr(self, "runs", ()), maxlen=KEPT_RUNS)
        self.totals: dict[str, int] = getattr(self, "totals", {"runs": 0, "failed": 0, "timed_out": 0, "refused": 0})
        self.running: dict[str, Job] = {}
        self.isolation: Data = {}
        self.root = self.ctx.data.resolve() / "runs"
        self.root.mkdir(parents=True, exist_ok=True)
        self.ctx.after(PROBE_AFTER_S, self._probe)

    def ready(self) -> list[Check]:
        with tempfile.NamedTemporaryFile(dir=self.root) as probe:
            writable = Path(probe.name).exists()
        lacking = jail.missing_primitives()
        detail = "; ".join(lacking.values()) or f"namespaces, Landlock {jail.landlock_abi()}, resource limits"
        refused = [name for name in lacking if name in self.require]
        if refused:
            self._lacks(refused, detail)
        return [
            Check(name="runs_writable", ok=writable, detail=str(self.root)),
            Check(name="jail_present", ok=Path(jail.__file__).is_file() and Path(sys.executable).is_file()),
            Check(name="isolation_or_refusal", ok=not refused or bool(self.degraded), detail=detail),
        ]

    def do_run(self, request: Request) -> Any:
        """Run `code` (Python) or `argv`, with `input`, `timeout_s`, `memory_mb` and extra paths to `read`."""
        code, argv = request.args.get("code"), request.args.get("argv")
        if (code is None) == (argv is None):
            raise Refused("run: give either code or argv", hint="code is Python text, argv a list of words")
        if len(self.running) >= MAX_PARALLEL:
            raise Refused(f"run: {MAX_PARALLEL} runs are in progress", hint="ask again when one has finished")
        words = _words(request) if code is None else (sys.executable, "-I", "-B", "main.py")
        script = None if code is None else str(need(request, "code", str))
        self._start(request, words, self._readable_for(request), script)
        return LATER

    def do_runs(self, request: Request) -> Any:
        """The last runs, newest first, or the one with `id`."""
        wanted = text_or(request, "id")
        if wanted:
            found = [run for run in self.runs if run["id"] == wanted]
            if not found:
                raise NotFound(f"no run {wanted!r}", hint=f"the last {KEPT_RUNS} are kept")
            return found[0]
        limit = whole_or(request, "limit", 20, low=1, high=KEPT_RUNS)
        return {"running": sorted(self.running), "runs": list(self.runs)[::-1][:limit]}

    def do_stats(self, request: Request) -> Any:
        """Counters, and the isolation measured by the last run."""
        return dict(self.totals) | {"running": len(self.running), "require": self.require, "isolation": self.isolation}

    def metrics(self) -> dict[str, float]:
        return {f"sandbox_{name}_total": float(count) for name, count in self.totals.items()}

    def snapshot(self) -> Data | None:
        return {"runs": list(self.runs), "totals": self.totals}

    def restore(self, state: Data) -> None:
        runs, totals = state.get("runs"), state.get("totals")
        if not isinstance(runs, list) or not isinstance(totals, dict):
            raise ValueError("sandbox: runs must be a list and totals a mapping")
        self.runs, self.totals = deque(runs, maxlen=KEPT_RUNS), dict(totals)

    def _readable_for(self, request: Request) -> list[str]:
        """Existing paths outside the instance's home: stores and secrets are never readable."""
        home = self.ctx.home.resolve()
        paths = []
        for word in [*self.readable, *texts_or_empty(request, "read")]:
            path = Path(word).resolve()
            if not path.exists():
                raise NotFound(f"run: {word} does not exist", hint="name a path to read")
            if path == home or path.is_relative_to(home) or home.is_relative_to(path):
                raise Refused(f"run: {word} overlaps the instance's home", hint="copy what the run needs elsewhere")
            paths.append(str(path))
        return paths

    def _start(self, request: Request | None, words: tuple[str, ...], read: list[str], script: str | None) -> None:
        given = request or Request(verb="run")
        timeout_s = number_or(given, "timeout_s", TIMEOUT_S, low=0.1, high=MAX_TIMEOUT_S)
        most = LIMITS["memory_bytes"] >> 20
        memory = whole_or(given, "memory_mb", most, low=16, high=most)
        typed = text_or(given, "input").encode()
        directory = Path(tempfile.mkdtemp(prefix="run_", dir=self.root))
        if script is not None:
            (directory / "main.py").write_text(script)
        job = Job(id=directory.name, request=request, started=self.ctx.now(), at=self.ctx.wall(), directory=directory)
        self.running[job.id] = job
        limits = LIMITS | {"memory_bytes": memory << 20, "cpu_s": int(timeout_s) + 1}
        self.ctx.run(
            [sys.executable, "-I", "-S", "-B", jail.__file__, json.dumps(self._spec(job, words, read, limits))],
            lambda done: self._finished(job, done),
            input=typed,
            cwd=directory,
            env=_environment(directory),
            timeout_s=timeout_s,
            max_output_bytes=MAX_OUTPUT_BYTES,
        )

    def _spec(self, job: Job, words: tuple[str, ...], read: list[str], limits: Mapping[str, int]) -> Data:
        """What the jail must know; see its `isolate` and `become`."""
        return {
            "argv": words,
            "run_dir": str(job.directory),
            "report": str(job.report),
            "read": read,
            "prefixes": sorted({sys.prefix, sys.base_prefix}),
            "hide": [str(self.ctx.home.resolve()), *HIDDEN],
            "require": self.require,
            "limits": limits,
        }

    def _finished(self, job: Job, done: Completed) -> None:
        self.running.pop(job.id, None)
        report = _read_report(job.report)
        self.isolation = {key: report[key] for key in (*ISOLATIONS, "processes", "why") if key in report}
        missing = report.get("missing", list(ISOLATIONS) if done.returncode == jail.REFUSED_STATUS else [])
        self._judge_isolation(missing, report)
        if job.request is None:
            self.did = f"probed the isolation: {self._isolation_words()}"
        elif missing or done.returncode is None or not report:
            self._refuse(job, missing, done)
        else:
            self._conclude(job, done)
        self._sweep()

    def _judge_isolation(self, missing: list[str], report: Data) -> None:
        if missing:
            self._lacks(missing, "; ".join(report.get("why", ())) or "the jail did not report")
        else:
            self.degraded = []

    def _lacks(self, missing: list[str], why: str) -> None:
        self.degraded = [f"cannot isolate {', '.join(missing)}: {why}; runs are refused"]

    def _isolation_words(self) -> str:
        return ", ".join(f"{name} {self.isolation.get(name) or 'none'}" for name in ("network", "filesystem"))

    def _refuse(self, job: Job, missing: list[str], done: Completed) -> None:
        assert job.request is not None
        self.totals["refused"] += 1
        what = f"{', '.join(missing)} isolation is missing" if missing else "the jail could not start"
        reason = done.error or done.stderr.decode("utf-8", "replace").strip()[-300:]
        self.ctx.emit("sandbox.run_refused", job.id, {"missing": missing, "reason": reason})
        self.did = f"refused {job.id}: {what}"
        error = SandboxUnavailable(
            f"run: {what}{f': {reason}' if reason else ''}",
            hint="allow user namespaces and Landlock on this host, or relax `require` of the sandbox",
        )
        self.ctx.answer(job.request, error=error)

    def _conclude(self, job: Job, done: Completed) -> None:
        assert job.request is not None
        result = self._result(job, done)
        self.totals["runs"] += 1
        self.totals["timed_out"] += done.timed_out
        self.totals["failed"] += not result["ok"]
        self.runs.append({key: value for key, value in result.items() if key not in ("stdout", "stderr")})
        self.ctx.emit("sandbox.run_finished", job.id, {"ok": result["ok"], "returncode": done.returncode})
        self.did = f"ran {job.id} for {job.request.sender or 'nobody'}: {'ok' if result['ok'] else result['end']}"
        self.ctx.answer(job.request, result)

    def _result(self, job: Job, done: Completed) -> Data:
        code = done.returncode
        end = "timed out" if done.timed_out else _end_words(code)
        return {
            "id": job.id,
            "ok": code == 0 and not done.timed_out,
            "returncode": code,
            "end": end,
            "timed_out": done.timed_out,
            "stdout": done.stdout.decode("utf-8", "replace"),
            "stderr": done.stderr.decode("utf-8", "replace"),
            "truncated": max(len(done.stdout), len(done.stderr)) >= MAX_OUTPUT_BYTES,
            "started_at": job.at,
            "took_s": round(self.ctx.now() - job.started, 3),
            "files": _files(job.directory),
            "directory": str(job.directory),
            "isolation": self.isolation,
        }

    def _probe(self) -> None:
        """Measure once what this host really allows, instead of believing its version numbers."""
        if not self.running:
            self._start(None, ("true",), [], None)

    def _sweep(self) -> None:
        """Keep the directories of the last runs only."""
        ended = [path for path in self.root.iterdir() if path.is_dir() and path.name not in self.running]
        for path in sorted(ended, key=lambda path: path.stat().st_mtime)[:-KEPT_DIRECTORIES]:
            shutil.rmtree(path, ignore_errors=True)
            path.with_suffix(".json").unlink(missing_ok=True)


def _required(value: Any) -> list[str]:
    """The isolations a run needs. A word that is not one is a mistake in the tree file: a failed start."""
    if value is None:
        return list(ISOLATIONS)
    words = [value] if isinstance(value, str) else list(value)
    odd = [word for word in words if word not in ISOLATIONS]
    if odd:
        raise ValueError(f"sandbox: require names {odd[0]!r}; allowed: {', '.join(ISOLATIONS)}")
    return words


def _words(request: Request) -> tuple[str, ...]:
    words = need(request, "argv", (list, tuple))
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise Refused(f"run: argv is {words!r:.80}", hint="give the program and its arguments as a list of texts")
    return tuple(words)


def _environment(directory: Path) -> Mapping[str, str]:
    """Nothing of the runtime's own environment, which may hold secrets."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _read_report(path: Path) -> Data:
    """What the jail wrote; empty when it did not come so far."""
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _end_words(code: int | None) -> str:
    if code is None:
        return "not started"
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _files(directory: Path, most: int = 50) -> list[Data]:
    """What the run left behind, by name; links are not followed."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name == "main.py":
            continue
        found.append({"name": str(path.relative_to(directory)), "bytes": path.stat().st_size})
        if len(found) == most:
            break
    return found
