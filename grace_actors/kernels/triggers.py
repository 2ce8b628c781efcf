"""The trigger table: what is looked for, from which figures, who should act and how.

Data; the judging functions are in `watch/checks.py`. Invariant: every trigger names the figures it needs, so that one
whose figure is missing is never taken for calm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grace_actors.kernels.watch import checks
from grace_actors.kernels.watch.checks import Host, Issue, Limits, Measurements, Severity

__all__ = ["TRIGGERS", "Host", "Issue", "Limits", "Measurements", "Severity", "Trigger", "missing_figures"]

Evaluate = Callable[..., list[Issue]]
"""(measurements, limits=the defaults) -> what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One row of the table. `is_state`: what it finds is so or is not; what only happened is never over. `is_news`: the
    like of it is news whenever it happens, a minute later at the soonest."""

    name: str
    action: str
    target: str
    needs: tuple[str, ...]
    evaluate: Evaluate
    is_state: bool = True
    is_news: bool = False


TRIGGERS = (
    Trigger(
        name="health_signal_gap",
        action="restart_kernel",
        target="self_healing",
        needs=("silent_s",),
        evaluate=checks.health_signal_gap,
    ),
    Trigger(
        name="latency_queue_spike",
        action="scale_workers",
        target="self_healing",
        needs=("mailboxes", "latency_ms"),
        evaluate=checks.latency_queue_spike,
    ),
    Trigger(
        name="config_secret_drift",
        action="restore_from_snapshot",
        target="self_healing",
        needs=("config_changes",),
        evaluate=checks.config_secret_drift,
    ),
    Trigger(
        name="dependency_regression",
        action="rollback_dependencies",
        target="coding_agent",
        needs=("version_changes", "missing_binaries"),
        evaluate=checks.dependency_regression,
    ),
    Trigger(
        name="model_integrity",
        action="restore_model_weights",
        target="self_healing",
        needs=("artefact_faults",),
        evaluate=checks.model_integrity,
    ),
    Trigger(
        name="resource_pressure",
        action="shed_load",
        target="self_healing",
        needs=("host",),
        evaluate=checks.resource_pressure,
    ),
    Trigger(
        name="pre_boot_code_diff",
        action="run_tests",
        target="coding_agent",
        needs=("code_changes",),
        evaluate=checks.pre_boot_code_diff,
    ),
    Trigger(
        name="live_error_feed",
        action="create_fix_task",
        target="coding_agent",
        needs=("error_counts",),
        evaluate=checks.live_error_feed,
        is_state=False,
    ),
    Trigger(
        name="telemetry_drift",
        action="regenerate_client",
        target="coding_agent",
        needs=("http_answers",),
        evaluate=checks.telemetry_drift,
    ),
    Trigger(
        name="predictive_failure",
        action="proactive_code_review",
        target="coding_agent",
        needs=("risks",),
        evaluate=checks.predictive_failure,
    ),
    Trigger(
        name="security_signal",
        action="redact_and_rotate",
        target="self_healing",
        needs=("leaks",),
        evaluate=checks.security_signal,
        is_state=False,
        is_news=True,
    ),
)
"""In the order of their numbers: the ten, and the signal of a leaked secret."""


def missing_figures(trigger: Trigger, measurements: Measurements) -> list[str]:
    """Which figures the trigger needs and does not have."""
    return [need for need in trigger.needs if getattr(measurements, need) is None]
