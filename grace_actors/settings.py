"""What one start of Grace was asked to do, with where each answer came from decided here.

Precedence: flag, then environment (GRACE_HOME, GRACE_TREE, GRACE_HEADLESS), then default. Must not know
the command line's spelling of the flags.
Invariant: paths in Settings are absolute, so a later change of directory changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grace_actors.errors import Refused
from grace_actors.home import Home

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`tree` is None for the built-in tree; `headless` runs without a console; `json` makes output JSON."""

    home: Home
    tree: Path | None = None
    headless: bool = False
    json: bool = False


def settings(
    *,
    home: str | None = None,
    tree: str | None = None,
    headless: bool = False,
    json: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settle flags, environment and defaults. Raises Refused for a value that means nothing or a missing tree file."""
    env = os.environ if environ is None else environ
    return Settings(
        home=Home.resolve(home, env),
        tree=_tree(tree, "--tree") or _tree(env.get("GRACE_TREE"), "GRACE_TREE"),
        headless=headless or _switch("GRACE_HEADLESS", env.get("GRACE_HEADLESS", "")),
        json=json,
    )


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
