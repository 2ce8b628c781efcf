"""Asks a running instance over its control socket, for experiments that a stock Chaos Toolkit runs.

Knows where the socket of a home is and its lines of JSON, not the verbs. It must not import Grace: it is the client of
a running one. The instance is that of GRACE_HOME, else of `.grace` in the working directory. Invariant: an answer is
returned only when the instance said that it was done; everything else raises NotDone.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TIMEOUT_S = 30.0
_LONGEST_DIRECTORY = 107 - 40
"""What AF_UNIX allows, less the room that Grace keeps for the names of sockets."""


SHORT = Path("/tmp")  # noqa: S108 - as the instance chooses it
"""Below it are the sockets of homes whose own path is too long."""


class NotDone(RuntimeError):
    """The instance refused, failed or did not answer. The Chaos Toolkit takes it for a failed activity."""


def home_directory() -> Path:
    """The home of the instance that is meant."""
    chosen = Path(os.environ.get("GRACE_HOME") or ".grace").expanduser()
    return Path(os.path.abspath(chosen))  # noqa: PTH100 - keep symlinks as written


def control_socket() -> Path:
    """Where the instance listens. Raises NotDone for a place that somebody else has made."""
    home = home_directory()
    direct = home / "run" / "control.sock"
    if len(os.fsencode(direct.parent)) <= _LONGEST_DIRECTORY:
        return direct
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    owner = home.stat().st_uid if home.exists() else os.geteuid()
    directory = SHORT / f"grace-{owner}"
    for each in (directory, directory / digest):
        _refuse_foreign(each, owner)
    return directory / digest / "control.sock"


def _refuse_foreign(directory: Path, owner: int) -> None:
    """Anybody may make names below /tmp, and would be told what to do by us. Grace makes them private."""
    try:
        found = directory.lstat()
    except OSError:
        return  # nobody listens there, which connecting says
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, 0) or found.st_mode & 0o077:
        seen = f"uid {found.st_uid}, mode {found.st_mode & 0o777:o}"
        raise NotDone(
            f"{directory} is not a private directory of uid {owner} ({seen}), so no instance made it; remove it"
        )


def call(verb: str, args: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> Any:
    """The value of one answer. Raises NotDone."""
    path = control_socket()
    line = json.dumps({"verb": verb, "args": dict(args)}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            link.connect(str(path))
            link.sendall(line)
            with link.makefile("rb") as lines:
                return _value(verb, lines.readline())
    except TimeoutError:
        raise NotDone(f"{verb}: no answer for {timeout_s:g} s") from None
    except OSError as error:
        where = f"{home_directory()} ({path})"
        raise NotDone(f"no instance answers in {where}: {error}; start it, or set GRACE_HOME") from None


def _value(verb: str, line: bytes) -> Any:
    try:
        answer = json.loads(line)
    except ValueError:
        raise NotDone(f"{verb}: the instance ended before its answer, or it is none: {line[:80]!r}") from None
    if answer.get("ok"):
        return answer.get("value")
    error = answer.get("error") or {}
    raise NotDone(": ".join(filter(None, (verb, error.get("message"), error.get("hint")))))
