"""Progress of boot and shutdown: plain lines off a terminal, one live line on it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from grace_actors.console.progress import Progress

BOOT: list[dict[str, Any]] = [
    {"boot": "phase_started", "name": "core", "n": 2, "of": 7},
    {"boot": "child", "name": "message_bus", "state": "started", "ready": 1, "total": 2},
    {"boot": "phase_done", "name": "core", "seconds": 0.5, "ok": True, "detail": "message_bus is up"},
    {"boot": "phase_done", "name": "endpoints", "seconds": 0.25, "ok": False, "detail": "no answer"},
    {"boot": "done", "ready_s": 1.5, "running": 2, "total": 2},
]
STOP: list[dict[str, Any]] = [
    {"shutdown": "started", "total": 2},
    {"shutdown": "child", "name": "message_bus", "left": 1},
    {"shutdown": "done", "seconds": 0.75},
]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(events: list[dict[str, Any]], stream: io.StringIO) -> str:
    progress = Progress(stream)
    for event in events:
        progress.on(event)
    progress.close()
    return stream.getvalue()


def test_boot_off_a_terminal_is_a_plain_line_an_event() -> None:
    assert shown(BOOT, io.StringIO()).splitlines() == [
        "phase 2 of 7: core",
        "  message_bus started (1/2)",
        "  core done in 0.50 s: message_bus is up",
        "✖ endpoints failed after 0.25 s: no answer",
        "● running: 2/2 running, ready in 1.50 s",
    ]


def test_boot_that_left_children_behind_counts_them_by_state() -> None:
    done = {"boot": "done", "ready_s": 1.5, "running": 27, "total": 30, "down": {"waiting": 2, "quarantined": 1}}
    assert shown([done], io.StringIO()) == "▲ degraded: 27/30 running, 1 quarantined, 2 waiting, ready in 1.50 s\n"


def test_shutdown_off_a_terminal() -> None:
    assert shown(STOP, io.StringIO()).splitlines() == [
        "stopping 2 children",
        "  message_bus stopped (1 left)",
        "○ stopped in 0.75 s",
    ]


def test_end_without_a_time_is_timed_from_the_beginning_of_the_stop() -> None:
    text = shown([*STOP[:2], {"shutdown": "done", "seconds": None}], io.StringIO())
    assert re.fullmatch(r"○ stopped in \d+\.\d\d s", text.splitlines()[-1])


def test_partly_started_tree_is_told_as_degraded() -> None:
    assert "▲ degraded: 1/2 running" in shown([{**BOOT[-1], "running": 1}], io.StringIO())


def test_terminal_shows_the_live_line_and_keeps_only_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    raw = shown(BOOT, Terminal())
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
    assert "phase 2/7 core" in text
    assert "1/2 message_bus started" in text
    assert "phase 2 of 7" not in text
    lasting = "● running: 2/2 running, ready in 1.50 s"
    assert lasting in text
    assert raw.endswith("\x1b[1A\x1b[2K")  # the live line, below the summary, is wiped


def test_cursor_is_given_back_at_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(BOOT[:2], Terminal())
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_failed_boot_tells_message_and_hint() -> None:
    text = shown([{"boot": "failed", "message": "no disk", "hint": "free some"}], io.StringIO())
    assert text.splitlines() == ["✖ boot failed: no disk", "  free some"]


@pytest.mark.parametrize(
    "event", [{}, {"boot": "later"}, {"other": 1}, {"boot": "child"}, {"shutdown": "done", "seconds": None}]
)
def test_events_that_say_too_little_are_no_crash(event: dict[str, Any]) -> None:
    shown([event], io.StringIO())
    shown([event], Terminal())


def test_guard_tells_death_and_new_life_of_the_system() -> None:
    events = [{"guard": "system_died", "detail": "status 75"}, {"guard": "restarting"}]
    assert shown(events, io.StringIO()).splitlines() == ["✖ the system process died: status 75", "◐ starting it again"]


def gave_up(reason: str, detail: str) -> list[str]:
    return shown([{"guard": "gave_up", "reason": reason, "detail": detail}], io.StringIO()).splitlines()


TRACEBACK = """Traceback (most recent call last):
  File "/opt/grace/grace_actors/actor.py", line 115, in receiveMessage
    self._dispatch(message, sender)
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/grace/grace_actors/kernel_actor.py", line 48, in begin
    self.kernel.setup()
  File "/srv/shop/till.py", line 4, in setup
    raise ValueError("no url")
ValueError: no url
while handling: Begin(gen=1)
"""


def test_failed_start_names_the_child_and_the_reason_and_shows_the_users_own_frames() -> None:
    assert gave_up("failed_to_start:shop: failed_to_start:till: ValueError: no url", TRACEBACK) == [
        "✖ till did not start: ValueError: no url",
        "  Traceback (most recent call last):",
        '    File "/srv/shop/till.py", line 4, in setup',
        '      raise ValueError("no url")',
        "  ValueError: no url",
        "  nothing runs now (in shop); more in its log: tail till",
    ]


def test_too_many_restarts_name_the_child_that_spent_them() -> None:
    assert gave_up("reached_max_restart_intensity", "till: SIGKILL") == [
        "✖ the tree gave up, too many restarts: till: SIGKILL",
        "  nothing runs now; more in its log: tail till",
    ]


@pytest.mark.parametrize("reason", ["", "failed_to_start:a", "a\nb"])
def test_tree_that_gave_up_for_another_reason_still_says_where_to_look(reason: str) -> None:
    lines = gave_up(reason, "")
    assert len(lines) == 2
    assert lines[1].startswith("  nothing runs now; more in its log: tail ")


def test_progress_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setenv("TERM", "xterm-256color")
    before = threading.active_count()
    progress = Progress(Terminal())
    progress.on(BOOT[0])
    assert threading.active_count() == before
    progress.close()


def test_one_death_is_told_once_and_its_recovery_draws_no_live_line() -> None:
    death = [{"guard": "system_died", "detail": "the root ended"}, {"guard": "system_died", "detail": "status 75"}]
    text = shown([*BOOT, *death, {"guard": "restarting"}, *BOOT, death[0]], Terminal())
    assert text.count("the system process died") == 2
    between = text[text.index("starting it again") : text.rindex("● running")]
    assert "━" not in between
