"""What the trigger table finds in given figures."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.kernels.triggers import TRIGGERS, Host, Measurements, Severity, missing_figures

BY_NAME = {trigger.name: trigger for trigger in TRIGGERS}


def found(trigger: str, **figures: Any) -> list[tuple[str, str, str]]:
    evaluate = BY_NAME[trigger].evaluate
    assert evaluate is not None
    return [(i.issue, i.subject, i.severity.name.lower()) for i in evaluate(Measurements(**figures))]


def host(cpu: float | None = 10.0, memory: float = 40.0, load: float = 0.5) -> Host:
    return Host(cpu_percent=cpu, memory_percent=memory, load_1m=load)


def test_the_table_has_the_ten_triggers_and_each_is_evaluated_or_says_why_not() -> None:
    assert len(TRIGGERS) == 10
    assert all((trigger.evaluate is None) == bool(trigger.unavailable) for trigger in TRIGGERS)


def test_nothing_measured_finds_nothing_and_is_reported_as_not_measured() -> None:
    nothing = Measurements()
    for trigger in TRIGGERS:
        if trigger.evaluate is not None:
            assert trigger.evaluate(nothing) == []
            assert missing_figures(trigger, nothing) == list(trigger.needs)


@pytest.mark.parametrize(("silent", "severity"), [(30.0, None), (30.1, "medium"), (60.0, "medium"), (60.1, "high")])
def test_silence_over_30_s_is_a_gap_and_over_60_s_a_grave_one(silent: float, severity: str | None) -> None:
    expected = [("heartbeat_gap", "bus", severity)] if severity else []
    assert found("health_signal_gap", silent_s={"bus": silent}) == expected


@pytest.mark.parametrize(
    ("samples", "fires"),
    [((1, 2, 3, 4, 5), False), ((9, 1, 2, 3, 4, 5), True), ((1, 2, 3, 4, 4, 5), False), ((0, 0, 0, 0, 0, 0), False)],
)
def test_a_queue_that_rises_five_times_in_a_row_is_a_spike(samples: tuple[int, ...], fires: bool) -> None:
    expected = [("queue_spike", "bus", "high")] if fires else []
    assert found("latency_queue_spike", mailboxes={"bus": samples}, latency_ms={}) == expected


def test_answers_over_500_ms_on_average_are_a_spike() -> None:
    latency = {"slow": 500.1, "fine": 500.0}
    assert found("latency_queue_spike", mailboxes={}, latency_ms=latency) == [("latency_spike", "slow", "high")]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([host(cpu=95)], []),
        ([host(cpu=95), host(cpu=80)], []),
        ([host(cpu=91), host(cpu=99)], [("cpu_saturation", "high")]),
        ([host(memory=86), host(memory=95)], [("memory_pressure", "high")]),
        ([host(memory=91), host(memory=95)], [("memory_pressure", "critical")]),
        ([host(cpu=None, load=4.1), host(cpu=None, load=9)], [("high_load_average", "high")]),
        ([host(cpu=20, load=9), host(cpu=20, load=9)], []),
    ],
)
def test_pressure_must_last_two_samples(samples: list[Host], expected: list[tuple[str, str]]) -> None:
    assert [(i, s) for i, _, s in found("resource_pressure", host=tuple(samples))] == expected


def test_the_same_error_five_times_is_repeated() -> None:
    counts = {"bus: ValueError: bad port": 5, "bus: KeyError: 'x'": 4}
    assert found("live_error_feed", error_counts=counts) == [("repeated_error", "bus", "high")]


def test_drift_versions_binaries_and_risk_have_their_severities() -> None:
    assert found("config_secret_drift", config_changes={"a.yaml": "removed"}) == [
        ("config_drift", "a.yaml", "critical")
    ]  # fmt: skip
    changes = found("dependency_regression", version_changes={"h11": "1 -> 2"}, missing_binaries=("git",))
    assert changes == [("version_change", "h11", "medium"), ("missing_binary", "git", "critical")]
    assert found("predictive_failure", risks={"a": 0.7, "b": 0.71}) == [("predicted_failure", "b", "medium")]


def test_severities_are_ordered() -> None:
    assert Severity.LOW < Severity.MEDIUM < Severity.HIGH < Severity.CRITICAL
