"""The trigger table: what is looked for, from which figures, how bad it is and who is told.

Pure: measurements in, issues out; nothing here measures. A figure that could not be taken is None, and the
triggers that need it say so instead of finding nothing. Invariant: every issue names a subject and the figure
it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

SILENT_S, VERY_SILENT_S = 30.0, 60.0
QUEUE_SAMPLES, LATENCY_LIMIT_MS = 5, 500.0
CPU_LIMIT, MEMORY_LIMIT, MEMORY_CRITICAL, LOAD_LIMIT = 90.0, 85.0, 90.0, 4.0
SUSTAINED_SAMPLES = 2
REPEATS = 5
RISK_LIMIT = 0.7


class Severity(IntEnum):
    """How bad an issue is; comparable."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing found: what, about whom, on which figure."""

    issue: str
    subject: str
    severity: Severity
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The host at one moment; `cpu_percent` is None when it is not known."""

    cpu_percent: float | None
    memory_percent: float
    load_1m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Everything one evaluation knows; None is "not measured", an empty value is "measured, nothing there"."""

    silent_s: Mapping[str, float] | None = None  # actor -> seconds a ping has been unanswered
    latency_ms: Mapping[str, float] | None = None  # actor -> mean of its last ten answer times
    mailboxes: Mapping[str, tuple[int, ...]] | None = None  # actor -> waiting messages, oldest sample first
    host: tuple[Host, ...] | None = None  # oldest first, about ten seconds apart
    config_changes: Mapping[str, str] | None = None  # file -> changed, removed or added
    version_changes: Mapping[str, str] | None = None  # package -> "1.0 -> 1.1"
    missing_binaries: tuple[str, ...] | None = None
    error_counts: Mapping[str, int] | None = None  # "actor: error line" -> times within the window
    risks: Mapping[str, float] | None = None  # actor -> chance of failing soon


