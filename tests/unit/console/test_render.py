"""What people read: at 80 columns, in wide terminals, and from answers of another version."""

from __future__ import annotations

import copy
import io
import re
from typing import Any

import pytest
from rich.console import Console

from grace_actors.console import render
from grace_actors.console.model import read_event, read_node, unix_time
from grace_actors.console.out import print_part
from grace_actors.console.text import wrapped
from grace_actors.console.words import GLYPHS, duration
from tests.unit.console.fake import STATUS, TREE, kernel, supervisor

NOW = 1_767_225_675.0  # 75 s after 2026-01-01T00:00:00Z


def printed(parts: Any, width: int = 80) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    for part in parts if isinstance(parts, list) else [parts]:
        print_part(console, part)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def degraded_status() -> dict[str, Any]:
    status = copy.deepcopy(STATUS)
    failed, slow = status["tree"]["children"][1]["children"]
    last_exit = {"reason": "ValueError: bad port", "detail": "Traceback\n  boom", "at": "2026-01-01T00:00:00.000Z"}
    failed.update(state="failed", pid=None, uptime_s=None, memory_mb=None, restarts=5, last_exit=last_exit)
    slow.update(degraded=["read-only: " + "x" * 90])
    status["kernels"].update(running=2, degraded=1, failed=1)
    status["state"] = "degraded"
    return status


def test_tree_at_80_columns() -> None:
    root = read_node(degraded_status()["tree"])
    assert printed(render.tree_view(root, width=80, now=NOW)) == [
        "tree                            pid up mem ↻  does",
        "● grace                        4711 3m 12M    rest_for_one",
        "├─ ● core                      4711 3m 12M    rest_for_one",
        "│  ├─ ● message_bus            4711 3m 12M    4 topics, 120 messages",
        "│  └─ ● immutable_log          4711 3m 12M ↻2 immutable_log works",
        "└─ ● services                  4711 3m 12M    rest_for_one watchdog",
        "   ├─ ✖ infrastructure_manager    -  -   - ↻5 failed ValueError: bad port, 1m a…",
        "   └─ ▲ memory_fusion          4711 3m 12M    degraded read-only: xxxxxxxxxxxxx…",
    ]


def test_wide_tree_tells_every_state_in_words() -> None:
    lines = printed(render.tree_view(read_node(TREE), width=120), width=120)
    assert lines[0].split() == ["tree", "state", "pid", "up", "mem", "↻", "does"]
    assert all("running" in line for line in lines[1:])


def test_status_at_80_columns_ends_with_what_needs_attention() -> None:
    lines = printed(render.status_view(degraded_status(), width=80, now=NOW))
    assert lines[:2] == [
        "grace ▲ degraded · 2/4 kernels · 1 degraded · 1 failed · up 3m · ready in 1.25 s",
        "pid 100 · home /srv/grace",
    ]
    assert lines[-4:-1] == [
        "needs attention:",
        "  ✖ failed infrastructure_manager: ValueError: bad port",
        "  ▲ degraded memory_fusion: read-only: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
    ]


def test_child_that_waits_says_for_what_also_when_it_ended_once() -> None:
    status = copy.deepcopy(STATUS)
    first, second = status["tree"]["children"][1]["children"]
    last_exit = {"reason": "SIGKILL", "detail": "", "at": "2026-01-01T00:00:00.000Z"}
    first.update(state="waiting", pid=None, does="waits for immutable_log", last_exit=None)
    second.update(state="waiting", pid=None, does="waits for infrastructure_manager", last_exit=last_exit)
    lines = printed(render.status_view(status, width=80, now=NOW))
    assert "  ◌ waiting infrastructure_manager: waits for immutable_log" in lines
    assert "  ◌ waiting memory_fusion: waits for infrastructure_manager" in lines
    rows = printed(render.tree_view(read_node(status["tree"]), width=120), width=120)
    assert rows[-1].endswith("waits for infrastructure_manager")


def test_healthy_status_needs_no_attention() -> None:
    assert not any("attention" in line for line in printed(render.status_view(STATUS, width=80)))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 110, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    status = degraded_status()
    parts = [
        *render.status_view(status, width=width, now=NOW),
        *render.welcome_view(status, url="http://127.0.0.1:8000", logs="/srv/grace/logs", width=width),
    ]
    assert max(len(line) for line in printed(parts, width)) <= width


def test_welcome_names_api_logs_and_help() -> None:
    lines = printed(render.welcome_view(STATUS, url="http://127.0.0.1:8000", logs="/srv/grace/logs", width=80))
    assert "API   http://127.0.0.1:8000" in lines
    assert "logs  /srv/grace/logs" in lines
    assert any("`help`" in line for line in lines)


def test_welcome_without_api_shows_no_empty_line_for_it() -> None:
    lines = printed(render.welcome_view(STATUS, url=None, logs="/srv/grace/logs", width=80))
    assert not any(line.startswith("API") for line in lines)


