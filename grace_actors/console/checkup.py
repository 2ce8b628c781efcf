"""The verb doctor: what is right and what is wrong, on this machine and inside the instance.

Works without an instance and says so; it repairs nothing.
Invariant: a check that fails says in its detail what was seen and what to do.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, NotRunning
from grace_actors.console.out import Out
from grace_actors.console.table import Args, Kind, Verb
from grace_actors.errors import GraceError
from grace_actors.home import MARK, Home

PACKAGES = (
    *("thespian", "yaml", "psutil", "msgpack", "sqlite_utils", "cryptography", "croniter", "h11"),
    *("prompt_toolkit", "rich", "setproctitle"),
)
MIN_FREE_BYTES = 1_000_000_000
"""Below this, logs and snapshots have no room; the same limit as the boot check."""

Check = dict[str, Any]


def doctor(client: Client, args: Args, out: Out) -> ExitCode:
    """Run every check and show the outcome."""
    checks = [*local_checks(client.home, out), *_remote_checks(client)]
    if out.json:
        out.value({"checks": checks})
    else:
        from grace_actors.console import render

        out.show(render.checks_view(checks))
    return ExitCode.OK if all(check["ok"] for check in checks) else ExitCode.FAILED


def local_checks(home: Home, out: Out) -> Iterator[Check]:
    """The checks that need no instance."""
    yield _check("python", sys.version_info >= (3, 11), f"{platform.python_version()} ({sys.executable}), needs 3.11")
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    yield _check(
        "packages",
        not missing,
        f"missing: {', '.join(missing)}; install with `make run`" if missing else f"all {len(PACKAGES)} found",
    )
    yield _home(home)
    yield _disk(home)
    encoding = getattr(out.stdout, "encoding", None) or "unknown"
    yield _check("terminal", True, f"{os.environ.get('TERM', 'no TERM')}, {encoding}, {_colour(out)}")
    yield _instance(home)
    left = leftovers(home)
    told = f"{_listed(left)} outlived their guard; end them with: kill {' '.join(map(str, left))}"
    yield _check("leftover processes", not left, told if left else "none")


def leftovers(home: Home, proc: Path = Path("/proc")) -> Mapping[int, str]:
    """Processes marked as parts of this home's instances whose guard is dead: pid to command."""
    guard = home.running_pid()
    found: dict[int, str] = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            marks = [
                var for var in (entry / "environ").read_bytes().split(b"\0") if var.startswith(MARK.encode() + b"=")
            ]
            if marks and _is_left(os.fsdecode(marks[0].partition(b"=")[2]), home, guard):
                found[int(entry.name)] = (entry / "comm").read_text().strip()
        except OSError:
            continue  # gone by now, or another user's
    return found


def _is_left(mark: str, home: Home, guard: int | None) -> bool:
    root, _, pid = mark.rpartition(":")
    if root == str(home.root) and pid.isdigit():
        return int(pid) != guard
    return mark == str(home.root) and guard is None


def _remote_checks(client: Client) -> list[Check]:
    """The instance's own checks; none when it is not running, a failed one when it does not answer."""
    try:
        value = client.call("doctor")
    except NotRunning:
        return []
    except GraceError as error:
        return [_check("instance answers", False, " ".join(filter(None, (error.message, error.hint))))]
    return [_check(str(c.get("name")), bool(c.get("ok")), str(c.get("detail", ""))) for c in value.get("checks", [])]


def _home(home: Home) -> Check:
    root = home.root
    if not root.exists():
        parent = next(path for path in root.parents if path.exists())
        return _check("home", os.access(parent, os.W_OK), f"{root} will be made at the first start")
    mode = root.stat().st_mode & 0o777
    if not os.access(root, os.W_OK):
        return _check("home", False, f"{root} cannot be written by uid {os.geteuid()}; use --home DIR or its owner")
    others = mode & 0o022
    return _check(
        "home", not others, f"{root}, mode {mode:o}" + (f": others may write; chmod go-w {root}" if others else "")
    )


def _disk(home: Home) -> Check:
    path = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(path).free
    return _check("disk", free >= MIN_FREE_BYTES, f"{free / 1e9:.1f} GB free, needs {MIN_FREE_BYTES / 1e9:g} GB")


def _instance(home: Home) -> Check:
    pid = home.running_pid()
    if pid is not None:
        return _check("instance", True, f"running, pid {pid}")
    stale = home.control_socket.exists()
    return _check(
        "instance", True, "not running" + ("; a killed one left its socket, the next start takes it" if stale else "")
    )


def _colour(out: Out) -> str:
    if "NO_COLOR" in os.environ:
        return "no colour (NO_COLOR)"
    return "colour" if out.stdout.isatty() else "no colour (not a terminal)"


def _listed(left: Mapping[int, str]) -> str:
    return ", ".join(f"{pid} {name}" for pid, name in left.items())


def _check(name: str, ok: bool, detail: str) -> Check:
    return {"name": name, "ok": ok, "detail": detail}


VERBS = (
    Verb(
        name="doctor",
        summary="check this machine and the instance",
        help="Python, packages, home, disk, terminal, leftovers of killed instances, a running instance's own checks.",
        example="doctor",
        kind=Kind.LOCAL,
        run=doctor,
    ),
)
