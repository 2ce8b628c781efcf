"""The verb tail: the end of an actor's log, straight from the file, whether or not an instance runs.

Invariant: following survives rotation: what was written to the old file is printed before the new one.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, Unknown
from grace_actors.console.names import pick
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Option, Takes, Verb
from grace_actors.errors import NotFound, WorldFailed
from grace_actors.home import Home

DEFAULT_LINES = 20
_POLL_S = 0.2


def tail(client: Client, args: Args, out: Out) -> ExitCode:
    """Print the last lines; with --follow go on until interrupted."""
    known = log_names(client.home)
    name = pick(args["name"], known, "log", unknown=Unknown) if known else args["name"]
    path = client.home.log_file(name)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFound(
            f"{name} has no log: there is no file {path}", hint="a log begins with the first start"
        ) from None
    except OSError as error:
        raise WorldFailed(f"{path} cannot be read: {error}") from error
    with file:
        lines = last_lines(file, args["lines"])
        if out.json and not args["follow"]:
            out.value({"name": name, "file": str(path), "lines": lines})
            return ExitCode.OK
        if not lines and args["lines"]:  # not on standard output, which is the log's alone
            print(f"the log of {name} is empty", file=out.stderr, flush=True)
        for line in lines:
            _show(name, line, out)
        for line in following(path, file) if args["follow"] else ():
            _show(name, line, out)
    return ExitCode.OK


def log_names(home: Home) -> list[str]:
    """The names that have a log."""
    return sorted(path.stem for path in home.logs.glob("*.log"))


def last_lines(file: BinaryIO, count: int) -> list[str]:
    """The last `count` lines; the file is then read to its end."""
    return [_text(line) for line in deque(file, maxlen=count)]


def following(path: Path, file: BinaryIO, poll_s: float = _POLL_S) -> Iterator[str]:
    """Lines as they are written, for ever. A new file under the same name is read from its beginning."""
    part = b""
    while True:
        part += file.read()
        *lines, part = part.split(b"\n")
        yield from map(_text, lines)
        if not _is_current(path, file):
            part += file.read()
            yield from map(_text, part.splitlines())
            part = b""
            file.close()
            file = path.open("rb")
            continue
        if not lines:
            time.sleep(poll_s)


def _is_current(path: Path, file: BinaryIO) -> bool:
    """False when the file was replaced; one that was cut is read again from its beginning."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return True  # between two files: the next one will appear
    here = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino) == (here.st_dev, here.st_ino) and found.st_size >= file.tell()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _show(name: str, line: str, out: Out) -> None:
    if out.json:
        out.item({"name": name, "line": line})
    else:
        print(line, file=out.stdout, flush=True)


VERBS = (
    Verb(
        name="tail",
        summary="show the end of a log",
        help="Reads the log file itself, so it works for what is dead, and with no instance.",
        example="tail message_bus -n 50 -f",
        kind=Kind.LOCAL,
        run=tail,
        args=(Arg(name="name", takes=Takes.LOG, help="whose log; a unique prefix will do"),),
        options=(
            Option(name="lines", short="n", help="how many", takes=Takes.COUNT, metavar="N", default=DEFAULT_LINES),
            Option(name="follow", short="f", help="go on with what is written"),
        ),
    ),
)
