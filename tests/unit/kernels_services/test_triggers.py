"""What the trigger table finds in given figures."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.kernels.triggers import TRIGGERS, Host, Limits, Measurements, Severity, missing_figures
from grace_actors.kernels.watch.schemas import ABSENT

BY_NAME = {trigger.name: trigger for trigger in TRIGGERS}


def found(trigger: str, **figures: Any) -> list[tuple[str, str, str]]:
    issues = BY_NAME[trigger].evaluate(Measurements(**figures))
    return [(i.issue, i.subject, i.severity.name.lower()) for i in issues]


def host(cpu: float | None = 10.0, memory: float = 40.0, load: float = 0.5) -> Host:
    return Host(cpu_percent=cpu, memory_percent=memory, load_1m=load)


def test_the_table_has_the_ten_triggers_and_the_signal_of_a_leak_and_each_needs_a_figure() -> None:
    assert [trigger.name for trigger in TRIGGERS] == [
        "health_signal_gap", "latency_queue_spike", "config_secret_drift", "dependency_regression", "model_integrity",
        "resource_pressure", "pre_boot_code_diff", "live_error_feed", "telemetry_drift", "predictive_failure",
        "security_signal",
    ]  # fmt: skip
    assert all(trigger.needs for trigger in TRIGGERS)


def test_nothing_measured_finds_nothing_and_is_reported_as_not_measured() -> None:
    nothing = Measurements()
    for trigger in TRIGGERS:
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


def test_artefacts_code_and_leaks_have_their_severities() -> None:
    assert found("model_integrity", artefact_faults={"m.pt": "it is missing"}) == [
        ("model_corruption", "m.pt", "critical")
    ]  # fmt: skip
    assert found("pre_boot_code_diff", code_changes={"run.py": "changed"}) == [
        ("critical_code_change", "run.py", "high")
    ]  # fmt: skip
    assert found("security_signal", leaks={"shop": ("api_key",), "till": ()}) == [("secret_leak", "shop", "high")]


HEALTH = {"status": "healthy", "layers": {}, "total_kernels": 20, "more": 1}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HEALTH, []),
        ({**HEALTH, "layers": []}, [("schema_type_mismatch", "medium", "layers is a list, not an object")]),
        ({**HEALTH, "total_kernels": "20"}, [
            ("schema_type_mismatch", "medium", "total_kernels is a text, not a whole number"),
        ]),
        ({**HEALTH, "total_kernels": True}, [
            ("schema_type_mismatch", "medium", "total_kernels is true or false, not a whole number"),
        ]),
        ({"status": None}, [
            ("schema_drift", "high", "layers is missing; total_kernels is missing"),
            ("schema_type_mismatch", "medium", "status is null, not a text"),
        ]),
        ([], [("schema_drift", "high", "it answers no JSON object")]),
        (ABSENT, [("schema_drift", "high", "there is no /api/health")]),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_its_promise_is_drift(answer: Any, expected: list[tuple[str, str, str]]) -> None:
    issues = BY_NAME["telemetry_drift"].evaluate(Measurements(http_answers={"/api/health": answer}))
    assert [(each.issue, each.severity.name.lower(), each.detail) for each in issues] == expected


def test_every_limit_is_the_configured_one() -> None:
    low = Limits(
        silent_s=1, latency_ms=1, cpu_percent=1, memory_percent=1, memory_critical_percent=2, repeats=2, risk=0
    )
    samples = (host(cpu=2, memory=3),) * 2
    errors, risks = {"a: x": 2}, {"a": 0.1}
    measured = Measurements(
        silent_s={"a": 1.5}, latency_ms={"a": 2}, mailboxes={}, host=samples, error_counts=errors, risks=risks
    )
    issues = [issue for trigger in TRIGGERS for issue in trigger.evaluate(measured, low)]
    assert [(each.issue, each.severity) for each in issues] == [
        ("heartbeat_gap", Severity.MEDIUM), ("latency_spike", Severity.HIGH), ("cpu_saturation", Severity.HIGH),
        ("memory_pressure", Severity.CRITICAL), ("repeated_error", Severity.HIGH),
        ("predicted_failure", Severity.MEDIUM),
    ]  # fmt: skip
    assert [issue for trigger in TRIGGERS for issue in trigger.evaluate(measured)] == []


def test_a_finding_knows_how_long_it_has_been_so() -> None:
    cpu = ((0, 99), (10, 5), (20, 95), (30, 96), (40, 97))
    samples = [Host(cpu_percent=percent, memory_percent=1, load_1m=0, at=at) for at, percent in cpu]
    pressure = BY_NAME["resource_pressure"].evaluate(Measurements(host=tuple(samples)))
    assert [issue.age_s for issue in pressure] == [20.0]
    ages = {("config_changes", "a.yaml"): 7.0, ("error_counts", "a: x"): -3.0}
    drift = BY_NAME["config_secret_drift"].evaluate(Measurements(config_changes={"a.yaml": "removed"}, ages_s=ages))
    errors = BY_NAME["live_error_feed"].evaluate(Measurements(error_counts={"a: x": 5}, ages_s=ages))
    assert [issue.age_s for issue in drift + errors] == [7.0, 0.0]


def test_severities_are_ordered() -> None:
    assert Severity.LOW < Severity.MEDIUM < Severity.HIGH < Severity.CRITICAL
