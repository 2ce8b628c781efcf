"""Whether the parts of a spec have the form they are declared with, so that judging what they say cannot fail.

A spec that came in a message may hold anything. What a field means is judged in `validate`, and so is every single
value that has a rule there; here are lists, mappings, and what a child is started with. It looks at one dataclass, not
at the children in it. Invariant: it fails for nothing, whatever a field holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from supervisors.faults import Fault
from supervisors.spec import KernelStart, ProcessStart, Readiness

_WHOLE = (KernelStart, ProcessStart, Readiness)
"""Nobody else looks at their fields."""


def misfits(spec: Any) -> list[Fault]:
    """A fault for each field that has another form than the declared one."""
    found = []
    for name, hint in _hints(spec.__class__).items():
        value = getattr(spec, name)
        if (isinstance(spec, _WHOLE) or get_origin(hint) in (tuple, Mapping)) and not _fits(value, hint):
            found.append(Fault((name,), f"invalid_{name}", f"{name} is {value!r:.80}", (_words(hint),)))
        elif isinstance(value, _WHOLE):
            found += [fault.under(name) for fault in misfits(value)]
    return found


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    known = get_type_hints(kind)
    return {field.name: known[field.name] for field in fields(kind)}


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple | list) and (is_dataclass(inner[0]) or all(_fits(v, inner[0]) for v in value))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(isinstance(k, str) and _fits(v, inner[1]) for k, v in value.items())
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _words(hint: Any) -> str:
    """The form for people."""
    if get_origin(hint) in (tuple, Mapping):
        kind = "a list" if get_origin(hint) is tuple else "a mapping with text keys"
        inner = get_args(hint)[-1] if get_origin(hint) is Mapping else get_args(hint)[0]
        return kind if inner is Any else f"{kind} of {getattr(inner, '__name__', inner)}"
    return str(getattr(hint, "__name__", hint))
