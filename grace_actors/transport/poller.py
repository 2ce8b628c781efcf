"""Waiting for descriptors: epoll and eventfd where they exist, `selectors` and a pipe elsewhere.

Both have one face, so that everything above is tested under both. Knows descriptors only.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
from typing import Any, Protocol

READ, WRITE, BROKEN = 1, 4, 8 | 16
"""The bits of epoll (EPOLLIN, EPOLLOUT, EPOLLERR | EPOLLHUP), so that they need no translation there."""
_MOST_EVENTS = 1024


class Poller(Protocol):
    """`watch` sets what is waited for on a descriptor (0: nothing) and raises OSError or ValueError for one that
    cannot be watched; `wait` returns (descriptor, events). `forget`: this number is another descriptor now;
    whoever had it closed it without a word."""

    def watch(self, fd: int, events: int) -> None: ...
    def forget(self, fd: int) -> None: ...
    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]: ...
    def wake(self) -> None: ...
    def own_descriptors(self) -> list[int]: ...
    def close(self) -> None: ...


class EpollPoller:
    """Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._watched: dict[int, int] = {}

    def watch(self, fd: int, events: int) -> None:
        before = self._watched.get(fd, 0)
        if events == before:
            return
        if not events:
            del self._watched[fd]
            with contextlib.suppress(OSError):  # closed already
                self._epoll.unregister(fd)
            return
        if before:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._watched[fd] = events

    def forget(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        events = self._epoll.poll(timeout_s, _MOST_EVENTS)
        for index, (fd, _) in enumerate(events):
            if fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(fd)
                del events[index]
                break
        return events

    def wake(self) -> None:
        """From a signal handler or another thread: end the wait."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def own_descriptors(self) -> list[int]:
        return [self._epoll.fileno(), self._wake]

    def close(self) -> None:
        self._epoll.close()
        os.close(self._wake)


class SelectorPoller:
    """Everywhere else: kqueue or poll, by the standard library."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._selector.register(self._read_end, selectors.EVENT_READ)

    def watch(self, fd: int, events: int) -> None:
        known = self._selector.get_map().get(fd)
        wanted = (selectors.EVENT_READ if events & READ else 0) | (selectors.EVENT_WRITE if events & WRITE else 0)
        if not wanted:
            if known is not None:
                self._selector.unregister(fd)
        elif known is None:
            self._selector.register(fd, wanted)
        elif known.events != wanted:
            self._selector.modify(fd, wanted)

    def forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        events = []
        for key, mask in self._selector.select(timeout_s):
            if key.fd == self._read_end:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._read_end, 4096)
                continue
            happened = (READ if mask & selectors.EVENT_READ else 0) | (WRITE if mask & selectors.EVENT_WRITE else 0)
            events.append((key.fd, happened))
        return events

    def wake(self) -> None:
        """From a signal handler or another thread: end the wait."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_end, b"\0")

    def own_descriptors(self) -> list[int]:
        held: Any = self._selector
        fileno = [held.fileno()] if hasattr(held, "fileno") else []
        return [*fileno, self._read_end, self._write_end]

    def close(self) -> None:
        self._selector.close()
        os.close(self._read_end)
        os.close(self._write_end)


def new_poller() -> Poller:
    """The best one of this system."""
    return EpollPoller() if hasattr(select, "epoll") and hasattr(os, "eventfd") else SelectorPoller()
