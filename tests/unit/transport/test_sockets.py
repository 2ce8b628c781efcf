"""Socket files come and go with their processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from grace_actors.transport import sockets


def test_files_of_processes_that_are_gone_are_swept_and_no_others(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (f"{gone.pid}.1", f"{gone.pid}.2", f"{os.getpid()}.1", "admin", "notes.txt"):
        (tmp_path / name).touch()
    sockets.sweep(str(tmp_path))
    assert {file.name for file in tmp_path.iterdir()} == {f"{os.getpid()}.1", "admin", "notes.txt"}


def test_a_free_port_can_be_listened_at() -> None:
    sock, path = sockets.listen(f"tcp:127.0.0.1:{sockets.free_port('127.0.0.1')}")
    with sock:
        assert sockets.answers(path)
    assert not sockets.answers(path)


def test_a_port_of_the_next_version_of_the_protocol_is_free_too() -> None:
    sock, path = sockets.listen("tcp:::1:0")
    with sock:
        assert path.startswith("tcp:::1:")
        assert sockets.answers(path)
