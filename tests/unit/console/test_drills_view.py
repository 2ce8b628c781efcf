"""How a run of a drill is shown: on a terminal a table that fills, each line within the width, nothing by colour
alone."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from grace_actors.console import polling
from grace_actors.console.client import Client
from grace_actors.console.drill_run import follow
from grace_actors.console.drill_view import changes, run_view
from grace_actors.console.out import Out
from tests.unit.console.fake import FakeInstance
from tests.unit.console.fake_drills import PASSED, T0, FakeRunner, looks


def shown(run: Any, width: int = 80, now: float = T0 + 5) -> list[str]:
    console = Console(file=io.StringIO(), width=width, emoji=False, highlight=False, markup=False)
    for part in run_view(run, width=width, now=now):
        console.print(part, no_wrap=part.no_wrap, overflow=part.overflow)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_every_activity_and_every_gate_has_a_line_with_its_state_in_words() -> None:
    before, _, _, later, over = looks("drill_1", "KH002")
    told = [line.rstrip() for line in shown(before)]
    assert told[0] == "KH002  ● running  5.0s  is drilled"
    assert told[1] == "  drill_1, started by alice, checking"
    states = [line.split()[3] for line in told[2:6]]
    assert states == ["running", "waiting", "waiting", "waiting"]
    assert [line.split("\N{EN DASH}")[-1].strip() for line in told[7:11]] == ["not yet"] * 4
    assert "✓ passed     its supervisor restarted librarian" in "\n".join(shown(later))
    assert [line.split()[2:4] for line in shown(over)[2:6]] == [["✓", "ok"]] * 4


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("look", range(5))
def test_no_line_is_wider_than_the_console_whatever_is_in_it(width: int, look: int) -> None:
    run = looks("drill_1", "KH002", reason="r" * 300)[look]
    run |= {"title": "t" * 300, "said": dict.fromkeys(PASSED, "s\n\x1b[2J" * 100), "journal": "/j" * 100}
    run["activities"] = [each | {"name": "n" * 90, "message": "m\r\n" * 90} for each in run["activities"]]
    told = shown(run, width)
    assert max(map(len, told)) <= width
    assert "\x1b" not in "".join(told)
    assert len(told) < 60


def test_the_name_of_an_activity_was_cut_off_without_a_sign() -> None:
    run = looks("drill_1", "KH002")[1]
    run["activities"][0]["name"] = "n" * 50
    assert f" {'n' * 33}…  " in "\n".join(shown(run, width=120))


def test_the_time_line_is_to_scale() -> None:
    run = looks("drill_1", "KH002")[-1] | {"detect_s": 1.0, "heal_s": 4.0}
    (bar,) = [line.strip() for line in shown(run) if "▼━" in line or "▼◆" in line]
    noticed, healed = bar.index("◆"), bar.index("●")
    assert noticed / healed == pytest.approx(1 / 4, abs=0.03)
    assert not any("▼" in line for line in shown(run | {"detect_s": None, "heal_s": None}))


@pytest.mark.parametrize("answer", [{}, {"status": "completed"}, {"gates": None, "activities": [1], "said": "x"}])
def test_an_answer_with_parts_missing_is_shown_all_the_same(answer: dict[str, Any]) -> None:
    assert len(shown(answer)) >= 7
    assert list(changes({}, answer))


def test_a_gate_that_is_never_judged_is_not_told_as_passed() -> None:
    over = looks("drill_1", "KH002")[-1] | {"status": "aborted", "passed": None, "gates": dict.fromkeys(PASSED)}
    told = "\n".join(shown(over))
    assert told.count("\N{EN DASH} not judged") == 4
    assert "✖ aborted: not trigger, playbook, work order, slo" in told


def test_chaos_kong_is_judged_by_its_own_gates_which_come_at_its_end() -> None:
    before, *_, over = looks("kong_1", "KONG")
    assert "gates" not in shown(before | {"gates": {}})
    told = "\n".join(
        shown(over | {"gates": {"kernels_up": True, "nothing_lost": False}, "facts": {"lost": 3, "cpu_max": 99.5}})
    )
    assert re.search(r"kernels up +✓ passed", told)
    assert re.search(r"nothing lost +✖ failed", told)
    assert "work order" not in told
    assert "lost 3, cpu max 99.5" in told


def test_of_many_activities_those_around_the_present_one_are_on_the_screen() -> None:
    run = looks("drill_1", "KH002")[0]
    states = ["ok"] * 50 + ["running"] + ["waiting"] * 49
    run["activities"] = [{"what": "inject", "name": f"blast-{n}", "state": state} for n, state in enumerate(states)]
    view = run_view(run, width=80, now=T0, most=6)
    told = [part.plain.split() for part in view][2:10]
    assert told[0] == ["47", "before"]
    assert [line[1] for line in told[1:7]] == [f"blast-{n}" for n in range(47, 53)]
    assert told[7] == ["47", "more"]
    assert sum("blast-" in line for line in shown(run)) == 100


def chunks(fd: int) -> Iterator[bytes]:
    """What is written to a terminal, until its writer closes it."""
    with contextlib.suppress(OSError):
        while chunk := os.read(fd, 65536):
            yield chunk


def test_on_a_terminal_the_table_fills_in_place_and_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.005)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    runner = FakeRunner()
    runner.add("drill_1", looks("drill_1", "KH002"))
    master, slave = pty.openpty()
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(chunks(master)))
    reader.start()
    try:
        with FakeInstance(root, runner.script()) as fake, os.fdopen(slave, "w", encoding="utf-8") as stdout:
            out = Out(stdout=stdout)
            assert out.live
            assert follow(Client(fake.home), "drill_1", out)["passed"] is True
    finally:
        reader.join(20)
        os.close(master)
    written = b"".join(read).decode()
    assert written.count("KH002  ") >= 5  # five looks, each drawn over the one before
    assert "\x1b[1A" in written
    assert not re.search(r"\x1b\[3\dm", written)  # no colour
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written[written.rindex("KH002  ") :])
    assert "✓ passed: noticed after 0.20s, healed after 1.4s" in last
    assert "journal /srv/grace" in last
