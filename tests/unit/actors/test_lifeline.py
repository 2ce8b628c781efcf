"""What a command inherits from the runtime that starts it."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, os, resource, subprocess, sys
from grace_actors import lifeline
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 900))
lifeline.widen_files()
ask = [sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"]
parent = os.getpid()
command = subprocess.run(ask, capture_output=True, preexec_fn=lambda: lifeline.before_exec(parent))
print(json.dumps([resource.getrlimit(resource.RLIMIT_NOFILE)[0], int(command.stdout)]))
"""


def test_the_runtime_may_open_all_files_the_system_allows_and_commands_what_the_operator_allowed() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [900, 500]
