"""The one way to make HTML here: elements whose texts and attributes are escaped.

Knows HTML, not drills. Invariant: only what came out of `element` or `raw` is markup; a plain string never is.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

VOID = frozenset({"meta", "line", "circle", "rect", "path", "polygon"})
"""Elements that are written without an end; those of SVG as `<... />`."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *content: Markup | str | Iterable[Markup], **attributes: str | float) -> Markup:
    """One element. An attribute `class_` is written `class`, and `stroke_width` is `stroke-width`."""
    inner = "".join(map(_inner, content))
    words = "".join(f' {_attribute(key)}="{escaped(_number(value))}"' for key, value in attributes.items())
    if name in VOID and not inner:
        return Markup(f"<{name}{words}>" if name == "meta" else f"<{name}{words}/>")
    return Markup(f"<{name}{words}>{inner}</{name}>")


def joined(parts: Iterable[Markup | str]) -> Markup:
    """Several pieces one after the other; plain strings are escaped."""
    return Markup("".join(map(_inner, parts)))


def raw(text: str) -> Markup:
    """Markup written in this package itself."""
    return Markup(text)


def escaped(text: str) -> str:
    """Text as HTML writes it. What no page may hold (control characters, lone surrogates) becomes U+FFFD."""
    return html.escape("".join(char if _may_stand(char) else "\N{REPLACEMENT CHARACTER}" for char in text))


def _inner(content: Markup | str | Iterable[Markup]) -> str:
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return escaped(content)
    return "".join(map(_inner, content))


def _may_stand(char: str) -> bool:
    code = ord(char)
    return char in "\t\n" or (code >= 0x20 and not 0x7F <= code <= 0x9F and not 0xD800 <= code <= 0xDFFF)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
