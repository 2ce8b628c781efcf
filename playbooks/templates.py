"""Fills `{{ expression }}` into the values under `with`.

A text that is one template alone takes the value as it is, a number stays a number; within other text the value is
written out. It must not know where the values go. Invariant: what has no template is handed over unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.conditions import (
    MAX_TEXT,
    ConditionError,
    EvaluationError,
    Expression,
    Names,
    compile_expression,
    written,
)

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with expressions in it: parts are texts and expressions in turn."""

    parts: tuple[str | Expression, ...]

    def fill(self, data: Mapping[str, Any]) -> Any:
        """The value, or the text with the values in it. Raises EvaluationError."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0].value(data)
        text = "".join(part if isinstance(part, str) else written(part.value(data)) for part in self.parts)
        if len(text) > MAX_TEXT:
            raise EvaluationError(f"a text of more than {MAX_TEXT} characters")
        return text


def compile_template(text: str, names: Names) -> str | Template:
    """The template, or the text itself when there is none in it. Raises ConditionError; its offset counts from the
    start of the text."""
    parts: list[str | Expression] = []
    end = 0
    for found in _TEMPLATE.finditer(text):
        parts += [text[end : found.start()]] if found.start() > end else []
        try:
            parts.append(compile_expression(found[1], names))
        except ConditionError as error:
            error.offset += found.start(1)
            raise
        end = found.end()
    if "{{" in text[end:]:
        raise ConditionError("a template without its end", text.index("{{", end), "{{ expression }}")
    if not parts or all(isinstance(part, str) for part in parts):
        return text
    return Template((*parts, text[end:]) if text[end:] else tuple(parts))


def fill(value: Any, data: Mapping[str, Any]) -> Any:
    """Plain data from data with templates in it. Raises EvaluationError."""
    match value:
        case Template():
            return value.fill(data)
        case Mapping():
            return {key: fill(each, data) for key, each in value.items()}
        case list() | tuple():
            return [fill(each, data) for each in value]
        case _:
            return value