def test_detail_shows_the_last_exit_in_full_checks_and_metrics() -> None:
    node = degraded_status()["tree"]["children"][1]["children"][0]
    checks = [{"name": "writable", "ok": False, "detail": "disk full"}]
    lines = printed(
        render.detail_view({"node": node, "checks": checks, "metrics": {"x_total": 3.0}}, width=80, now=NOW)
    )
    assert lines[0] == "infrastructure_manager ✖ failed"
    assert "last exit   ValueError: bad port, 1m ago" in lines
    assert "    boom" in lines
    assert "✖ failed  writable  disk full" in lines
    assert "  x_total  3" in lines


def test_text_of_a_child_cannot_move_the_cursor_or_break_the_table() -> None:
    root = read_node(supervisor("grace", kernel("evil", does="a\x1b[2Jb\nc\rd")))
    text = "\n".join(printed(render.tree_view(root, width=80)))
    assert "\x1b" not in text
    assert "a [2Jb c d" in text


def test_markup_in_an_answer_is_printed_as_it_is() -> None:
    root = read_node(supervisor("grace", kernel("k", does="[red]x[/red] :smile:")))
    assert "[red]x[/red] :smile:" in "\n".join(printed(render.tree_view(root, width=120), 120))


def test_event_is_one_line_with_time_number_type_subject_and_data() -> None:
    wire = {
        "seq": 42,
        "at": "2026-01-01T00:00:00.123Z",
        "type": "child.exited",
        "subject": "message_bus",
        "data": {"kind": "crash", "reason": "ValueError: a\nb", "gen": 2, "cause": None, "detail": "Traceback\n  x"},
    }
    line = render.event_line(read_event(wire)).plain
    assert line.endswith("00.123 #42    child.exited           message_bus  kind=crash reason=ValueError: a b gen=2")
    assert "\n" not in line


@pytest.mark.parametrize("wire", [None, [], {}, {"name": None, "children": None}, {"pid": "x", "last_exit": 3}])
def test_node_of_another_version_is_shown_as_far_as_it_is_understood(wire: Any) -> None:
    assert printed(render.tree_view(read_node(wire), width=80))[1].startswith("? ?")


@pytest.mark.parametrize("wire", [None, [], {}, {"seq": "x", "at": "yesterday", "data": 5}])
def test_event_of_another_version_is_shown_as_far_as_it_is_understood(wire: Any) -> None:
    assert render.event_line(read_event(wire)).plain.startswith("--:--:--.--- #-")


def test_status_of_another_version_is_shown_as_far_as_it_is_understood() -> None:
    assert printed(render.status_view({}, width=80))[0] == "grace ? unknown · 0/0 kernels · up -"


@pytest.mark.parametrize(
    ("kind", "type", "expected"),
    [
        ("crash", "child.exited", True),
        ("normal", "child.exited", False),
        ("shutdown", "child.exited", False),
        ("", "child.started", False),
        ("", "supervisor.gave_up", True),
        ("", "system.recovered", True),
    ],
)
def test_noteworthy_events_are_those_that_need_eyes(kind: str, type: str, *, expected: bool) -> None:
    assert read_event({"type": type, "data": {"kind": kind}}).is_noteworthy is expected


def test_every_state_of_a_tree_has_its_own_look() -> None:
    from grace_actors.status.model import STATES

    assert set(STATES) <= set(GLYPHS)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.44, "0.4s"),
        (9.99, "10.0s"),
        (12.7, "12s"),
        (192, "3m"),
        (7200, "2h"),
        (200_000, "2d"),
        (None, "-"),
        (-3, "0.0s"),
    ],
)
def test_duration_in_its_largest_unit(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_times_are_read_as_numbers_and_as_rfc_3339() -> None:
    assert unix_time("2026-01-01T00:00:00.500Z") == 1_767_225_600.5
    assert unix_time(12) == 12.0
    assert unix_time(True) is None


def test_what_a_node_says_now_is_shown_before_what_it_said_last() -> None:
    value = {"node": kernel("till", does="sold 1 apple"), "does": "sold 2 apples"}
    assert "does        sold 2 apples" in printed(render.detail_view(value, width=80))


def test_text_is_broken_between_words_and_stays_set_in() -> None:
    text = "one two three four\n\n  five six-seven eight"
    assert wrapped(text, 12) == "one two\nthree four\n\n  five\n  six-seven\n  eight"
    assert wrapped("aa bb cc", 6, hang=2) == "aa bb\n  cc"
    assert wrapped("unbreakable", 4) == "unbreakable"


def test_a_time_in_an_event_was_shown_as_a_power_of_ten() -> None:
    data = {"at": 1_795_000_000.0, "ended_at": 1_795_000_000.5, "looked_at": "the clock", "at_s": 2.5}
    line = render.event_line(read_event({"seq": 1, "type": "host.relieved", "subject": "cpu", "data": data})).plain
    assert "e+09" not in line
    assert re.search(r" at=\d\d:\d\d:\d\d ended_at=\d\d:\d\d:\d\d looked_at=the clock at_s=2.5", line)
