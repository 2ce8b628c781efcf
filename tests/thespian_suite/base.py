"""The base under test, under a name that Thespian's fixtures can ask for.

Thespian's tests name a base and Thespian imports `thespian.system.<name>`; `offer` puts a module there for the
time of the run, so that `asys`, `asys2` and `similar_asys` work unchanged. Invariant: every actor system has a
place of its own.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from grace_actors.transport import sockets
from grace_actors.transport.base import GraceSystemBase
from grace_actors.transport.frames import TOKEN_BYTES
from grace_actors.transport.sockets import Place
from grace_actors.transport.transport import PLACE

TCP = "multiprocTCPBase"
OURS = "graceBase"

_PARAMETER = "multiprocGraceBase"
"""Thespian's fixtures and tests ask the name whether a base has processes: it must begin with `multiproc`."""

directories: list[Path] = []
"""The socket directories made since somebody last took them away."""

_below, _host = Path("/tmp"), ""
_token = secrets.token_bytes(TOKEN_BYTES)  # one for all: some tests let actors of two systems talk


class SuiteBase(GraceSystemBase):
    """The base with a place of its own: Thespian's fixtures do not know that it needs one."""

    def __init__(self, system: Any, logDefs: Any = None) -> None:
        system.capabilities[PLACE] = _on(_host) if _host else Place(str(_fresh_directory()))
        super().__init__(system, logDefs)


def _on(host: str) -> Place:
    return Place(host=host, admin_port=sockets.free_port(host), token=_token)


def _fresh_directory() -> Path:
    # Only hexadecimal digits: a test of Thespian's judges every character of an address.
    directory = _below / secrets.token_hex(4)
    directory.mkdir(mode=0o700)
    directories.append(directory)
    return directory


def offer(below: Path, host: str) -> None:
    """From now on `ActorSystem(systemBase=parameter(OURS))` starts a system of ours, its sockets in a directory below
    `below`, or with `host` on TCP ports there."""
    global _below, _host
    _below, _host = below, host
    module = ModuleType(f"thespian.system.{_PARAMETER}")
    module.ActorSystemBase = SuiteBase  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module


def parameter(base: str) -> str:
    """What Thespian's fixture is given to make an actor system of this base."""
    return _PARAMETER if base == OURS else base
