"""Whether the program's own code is as it was when it last ran well.

Reads the Python files of the program once, at the start of its owner, and keeps their digests as good once the program
has run well with them. A digest says what is there, committed or not; in a git checkout the recorded commit says
besides where a difference comes from. It must not run what it reads. Invariant: only code that was on the disk before
the program started is recorded as good, for nothing else has run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

import grace_actors
from grace_actors.kernel import Completed, Context
from grace_actors.kernels.host_sample import tree_root
from grace_actors.kernels.known_good import differences
from grace_actors.kernels.syntax_scan import python_files

PROGRAM = Path(grace_actors.__file__).resolve().parents[1]
SOURCES = ("run.py", "supervisors", "playbooks", "grace_actors")
CRITICAL = frozenset({"run.py", *(f"grace_actors/{name}.py" for name in ("guard", "system", "supervisor", "boot"))})
"""What starts everything or keeps it alive, with all of `supervisors`."""
NOTHING_GOOD = "no code is recorded as good yet: the program has not run well for long enough"
FILES_A_SLICE = 20
GIT_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """The code that ran well: digests by path, and the commit if there was one."""

    digests: Mapping[str, str]
    commit: str = ""
    at: float = 0.0


@dataclass(slots=True)
class CodeWatch:
    """`changes` are the critical files that differ; None, with the reason in `problem`, while that is not known."""

    ctx: Context
    program: Path
    changes: dict[str, str] | None = None
    problem: str = "the code has not been read yet"
    changed_at: dict[str, float] = field(default_factory=dict)
    """File -> Unix time of its last change, of those that differ."""
    _digests: dict[str, str] = field(default_factory=dict)
    _changed_at: dict[str, float] = field(default_factory=dict)
    _good: Good | None = None
    _is_recording: bool = False

    @property
    def file(self) -> Path:
        return self.ctx.data / "good_code.json"

    # ---- at the start -----------------------------------------------------------------------------

    def read(self, on_done: Callable[[], None]) -> Generator[None, None, None]:
        """Read the code, then compare; pauses after each slice of work. `on_done` is called when `changes` is known."""
        digests: dict[str, str] = {}
        for number, path in enumerate(python_files([self.program / name for name in SOURCES]), 1):
            name = path.relative_to(self.program).as_posix()
            digests[name], self._changed_at[name] = _facts(path)
            if number % FILES_A_SLICE == 0:
                yield
        self._digests, self._good = digests, load(self.file)
        if self._good is None:
            self.problem = NOTHING_GOOD
            return
        found = critical_changes(self._good.digests, self._digests)
        if found and self._good.commit and self._is_checkout:
            self._ask_git(found, self._good.commit, on_done)
        else:
            self._settle(found, on_done)

    @property
    def _is_checkout(self) -> bool:
        return (self.program / ".git").exists()

    def _ask_git(self, found: dict[str, str], commit: str, on_done: Callable[[], None]) -> None:
        def answered(done: Completed) -> None:
            short, committed = commit[:12], set(done.stdout.decode(errors="replace").splitlines())
            if done.returncode != 0:
                where = dict.fromkeys(found, f"git does not know the good commit {short}")
            else:
                where = {
                    name: f"committed since {short}"
                    if name in committed
                    else f"not committed; the good commit is {short}"
                    for name in found
                }
            self._settle({name: f"{change}; {where[name]}" for name, change in found.items()}, on_done)

        self._git(["diff", "--name-only", commit, "HEAD", "--", *sorted(found)], answered)

    def _settle(self, found: dict[str, str], on_done: Callable[[], None]) -> None:
        self.changes, self.problem = found, ""
        self.changed_at = {name: at for name in found if (at := self._changed_at.get(name)) is not None}
        on_done()

    # ---- what is good -----------------------------------------------------------------------------

    @property
    def wants_recording(self) -> bool:
        """Whether the code that was read is not the good one already."""
        return bool(self._digests) and not self._is_recording and (self._good is None or self._has_changed)

    @property
    def _has_changed(self) -> bool:
        return self._good is not None and dict(self._good.digests) != self._digests

    def record(self, *, by_hand: bool = False) -> str:
        """Keep what was read at the start as good; answers why not, if it cannot. Raises OSError by hand."""
        if not self._digests:
            return "the code has not been read yet"
        if not by_hand and max(self._changed_at.values()) > started_at():
            return "the code was changed after the program had started, so it has not run yet"
        if by_hand or not self._is_checkout:
            self._keep("", by_hand=by_hand)
            return ""
        self._is_recording = True

        def answered(done: Completed) -> None:
            self._is_recording = False
            self._keep(done.stdout.decode(errors="replace").strip() if done.returncode == 0 else "")

        self._git(["rev-parse", "HEAD"], answered)
        return ""

    def _keep(self, commit: str, *, by_hand: bool = False) -> None:
        good = Good(digests=self._digests, commit=commit, at=self.ctx.wall())
        try:
            save(self.file, good)
        except OSError as error:
            if by_hand:
                raise
            self.problem = f"the good code could not be recorded: {error.strerror}"
            return
        self._good, self.changes, self.problem, self.changed_at = good, {}, "", {}

    def _git(self, words: list[str], on_done: Callable[[Completed], None]) -> None:
        env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        argv = ["git", "-C", str(self.program), *words]
        self.ctx.run(argv, on_done, env=env, timeout_s=GIT_TIMEOUT_S)


def is_critical(name: str) -> bool:
    """Whether this file, by its path in the program, starts everything or keeps it alive."""
    return name in CRITICAL or PurePosixPath(name).parts[0] == "supervisors"


def critical_changes(good: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The critical files that are not as they were, with what happened to them."""
    return {
        name: change if change in ("added", "removed") else f"changed: {change}"
        for name, change in differences(good, now).items()
        if is_critical(name)
    }


def started_at() -> float:
    """Unix time at which the program was started, as far back as its processes tell."""
    try:
        return float(tree_root().create_time())
    except psutil.Error:
        return 0.0


def load(path: Path) -> Good | None:
    """The good code that was kept; None when there is none or it is damaged."""
    try:
        data: Any = json.loads(path.read_text())
        return Good(digests=dict(data["digests"]), commit=str(data["commit"]), at=float(data["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: Path, good: Good) -> None:
    """Replace what was kept in one step. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(asdict(good), indent=1))
    draft.replace(path)


def _facts(path: Path) -> tuple[str, float]:
    """SHA-256 and Unix time of the last change. The inode's time counts too: a copy may bring an old time along."""
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            return hashlib.file_digest(file, "sha256").hexdigest(), max(info.st_mtime, info.st_ctime)
    except OSError as error:
        return f"unreadable: {error.strerror}", 0.0
