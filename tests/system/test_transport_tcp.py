"""The built-in tree over TCP, for those who ask for it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from tests.harness.instance import Running

pytestmark = pytest.mark.system


def listening(running: Running) -> set[str]:
    """The addresses at which any process of the instance listens."""
    found = set()
    for process in psutil.Process(running.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            connections = process.net_connections(kind="inet")
            found |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
    return found


def test_a_tree_over_tcp_listens_only_where_it_was_told_says_what_that_exposes_and_survives(tmp_path: Path) -> None:
    running = Running(tmp_path / "home", env={"GRACE_TRANSPORT": "tcp", "GRACE_BIND": "127.0.0.2"})
    try:
        status = running.wait_running()
        assert status["instance"]["transport"] == "tcp at 127.0.0.2"
        assert listening(running) == {"127.0.0.2", "127.0.0.1"}, "actors at the one, the HTTP API at the other"
        assert "warning: actors talk over TCP at 127.0.0.2" in running.output.read_text()
        for name in ("librarian", "memory"):
            before = running.node(name)["pid"]
            running.kill(before)
            running.wait_new_pid(name, before)
        running.wait_running()
        assert running.stop() == 0
    finally:
        running.close()
