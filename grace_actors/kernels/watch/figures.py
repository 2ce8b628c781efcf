"""The figures that trigger_mesh takes itself: host, queues, configuration, packages, errors, artefacts, code, answers.

Takes and keeps them; judging is done elsewhere. Whatever takes long is done in slices or as it arrives. Invariant: a
figure that could not be taken is None and its reason is in `reasons`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from grace_actors.kernel import Context, Data
from grace_actors.kernels import known_good
from grace_actors.kernels.host_sample import OwnCpu, read_host
from grace_actors.kernels.triggers import Host, Measurements
from grace_actors.kernels.watch import own_code
from grace_actors.kernels.watch.artefacts import FOLDER, Artefacts
from grace_actors.kernels.watch.errors import ErrorCounts
from grace_actors.kernels.watch.http_look import Look, api_url
from grace_actors.kernels.watch.schemas import PROMISES
from grace_actors.preflight import needed_packages
from grace_actors.status.model import walk

PACKAGES_S = 300.0
ASKED = {"mailboxes": "status", "silent_s": "health", "latency_ms": "health", "risks": "risks"}
"""Figure -> whose answer it comes from."""
_KEPT_SAMPLES = 20
_KEPT_HOST = 60
NEAR_PERCENT = 50.0


class Figures:
    """`measurements` gives them all; the others take one each."""

    def __init__(self, ctx: Context, repeat_window_s: float) -> None:
        self._ctx = ctx
        self.errors = ErrorCounts(repeat_window_s)
        self.artefacts = Artefacts(ctx.home / FOLDER)
        self.code = own_code.CodeWatch(ctx, own_code.PROGRAM)
        self.baseline = known_good.Baseline()
        self.unkept = ""
        """Why the accepted state is not on the disk; empty when it is."""
        self.is_hearing = False
        """Whether the exits of the tree reach us."""
        self._host: deque[Host] = deque(maxlen=_KEPT_HOST)
        self._own = OwnCpu()
        self._mailboxes: dict[str, deque[int]] = {}
        self._packages: dict[str, str] | None = None
        self._packages_at = float("-inf")
        self._config_stamps: dict[str, tuple[int, int, int]] = {}
        self._answers: dict[str, object] | None = None
        self._answers_problem = "the HTTP API has not been asked yet"
        self._is_checking = False

    # ---- what is good -----------------------------------------------------------------------------

    @property
    def _baseline_file(self) -> Path:
        return self._ctx.data / "known_good.json"

    def load(self) -> None:
        """The accepted state; the present one is accepted when there is none."""
        loaded = known_good.load(self._baseline_file)
        if loaded is None:
            self.accept("config", "packages")
        else:
            self.baseline = loaded
        self._config_stamps = self._stamps()

    def accept(self, *what: str) -> None:
        """Take the present state as good and keep it. A disk that refuses leaves it in memory, and `unkept` says so."""
        config = known_good.config_digests(self._ctx.home / "config") if "config" in what else self.baseline.config
        packages = known_good.package_versions(needed_packages()) if "packages" in what else self.baseline.packages
        self._packages_at = float("-inf")
        self.baseline = known_good.Baseline(config=config, packages=packages)
        try:
            known_good.save(self._baseline_file, self.baseline)
            self.unkept = ""
        except OSError as error:
            self.unkept = f"the known good state could not be kept: {error.strerror}"

    # ---- one figure each --------------------------------------------------------------------------

    def sample_host(self, *, first: bool = False) -> None:
        """One more sample of the host."""
        sample = read_host(self._ctx.wall(), self._ctx.home, first=first)
        # Looking at every process of ours costs: only while it matters.
        is_near = (sample.cpu_percent or 0.0) > NEAR_PERCENT
        if not is_near:
            self._own = OwnCpu()
        own = self._own.percent(self._ctx.now()) if is_near else None
        self._host.append(
            Host(
                own_percent=own,
                cpu_percent=sample.cpu_percent,
                memory_percent=sample.memory_percent,
                load_1m=sample.load_1m,
                at=self._ctx.now(),
            )
        )

    def host(self) -> Measurements:
        """What is known of the host, alone."""
        return Measurements(host=tuple(self._host))

    def has_config_changed(self) -> bool:
        """Whether a configuration file was written, made or removed since the last call; one scandir."""
        before, self._config_stamps = self._config_stamps, self._stamps()
        return before != self._config_stamps

    def config(self) -> Measurements:
        """How the configuration differs from the accepted one."""
        changes = known_good.differences(self.baseline.config, known_good.config_digests(self._ctx.home / "config"))
        wall = self._ctx.wall()
        ages = {
            ("config_changes", name): wall - self._config_stamps[name][0] / 1e9
            for name in changes
            if name in self._config_stamps
        }
        return Measurements(config_changes=changes, ages_s=ages)

    def _stamps(self) -> dict[str, tuple[int, int, int]]:
        try:
            with os.scandir(self._ctx.home / "config") as entries:
                return {
                    entry.name: ((info := entry.stat()).st_mtime_ns, info.st_size, info.st_ino)
                    for entry in entries
                    if entry.name.endswith((".yaml", ".yml"))
                }
        except OSError:  # no such folder is no configuration
            return {}

    def _package_changes(self) -> dict[str, str]:
        """Looked up every five minutes: a package does not change by the second, and reading costs."""
        if self._packages is None or self._ctx.now() - self._packages_at >= PACKAGES_S:
            self._packages = known_good.package_versions(list(self.baseline.packages))
            self._packages_at = self._ctx.now()
        return known_good.differences(self.baseline.packages, self._packages)

    def error(self, key: str) -> Measurements:
        """Count one more of this error; what is known of it, alone."""
        count = self.errors.add(key, self._ctx.now())
        ages = {("error_counts", key): self.errors.age_s(key, self._ctx.now())}
        return Measurements(error_counts={key: count}, ages_s=ages)

    def check_artefacts(self, on_done: Callable[[], None]) -> None:
        """Look at the artefacts in slices; one pass at a time."""
        if not self._is_checking:
            self._is_checking = True

            def done() -> None:
                self._is_checking = False
                on_done()

            self._in_slices(self.artefacts.check(), done)

    def read_code(self, on_done: Callable[[], None]) -> None:
        """Read the program's own code in slices and compare it with the good one."""
        self._in_slices(self.code.read(on_done), lambda: None)

    def artefact_faults(self) -> Measurements:
        """What is known of the artefacts, alone."""
        ages = self._ages("artefact_faults", self.artefacts.changed_at)
        reasons = {"artefact_faults": self.artefacts.problem}
        return Measurements(artefact_faults=self.artefacts.faults, ages_s=ages, reasons=reasons)

    def own_code(self) -> Measurements:
        """What is known of the program's own code, alone."""
        ages = self._ages("code_changes", self.code.changed_at)
        return Measurements(code_changes=self.code.changes, ages_s=ages, reasons={"code_changes": self.code.problem})

    def _ages(self, figure: str, changed_at: Mapping[str, float]) -> dict[tuple[str, str], float]:
        wall = self._ctx.wall()
        return {(figure, name): wall - at for name, at in changed_at.items()}

    def _in_slices(self, steps: Generator[None, None, None], on_done: Callable[[], None]) -> None:
        def step() -> None:
            for _ in steps:
                self._ctx.after(0.0, step)
                return
            on_done()

        step()

    def ask_api(self, on_done: Callable[[], None]) -> None:
        """Have the HTTP API answer the paths that make a promise."""

        def done(answers: dict[str, object] | None, problem: str) -> None:
            self._answers, self._answers_problem = answers, problem
            on_done()

        Look(self._ctx, api_url(self._ctx.home), tuple(PROMISES), done).start()

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

    # ---- all together -----------------------------------------------------------------------------

    def measurements(self, answers: Mapping[str, Any], problems: Mapping[str, str]) -> Measurements:
        """Everything that is known; `answers` are those of status, health_monitor and learning_integration, `problems`
        says why one did not come."""
        health, risks, now = answers.get("health"), answers.get("risks"), self._ctx.now()
        config, counts = self.config(), self.errors.counts(now)
        artefacts, code = self.artefact_faults(), self.own_code()
        ages = {("error_counts", key): self.errors.age_s(key, now) for key in counts}
        reasons = {"http_answers": self._answers_problem, "error_counts": "status does not tell of exits"}
        reasons |= {figure: problems[key] for figure, key in ASKED.items() if key in problems}
        return Measurements(
            silent_s=None if health is None else rows(health["names"], "waiting_s"),
            latency_ms=None if health is None else rows(health["names"], "recent_mean_ms"),
            mailboxes=self._mailbox_samples(answers.get("status")),
            host=tuple(self._host),
            config_changes=config.config_changes,
            version_changes=self._package_changes(),
            missing_binaries=known_good.missing_binaries(),
            artefact_faults=self.artefacts.faults,
            code_changes=self.code.changes,
            error_counts=counts if self.is_hearing else None,
            http_answers=self._answers,
            risks=None if risks is None else rows(risks["kernels"], "risk"),
            leaks={},
            ages_s={**config.ages_s, **ages, **artefacts.ages_s, **code.ages_s},
            reasons={**reasons, **artefacts.reasons, **code.reasons},
        )


def rows(found: list[Data], key: str) -> dict[str, float]:
    """name -> figure, for the rows that have one."""
    return {row["name"]: float(row[key]) for row in found if isinstance(row.get(key), int | float)}
