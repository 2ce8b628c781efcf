"""A pytest plugin: runs Thespian's functional tests on one base and writes down what came of each.

It gives Thespian's `asys` fixture another parameter, drops what is not about a base and what is left out by
name, and after each test looks for what it left behind. None of Thespian's files is changed. Invariant: a test
that names a base is run or left out by name, never forgotten.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors import lifeline
from tests.thespian_suite import base, left_out, leftovers

_SUITE = "thespian/test/"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("thespian_suite")
    group.addoption("--suite-base", choices=(base.TCP, base.OURS), required=True, help="the base to test")
    group.addoption("--suite-host", default="", help="our base listens on TCP ports of this address")
    group.addoption("--suite-results", type=Path, required=True, help="the outcomes, as JSON; sockets lie beside it")


def pytest_configure(config: pytest.Config) -> None:
    import thespian.test as suite

    chosen = config.getoption("--suite-base")
    base.offer(config.getoption("--suite-results").parent, config.getoption("--suite-host"))
    lifeline.adopt_orphans()
    if chosen == base.OURS:
        lifeline.install()
    fixture = pytest.fixture(params=[base.parameter(chosen)], ids=[chosen])
    suite.asys = fixture(inspect.unwrap(suite.asys))
    config.pluginmanager.register(Run(config, chosen))


def name_of(item: pytest.Item) -> str:
    """The test's name as the table writes it: file, class and function, without parameters."""
    path, _, rest = item.nodeid.partition("::")
    return f"{path.rpartition(_SUITE)[2]}::{rest.partition('[')[0]}"


def case_of(nodeid: str) -> str:
    """The name with its parameters, as the results write it."""
    return nodeid.rpartition(_SUITE)[2]


class Run:
    """One run of the suite: what is selected, and what came of it."""

    def __init__(self, config: pytest.Config, chosen: str) -> None:
        self.config, self.base = config, chosen
        self.reasons = left_out.read(left_out.TABLE.read_text(encoding="utf-8"))
        self.cases: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        try:
            left_out.check(self.reasons, {name_of(item) for item in items})
        except left_out.BadTable as error:
            raise pytest.UsageError(str(error)) from None
        run = [item for item in items if name_of(item) not in self.reasons]
        forgotten = [item for item in run if "asys" not in _fixtures(item) and base.TCP in item.name]
        if forgotten:
            raise pytest.UsageError(f"neither run nor left out: {sorted({name_of(item) for item in forgotten})}")
        for item in items:
            if name_of(item) in self.reasons:
                self.cases[name_of(item)] = {"outcome": "left out", "why": self.reasons[name_of(item)]}
        kept = [item for item in run if "asys" in _fixtures(item)]
        self.config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        try:
            yield
        finally:
            left = leftovers.clear(base.directories)
        if left and self.base == base.OURS:
            pytest.fail(f"left behind: {'; '.join(left)}", pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        case = self.cases.setdefault(case_of(report.nodeid), {"outcome": "passed", "why": "", "seconds": 0.0})
        case["seconds"] += report.duration
        if report.outcome != "passed" and case["outcome"] != "failed":
            case |= {"outcome": report.outcome, "why": f"{report.when}: {report.longreprtext}"}

    def pytest_sessionfinish(self) -> None:
        path: Path = self.config.getoption("--suite-results")
        path.write_text(json.dumps(self.cases, indent=1), encoding="utf-8")

    def pytest_unconfigure(self) -> None:
        """After an interrupt no test's own end has looked."""
        leftovers.clear(base.directories, wait_s=0.0)


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))
