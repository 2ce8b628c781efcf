"""What is wrong in given figures: one function for each trigger.

Pure: measurements and limits in, issues out; nothing here measures. A figure that could not be taken is None, and the
triggers that need it say so instead of finding nothing. Invariant: every issue names a subject and the figure it rests
on, and never the value of a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from grace_actors.kernels.watch.schemas import faults

QUEUE_SAMPLES = 5
SUSTAINED_SAMPLES = 2


class Severity(IntEnum):
    """How bad an issue is; comparable."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which figure on something is an issue."""

    silent_s: float = 30.0
    latency_ms: float = 500.0
    cpu_percent: float = 90.0
    own_percent: float = 10.0
    memory_percent: float = 85.0
    memory_critical_percent: float = 90.0
    load: float = 4.0
    repeats: int = 5
    risk: float = 0.7


DEFAULTS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing found: what, about whom, on which figure. `age_s` is how long it has been so, as far as is known;
    `part` tells issues of one subject apart that are told each for itself."""

    issue: str
    subject: str
    severity: Severity
    detail: str
    age_s: float = 0.0
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The host at one moment; `cpu_percent` is None when it is not known, `at` is in monotonic seconds. `own_percent`
    is the part of the CPU that this instance took since the sample before, None when that is not known."""

    cpu_percent: float | None
    memory_percent: float
    load_1m: float
    at: float = 0.0
    own_percent: float | None = None


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
    artefact_faults: Mapping[str, str] | None = None  # file of the manifest -> what is wrong with it
    code_changes: Mapping[str, str] | None = None  # critical file -> how it differs from the last good one
    error_counts: Mapping[str, int] | None = None  # "actor: error line" -> times within the window
    http_answers: Mapping[str, object] | None = None  # path -> the JSON it answers
    risks: Mapping[str, float] | None = None  # actor -> chance of failing soon
    leaks: Mapping[str, tuple[str, ...]] | None = None  # actor -> kinds of secrets in its log
    ages_s: Mapping[tuple[str, str], float] = field(default_factory=dict)  # (figure, key) -> how long it has been so
    reasons: Mapping[str, str] = field(default_factory=dict)  # figure -> why it is not measured

    def age_s(self, figure: str, key: str) -> float:
        """How long it has been so; 0 when that is not known."""
        return max(0.0, self.ages_s.get((figure, key), 0.0))


