"""git for actions: the work tree an action may touch, and commands in it that ask nobody anything.

It must not know what an action wants. Invariant: what only looks takes no lock and writes nothing, not even the index.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from grace_actors.actions.action import Call, Steps, given, run
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Completed
from grace_actors.programs import PROGRAM, last_line

DIRECTORY = given("", "a folder of the git work tree; empty: where Grace is installed")
GIT_S = 60.0
_BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_EDITOR": "true", "LC_ALL": "C"}


def work_tree(call: Call) -> Steps:
    """The root of the git work tree that `directory` is in. Raises NotFound, Refused."""
    folder = Path(call["directory"] or PROGRAM)
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder", hint="name a folder of the project")
    done: Completed = yield from git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise Refused(f"{folder} is in no git work tree: {last_line(done)}", hint="only what git can undo is changed")
    return Path(done.stdout.decode(errors="surrogateescape").rstrip("\n"))


def git(
    where: Path, *words: str, input: bytes = b"", env: Mapping[str, str] | None = None, acts: bool = False
) -> Steps:
    """The Completed of a git command, however it ended."""
    around = {**os.environ, **_QUIET, **(env or {})}
    return (yield from run(["git", *words], timeout_s=GIT_S, cwd=where, input=input, env=around, acts=acts))


def output(where: Path, *words: str, input: bytes = b"", env: Mapping[str, str] | None = None) -> Steps:
    """What a git command that must succeed says. Raises WorldFailed with its last words."""
    return _text(words, (yield from git(where, *words, input=input, env=env)))


def change(where: Path, *words: str, input: bytes = b"", env: Mapping[str, str] | None = None) -> Steps:
    """The same for a command that changes something."""
    return _text(words, (yield from git(where, *words, input=input, env=env, acts=True)))


def said(done: Completed) -> str:
    """What git says went wrong, rather than the advice it gives after that."""
    lines = done.stderr.decode(errors="replace").splitlines()
    return next((line[:300] for line in lines if line.startswith(("error: ", "fatal: "))), last_line(done))


def _text(words: tuple[str, ...], done: Completed) -> str:
    if done.returncode:
        raise WorldFailed(f"git {words[0]}: {said(done)}", hint="nothing else was changed; look at the work tree")
    return done.stdout.decode(errors="replace").strip()


def commit_of(where: Path, name: str) -> Steps:
    """The full name of a commit. Raises NotFound."""
    if not name or name.startswith("-"):
        raise Refused(f"{name!r} is no name of a commit", hint="see: git log")
    done: Completed = yield from git(where, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if done.returncode:
        raise NotFound(f"there is no commit {name!r:.80}", hint="see: git log")
    return done.stdout.decode().strip()


def refuse_when_busy(where: Path) -> Steps:
    """Raises Refused while somebody is in the midst of a merge or the like: ours would be mixed with theirs."""
    for name in _BUSY:
        path = Path((yield from output(where, "rev-parse", "--git-path", name)))
        if (where / path).exists():
            raise Refused(f"{where} is in the midst of something: {name}", hint="finish or abort it first")


def author(where: Path) -> Steps:
    """Who commits, as options of git: Grace where the work tree names nobody."""
    done: Completed = yield from git(where, "config", "user.email")
    return () if done.stdout.strip() else ("-c", "user.name=Grace", "-c", "user.email=grace@localhost")
