"""How much of what a process printed is kept for the day it dies."""

from __future__ import annotations

from grace_actors.last_output import LastOutput
from playbooks.recognition import parse


def after(*lines: str) -> LastOutput:
    output = LastOutput()
    for line in lines:
        output.take(line)
    return output


def test_the_last_twenty_lines_are_kept() -> None:
    output = after(*(f"line {n}" for n in range(100)))
    assert output.text().split("\n") == [f"line {n}" for n in range(80, 100)]
    assert output.last == "line 99"


def test_empty_lines_at_the_end_say_nothing() -> None:
    output = after("why", "", "  ")
    assert (output.text(), output.last.strip() or "blank") == ("why", "blank")
    assert after("why", "").last == "why"


def test_a_process_that_printed_nothing_has_said_nothing() -> None:
    assert (after().text(), after().last) == ("", "")


def test_of_a_traceback_all_is_kept() -> None:
    frames = [text for n in range(22) for text in (f'  File "/srv/app/m{n}.py", line {n}, in f{n}', f"    f{n}()")]
    lines = ["Traceback (most recent call last):", *frames, "shop.Broken: no till"]
    (raised,) = parse(after(*("progress" for _ in range(100)), *lines).text())
    assert (raised.qualname, len(raised.frames)) == ("shop.Broken", 22)


def test_a_traceback_whose_beginning_is_out_of_reach_is_no_longer_one() -> None:
    assert len(after("Traceback (most recent call last):", *("later" for _ in range(80))).text().split("\n")) == 20


def test_long_lines_are_bounded_and_end_with_a_whole_word() -> None:
    text = after(*("word " * 300 + "x" * 4_000 for _ in range(60))).text()
    assert len(text) <= 4_096
    assert "xxx" not in text


def test_a_traceback_of_long_lines_is_bounded() -> None:
    text = after("Traceback (most recent call last):", *("é " * 450 for _ in range(50))).text()
    assert len(text.encode()) <= 16_384
