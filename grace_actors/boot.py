"""The seven phases of a boot, run against the live tree and timed.

Conducts and measures; the tree starts itself (the supervisors decide the order). A phase that has nothing
to do in a user's tree says so and passes. A child that the tree started without is told, and is no reason
not to run. Invariant: `ready_s` counts from the start of the guard process to the moment every other child was ready.
"""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from grace_actors.doctor import walk
from grace_actors.drills.undoing import told_of, undo_left
from grace_actors.errors import GraceError, TimedOut
from grace_actors.home import read_json_object
from grace_actors.kernel import Data
from grace_actors.preflight import attest, run_checks

if TYPE_CHECKING:
    from grace_actors.outside import Outside
    from grace_actors.system import System

BOOT_BUDGET_S, ENDPOINT_S, SETTLE_S = 90.0, 5.0, 5.0
"""`SETTLE_S`: how long the boot looks what becomes of children whose start failed. They are tried further after it."""
_NAMES = ("pre_flight", "core", "kernels", "endpoints", "contracts", "open", "attestation")


class Failed(Exception):
    """A phase did not pass; the message says why."""


class Boot:
    """One boot. `info()` is what `status` shows of it."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._phases: list[Data] = []
        self._ready_s: float | None = None
        self._down: Counter[str] = Counter()
        self._undone: list[Data] = []
        """The faults that a former life of the instance left and that were undone before this one began."""
        self._attested: dict[str, str] = {}

    def info(self) -> Data:
        return {"ready_s": self._ready_s, "phases": list(self._phases)}

    def pre_flight(self) -> bool:
        """Phase 1, before any actor exists. False when a critical check failed."""
        self._undone = undo_left(self._system.plan.home.root)
        self._attested = attest(self._system.plan.home.root, self._system.plan.tree.source)
        return self._phase(0, self._check_flight)

    def conduct(self) -> None:
        """Phases 2 to 7, in a thread of the system process."""
        with self._system.outside() as outside:
            steps: list[Callable[[], str]] = [
                self._core_is_up,
                self._kernels_are_up,
                lambda: self._endpoints_answer(),
                lambda: self._contracts_hold(outside),
                lambda: self._open(outside),
                self._still_attested,
            ]
            passed = [self._phase(number, step) for number, step in enumerate(steps, start=1)]
        self._finish(all(passed))

    def _phase(self, number: int, step: Callable[[], str]) -> bool:
        name = _NAMES[number]
        tell = self._system.tell_guard
        tell({"boot": "phase_started", "name": name, "n": number + 1, "of": len(_NAMES)})
        began = time.monotonic()
        try:
            detail, ok = step(), True
        except (Failed, GraceError) as error:
            detail, ok = str(error), False
        seconds = round(time.monotonic() - began, 4)
        self._phases.append({"name": name, "seconds": seconds, "ok": ok, "detail": detail})
        tell({"boot": "phase_done", "name": name, "seconds": seconds, "ok": ok, "detail": detail})
        return ok

    def _finish(self, ok: bool) -> None:
        system = self._system
        if system.state != "booting":
            return
        if not system.root_ready.is_set():
            system.not_started(self._phases[2]["detail"])
            return
        system.state = "running"
        self._tell_undone()
        kind = "system.recovered" if system.plan.is_recovery else "boot.completed"
        total = sum(1 for _ in system.plan.tree.children())
        failed = [phase["name"] for phase in self._phases if not phase["ok"]]
        counts = {"ready_s": self._ready_s, "running": len(system.up), "total": total, "down": dict(self._down)}
        system.tell_guard({"boot": "done", "ok": ok, **counts})
        data = {"ready_s": self._ready_s, "failed_phases": failed, "down": dict(self._down)}
        system.emit(kind, system.plan.tree.root.name, data)

    def _tell_undone(self) -> None:
        for fault in self._undone:
            type = "fault.undo_failed" if "problem" in fault else "fault.undone"
            subject = fault["target"] or self._system.plan.tree.root.name
            self._system.emit(type, subject, {key: value for key, value in fault.items() if key != "target"})

    # ---- the phases -----------------------------------------------------------------------------------

    def _check_flight(self) -> str:
        results = run_checks(self._system.plan.home.root, self._system.plan.tree.source)
        failed = [check for check in results if check.level == "fail" and check.critical]
        if failed and not self._system.plan.is_recovery:  # what ran before must come back, full disk or not
            raise Failed("; ".join(f"{check.name}: {check.detail}" for check in failed))
        warned = [f"{check.name}: {check.detail}" for check in results if check.level != "pass"]
        warned += [told_of(fault) for fault in self._undone]
        return "; ".join(warned) or f"{len(results)} checks passed"

    def _core_is_up(self) -> str:
        first = self._system.plan.tree.root.children
        if not first:
            return "an empty tree"
        self._wait_for(lambda: first[0].id in self._system.up, f"{first[0].id} did not start")
        return f"{first[0].id} is up"

    def _kernels_are_up(self) -> str:
        self._wait_for(self._system.root_ready.is_set, "not every child became ready")
        self._ready_s = round(time.monotonic() - self._system.plan.started, 3)
        return f"{len(self._system.up)} actors are up"

    def _wait_for(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + BOOT_BUDGET_S
        while not condition():
            if time.monotonic() > deadline:
                raise Failed(f"{complaint} within {BOOT_BUDGET_S:g} s")
            time.sleep(0.002)

    def _has(self, name: str) -> bool:
        """Whether the tree has a child of this name. Raises Failed when it has, but started without it."""
        if name in self._system.up:
            return True
        if any(child.id == name for child in self._system.plan.tree.children()):
            raise Failed(f"{name} does not run")
        return False

    def _endpoints_answer(self) -> str:
        if not self._has("api_server"):
            return "no api_server in this tree"
        url = read_json_object(self._system.plan.home.api_file).get("url")
        if not isinstance(url, str):
            raise Failed("api_server has not written its address")
        for path in ("/health", "/ready"):
            _get(url.rstrip("/") + path)
        return f"{url} answers"

    def _contracts_hold(self, outside: Outside) -> str:
        held = ["status"]
        self._all_run(outside)
        for name in ("message_bus", "immutable_log", "signature"):
            if self._has(name):
                checks = outside.ask(name, "ready", {}, timeout_s=5.0)["checks"]
                failed = [check["name"] for check in checks if not check["ok"]]
                if failed:
                    raise Failed(f"{name} does not keep {', '.join(failed)}")
                held.append(name)
        return f"{', '.join(held)} hold"

    def _all_run(self, outside: Outside) -> None:
        """Raises Failed naming each child that does not run, once it is clear what became of it."""
        with contextlib.suppress(TimedOut):  # then it is told as what it is now
            outside.ask("status", "wait_for", {"state": "settled", "timeout_s": SETTLE_S}, timeout_s=SETTLE_S + 2.0)
        nodes = walk(outside.ask("status", "status", {}, timeout_s=5.0)["tree"])
        down = [node for node in nodes if node["state"] != "running" and not _has_ended_well(node)]
        self._down = Counter(node["state"] for node in down)
        if down:
            raise Failed("; ".join(_told(node) for node in down))

    def _open(self, outside: Outside) -> str:
        if not self._has("message_bus"):
            return "no boot limits in this tree"
        outside.ask("message_bus", "open", {}, timeout_s=5.0)
        return "boot limits are lifted"

    def _still_attested(self) -> str:
        now = attest(self._system.plan.home.root, self._system.plan.tree.source)
        changed = sorted(path for path in {*now, *self._attested} if now.get(path) != self._attested.get(path))
        if changed:
            raise Failed(f"changed during boot: {', '.join(changed)}")
        return f"{len(now)} files unchanged"


def _has_ended_well(node: Data) -> bool:
    """A transient child that has done its work."""
    return bool(node["state"] == "stopped" and (node["last_exit"] or {}).get("reason") == "normal")


def _told(node: Data) -> str:
    why = node["does"] if node["state"] == "waiting" else (node["last_exit"] or {}).get("reason")
    return f"{node['name']} {node['state']}" + (f" ({why})" if why else "")


def _get(url: str) -> None:
    """Wait for an answer of status 200: what is ready may say so a moment later. Raises Failed."""
    deadline = time.monotonic() + ENDPOINT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=ENDPOINT_S):  # noqa: S310 - our own loopback server
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise Failed(f"{url}: {error}") from error
        time.sleep(0.02)
