"""The faults that can be caused on purpose, and which parameters each takes.

Help, completion, the gateway and the action that causes faults read this table. It must not know how a fault is
carried out. Invariant: parameters that `checked` has passed are of their types, within their limits, and complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace_actors.errors import Refused

MOST = 1e6
"""No number of a fault may be above this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One `name=value` of a fault. `type` is str, int or float; numbers must be above 0."""

    name: str
    type: type
    default: str | int | float
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break a child."""

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(name="kill", help="SIGKILL: the process is gone without a word"),
        Fault(name="term", help="SIGTERM: the process is asked to end by somebody else"),
        Fault(
            name="crash",
            help="raise an exception in the kernel's own process",
            parameters=(Parameter(name="message", type=str, default="injected", help="the exception's message"),),
        ),
        Fault(
            name="hang",
            help="SIGSTOP: the process stands still, then goes on",
            parameters=(Parameter(name="seconds", type=float, default=60.0, help="how long it stands still"),),
        ),
        Fault(
            name="block",
            help="keep the kernel busy: it handles no message and answers no heartbeat",
            parameters=(Parameter(name="seconds", type=float, default=5.0, help="how long it is busy"),),
        ),
        Fault(
            name="leak",
            help="allocate memory and never give it back",
            parameters=(Parameter(name="mb", type=int, default=50, help="how much, in MB"),),
        ),
        Fault(
            name="corrupt",
            help="damage the kernel's store (its search index, if it has one) and kill it: its next start meets it",
            parameters=(Parameter(name="bytes", type=int, default=4096, help="how much is overwritten, about"),),
        ),
        Fault(name="exit", help="end normally, though nobody asked for it"),
    )
}
OF_ANY_PROCESS = ("kill", "term", "hang")
"""What works on an OS process as on an actor."""


def checked(name: Any, params: Any) -> dict[str, Any]:
    """The parameters of a fault with defaults filled in. Raises Refused: what is wrong must not reach an actor."""
    fault = FAULTS.get(name) if isinstance(name, str) else None
    if fault is None:
        raise Refused(f"there is no fault {name!r:.80}", hint=f"known: {', '.join(FAULTS)}")
    known = {parameter.name: parameter for parameter in fault.parameters}
    if not isinstance(params, dict) or not set(params) <= set(known):
        raise Refused(f"{name}: parameters {params!r:.80}", hint=f"allowed: {', '.join(known) or 'none'}")
    for key, value in params.items():
        wanted = known[key].type
        is_number = isinstance(value, int if wanted is int else int | float) and not isinstance(value, bool)
        if not (isinstance(value, str) if wanted is str else is_number and 0 < value <= MOST):
            raise Refused(f"{name}: {key} is {value!r:.80}", hint=f"a {wanted.__name__}, from above 0 to 1e6")
    return {key: params.get(key, parameter.default) for key, parameter in known.items()}
