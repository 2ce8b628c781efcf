"""As much of JSON Schema as `playbooks/schema.json` uses; a word it does not know is an error of the test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
SILENT = {"$schema", "$defs", "title", "description", "default"}


def problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What the schema has against the value."""
    return list(_problems(schema, schema, value, "$"))


def _is(value: Any, type: str) -> bool:
    return isinstance(value, TYPES[type]) and (type == "boolean" or not isinstance(value, bool))


def _problems(root: Mapping[str, Any], schema: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
    for word, wanted in schema.items():
        if word not in SILENT:
            yield from _judge(root, schema, word, wanted, value, at)


def _judge(root: Any, schema: Any, word: str, wanted: Any, value: Any, at: str) -> Iterator[str]:
    holds = True
    match word:
        case "$ref":
            yield from _problems(root, root["$defs"][wanted.rpartition("/")[2]], value, at)
        case "type":
            holds = any(_is(value, each) for each in ([wanted] if isinstance(wanted, str) else wanted))
        case "const":
            holds = value == wanted
        case "enum":
            holds = value in wanted
        case "anyOf":
            holds = any(not list(_problems(root, each, value, at)) for each in wanted)
        case "pattern":
            holds = not isinstance(value, str) or re.search(wanted, value) is not None
        case "minLength":
            holds = not isinstance(value, str) or len(value) >= wanted
        case "minItems":
            holds = not isinstance(value, list) or len(value) >= wanted
        case "minimum" | "exclusiveMinimum" | "maximum":
            compare = {"minimum": "__ge__", "exclusiveMinimum": "__gt__", "maximum": "__le__"}[word]
            holds = not _is(value, "number") or getattr(float(value), compare)(float(wanted))
        case "required":
            holds = not isinstance(value, dict) or all(key in value for key in wanted)
        case "items":
            for number, each in enumerate(value if isinstance(value, list) else ()):
                yield from _problems(root, wanted, each, f"{at}[{number}]")
        case "properties" | "additionalProperties" | "propertyNames":
            yield from _of_object(root, schema, word, wanted, value, at)
        case _:
            raise AssertionError(f"{word} is not known here")
    if not holds:
        yield f"{at}: {word} {wanted!r:.80}, seen {value!r:.60}"


def _of_object(root: Any, schema: Any, word: str, wanted: Any, value: Any, at: str) -> Iterator[str]:
    for key, each in value.items() if isinstance(value, dict) else ():
        known = schema.get("properties", {})
        if word == "propertyNames":
            yield from _problems(root, wanted, key, f"{at}.{key}")
        elif word == "properties" and key in known:
            yield from _problems(root, known[key], each, f"{at}.{key}")
        elif word == "additionalProperties" and key not in known:
            yield from [f"{at}: unknown key {key}"] if wanted is False else _problems(root, wanted, each, f"{at}.{key}")
