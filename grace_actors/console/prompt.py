"""The prompt itself: editing, history, completion, and events above the line.

The only module that knows prompt_toolkit. Verbs run between two prompts, outside the event loop, so Ctrl-C
interrupts them like any program.
Invariant: nothing printed by the follower mixes with what is being typed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from grace_actors.console import follower
from grace_actors.console.client import Client
from grace_actors.console.complete import Sources, suggest
from grace_actors.console.drill_run import known_drills
from grace_actors.console.logs import log_names
from grace_actors.console.model import Event, read_event
from grace_actors.console.names import known_names
from grace_actors.console.out import Out
from grace_actors.errors import GraceError
from grace_actors.home import Home

_NAMES_KEPT_S = 2.0
_NAMES_TIMEOUT_S = 1.0


class _Interrupted(Exception):
    """Ctrl-C as an ordinary exception: KeyboardInterrupt would tear down the event loop on its way."""


class _Ended(Exception):
    """This process was asked to end."""


class Prompt:
    """One prompt on one event loop. `read` raises KeyboardInterrupt and EOFError for Ctrl-C and Ctrl-D."""

    def __init__(self, home: Home) -> None:
        # Asking the terminal for its cursor delays the end of each prompt by a second where nobody answers.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._home = home
        self._runner = asyncio.Runner()
        self._follower: asyncio.Task[None] | None = None
        self._session: PromptSession[str] = PromptSession(
            history=_history(home), completer=ThreadedCompleter(TreeCompleter(home)), complete_while_typing=False
        )

    def __enter__(self) -> Prompt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.close()  # cancels the follower

    def read(self) -> str:
        """The next line. Raises SystemExit when this process is asked to end."""
        try:
            return self._runner.run(self._read())
        except _Interrupted:
            raise KeyboardInterrupt from None
        except _Ended:
            raise SystemExit(0) from None

    async def _read(self) -> str:
        loop = asyncio.get_running_loop()
        if self._follower is None:
            self._follower = loop.create_task(follower.follow(self._home, self._show, _newest(self._home)))
        # Ended from outside, the prompt must still give the terminal back its ordinary mode.
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end)
        try:
            with patch_stdout(raw=True):
                return await self._session.prompt_async("grace> ")
        except KeyboardInterrupt:
            # As in every shell, the first Ctrl-C takes back a line begun; only on an empty one it means more.
            if self._session.default_buffer.text:
                return ""
            raise _Interrupted from None
        finally:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        if self._session.app.is_running:
            self._session.app.exit(exception=_Ended)

    def _show(self, event: Event) -> None:
        from grace_actors.console import render

        # A new one each time: standard output is patched while the prompt waits.
        Out().show(render.event_line(event))


class TreeCompleter(Completer):
    """Suggestions of `complete`, with the names of the tree and the drills kept for a moment."""

    def __init__(self, home: Home) -> None:
        client = Client(home, timeout_s=_NAMES_TIMEOUT_S)
        self._sources = Sources(
            names=_Kept(lambda: known_names(client)).get,
            logs=lambda: log_names(home),
            drills=_Kept(lambda: known_drills(client)).get,
        )

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        start = -len(line.split(" ")[-1])
        for found in suggest(line, self._sources):
            yield Completion(found.text, start_position=start, display_meta=found.about)


class _Kept:
    """Words of the instance, asked for again when they are older than a moment."""

    def __init__(self, ask: Callable[[], Sequence[str]]) -> None:
        self._ask = ask
        self._words: Sequence[str] = ()
        self._asked_at = float("-inf")

    def get(self) -> Sequence[str]:
        if time.monotonic() - self._asked_at > _NAMES_KEPT_S:
            try:
                self._words = self._ask()
                self._asked_at = time.monotonic()
            except GraceError:
                pass  # what was known last is better than nothing while somebody types
        return self._words


def _newest(home: Home) -> int | None:
    """The number of the newest event, to begin behind it."""
    try:
        events = [read_event(item) for item in Client(home, timeout_s=_NAMES_TIMEOUT_S).events({"limit": 1})]
    except GraceError:
        return None
    return max((event.seq for event in events if event.seq is not None), default=None)


def _history(home: Home) -> History:
    """The lines typed before; a home that cannot be written to only loses them."""
    try:
        home.history_file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(home.history_file)
