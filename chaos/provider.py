"""Turns a signature into a function that a stock Chaos Toolkit can call: what it names is done by a running instance.

Inside Grace these functions are never called: the runner reads their names from a card. It must not touch the world
but through `chaos.link`. Invariant: the instance gets every argument under the name it has in the signature.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from chaos.faults.table import FAULTS
from chaos.link import call

RUNNER = "chaos_runner"
LONGEST_S = 600.0
"""No step or probe takes longer; the runner ends it before."""

F = TypeVar("F", bound=Callable[..., Any])


def _asks(perform: Callable[[str, dict[str, Any]], Any]) -> Callable[[F], F]:
    def made(function: F) -> F:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def asked(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = {name: value for name, value in bound.arguments.items() if value is not None}
            return perform(function.__name__, given)

        return asked  # type: ignore[return-value]

    return made


def _cause(name: str, arguments: dict[str, Any]) -> Any:
    target = FAULTS[name].whole or arguments.pop("kernel")
    return call("inject", {"fault": name, "target": target, "params": arguments})


def _of_runner(verb: str) -> Callable[[str, dict[str, Any]], Any]:
    def perform(name: str, arguments: dict[str, Any]) -> Any:
        request = {"name": RUNNER, "verb": verb, "args": {"func": name, "args": arguments}, "timeout_s": LONGEST_S}
        return call("ask", request, timeout_s=LONGEST_S + 5.0)["value"]

    return perform


fault = _asks(_cause)
"""Causes the fault of this name, in `kernel`, or in what the fault is about."""
step = _asks(_of_runner("step"))
"""Has the runner perform the step of this name."""
probe = _asks(_of_runner("probe"))
"""Has the runner read the probe of this name; its value is what a tolerance judges."""