Evaluate = Callable[[Measurements], list[Issue]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One row of the table. A trigger without `evaluate` is listed with the reason in `unavailable`."""

    name: str
    action: str
    target: str
    needs: tuple[str, ...] = ()
    evaluate: Evaluate | None = None
    unavailable: str = ""


def health_signal_gap(m: Measurements) -> list[Issue]:
    """No sign of life for more than 30 s. Logs are no sign here: a kernel logs when there is something to say."""
    return [
        Issue(
            issue="heartbeat_gap",
            subject=name,
            severity=Severity.HIGH if silent > VERY_SILENT_S else Severity.MEDIUM,
            detail=f"no answer to a ping for {silent:.0f} s",
        )
        for name, silent in (m.silent_s or {}).items()
        if silent > SILENT_S
    ]


def latency_queue_spike(m: Measurements) -> list[Issue]:
    """The last five queue samples rise strictly, or the last ten answers took more than 500 ms on average."""
    rising = [
        Issue(
            issue="queue_spike",
            subject=name,
            severity=Severity.HIGH,
            detail=f"waiting messages rise: {', '.join(map(str, samples[-QUEUE_SAMPLES:]))}",
        )
        for name, samples in (m.mailboxes or {}).items()
        if len(samples) > QUEUE_SAMPLES and _is_rising(samples[-QUEUE_SAMPLES:])
    ]
    slow = [
        Issue(issue="latency_spike", subject=name, severity=Severity.HIGH, detail=f"answers take {mean:.0f} ms")
        for name, mean in (m.latency_ms or {}).items()
        if mean > LATENCY_LIMIT_MS
    ]
    return rising + slow


def config_secret_drift(m: Measurements) -> list[Issue]:
    """A file of `config/` is not what was accepted as good."""
    return [
        Issue(issue="config_drift", subject=path, severity=Severity.CRITICAL, detail=change)
        for path, change in (m.config_changes or {}).items()
    ]


def dependency_regression(m: Measurements) -> list[Issue]:
    """A package changed its version, or a program that is needed has gone."""
    changed = [
        Issue(issue="version_change", subject=name, severity=Severity.MEDIUM, detail=change)
        for name, change in (m.version_changes or {}).items()
    ]
    missing = [
        Issue(issue="missing_binary", subject=name, severity=Severity.CRITICAL, detail=f"{name} is not on the path")
        for name in m.missing_binaries or ()
    ]
    return changed + missing


def resource_pressure(m: Measurements) -> list[Issue]:
    """CPU over 90 %, memory over 85 % (critical over 90 %) in two samples in a row; the load average stands in
    for a CPU figure that is not known."""
    last = (m.host or ())[-SUSTAINED_SAMPLES:]
    if len(last) < SUSTAINED_SAMPLES:
        return []
    found: list[Issue] = []
    cpu = [host.cpu_percent for host in last if host.cpu_percent is not None]
    if len(cpu) == len(last) and min(cpu) > CPU_LIMIT:
        found.append(_pressure("cpu_saturation", Severity.HIGH, f"CPU at {cpu[-1]:.0f} %"))
    if not cpu and min(host.load_1m for host in last) > LOAD_LIMIT:
        found.append(_pressure("high_load_average", Severity.HIGH, f"load at {last[-1].load_1m:.1f}"))
    memory = min(host.memory_percent for host in last)
    if memory > MEMORY_LIMIT:
        severity = Severity.CRITICAL if memory > MEMORY_CRITICAL else Severity.HIGH
        found.append(_pressure("memory_pressure", severity, f"memory at {last[-1].memory_percent:.0f} %"))
    return found


def live_error_feed(m: Measurements) -> list[Issue]:
    """The same error ended the same actor five times or more within the window."""
    return [
        Issue(
            issue="repeated_error",
            subject=key.partition(": ")[0],
            severity=Severity.HIGH,
            detail=f"{count} times: {key.partition(': ')[2]}",
        )
        for key, count in (m.error_counts or {}).items()
        if count >= REPEATS
    ]


def predictive_failure(m: Measurements) -> list[Issue]:
    """The learned chance of a failure soon is above 0.7."""
    return [
        Issue(issue="predicted_failure", subject=name, severity=Severity.MEDIUM, detail=f"risk {risk:.2f}")
        for name, risk in (m.risks or {}).items()
        if risk > RISK_LIMIT
    ]


TRIGGERS = (
    Trigger(
        name="health_signal_gap",
        action="restart_kernel",
        target="self_healing",
        needs=("silent_s",),
        evaluate=health_signal_gap,
    ),
    Trigger(
        name="latency_queue_spike",
        action="scale_workers",
        target="self_healing",
        needs=("mailboxes", "latency_ms"),
        evaluate=latency_queue_spike,
    ),
    Trigger(
        name="config_secret_drift",
        action="restore_from_snapshot",
        target="self_healing",
        needs=("config_changes",),
        evaluate=config_secret_drift,
    ),
    Trigger(
        name="dependency_regression",
        action="rollback_dependencies",
        target="coding_agent",
        needs=("version_changes", "missing_binaries"),
        evaluate=dependency_regression,
    ),
    Trigger(
        name="model_integrity",
        action="restore_model_weights",
        target="self_healing",
        unavailable="no kernel keeps model files, so there are no checksums to compare",
    ),
    Trigger(
        name="resource_pressure",
        action="shed_load",
        target="self_healing",
        needs=("host",),
        evaluate=resource_pressure,
    ),
    Trigger(
        name="pre_boot_code_diff",
        action="run_targeted_tests",
        target="coding_agent",
        unavailable="code is compared before a boot, and no commit is recorded as the last good one",
    ),
    Trigger(
        name="live_error_feed",
        action="create_fix_task",
        target="coding_agent",
        needs=("error_counts",),
        evaluate=live_error_feed,
    ),
    Trigger(
        name="telemetry_drift",
        action="regenerate_client",
        target="coding_agent",
        unavailable="the HTTP answers are not compared with a schema while running",
    ),
    Trigger(
        name="predictive_failure",
        action="proactive_code_review",
        target="coding_agent",
        needs=("risks",),
        evaluate=predictive_failure,
    ),
)
"""In the order of their numbers."""


def missing_figures(trigger: Trigger, measurements: Measurements) -> list[str]:
    """Which figures the trigger needs and does not have."""
    return [need for need in trigger.needs if getattr(measurements, need) is None]


def _pressure(issue: str, severity: Severity, detail: str) -> Issue:
    return Issue(issue=issue, subject="host", severity=severity, detail=detail)


def _is_rising(samples: tuple[int, ...]) -> bool:
    return all(before < after for before, after in pairwise(samples))
