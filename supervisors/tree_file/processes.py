"""Builds the start of an OS process: command, environment, readiness and log rotation.

Decides what the keys mean that only a command has. It never runs or looks for anything.
Invariant: whatever the file says, the words handed on are texts an operating system can take (no NUL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from supervisors.durations import SIZE_FORMS, parse_size
from supervisors.spec import ProcessStart, Readiness
from supervisors.tree_file.fields import Fields
from supervisors.tree_file.keys import LOG, READY, SIGNALS

_HOST_PORT = re.compile(r"(?:.+:)?([0-9]{1,5})")


def read_process(fields: Fields, folder: str) -> ProcessStart:
    """The start of an entry with `command:`; a relative `cwd` is taken from `folder`."""
    cwd = fields.text("cwd")
    log_max_bytes, log_keep = fields.section("log", LOG, _log) or (None, None)
    default = ProcessStart(command=())
    signal = fields.text("stop_signal") or default.stop_signal
    if signal not in SIGNALS:
        fields.faults.not_one_of(fields["stop_signal"], "stop_signal", signal, SIGNALS)
    return ProcessStart(
        command=_command(fields),
        env=_env(fields),
        cwd=str(PurePath(folder, cwd or "")),
        stop_signal=signal,
        ready=fields.section("ready", READY, _ready) or Readiness(),
        log_max_bytes=log_max_bytes or default.log_max_bytes,
        log_keep=default.log_keep if log_keep is None else log_keep,
    )


def _command(fields: Fields) -> tuple[str, ...]:
    if "command" not in fields:
        return ()
    node = fields["command"]
    if not isinstance(node.value, tuple) or not node.value:
        seen = "an empty list" if isinstance(node.value, tuple) else node.kind
        fields.faults.add(node.place, f"command is {seen}", "a list such as [python3, -m, http.server]")
        return ()
    words = []
    for position, item in enumerate(node.value):
        if isinstance(item.value, Mapping | tuple) or item.value is None or "\0" in item.text:
            fields.faults.wrong(item, "an argument of command", "text or a number")
        elif position == 0 and not item.text.strip():
            fields.faults.wrong(item, "the program of command", "the name or path of a program")
        words.append(item.text)
    return tuple(words)


def _env(fields: Fields) -> dict[str, str]:
    if "env" not in fields:
        return {}
    section = Fields(fields["env"], "env", fields.faults)
    env = {}
    for name, node in section.entries.items():
        if not name or "=" in name or "\0" in name:
            fields.faults.add(section.place(name), f"the variable {name[:60]!r}", "a name without =")
        elif isinstance(node.value, Mapping | tuple) or node.value is None or "\0" in node.text:
            fields.faults.wrong(node, f"the variable {name[:60]}", "text")
        env[name] = node.text
    return env


def _log(fields: Fields) -> tuple[int | None, int | None]:
    keep = fields.count("keep")
    if "max_size" not in fields:
        return None, keep
    node = fields["max_size"]
    try:
        size = parse_size(node.value if isinstance(node.value, str | int) else None)
    except ValueError:
        size = 0
    if size <= 0:
        fields.faults.wrong(node, "max_size", f"{SIZE_FORMS}; above zero")
    return size or None, keep


def _ready(fields: Fields) -> Readiness | None:
    if len(fields.entries) != 1:
        seen = ", ".join(fields.entries) or "nothing"
        fields.faults.add(fields.node.place, f"ready names {seen}", "exactly one of " + ", ".join(READY))
        return None
    http = fields.text("http")
    if http is not None and not http.startswith(("http://", "https://")):
        fields.faults.wrong(fields["http"], "http", "a URL that begins with http:// or https://")
    return Readiness(
        tcp=_tcp(fields), http=http, log_line=_pattern(fields), sd_notify=fields.flag("sd_notify") or False
    )


def _tcp(fields: Fields) -> str | None:
    if "tcp" not in fields:
        return None
    node = fields["tcp"]
    match = _HOST_PORT.fullmatch(node.text)
    if match is None or not 0 < int(match[1]) <= 65535:
        fields.faults.wrong(node, "tcp", "a port from 1 to 65535, or host:port")
    return node.text


def _pattern(fields: Fields) -> str | None:
    pattern = fields.text("log_line")
    if pattern is None:
        return None
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        message = f"log_line is not a regular expression: {error}"
        fields.faults.add(fields["log_line"].place, message, "a Python regular expression")
    return pattern
