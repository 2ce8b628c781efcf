"""Reading tracebacks: what `traceback.format_exception` prints, and what logs make of it."""

from __future__ import annotations

import pytest

from playbooks.recognition import Frame, Relation, parse
from tests.unit.recognition.texts import CAUSE, CONTEXT, real, written

ONE = written("ValueError: bad", ("a.py", "run"), ("b.py", "stop"))
TWO = written("KeyError: 'x'", ("c.py", "look"))


def test_an_exception_has_type_message_and_frames() -> None:
    (found,) = parse(ONE)
    assert (found.qualname, found.message, found.relation) == ("ValueError", "bad", Relation.RAISED)
    assert found.frames == (
        Frame("/srv/app/a.py", 10, "run", "call_run(at)"),
        Frame("/srv/app/b.py", 11, "stop", "call_stop(at)"),
    )


@pytest.mark.parametrize("text", ["", "\n\n", "all is well", "ValueError: no frames, no header", "100 % done\n\x00"])
def test_a_text_without_a_traceback_has_no_exceptions(text: str) -> None:
    assert parse(text) == ()


def test_carets_below_the_source_are_no_source() -> None:
    text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    a.b.c\n    ~~~^^\nTypeError: t\n'
    assert parse(text)[0].frames == (Frame("x.py", 1, "f", "a.b.c"),)


def test_source_of_several_lines_as_python_3_13_prints_it_is_its_first_line() -> None:
    source = "    call(\n    ~~~~^\n        one,\n        ^^^^\n    ...<2 lines>...\n    )\n    ^\n"
    text = f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n{source}TypeError: t\n'
    (found,) = parse(text)
    assert [frame.source for frame in found.frames] == ["call("]
    assert found.message == "t"


def test_a_chain_keeps_how_each_exception_led_to_the_next() -> None:
    (last,) = parse(ONE + CAUSE + TWO + CONTEXT + written("OSError", ("d.py", "end")))
    assert [one.qualname for one in last.chain()] == ["OSError", "KeyError", "ValueError"]
    assert [one.relation for one in last.chain()] == [Relation.RAISED, Relation.CONTEXT, Relation.CAUSE]


def test_a_cause_that_was_never_raised_has_no_frames() -> None:
    def act() -> None:
        raise RuntimeError("outer") from ValueError("inner\nof two lines")

    (found,) = parse(real(act))
    assert found.qualname == "RuntimeError"
    assert found.earlier is not None
    assert (found.earlier.qualname, found.earlier.message, found.earlier.frames) == (
        "ValueError",
        "inner\nof two lines",
        (),
    )


def test_an_exception_without_frames_is_looked_for_in_the_last_paragraph_only() -> None:
    (found,) = parse("KeyError: of an older line\n\nValueError: inner\n" + CAUSE + ONE)
    assert found.earlier is not None
    assert found.earlier.message == "inner"


def test_message_and_notes_of_several_lines_belong_to_the_exception() -> None:
    def act() -> None:
        error = ValueError("one\n\ntwo")
        error.add_note("a note\n  File of it")
        raise error

    (found,) = parse(real(act))
    assert found.message == "one\n\ntwo\na note\n  File of it"


def test_lines_left_out_of_a_recursion_are_counted() -> None:
    def deeper() -> None:
        deeper()

    (found,) = parse(real(deeper))
    assert found.qualname == "RecursionError"
    repeated = [frame for frame in found.frames if frame.repeats]
    assert len(repeated) == 1
    assert repeated[0].repeats > 500


def test_a_syntax_error_has_its_file_as_last_frame_with_and_without_a_traceback() -> None:
    with_traceback = real(lambda: compile("def f(:\n", "bad.py", "exec"))
    alone = with_traceback[with_traceback.index('  File "bad.py"') :]
    for text in (with_traceback, alone):
        (found,) = parse(text)
        assert (found.qualname, found.message) == ("SyntaxError", "invalid syntax")
        assert found.frames[-1] == Frame("bad.py", 1, "", "def f(:")


def test_groups_become_trees_with_chains_inside() -> None:
    def caught() -> Exception:
        try:
            try:
                raise KeyError("a")
            except KeyError as error:
                raise LookupError("b") from error
        except LookupError as error:
            return error

    def act() -> None:
        raise ExceptionGroup("top", [caught(), ExceptionGroup("in", [ValueError("v"), caught()]), OSError("o")])

    (top,) = parse(real(act))
    assert top.message == "top (3 sub-exceptions)"
    lookup, inner, os_error = top.members
    assert (lookup.qualname, lookup.relation) == ("LookupError", Relation.MEMBER)
    assert [one.qualname for one in lookup.chain()] == ["LookupError", "KeyError"]
    assert lookup.frames[0].function == "caught"
    assert [member.qualname for member in inner.members] == ["ValueError", "LookupError"]
    assert (os_error.qualname, os_error.message, os_error.members) == ("OSError", "o", ())
    assert {one.qualname for one in top.everything()} >= {"KeyError", "ValueError", "OSError"}


