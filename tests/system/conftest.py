"""Fixtures that own real instances: each is ended after its test, and a process left over fails it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.instance import Running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start instances; all are ended at the end of the test."""
    started: list[Running] = []

    def run(tree: Path | None = None, *, name: str = "home", env: dict[str, str] | None = None) -> Running:
        running = Running(tmp_path / name, tree, env=env)
        started.append(running)
        return running

    yield run
    failures = []
    for running in reversed(started):
        try:
            running.close()
        except BaseException as error:
            failures.append(error)
    if failures:
        raise failures[0]


@pytest.fixture(scope="module")
def grace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One instance of the built-in tree, shared by the tests of a module; each leaves it whole."""
    running = Running(tmp_path_factory.mktemp("grace") / "home")
    try:
        running.wait_running()
        yield running
    finally:
        running.close()
