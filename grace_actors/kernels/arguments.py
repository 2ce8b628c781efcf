"""Checked access to the arguments of a request, for kernels.

Turns plain data into values a kernel can rely on and answers bad input with `Refused` that names the argument,
what was seen and what is allowed. It must not know any kernel. Invariant: what a function returns has the type,
range and size it promises.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, TypeVar

from grace_actors.errors import Refused
from grace_actors.kernel import Data, Request, need

Choice = TypeVar("Choice", bound=StrEnum)

MAX_TEXT_CHARS = 20_000


def text(request: Request, key: str, *, max_chars: int = MAX_TEXT_CHARS) -> str:
    """A text that is not blank, without surrounding blanks. Raises Refused."""
    value = str(need(request, key, str)).strip()
    if not value:
        raise Refused(f"{request.verb}: {key} is empty", hint="give a text")
    if len(value) > max_chars:
        raise Refused(f"{request.verb}: {key} has {len(value)} characters", hint=f"at most {max_chars} are allowed")
    return value


def text_or(request: Request, key: str, default: str = "", *, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Like `text`, with a default for an argument that is missing, null or blank. Raises Refused."""
    value = request.args.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return default
    return text(request, key, max_chars=max_chars)


def number_or(request: Request, key: str, default: float, *, low: float, high: float) -> float:
    """A finite number in [low, high]. Raises Refused."""
    if request.args.get(key) is None:
        return default
    value = need(request, key, (int, float))
    if isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
        raise Refused(f"{request.verb}: {key} is {value!r}", hint=f"a number from {low:g} to {high:g} is allowed")
    return float(value)


def whole_or(request: Request, key: str, default: int, *, low: int, high: int) -> int:
    """A whole number in [low, high]. Raises Refused."""
    if request.args.get(key) is None:
        return default
    value = int(need(request, key, int))
    if not low <= value <= high:
        raise Refused(f"{request.verb}: {key} is {value}", hint=f"a whole number from {low} to {high} is allowed")
    return value


def flag(request: Request, key: str, default: bool | None = None) -> bool:
    """A boolean; missing is an error unless there is a default. Raises Refused."""
    if default is not None and request.args.get(key) is None:
        return default
    return bool(need(request, key, bool))


def choice(request: Request, key: str, kind: type[Choice], default: Choice | None = None) -> Choice:
    """A word of an enumeration. Raises Refused naming the allowed words."""
    if default is not None and request.args.get(key) is None:
        return default
    word = text(request, key, max_chars=100)
    try:
        return kind(word)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise Refused(f"{request.verb}: {key} is {word!r}", hint=f"allowed: {allowed}") from None


def mapping_or_empty(request: Request, key: str) -> Data:
    """A mapping with text keys; missing or null is an empty one. Raises Refused."""
    if request.args.get(key) is None:
        return {}
    value = need(request, key, dict)
    odd = [name for name in value if not isinstance(name, str)]
    if odd:
        raise Refused(f"{request.verb}: {key} has the key {odd[0]!r}", hint="keys must be text")
    return dict(value)


def texts_or_empty(request: Request, key: str, *, most: int = 50) -> list[str]:
    """A list of texts; one text counts as a list of one. Raises Refused."""
    value: Any = request.args.get(key)
    if value is None:
        return []
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise Refused(f"{request.verb}: {key} is {value!r:.80}", hint="a text or a list of texts is allowed")
    if len(items) > most or any(len(item) > MAX_TEXT_CHARS for item in items):
        raise Refused(f"{request.verb}: {key} is too long", hint=f"at most {most} texts of {MAX_TEXT_CHARS} characters")
    return [item.strip() for item in items if item.strip()]
