"""A git work tree for tests, with an author of its own and no configuration of the machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_DATE": "2023-11-14T22:00:00Z",
    "GIT_COMMITTER_DATE": "2023-11-14T22:00:00Z",
}
"""A quarter of an hour before the virtual clock of the bench begins."""


def git(where: Path, *words: str) -> str:
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    env = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(["git", *who, *words], cwd=where, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(where: Path, **files: str) -> Path:
    """One commit with these files; `a__b` stands for a/b, `_py` at the end for .py and so on."""
    where.mkdir(parents=True, exist_ok=True)
    git(where, "init", "-q", "-b", "main")
    commit(where, "first", **files)
    return where


def commit(where: Path, title: str, **files: str) -> str:
    """One more commit; its name."""
    for name, text in files.items():
        stem, _, end = name.replace("__", "/").rpartition("_")
        path = where / f"{stem}.{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", title)
    return git(where, "rev-parse", "HEAD")
