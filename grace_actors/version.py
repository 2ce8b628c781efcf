"""The version of Grace that is running.

A checkout's own pyproject.toml comes first: another distribution may be installed under the same name.
Must not import more than this needs, since only the verb `version` and the start of an instance ask.
Invariant: `__version__` is never empty.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path


def _version() -> str:
    try:
        project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))[
            "project"
        ]
        if project["name"] == "grace":
            return str(project["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass  # installed as a package: there is no checkout around it
    try:
        return metadata.version("grace")
    except metadata.PackageNotFoundError:
        return "unknown"


__version__ = _version()
