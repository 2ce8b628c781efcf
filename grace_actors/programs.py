"""How a module of this installation is run as a command of its own, with JSON on both sides.

Builds command lines and reads what came of them; must not know what a command does. Invariant: the child imports the
same Grace as its parent, from whatever directory it is started, and writes no byte code.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import grace_actors
from grace_actors.kernel import Completed

PROGRAM = Path(grace_actors.__file__).resolve().parents[1]
"""Where the packages of this installation are."""


def command_of(module: str) -> tuple[list[str], dict[str, str]]:
    """The command line of one of our modules, and its environment."""
    path = os.pathsep.join([str(PROGRAM), os.environ.get("PYTHONPATH", "")]).strip(":")
    return [sys.executable, "-B", "-P", "-m", module], {**os.environ, "PYTHONPATH": path}


def last_line(done: Completed) -> str:
    """The last thing a command said, on either stream."""
    lines = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace").splitlines()
    return lines[-1][:300] if lines else ""
