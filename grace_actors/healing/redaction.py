"""Has secrets removed from diagnostics by the secret manager before they are stored.

What looks like a secret is masked here; known values only the secret manager knows. While it does not answer, or does
not know all of its own values, the data waits in memory. Invariant: nothing is stored that was not redacted, and
what is stored has the structure of what was taken.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grace_actors.errors import StoreFailed
from grace_actors.kernel import Answer, Context, Data
from grace_actors.kernels.masking import MASK, masked

MAX_WAITING = 50
MAX_CHARS = 400_000
"""Of all texts of one incident: the secret manager takes 500,000."""
MAX_DEPTH = 40
ASK_S = 5.0
WHO = "secret_manager"
_OUR_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""A word of the program. A secret that happens to be such a word must not change the structure."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """The masked data of one incident, and its texts in the order of `_texts`."""

    data: Any
    texts: list[str]
    has_failed: bool = False


class Redaction:
    """Takes data by id and gives it to `stored` once it is clean; `stored` may raise StoreFailed."""

    def __init__(self, ctx: Context, stored: Callable[[str, Data], None]) -> None:
        self._ctx, self._stored = ctx, stored
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._is_asking = False
        self._why = ""
        self._lost = 0

    def take(self, id: str, data: Data) -> None:
        """Store `data` under `id` once it holds no secret; data taken earlier for the same id is replaced."""
        clean = masked_data(data)
        texts = list(_texts(clean))
        if (chars := sum(map(len, texts))) > MAX_CHARS:
            clean = {"withheld": f"{chars} characters are too many to be checked for secrets"}
            texts = list(_texts(clean))
        self._waiting[id] = _Waiting(clean, texts)
        self._waiting.move_to_end(id)
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
            self._lost += 1
        self._next()

    def again(self) -> None:
        """Try what waits once more; called every half minute."""
        self._next()

    def drop(self, id: str) -> None:
        """The data of this incident is not wanted any more."""
        self._waiting.pop(id, None)

    @property
    def problem(self) -> str:
        """What is withheld and why; empty when nothing is."""
        count = sum(waiting.has_failed for waiting in self._waiting.values())
        if not count:
            return ""
        lost = f"; those of {self._lost} older ones were given up, {MAX_WAITING} wait at most" if self._lost else ""
        return f"details of {count} incidents are withheld: {self._why}{lost}"

    def _next(self) -> None:
        """One at a time: a secret manager that comes back is not met by all of them at once."""
        if self._is_asking or not self._waiting:
            return
        id, waiting = next(iter(self._waiting.items()))
        self._is_asking = True

        def on_answer(answer: Answer) -> None:
            self._is_asking = False
            if self._waiting.get(id) is not waiting:
                self._next()  # replaced or dropped meanwhile
            elif self._failure(id, waiting, answer):
                waiting.has_failed = True
                self._waiting.move_to_end(id)  # it may be what the secret manager fails at: others go first
            else:
                del self._waiting[id]
                self._next()

        self._ctx.ask(WHO, "redact", {"texts": waiting.texts}, on_answer, timeout_s=ASK_S)

    def _failure(self, id: str, waiting: _Waiting, answer: Answer) -> bool:
        """Store what was answered, or note why that cannot be."""
        clean, why = _clean(answer, len(waiting.texts))
        if not why:
            try:
                self._stored(id, _with(waiting.data, iter(clean)))
            except StoreFailed as error:
                why = error.message
        self._why = why or self._why
        return bool(why)


def _clean(answer: Answer, count: int) -> tuple[list[str], str]:
    """The texts of an answer to `redact`, or why they are not to be used."""
    if not answer.ok:
        return [], f"{WHO} does not redact: {(answer.error or {}).get('message', 'it gave no reason')}"
    value = answer.value if isinstance(answer.value, dict) else {}
    texts = value.get("texts")
    if not isinstance(texts, list) or len(texts) != count or not all(isinstance(each, str) for each in texts):
        return [], f"{WHO} answered something else than {count} texts"
    if not value.get("complete"):
        return [], f"{WHO} cannot read all of its secrets, so it cannot look for them"
    return texts, ""


def masked_data(value: Any, depth: int = 0) -> Any:
    """Plain data with what looks like a secret masked, also by the name it has in a mapping."""
    if depth > MAX_DEPTH:
        return "(nested too deep)"
    match value:
        case dict():
            return {masked(str(key)): _named(str(key), each, depth) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return _lines_masked(value) if _are_lines(value) else [masked_data(each, depth + 1) for each in value]
        case str():
            return masked(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes():
            return masked(value.decode("utf-8", "replace"))
    return masked(repr(value)[:2000])


def _are_lines(value: Any) -> bool:
    """Whether it is one text in lines: a secret may go over several of them, so they are looked at together. There
    may be fewer of them afterwards."""
    return len(value) > 1 and all(isinstance(each, str) and "\n" not in each for each in value)


def _lines_masked(value: Any) -> list[str]:
    return masked("\n".join(value)).split("\n")


def _named(key: str, value: Any, depth: int) -> Any:
    if isinstance(value, str | bytes | int | float) and not isinstance(value, bool) and MASK in masked(f"{key}=value"):
        return MASK
    return masked_data(value, depth + 1)


def _texts(value: Any) -> Iterator[str]:
    """Every text of plain data, in the order in which `_with` takes them back."""
    match value:
        case dict():
            for key, each in value.items():
                if not _OUR_KEY.fullmatch(key):
                    yield key
                yield from _texts(each)
        case list() if _are_lines(value):
            yield "\n".join(value)
        case list():
            for each in value:
                yield from _texts(each)
        case str():
            yield value


def _with(value: Any, texts: Iterator[str]) -> Any:
    """The data with its texts replaced."""
    match value:
        case dict():
            found: Data = {}
            for key, each in value.items():
                name = key if _OUR_KEY.fullmatch(key) else next(texts)
                while name in found:  # two keys became the same
                    name = f"{name}_"
                found[name] = _with(each, texts)
            return found
        case list() if _are_lines(value):
            return next(texts).split("\n")
        case list():
            return [_with(each, texts) for each in value]
        case str():
            return next(texts)
    return value
