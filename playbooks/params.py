"""Judges values against the parameters that an action or a playbook declares.

The same rules for what stands in a file and for what a template gives later. Plain functions over data.
Invariant: a value that passes needs no further check of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbooks.spec import Param, ParamType

_TYPES: Mapping[ParamType, tuple[type, ...]] = {
    ParamType.STRING: (str,),
    ParamType.INTEGER: (int,),
    ParamType.NUMBER: (int, float),
    ParamType.BOOLEAN: (bool,),
    ParamType.ARRAY: (list, tuple),
    ParamType.OBJECT: (dict,),
}


def problem_of(param: Param, value: Any) -> str | None:
    """What is allowed when this value is not, else None."""
    fits = isinstance(value, _TYPES[param.type]) and (param.type is ParamType.BOOLEAN or not isinstance(value, bool))
    if not fits:
        return f"a value of type {param.type}"
    if param.enum and value not in param.enum:
        return ", ".join(map(str, param.enum))
    return None


def bind(params: Mapping[str, Param], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values with defaults filled in, and what is wrong with them in words. A value of null counts as not given."""
    values: dict[str, Any] = {}
    problems = [f"unknown parameter {name!r}" for name in given if name not in params]
    for name, param in params.items():
        value = given.get(name)
        if value is None:
            value = param.default
        if value is None:
            problems += [f"{name} is missing"] if param.required else []
        elif allowed := problem_of(param, value):
            problems.append(f"{name} is {value!r:.60}, allowed: {allowed}")
        values[name] = value
    return values, problems
