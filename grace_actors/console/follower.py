"""Events worth knowing, printed above the prompt while somebody types.

Runs on the prompt's event loop and reads the control socket like any client. Must not decide anything: when
the instance cannot be reached it waits and tries again, quietly.
Invariant: no event is shown twice, and nothing older than this console.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from grace_actors.console.client import MAX_LINE_BYTES, after_event, final_value, parse_line, request_line
from grace_actors.console.model import Event, read_event
from grace_actors.errors import GraceError
from grace_actors.home import Home

PAUSE_S = 1.0
_STARTED_TOLERANCE_S = 0.001  # event times are cut to milliseconds


async def follow(home: Home, show: Callable[[Event], None], since: int | None) -> None:
    """Show noteworthy events until cancelled, beginning behind `since` (or now)."""
    wanted: dict[str, object] = {"follow": True} if since is None else {"follow": True, "since": since}
    began = time.time() - _STARTED_TOLERANCE_S
    while True:
        try:
            async for item in _items(home, wanted):
                event = read_event(item)
                if event.is_noteworthy and (event.at is None or event.at >= began):
                    show(event)
                wanted = after_event(wanted, item)
        except (OSError, ValueError, GraceError):
            pass  # between two lives of the system: the next connection goes on where this one ended
        await asyncio.sleep(PAUSE_S)


async def _items(home: Home, wanted: dict[str, object]) -> AsyncIterator[object]:
    """The items of one connection; ends with it."""
    reader, writer = await asyncio.open_unix_connection(str(home.control_socket), limit=MAX_LINE_BYTES)
    try:
        writer.write(request_line("events", wanted))
        while line := await reader.readline():
            answer = parse_line(line, "events")
            if "item" not in answer:
                final_value(answer, "events")
                return
            yield answer["item"]
    finally:
        writer.close()
