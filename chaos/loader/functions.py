"""The functions that a card may name, with their arguments: faults from their table, steps and probes from their own
code.

A function is looked at, never called. Invariant: what passes here can be called with its arguments, by Grace and by the
Chaos Toolkit alike.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from chaos.card import FAULTS_PACKAGE, PROBES_MODULE, STEPS_MODULE
from chaos.faults.table import FAULTS, Fault, Parameter

Judge = Callable[[Any], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument: whether it must be given, and what it takes, in words and as a test."""

    name: str
    is_required: bool = False
    allowed: str = "any value"
    takes: Judge = field(default=lambda value: True)


Arguments = Mapping[str, Argument]
Functions = Mapping[str, Mapping[str, Arguments]]
"""The functions of each module, with their arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The names that a card may use; None: not known here, so not judged."""

    playbooks: Collection[str] | None = None
    actions: Collection[str] | None = None
    functions: Functions | None = None


@cache
def known_functions() -> Functions:
    """All there are."""
    found: dict[str, dict[str, Arguments]] = {}
    for fault in FAULTS.values():
        found.setdefault(f"{FAULTS_PACKAGE}.{fault.family}", {})[fault.name] = _of_fault(fault)
    return {**found, **{module: _of_module(module) for module in (STEPS_MODULE, PROBES_MODULE)}}


def _of_fault(fault: Fault) -> Arguments:
    given = [_parameter(parameter) for parameter in fault.parameters]
    if fault.whole is None:
        given.insert(0, Argument(name="kernel", is_required=True, allowed="a name", takes=_is_text))
    return {argument.name: argument for argument in given}


def _parameter(parameter: Parameter) -> Argument:
    is_required = parameter.default is None
    return Argument(name=parameter.name, is_required=is_required, allowed=parameter.allowed, takes=parameter.takes)


def _of_module(name: str) -> dict[str, Arguments]:
    """Its public functions that it defines itself."""
    module = importlib.import_module(name)
    own = (
        (function_name, function)
        for function_name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == name and not function_name.startswith("_")
    )
    return {function_name: _of_function(function) for function_name, function in own}


def _of_function(function: Callable[..., Any]) -> Arguments:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return {each.name: _argument(each) for each in parameters if each.kind is not each.VAR_KEYWORD}


def _argument(parameter: inspect.Parameter) -> Argument:
    allowed, takes = _KINDS.get(parameter.annotation, ("any value", lambda value: True))
    is_required = parameter.default is parameter.empty
    return Argument(name=parameter.name, is_required=is_required, allowed=allowed, takes=takes)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Mapping[Any, tuple[str, Judge]] = {
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: ("a number", _is_number),
    dict[str, Any] | None: ("a mapping", lambda value: value is None or isinstance(value, Mapping)),
    list[Any] | None: ("a list", lambda value: value is None or isinstance(value, list)),
}
