"""Chunks put together are the text, within their bounds, however the text arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_actors.kernels.library.chunking import LEAST, MOST, Chunker

words = st.sampled_from(["word ", "x", "Sentence ends. ", "Really?\n", "\n\n", "\t", "ü", "longer" * 30, " " * 120])
texts = st.lists(words, max_size=200).map("".join)


def cut(text: str, sizes: list[int]) -> list[str]:
    chunker, chunks, at = Chunker(), [], 0
    for size in sizes:
        chunks += chunker.feed(text[at : at + size])
        at += size
    return chunks + chunker.feed(text[at:]) + chunker.finish()


@given(texts, st.lists(st.integers(0, 3000), max_size=10))
def test_chunks_put_together_are_the_text_and_keep_their_bounds(text: str, sizes: list[int]) -> None:
    chunks = cut(text, sizes)
    assert "".join(chunks) == text
    assert all(len(chunk) <= MOST for chunk in chunks)
    assert all(len(chunk) >= LEAST for chunk in chunks) or chunks == [text]


@given(texts, st.lists(st.integers(0, 3000), max_size=10))
def test_chunks_do_not_depend_on_how_the_text_arrives(text: str, sizes: list[int]) -> None:
    assert cut(text, sizes) == cut(text, [])


def test_a_cut_is_at_the_end_of_a_sentence_where_there_is_one() -> None:
    text = "".join(f"This is sentence number {n} of the text. " for n in range(200))
    chunks = cut(text, [])
    assert all(chunk.endswith(". ") for chunk in chunks)


def test_a_paragraph_is_a_better_border_than_a_sentence() -> None:
    text = "First. " * 100 + "\n\n" + "Second. " * 100
    assert cut(text, [])[0] == "First. " * 100 + "\n\n"
