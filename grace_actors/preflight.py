"""What must hold before an actor is started: seven or more small checks, run side by side under one deadline.

Looks and reports; repairs nothing, and needs no running instance. A check that is not done in time is reported
as such and is left behind. Invariant: `run_checks` returns a result for every check, within the deadline.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import json
import os
import queue
import re
import shutil
import socket
import sqlite3
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from supervisors.loader import load_tree
from supervisors.spec import KernelStart
from supervisors.yaml_source import FileError

DEADLINE_S = 5.0
_GB = 1_000_000_000
_ENOUGH_GB, _LEAST_GB = 5.0, 1.0
_API_CLASS = "grace_actors.kernels.api_server:ApiServer"
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*])?\s*([^;]*)(;.*)?$")
_BOUND = re.compile(r"(>=|<=|==|!=|~=|>|<)\s*([0-9][^,\s]*)")


class Level(StrEnum):
    """How a check went. Only a failed critical one stops a boot."""

    PASS = "pass"  # noqa: S105 - a word, not a secret
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check: what it found in words, and how long it took."""

    name: str
    critical: bool
    level: Level
    detail: str
    seconds: float


Finding = tuple[Level, str]


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    critical: bool
    look: Callable[[], Finding]


def run_checks(home: Path, tree_file: Path, *, deadline_s: float = DEADLINE_S) -> list[Result]:
    """Every check, in a fixed order. A check that raises or is late counts as failed."""
    checks = [
        _Check("python_version", True, python_version),
        _Check("packages", True, packages),
        _Check("home_writable", True, lambda: home_writable(home)),
        _Check("database", False, lambda: database(home)),
        _Check("disk_space", True, lambda: disk_space(home)),
        _Check("tree_file", True, lambda: tree_file_loads(tree_file)),
        _Check("api_port", False, lambda: api_port(tree_file)),
        _Check("config_files", False, lambda: config_files(home, tree_file)),
        _Check("stale_instance", False, lambda: stale_instance(home)),
    ]
    return run(checks, deadline_s)


def run(checks: Sequence[_Check], deadline_s: float) -> list[Result]:
    """Threads of our own, marked daemon: one that hangs on a dead disk must not keep the process from ending,
    as a pool's would."""
    done: queue.SimpleQueue[Result] = queue.SimpleQueue()
    began = time.monotonic()
    for check in checks:
        threading.Thread(target=lambda c=check: done.put(_look(c)), daemon=True, name=f"check-{check.name}").start()
    results: dict[str, Result] = {}
    while len(results) < len(checks):
        try:
            result = done.get(timeout=max(0.0, began + deadline_s - time.monotonic()))
        except queue.Empty:
            break
        results[result.name] = result
    late = f"not done after {deadline_s:g} s"
    return [
        results.get(c.name)
        or Result(name=c.name, critical=c.critical, level=Level.FAIL, detail=late, seconds=deadline_s)
        for c in checks
    ]


def _look(check: _Check) -> Result:
    began = time.monotonic()
    try:
        level, detail = check.look()
    except Exception as error:  # the check itself is at fault: said as such, never a silent pass
        level, detail = Level.FAIL, f"the check broke: {type(error).__name__}: {error}"
    seconds = round(time.monotonic() - began, 4)
    return Result(name=check.name, critical=check.critical, level=level, detail=detail, seconds=seconds)


def attest(home: Path, tree_file: Path) -> dict[str, str]:
    """SHA-256 of the tree file and of every file in `home/config`, by path; `unreadable: ...` where there is none."""
    files = [tree_file.absolute(), *sorted(path for path in (home / "config").rglob("*") if path.is_file())]
    return {str(path): _digest(path) for path in files}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


# ---- the checks -----------------------------------------------------------------------------------