def health_signal_gap(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """No sign of life for more than 30 s. Logs are no sign here: a kernel logs when there is something to say."""
    return [
        Issue(
            issue="heartbeat_gap",
            subject=name,
            severity=Severity.HIGH if silent > 2 * limits.silent_s else Severity.MEDIUM,
            detail=f"no answer to a ping for {silent:.0f} s",
            age_s=silent,
        )
        for name, silent in (m.silent_s or {}).items()
        if silent > limits.silent_s
    ]


def latency_queue_spike(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """The last five queue samples rise strictly, or the last ten answers took more than 500 ms on average."""
    rising = [
        Issue(
            issue="queue_spike",
            subject=name,
            severity=Severity.HIGH,
            detail=f"waiting messages rise: {', '.join(map(str, samples[-QUEUE_SAMPLES:]))}",
            age_s=m.age_s("mailboxes", name),
        )
        for name, samples in (m.mailboxes or {}).items()
        if len(samples) > QUEUE_SAMPLES and _is_rising(samples[-QUEUE_SAMPLES:])
    ]
    slow = [
        Issue(issue="latency_spike", subject=name, severity=Severity.HIGH, detail=f"answers take {mean:.0f} ms")
        for name, mean in (m.latency_ms or {}).items()
        if mean > limits.latency_ms
    ]
    return rising + slow


def config_secret_drift(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """A file of `config/` is not what was accepted as good."""
    return _each(m, "config_changes", m.config_changes, "config_drift", Severity.CRITICAL)


def dependency_regression(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """A package changed its version, or a program that is needed has gone."""
    changed = _each(m, "version_changes", m.version_changes, "version_change", Severity.MEDIUM)
    gone = {name: f"{name} is not on the path" for name in m.missing_binaries or ()}
    return changed + _each(m, "missing_binaries", gone, "missing_binary", Severity.CRITICAL)


def model_integrity(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """A file that the manifest of the artefacts names is missing or not as it says."""
    return _each(m, "artefact_faults", m.artefact_faults, "model_corruption", Severity.CRITICAL)


def resource_pressure(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """CPU over 90 %, memory over 85 % (critical over 90 %) in two samples in a row; the load average stands in
    for a CPU figure that is not known. A CPU that others saturate is not ours to relieve: pausing our own would help
    nobody."""
    samples = m.host or ()
    last = samples[-SUSTAINED_SAMPLES:]
    if len(last) < SUSTAINED_SAMPLES:
        return []
    found: list[Issue] = []
    cpu = [host.cpu_percent for host in last if host.cpu_percent is not None]
    own = last[-1].own_percent
    is_ours = own is None or own >= limits.own_percent
    if len(cpu) == len(last) and min(cpu) > limits.cpu_percent and is_ours:
        age_s = _lasted(samples, [(host.cpu_percent or 0.0) > limits.cpu_percent for host in samples])
        found.append(_pressure("cpu_saturation", Severity.HIGH, f"CPU at {cpu[-1]:.0f} %", age_s))
    if not cpu and min(host.load_1m for host in last) > limits.load:
        age_s = _lasted(samples, [host.load_1m > limits.load for host in samples])
        found.append(_pressure("high_load_average", Severity.HIGH, f"load at {last[-1].load_1m:.1f}", age_s))
    memory = min(host.memory_percent for host in last)
    if memory > limits.memory_percent:
        severity = Severity.CRITICAL if memory > limits.memory_critical_percent else Severity.HIGH
        age_s = _lasted(samples, [host.memory_percent > limits.memory_percent for host in samples])
        found.append(_pressure("memory_pressure", severity, f"memory at {last[-1].memory_percent:.0f} %", age_s))
    return found


def pre_boot_code_diff(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """A file that starts or supervises everything is not as it was when the program last ran well."""
    return _each(m, "code_changes", m.code_changes, "critical_code_change", Severity.HIGH)


def live_error_feed(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """The same error ended the same actor five times or more within the window."""
    return [
        Issue(
            issue="repeated_error",
            subject=key.partition(": ")[0],
            severity=Severity.HIGH,
            detail=f"{count} times: {key.partition(': ')[2]}",
            age_s=m.age_s("error_counts", key),
            part=key,
        )
        for key, count in (m.error_counts or {}).items()
        if count >= limits.repeats
    ]


def telemetry_drift(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """An HTTP answer lacks a field that its readers rely on, or has it in another type."""
    found = []
    for path, answer in (m.http_answers or {}).items():
        missing, mistyped = faults(path, answer)
        for issue, severity, words in (
            ("schema_drift", Severity.HIGH, missing),
            ("schema_type_mismatch", Severity.MEDIUM, mistyped),
        ):
            if words:
                found.append(Issue(issue=issue, subject=path, severity=severity, detail="; ".join(words)))
    return found


def predictive_failure(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """The learned chance of a failure soon is above 0.7."""
    return [
        Issue(issue="predicted_failure", subject=name, severity=Severity.MEDIUM, detail=f"risk {risk:.2f}")
        for name, risk in (m.risks or {}).items()
        if risk > limits.risk
    ]


def security_signal(m: Measurements, limits: Limits = DEFAULTS) -> list[Issue]:
    """A secret stands in a log. What it is, and the line, are told to nobody."""
    return [
        Issue(
            issue="secret_leak",
            subject=name,
            severity=Severity.HIGH,
            detail=f"in {name}.log: {', '.join(kinds)}",
            part=", ".join(kinds),
        )
        for name, kinds in (m.leaks or {}).items()
        if kinds
    ]


def _each(m: Measurements, figure: str, found: Mapping[str, str] | None, issue: str, severity: Severity) -> list[Issue]:
    """One issue for each subject, with what was found as its detail."""
    return [
        Issue(issue=issue, subject=subject, severity=severity, detail=detail, age_s=m.age_s(figure, subject))
        for subject, detail in (found or {}).items()
    ]


def _pressure(issue: str, severity: Severity, detail: str, age_s: float) -> Issue:
    return Issue(issue=issue, subject="host", severity=severity, detail=detail, age_s=age_s)


def _lasted(samples: tuple[Host, ...], over: list[bool]) -> float:
    """Seconds from the first of the last unbroken row of samples that were over to the newest."""
    row = next((n for n, is_over in enumerate(reversed(over)) if not is_over), len(over))
    return samples[-1].at - samples[len(samples) - row].at


def _is_rising(samples: tuple[int, ...]) -> bool:
    return all(before < after for before, after in pairwise(samples))
