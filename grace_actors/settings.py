"""What one start of Grace was asked to do, with where each answer came from decided here.

Precedence: flag, then environment (GRACE_HOME, GRACE_TREE, GRACE_HEADLESS, GRACE_TRANSPORT, GRACE_BIND), then
default. Must not know the command line's spelling of the flags.
Invariant: paths in Settings are absolute, so a later change of directory changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from grace_actors.errors import Refused
from grace_actors.home import Home

_TRANSPORTS = ("unix", "tcp")
_LOOPBACK = "127.0.0.1"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`tree` is None for the built-in tree; `headless` runs without a console; `json` makes output JSON; `bind` is
    the address at which actors listen with TCP, empty for Unix sockets."""

    home: Home
    tree: Path | None = None
    bind: str = ""
    headless: bool = False
    json: bool = False

    @property
    def exposed(self) -> str:
        """What TCP lays open, for whoever asked for it."""
        return f"""grace: warning: actors talk over TCP at {self.bind}
  who can read that traffic can run code as this user: it is not encrypted, and a token is all that keeps others out
  without --transport tcp actors use Unix sockets, which only this user can open"""


def settings(
    *,
    home: str | None = None,
    tree: str | None = None,
    headless: bool = False,
    json: bool = False,
    transport: str | None = None,
    bind: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settle flags, environment and defaults. Raises Refused for a value that means nothing or cannot be used,
    and for a missing tree file."""
    env = os.environ if environ is None else environ
    return Settings(
        home=Home.resolve(home, env),
        tree=_tree(tree, "--tree") or _tree(env.get("GRACE_TREE"), "GRACE_TREE"),
        headless=headless or _switch("GRACE_HEADLESS", env.get("GRACE_HEADLESS", "")),
        json=json,
        bind=_bind(transport or env.get("GRACE_TRANSPORT") or "unix", bind or env.get("GRACE_BIND") or ""),
    )


def _bind(transport: str, host: str) -> str:
    """The address for TCP; empty for Unix sockets."""
    if transport not in _TRANSPORTS:
        raise Refused(f"there is no transport {transport!r}", hint=f"allowed: {', '.join(_TRANSPORTS)}")
    if transport == "unix":
        if host:
            raise Refused(f"Unix sockets are not bound to an address, as {host} asks", hint="say --transport tcp, too")
        return ""
    from grace_actors.transport.sockets import free_port  # here: most commands start nothing

    host = host or _LOOPBACK
    try:
        free_port(str(ip_address(host)))
    except ValueError:
        raise Refused(f"{host!r} is no IP address", hint=f"for example {_LOOPBACK}, the default") from None
    except OSError as error:
        raise Refused(f"this machine cannot listen at {host}: {error.strerror}", hint="see: ip addr") from None
    return host


def _tree(value: str | None, origin: str) -> Path | None:
    if not value:
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise Refused(f"{origin}: there is no tree file {path}", hint="check one with `python run.py validate FILE`")
    return path


def _switch(name: str, value: str) -> bool:
    word = value.strip().lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise Refused(f"{name}={value!r} means nothing", hint="allowed: 1, true, yes, on, 0, false, no, off")
