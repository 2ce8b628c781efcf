"""The copies in which every fault is provoked, and the neutral names of their directories.

Invariant: of a traceback nothing is changed but the prefixes named here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Variant:
    """A copy of the projects: where it claims to be, whether its lines moved, and the seed of its values."""

    name: str
    app: str
    venv: str
    python: str
    values: str
    is_shifted: bool
    env: Mapping[str, str] = field(default_factory=dict)

    def neutral(self, text: str, app: Path) -> str:
        """`text` with the three prefixes of this machine replaced."""
        prefixes = {str(app): self.app, sys.prefix: self.venv, str(Path(os.__file__).parent): self.python}
        for real in sorted(prefixes, key=len, reverse=True):
            text = text.replace(real, prefixes[real])
        return text


VARIANTS = (
    Variant("as_written", "/srv/app", "/opt/venv", "/usr/lib/python3.11", "first", False),
    Variant("lines_moved", "/srv/app", "/opt/venv", "/usr/lib/python3.11", "first", True),
    Variant(
        "another_checkout",
        "/home/ada/work/app-main",
        "/home/ada/.virtualenvs/app",
        "/home/ada/.pyenv/versions/3.11.9/lib/python3.11",
        "second",
        False,
    ),
    Variant(
        "build_host",
        "/var/lib/jenkins/workspace/nightly-4711@2/src",
        "/var/lib/jenkins/venvs/nightly-4711",
        "/usr/local/lib/python3.11",
        "third",
        True,
        {"PYTHONNODEBUGRANGES": "1"},
    ),
    Variant(
        "release",
        "/opt/releases/20260214T101533Z/app",
        "/opt/releases/20260214T101533Z/.venv",
        "/usr/lib64/python3.11",
        "fourth",
        True,
    ),
)
