"""What the HTTP API promises to answer, and in what an answer differs from it.

Pure. A field more is no fault: readers ignore what they do not know. Invariant: a value that breaks a promise is named
by its type, never shown.
"""

from __future__ import annotations

from collections.abc import Mapping

PROMISES: Mapping[str, Mapping[str, type]] = {
    "/health": {"status": str},
    "/api/health": {"status": str, "layers": dict, "total_kernels": int},
    "/api/control/state": {"system_state": str, "total_kernels": int},
}
"""Path -> field -> type."""
ABSENT = object()
"""Stands for the answer of a path that the server does not know."""
_WORDS = {str: "a text", int: "a whole number", dict: "an object"}


def faults(path: str, answer: object) -> tuple[list[str], list[str]]:
    """What is missing, and what is of another type than promised."""
    if answer is ABSENT:
        return [f"there is no {path}"], []
    if not isinstance(answer, Mapping):
        return ["it answers no JSON object"], []
    promised = PROMISES.get(path, {})
    missing = [f"{field} is missing" for field in promised if field not in answer]
    mistyped = [
        f"{field} is {_word(answer[field])}, not {_WORDS[kind]}"
        for field, kind in promised.items()
        if field in answer and not _is_a(answer[field], kind)
    ]
    return missing, mistyped


def _is_a(value: object, kind: type) -> bool:
    """JSON's true is no number, though Python's is."""
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _word(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return _WORDS.get(type(value), {float: "a fraction", list: "a list"}.get(type(value), type(value).__name__))
