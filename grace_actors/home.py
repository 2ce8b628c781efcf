"""The home of one instance: where everything it keeps lives, and who holds it now.

Knows paths, the lock and `instance.json`; must not know actors or what is stored below. Reading never
creates anything, so a client may look at a home that does not exist.
Invariant: at most one process holds the lock of a home, and the lock dies with that process, so files
left by a killed instance are never an obstacle.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grace_actors.errors import GraceError, Refused, WorldFailed

DIRECTORIES = ("data", "logs", "snapshots", "quarantine", "config", "run", "inbox")
MARK = "GRACE_INSTANCE"
"""Environment variable carried by every process of an instance: `<home>` or `<home>:<pid of the guard>`."""

_SOCKET_NAME = "control.sock"
_AF_UNIX_BYTES = 107  # sun_path has 108 bytes, the last is NUL
_SOCKET_SPARE_BYTES = 40
"""Room for the names of sockets beside and below the control socket."""
_LOCK_ATTEMPTS = 10
_LOCK_PAUSE_S = 0.02


class AlreadyRunning(GraceError):
    """Another process holds this home."""

    code = "already_running"

    def __init__(self, pid: int | None, home: Path) -> None:
        who = f"pid {pid}" if pid else "another process"
        super().__init__(
            f"an instance is already running in {home} ({who})",
            hint="look at it with `python run.py status`, or start another one with --home DIR",
        )
        self.pid = pid
        self.home = home


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What `instance.json` says: `started_at` is Unix time in seconds, `tree` the tree file or empty."""

    pid: int
    started_at: float
    version: str
    home: str
    tree: str = ""


class Lock:
    """The exclusive hold on a home. Kept until `release` or the end of this very process."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        # A fork shares the open file and would keep the lock alive after its holder died.
        os.register_at_fork(after_in_child=self._close)

    def release(self) -> None:
        """Let the home go; idempotent."""
        self._close()

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Home:
    """One instance's directory. `root` is absolute when made by `resolve`."""

    root: Path

    @classmethod
    def resolve(cls, flag: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Home:
        """The home meant by `--home`, else GRACE_HOME, else `.grace` in the working directory."""
        env = os.environ if environ is None else environ
        chosen = os.fspath(flag) if flag else env.get("GRACE_HOME") or ".grace"
        return cls(Path(os.path.abspath(Path(chosen).expanduser())))  # noqa: PTH100 - keep symlinks as written

    def create(self) -> Home:
        """Make the directories, private to this user. Raises WorldFailed when that is impossible."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in DIRECTORIES:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
            (self.root / "run").chmod(0o700)
            directory = self.control_socket.parent
            if directory.parent != self.root:
                _private(directory.parent)
            _private(directory)
        except OSError as error:
            raise WorldFailed(
                f"the home {self.root} cannot be made: {error}", hint="choose a directory you may write: --home DIR"
            ) from error
        return self

    @property
    def control_socket(self) -> Path:
        """Where the guard listens. A path too long for AF_UNIX is replaced by one below /tmp that depends on
        the home and its owner alone, so that every client finds it whatever its environment."""
        direct = self.root / "run" / _SOCKET_NAME
        if len(os.fsencode(direct.parent)) + _SOCKET_SPARE_BYTES <= _AF_UNIX_BYTES:
            return direct
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        owner = self.root.stat().st_uid if self.root.exists() else os.geteuid()
        return Path(f"/tmp/grace-{owner}") / digest / _SOCKET_NAME  # noqa: S108 - checked by _private

    @property
    def instance_file(self) -> Path:
        return self.root / "instance.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def history_file(self) -> Path:
        return self.root / "history"

    @property
    def api_file(self) -> Path:
        """Written by the HTTP API once it listens: `{"url": ...}`."""
        return self.root / "api.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def log_file(self, name: str) -> Path:
        """The log of one actor or process. Raises Refused for a name that would leave the directory."""
        return self.logs / f"{_plain(name)}.log"

    def data_dir(self, name: str) -> Path:
        """The directory of a kernel's own files, made when missing."""
        path = self.root / "data" / _plain(name)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def acquire(self) -> Lock:
        """Take the home for this process. Raises AlreadyRunning naming the holder."""
        self.create()
        fd = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for attempt in range(_LOCK_ATTEMPTS):
            # A client that asks `running_pid` holds the lock for an instant: try again before refusing.
            if attempt:
                time.sleep(_LOCK_PAUSE_S)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(fd, 0)
                os.pwrite(fd, str(os.getpid()).encode(), 0)
                return Lock(fd)
        os.close(fd)
        raise AlreadyRunning(self.running_pid(), self.root)

    def running_pid(self) -> int | None:
        """The process that holds this home now; None when nobody does."""
        try:
            fd = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._holder(os.pread(fd, 32, 0))
        finally:
            os.close(fd)
        return None

    def _holder(self, noted: bytes) -> int | None:
        if noted.strip().isdigit():
            return int(noted)
        instance = self.read_instance()
        return instance.pid if instance else None

    def write_instance(self, instance: Instance) -> None:
        """Replace `instance.json` in one step: a reader sees the old one or the new one."""
        draft = self.instance_file.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps(asdict(instance), indent=2) + "\n", encoding="utf-8")
        draft.replace(self.instance_file)

    def read_instance(self) -> Instance | None:
        """What the last instance wrote, dead or alive; None when there is nothing readable."""
        found = read_json_object(self.instance_file)
        try:
            return Instance(
                pid=int(found["pid"]),
                started_at=float(found["started_at"]),
                version=str(found["version"]),
                home=str(found["home"]),
                tree=str(found.get("tree") or ""),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def api_url(self) -> str | None:
        """Where the HTTP API answers, if it said so."""
        url = read_json_object(self.api_file).get("url")
        return url if isinstance(url, str) else None


def read_json_object(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; empty when the file is missing, unreadable or something else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise Refused(f"{name!r} cannot name a file", hint="a name is one path component without `/`")
    return name


def _private(directory: Path) -> None:
    """Make the directory and check that nobody else made it before us. Raises WorldFailed."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o077:
        raise WorldFailed(
            f"{directory} is not a private directory of this user (uid {found.st_uid}, mode {found.st_mode & 0o777:o})",
            hint="remove it, or choose another home with --home DIR",
        )