def test_a_group_may_stand_in_a_chain_and_behind_one() -> None:
    def act() -> None:
        try:
            try:
                raise ValueError("first")
            except ValueError:
                raise ExceptionGroup("group", [KeyError("k")])  # noqa: B904
        except ExceptionGroup as error:
            raise RuntimeError("last") from error

    (found,) = parse(real(act))
    assert [one.qualname for one in found.chain()] == ["RuntimeError", "ExceptionGroup", "ValueError"]
    assert [one.relation for one in found.chain()] == [Relation.RAISED, Relation.CAUSE, Relation.CONTEXT]
    assert [member.qualname for member in list(found.chain())[1].members] == ["KeyError"]


def test_what_a_log_writes_behind_a_group_is_no_message_of_it() -> None:
    def act() -> None:
        raise ExceptionGroup("g", [ValueError("v")])

    (found,) = parse(real(act) + "12:00:01 INFO next\n")
    assert found.message == "g (1 sub-exception)"


def test_a_group_that_was_never_raised_is_read_without_its_header() -> None:
    import traceback

    (found,) = parse("".join(traceback.format_exception(ExceptionGroup("g", [ValueError("v"), KeyError("k")]))))
    assert [member.qualname for member in found.members] == ["ValueError", "KeyError"]


@pytest.mark.parametrize("before", ["2026-01-02 03:04:05,678 ERROR web[812]: ", "app_1  | ", "CRASH shop: ", "\t"])
def test_what_a_log_puts_before_each_line_is_left_out(before: str) -> None:
    text = "".join(f"{before}{line}\n" for line in (ONE + CAUSE + TWO).splitlines())
    (found,) = parse(text.replace("678", "999", 1))
    assert [one.qualname for one in found.chain()] == ["KeyError", "ValueError"]
    assert [len(one.frames) for one in found.chain()] == [1, 2]


def test_a_prefix_on_the_first_line_alone_is_left_out() -> None:
    (found,) = parse("CRASH librarian: " + ONE)
    assert (found.qualname, len(found.frames)) == ("ValueError", 2)


def test_a_prefix_before_a_group_is_left_out() -> None:
    def act() -> None:
        raise ExceptionGroup("g", [ValueError("v"), KeyError("k")])

    text = "".join(f"web | {line}\n" for line in real(act).splitlines())
    assert [member.qualname for member in parse(text)[0].members] == ["ValueError", "KeyError"]


def test_a_beginning_that_was_cut_off_leaves_the_frames_that_are_there() -> None:
    cut = ONE[ONE.index('  File "/srv/app/b.py"') :]
    (found,) = parse("ut off\n" + cut)
    assert (found.qualname, [frame.function for frame in found.frames]) == ("ValueError", ["stop"])


def test_an_end_that_was_cut_off_leaves_the_frames_without_a_type() -> None:
    (found,) = parse(ONE[: ONE.index("ValueError")])
    assert (found.qualname, len(found.frames)) == ("", 2)


def test_of_an_announced_exception_that_is_missing_the_earlier_one_is_left() -> None:
    assert [one.qualname for one in parse(ONE + CAUSE)] == ["ValueError"]


def test_several_tracebacks_of_a_log_are_told_apart() -> None:
    assert [one.qualname for one in parse(ONE + "2026 INFO next try\n" + TWO)] == ["ValueError", "KeyError"]


def test_a_line_that_a_log_wrote_in_between_is_left_out() -> None:
    (found,) = parse(ONE.replace("ValueError: bad", "12:00:01 INFO still here\nValueError: bad"))
    assert (found.qualname, found.message) == ("ValueError", "bad")


def test_the_traceback_of_a_worker_process_is_what_its_caller_followed_on() -> None:
    remote = f'multiprocessing.pool.RemoteTraceback: \n"""\n{ONE}"""\n'
    (found,) = parse(remote + CAUSE + TWO)
    assert [one.qualname for one in found.chain()] == ["KeyError", "ValueError"]


def test_colours_and_carriage_returns_are_left_out() -> None:
    coloured = ONE.replace("ValueError", "\x1b[1;35mValueError\x1b[0m").replace('"/srv', '\x1b[35m"/srv')
    assert parse(coloured.replace("\n", "\r\n")) == parse(ONE)


def test_types_with_unusual_names_are_read() -> None:
    for name in ("a.b.<locals>.Odd", "Ünfall", "m.Error_2"):
        assert parse(ONE.replace("ValueError", name))[0].qualname == name
    assert parse(ONE.replace("ValueError: bad", "Not A Word: bad"))[0].qualname == "Not A Word"
    assert parse(ONE.replace("ValueError", "__main__.Mine"))[0].qualname == "Mine"


def test_source_that_looks_like_the_margin_of_a_group_is_source() -> None:
    text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    | other\n    + more\nTypeError: t\n'
    assert parse(text)[0].frames[0].source == "| other"
    assert parse(text)[0].qualname == "TypeError"
