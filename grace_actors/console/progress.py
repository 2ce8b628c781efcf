"""Progress of boot and shutdown, from the events of the process that runs the tree.

On a terminal one live line that ends as a compact summary; elsewhere a plain line for each event. Written to
standard error, so that standard output carries answers only. Starts no thread: its user forks.
Invariant: unknown events are ignored, and after `close` the terminal is as it was.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from rich.live import Live
from rich.text import Text

from grace_actors.console.out import make_console
from grace_actors.console.words import badge, one_line

_BAR = 24
TOO_MANY = "reached_max_restart_intensity"
_FAILED_START = re.compile(r"failed_to_start:([\w-]+)(?:: |$)")
_OUR_FRAME = re.compile(r'^  File ".*/grace_actors/(actor|kernel_actor)\.py"')


class Progress:
    """Feed it with `on`; end it with `done` or `close`. It may be fed again after either."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._console = make_console(stream or sys.stderr)
        self._live: Live | None = None
        self._phase = ""
        self._child = ""
        self._count = (0, 0)
        self._stopping_since: float | None = None
        self._is_recovering = False

    def on(self, event: Mapping[str, Any]) -> None:
        """One event of boot, shutdown or the guard."""
        lasting = self._lasting(event)
        self._note(event)
        if not self._console.is_terminal:
            for line in lasting or self._plain(event):
                self._print(line)
            return
        for line in lasting:
            self._print(line)
        if _ends(event):
            self.close()
        elif ("boot" in event or "shutdown" in event) and not self._is_recovering:
            self._draw()  # during a recovery a prompt may own the screen

    def done(self, *lines: str | Text) -> None:
        """Take the live line away and leave these lines."""
        self.close()
        for line in lines:
            self._print(line)

    def close(self) -> None:
        """Take the live line away; idempotent."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _print(self, line: str | Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._line(), refresh=True)

    def _line(self) -> Text:
        done, total = self._count
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{self._phase or 'starting'} ", style="bold")
        if total:
            full = _BAR * min(done, total) // total
            line.append("━" * full, style="green").append("━" * (_BAR - full), style="dim").append(f" {done}/{total} ")
        return line.append(self._child, style="dim")

    def _note(self, event: Mapping[str, Any]) -> None:
        """Keep what the live line shows."""
        match event:
            case {"boot": "phase_started"}:
                self._phase, self._child = f"phase {event.get('n')}/{event.get('of')} {_name(event)}", ""
            case {"boot": "child"}:
                self._child = f"{_name(event)} {event.get('state', '')}"
                self._count = (_int(event.get("ready")), _int(event.get("total")))
            case {"shutdown": "started"}:
                self._phase, self._child, self._count = "stopping", "", (0, _int(event.get("total")))
                self._stopping_since = time.monotonic()
            case {"shutdown": "child"}:
                total = self._count[1]
                self._child, self._count = _name(event), (total - _int(event.get("left")), total)

    def _lasting(self, event: Mapping[str, Any]) -> list[Text]:
        """Lines that stay on a terminal too."""
        match event:
            case {"guard": "system_died"} if self._is_recovering:
                return []  # the system process and the guard both tell of the same death
            case {"guard": "system_died"}:
                self._is_recovering = True
            case {"boot": "done" | "failed"} | {"shutdown": "started"}:
                self._is_recovering = False
        if event.get("shutdown") != "done":
            return list(_lasting_lines(event))
        since, self._stopping_since = self._stopping_since, None
        seconds = event.get("seconds")
        if seconds is None and since is not None:
            seconds = time.monotonic() - since
        return [] if seconds is None else [badge("stopped").append(f" in {seconds:.2f} s")]

    def _plain(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Lines for a pipe or a log."""
        match event:
            case {"boot": "phase_started"}:
                yield f"phase {event.get('n')} of {event.get('of')}: {_name(event)}"
            case {"boot": "phase_done"}:
                yield f"  {_name(event)} done in {_seconds(event)}{_detail(event)}"
            case {"boot": "child"}:
                yield f"  {_name(event)} {event.get('state', '')} ({event.get('ready')}/{event.get('total')})"
            case {"shutdown": "started"}:
                yield f"stopping {event.get('total', '')} children".replace("  ", " ")
            case {"shutdown": "child"}:
                yield f"  {_name(event)} stopped ({event.get('left')} left)"


def _lasting_lines(event: Mapping[str, Any]) -> Iterator[Text]:
    match event:
        case {"boot": "phase_done", "ok": False}:
            yield Text("✖ ", style="red").append(f"{_name(event)} failed after {_seconds(event)}{_detail(event)}")
        case {"boot": "done"}:
            down = event.get("down")
            others = sorted(down.items()) if isinstance(down, dict) else []
            counts = ", ".join(
                (
                    f"{event.get('running')}/{event.get('total')} running",
                    *(f"{n} {one_line(state)}" for state, n in others),
                )
            )
            whole = event.get("running") == event.get("total")
            yield badge("running" if whole else "degraded").append(f": {counts}, ready in {_seconds(event, 'ready_s')}")
        case {"boot": "failed"}:
            yield Text("✖ ", style="red").append(f"boot failed: {one_line(str(event.get('message', '')))}")
            if event.get("hint"):
                yield Text(f"  {one_line(str(event['hint']))}")
        case {"guard": "system_died"}:
            yield Text("✖ ", style="red").append(f"the system process died{_detail(event)}")
        case {"guard": "gave_up"}:
            yield from _gave_up(str(event.get("reason", "")), str(event.get("detail") or ""))
        case {"guard": "restarting"}:
            yield Text("◐ ", style="yellow").append("starting it again")


def _gave_up(reason: str, detail: str) -> Iterator[Text]:
    """Why nothing runs any more: in a line what failed, below it the detail, at the end where to look."""
    *path, child = ["", *_FAILED_START.findall(reason)]
    cross = Text("✖ ", style="red")
    if child:
        why = one_line(_FAILED_START.sub("", reason)) or "it said no reason"
        yield cross.append(f"{child} did not start: {why}", style="bold")
    elif reason == TOO_MANY:
        yield cross.append(f"the tree gave up, too many restarts: {one_line(detail)}", style="bold")
        child, detail = detail.partition(":")[0], ""
    else:
        yield cross.append(f"the tree gave up: {one_line(reason) or 'it said no reason'}", style="bold")
    for line in _without_our_frames(detail.splitlines()):
        yield Text(f"  {one_line(line)}", style="dim")
    where = f" (in {' > '.join(filter(None, path))})" if any(path) else ""
    yield Text(f"  nothing runs now{where}; more in its log: tail {child or 'NAME'}")


def _without_our_frames(lines: Sequence[str]) -> Iterator[str]:
    """A traceback from where the user's code begins; the log has all of it."""
    skip = 0
    for line in lines:
        skip = 4 if _OUR_FRAME.search(line) else skip - 1 if line.startswith("    ") else 0
        if skip <= 0 and not line.startswith("while handling:"):
            yield line


def _ends(event: Mapping[str, Any]) -> bool:
    return event.get("boot") in ("done", "failed") or event.get("shutdown") == "done" or "guard" in event


def _name(event: Mapping[str, Any]) -> str:
    return one_line(str(event.get("name", "?")))


def _seconds(event: Mapping[str, Any], key: str = "seconds") -> str:
    value = event.get(key)
    return f"{value:.2f} s" if isinstance(value, int | float) else "unknown time"


def _detail(event: Mapping[str, Any]) -> str:
    return f": {one_line(str(event['detail']))}" if event.get("detail") else ""


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0
