"""The commands that actions run beside the mailbox: Python of this installation, its tools and what it checks.

It must not know what an action does with the answer. Invariant: a command that ends without the JSON it promised is a
failure with its last words, never an empty answer.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grace_actors.actions.action import Steps, run
from grace_actors.errors import NotFound, WorldFailed
from grace_actors.kernel import Completed
from grace_actors.programs import command_of, last_line

TOOLS = "grace_actors.actions.tools"


def tool(name: str, order: Any, *, timeout_s: float = 60.0, acts: bool = False) -> Steps:
    """What one of our tools answers to an order, both as JSON. Raises WorldFailed with its last words."""
    argv, env = command_of(f"{TOOLS}.{name}")
    text = json.dumps(order).encode()
    done: Completed = yield from run(argv, timeout_s=timeout_s, input=text, env=env, acts=acts)
    if done.returncode == 0:
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise WorldFailed(f"{name} answered {done.stdout[:200]!r}", hint="see the log of this kernel") from None
    said = last_line(done) or f"it ended with the status {done.returncode}"
    raise WorldFailed(f"{name}: {said}", hint="" if "; " in said else "look at the files it is about")


def module(name: str, words: Sequence[str], *, directory: Path, timeout_s: float, acts: bool = False) -> Steps:
    """The Completed of `python -m name words`. Raises NotFound when it is not installed."""
    if importlib.util.find_spec(name) is None:
        raise NotFound(f"{name} is not installed for {sys.executable}", hint=f"install it: pip install {name}")
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", name, *words]
    return (yield from run(argv, timeout_s=timeout_s, cwd=directory, env=env, acts=acts))
