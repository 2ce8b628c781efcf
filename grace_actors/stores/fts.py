"""Full-text queries from words a person typed.

Pure: text in, an FTS5 query out. Invariant: no input is a syntax error or an operator; every word is taken literally,
and only a `*` at its end has a meaning.
"""

from __future__ import annotations


def match_query(words: str) -> str:
    """A full-text query for all the words, each taken literally; a word with `*` at its end matches beginnings."""
    parts = []
    for word in words.split():
        plain = word.rstrip("*").replace('"', '""')
        if plain:
            parts.append(f'"{plain}"{"*" if word.endswith("*") else ""}')
    return " ".join(parts) or '""'
