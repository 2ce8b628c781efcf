"""Writes the tables of the format as JSON Schema, for editors and other programs.

`python -m playbooks.file.schema` brings `playbooks/schema.json` up to date. A schema knows neither actions nor
variables, so it accepts more than the loader. Invariant: what the loader accepts, the schema accepts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playbooks.file.keys import NAME, SCHEMA, SECTIONS, Key, Table, Takes
from supervisors.tree_file.fields import MAX_COUNT

FILE = Path(__file__).parents[1] / "schema.json"
DURATION = r"^\s*-?[0-9]+(\.[0-9]+)?((d|h|m|s|ms)([0-9]+(\.[0-9]+)?(h|m|s|ms))*)?\s*$"

_EXPRESSION = {"type": ["string", "number", "boolean"]}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_PLAIN: dict[Takes, dict[str, Any]] = {
    Takes.SCHEMA: {"const": SCHEMA},
    Takes.TEXT: {"type": "string", "minLength": 1},
    Takes.NAME: {"type": "string", "pattern": f"^{NAME}$"},
    Takes.WORDS: {"type": "array", "items": {"type": "string", "minLength": 1}},
    Takes.FLAG: {"type": "boolean"},
    Takes.EXPRESSION: _EXPRESSION,
    Takes.CONDITIONS: {"anyOf": [_EXPRESSION, {"type": "array", "items": _EXPRESSION}]},
    Takes.VALUE: {},
    Takes.VALUES: {"type": "array"},
    Takes.TEMPLATES: {"type": "object"},
}


def schema() -> dict[str, Any]:
    """The JSON Schema of a playbook file."""
    sections = {name: _section(table) for name, table in SECTIONS.items() if name != "root"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **_section(SECTIONS["root"]),
        "$defs": sections,
    }


def render() -> str:
    """The text of `playbooks/schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


def _section(table: Table) -> dict[str, Any]:
    required = [key for key, entry in table.items() if entry.required]
    properties = {key: _key(entry) for key, entry in table.items()}
    found = {"type": "object", "additionalProperties": False, "properties": properties}
    return found | {"required": required} if required else found


def _key(entry: Key) -> dict[str, Any]:
    found = {"description": entry.meaning} | _value(entry)
    return found if entry.default in (None, ()) else found | {"default": entry.default}


def _value(entry: Key) -> dict[str, Any]:
    below = {"$ref": f"#/$defs/{entry.section}"}
    match entry.takes:
        case Takes.COUNT:
            return {"type": "integer", "minimum": entry.least, "maximum": MAX_COUNT}
        case Takes.DURATION:
            number = {"type": "number", "exclusiveMinimum" if entry.least else "minimum": 0}
            return {"anyOf": [number, {"type": "string", "pattern": DURATION}]}
        case Takes.CHOICE:
            return {"enum": [str(choice) for choice in entry.choices or ()]}
        case Takes.TOLERANCE:
            return {"anyOf": [_SCALAR, {"type": "array"}, below]}
        case Takes.SECTION:
            return below
        case Takes.ENTRIES:
            return {"type": "array", "items": below, "minItems": entry.least}
        case Takes.NAMED:
            return {"type": "object", "propertyNames": {"pattern": f"^{NAME}$"}, "additionalProperties": below}
        case takes:
            return _PLAIN[takes]


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
