#!/usr/bin/env python3
"""Start Grace, or run one verb against a running instance: `python run.py help`."""

import importlib.util
import os
import sys
from pathlib import Path

NEEDED = ("rich", "prompt_toolkit", "thespian", "yaml")


def enter_environment() -> None:
    """Go on under .venv next to this file when the packages are not installed for this Python."""
    if all(importlib.util.find_spec(name) for name in NEEDED):
        return
    python = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same program, another Python
    sys.exit("grace: its packages are not installed for this Python\n  install them and start with: make run")


if __name__ == "__main__":
    enter_environment()
    from grace_actors.console.main import main

    sys.exit(main())