def python_version(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python 3.11 or newer."""
    text = ".".join(map(str, version))
    return (Level.PASS, text) if version >= (3, 11) else (Level.FAIL, f"{text}, needed is 3.11 or newer")


def packages(requirements: Sequence[str] | None = None) -> Finding:
    """Every package the project needs is installed, in a version it accepts."""
    needed = declared_packages() if requirements is None else requirements
    if needed is None:
        return Level.WARN, "the list of needed packages was not found"
    found = [problem for text in needed if (problem := package_problem(text))]
    if found:
        return Level.FAIL, f"{'; '.join(found)}; install with `pip install -e .`"
    return Level.PASS, f"{len(needed)} packages"


def package_problem(requirement: str) -> str:
    """What is wrong with one requirement as pyproject.toml writes it; empty when nothing is."""
    match = _REQUIREMENT.match(requirement)
    if match is None or match[3]:  # a marker: an optional or conditional package
        return ""
    name, bounds = match[1], match[2]
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is missing"
    is_met = all(fits(installed, op, bound) for op, bound in _BOUND.findall(bounds))
    return "" if is_met else f"{name} is {installed}, needed is {bounds.strip()}"


def needed_packages() -> list[str]:
    """The names of the packages the project needs, without versions or optional ones."""
    matches = [_REQUIREMENT.match(text) for text in declared_packages() or ()]
    return [match[1] for match in matches if match is not None and not match[3]]


def plain_name(package: str) -> str:
    """A name as indexes compare it: `Sqlite_Utils` is sqlite-utils."""
    return re.sub(r"[-_.]+", "-", package).lower()


def declared_packages() -> list[str] | None:
    """What the project needs, as pyproject.toml writes it: from the checkout if we run from one, else from the
    installed package; None when neither says."""
    with contextlib.suppress(OSError, KeyError, tomllib.TOMLDecodeError):
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
        return [str(text) for text in project["dependencies"]]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.requires("grace")
    return None


def fits(installed: str, op: str, bound: str) -> bool:
    """Whether a version is within a bound such as `>=` `1.2`. Only release numbers are compared."""
    have, want = _numbers(installed), _numbers(bound)
    width = max(len(have), len(want))
    left, right = (each + (0,) * (width - len(each)) for each in (have, want))
    match op:
        case ">=":
            return left >= right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case "<":
            return left < right
        case "==":
            return left == right
        case "!=":
            return left != right
    return left >= right and have[: len(want) - 1] == want[:-1]  # ~=


def _numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version: `4.0.1rc2` is (4, 0, 1)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def home_writable(home: Path) -> Finding:
    """A file can be made in the home, forced to disk and removed."""
    probe = home / f".preflight-{os.getpid()}"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with probe.open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        return Level.FAIL, f"{home}: {error.strerror}; choose a directory you may write: --home DIR"
    return Level.PASS, str(home)


def database(home: Path) -> Finding:
    """SQLite can keep a write-ahead log in the home; some network file systems cannot."""
    path = home / f".preflight-{os.getpid()}.db"
    with contextlib.suppress(OSError):  # the checks run side by side: nobody has made the home for this one
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=2.0)) as db:
            mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            db.execute("CREATE TABLE probe (n INTEGER)")
            db.execute("INSERT INTO probe VALUES (1)")
            db.commit()
    except sqlite3.Error as error:
        return Level.FAIL, f"SQLite in {home}: {error}"
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                path.with_name(path.name + end).unlink(missing_ok=True)
    return (Level.PASS, f"SQLite {sqlite3.sqlite_version}") if mode == "wal" else (Level.FAIL, f"no WAL but {mode}")


def disk_space(home: Path, free_bytes: int | None = None) -> Finding:
    """At least 5 GB free passes, less than 1 GB fails."""
    if free_bytes is None:
        free_bytes = shutil.disk_usage(next(path for path in (home, *home.parents) if path.exists())).free
    free = free_bytes / _GB
    level = Level.PASS if free >= _ENOUGH_GB else Level.WARN if free >= _LEAST_GB else Level.FAIL
    return level, f"{free:.1f} GB free" + ("" if level is Level.PASS else f", {_ENOUGH_GB:g} GB recommended")


def tree_file_loads(tree_file: Path) -> Finding:
    """The tree file can be read and is a tree."""
    try:
        tree = load_tree(tree_file, imports=False)
    except FileError as error:
        return Level.FAIL, str(error)
    return Level.PASS, f"{tree.root.name}, {sum(1 for _ in tree.children())} children"


def api_port(tree_file: Path) -> Finding:
    """The port of the HTTP API is free; if not, it takes another one, so this only warns."""
    port = configured_port(tree_file)
    if not port:
        return Level.PASS, "no fixed port"
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else error.strerror
            return Level.WARN, f"port {port} is {why}; the API will take another one, see api.json in the home"
    return Level.PASS, f"port {port} is free"


def configured_port(tree_file: Path) -> int:
    """The port the tree gives its HTTP API; 0 when there is no API, no fixed port, or no readable tree."""
    from grace_actors.kernels.api_server import DEFAULT_PORT

    try:
        starts = [child.start for child in load_tree(tree_file, imports=False).children()]
    except FileError:
        return 0
    servers = [start for start in starts if isinstance(start, KernelStart) and start.path == _API_CLASS]
    port: Any = servers[0].config.get("port", DEFAULT_PORT) if servers else 0
    return port if isinstance(port, int) and 0 <= port <= 65535 else 0


def config_files(home: Path, tree_file: Path) -> Finding:
    """The tree file and the files of `home/config` can be read, so that they can be attested."""
    digests = attest(home, tree_file)
    broken = {path: digest for path, digest in digests.items() if digest.startswith("unreadable")}
    if broken:
        return Level.FAIL, "; ".join(f"{path} is {why}" for path, why in broken.items())
    return Level.PASS, f"{len(digests)} files attested"


def stale_instance(home: Path, is_alive: Callable[[int], bool] = psutil.pid_exists) -> Finding:
    """The instance that last used this home ended in order."""
    try:
        noted: Mapping[str, Any] = json.loads((home / "instance.json").read_text())
        pid = int(noted["pid"])
    except FileNotFoundError:
        return Level.PASS, "none"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Level.WARN, f"instance.json is not readable: {error}"
    if is_alive(pid):
        return Level.PASS, f"pid {pid} holds this home"
    return Level.WARN, f"the last instance (pid {pid}) did not stop in order; what it kept is recovered"
