"""Says at once that something in a folder, or below it, has changed.

The kernel of the OS tells; nothing is looked at again and again. It must not know what the files are. Invariant: a
change after `start` leads to at least one call, unless `problem` says that the OS would not watch: whoever needs to
know then looks by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import weakref
from collections.abc import Callable
from pathlib import Path

from grace_actors.kernel import Context, Timer

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_ITSELF_DELETED, _ITSELF_MOVED = 0x400, 0x800
"""Another folder may come to stand in its place."""
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ITSELF_DELETED | _ITSELF_MOVED
MOST_FOLDERS = 200
READ_BYTES = 64 * 1024


class FolderWatch:
    """inotify on a folder that may not exist yet: until it does, on the one it will be made in."""

    def __init__(self, ctx: Context, folder: Path, changed: Callable[[], None]) -> None:
        self._ctx, self._folder, self._changed = ctx, folder, changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = -1
        self._end: Callable[[], object] = lambda: None
        self._watch: Timer | None = None
        self._is_there = False
        self._above = -1
        self.problem = ""

    def start(self) -> None:
        """Watch from now on."""
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            self.problem = f"{self._folder} is not watched: {os.strerror(ctypes.get_errno())}"
            return
        self._end = weakref.finalize(self, os.close, self._fd)
        self._add_all()
        self._watch = self._ctx.watch(self._fd, self._readable)

    def close(self) -> None:
        """Watch no more; idempotent."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._end()

    def _add_all(self) -> None:
        """Every folder that is there now; one that is watched already stays as it is."""
        self.problem = ""
        self._is_there = self._folder.is_dir()
        if not self._is_there:
            self._above = self._add(self._folder.parent)
            return
        if self._above >= 0:  # what happens beside it is nobody's business any more
            self._libc.inotify_rm_watch(self._fd, self._above)
            self._above = -1
        folders = [self._folder, *(path for path in sorted(self._folder.rglob("*")) if path.is_dir())]
        for folder in folders[:MOST_FOLDERS]:
            self._add(folder)
        if len(folders) > MOST_FOLDERS:
            self.problem = f"{len(folders) - MOST_FOLDERS} folders below {self._folder} are not watched"

    def _add(self, folder: Path) -> int:
        number = int(self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK))
        if number < 0:
            self.problem = f"{folder} is not watched: {os.strerror(ctypes.get_errno())}"
        return number

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._fd, READ_BYTES):
                pass
        was_there = self._is_there
        self._add_all()
        if self._is_there or was_there:
            self._changed()
