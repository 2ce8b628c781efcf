"""Texts are shortened so that no part of a word, and no end of a key, is left at the cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.clipping import clip_line, head_and_tail, json_bytes, last_lines, printable, without_half_a_key


@given(text=st.text(alphabet="ab \n", max_size=60), most=st.integers(1, 70))
def test_every_word_of_a_clipped_text_was_a_whole_word(text: str, most: int) -> None:
    clipped = clip_line(text, most)
    head, mark, _ = clipped.rpartition("... (")
    assert clipped == text or (mark and set(head.split()) <= set(text[:most].split()))
    assert clipped == text or all(word in text.split() for word in head.split())


def test_a_text_of_one_long_word_is_only_counted() -> None:
    assert clip_line("x" * 50, 10) == "... (50 characters)"


def test_lines_are_kept_from_the_end_as_long_as_they_fit() -> None:
    assert last_lines(["a", "b", "c"], most=2, most_bytes=100) == ["b", "c"]
    assert last_lines(["a" * 50, "b", "c"], most=9, most_bytes=20) == ["b", "c"]
    assert last_lines(["é" * 4], most=9, most_bytes=20) == []


@given(lines=st.lists(st.text(alphabet="ab é\0", max_size=30), max_size=200), most=st.integers(1_000, 4_000))
def test_the_middle_of_a_long_text_is_left_out(lines: list[str], most: int) -> None:
    text = "\n".join(lines)
    short = head_and_tail(text, most)
    assert json_bytes(short) <= most
    assert short == text or (short.startswith(lines[0]) and "lines are left out)" in short)


def test_the_end_of_a_key_goes_and_a_whole_one_stays() -> None:
    whole = "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nafter"
    assert without_half_a_key(whole) == whole
    assert "MII" not in without_half_a_key(whole.partition("\n")[2])
    assert without_half_a_key(whole.partition("\n")[2]).endswith("\nafter")


@given(text=st.text())
def test_a_printable_text_can_be_written_as_utf_8(text: str) -> None:
    assert all(ord(each) >= 32 or each in "\t\n" for each in printable(text).encode().decode())
