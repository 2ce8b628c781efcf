"""The faults that can be caused on purpose: which parameters each takes, who carries it out, and on what.

Help, completion, the gateway, cards, the runner and the actions read this table. It must not know how a fault is
carried out. Invariant: parameters that `checked` has passed are of their types, within their limits, and complete.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Where = Literal["supervisor", "actor", "runner"]
"""Who carries a fault out: the supervisor of the target, the target itself, or the kernel chaos_runner."""
Target = Literal["kernel", "supervisor", "process", "host", "home"]
"""What can be hit: an actor of the tree, a supervisor, an OS process of it, the host Grace runs on, the files below
its home."""
ACTOR: tuple[Target, ...] = ("kernel", "supervisor")
WHOLE: tuple[Target, ...] = ("host", "home")
"""Targets that are no node of the tree; a fault of these needs no name."""

MOST = 1e6
"""No number of a fault may be above this."""
ABOVE_0 = math.ulp(0.0)
"""The least number that is above 0."""


class FaultError(ValueError):
    """A fault that does not exist, or parameters it does not take. `hint` says what is allowed."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One `name=value` of a fault. One whose `default` is None must be given; numbers are from `least` to `most`,
    texts one of `choices` if there are any."""

    name: str
    type: type[str] | type[int] | type[float]
    default: str | int | float | None
    help: str
    least: float = ABOVE_0
    most: float = MOST
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What may be given, in words."""
        if self.type is str:
            return f"one of {', '.join(self.choices)}" if self.choices else "a text"
        kind = "a whole number" if self.type is int else "a number"
        if self.least != ABOVE_0:
            return f"{kind} from {self.least:g} to {self.most:g}"
        return f"{kind} above 0" if self.most == MOST else f"{kind} above 0 to {self.most:g}"

    def takes(self, value: Any) -> bool:
        """Is this value of its type and within its limits?"""
        if self.type is str:
            return isinstance(value, str) and (not self.choices or value in self.choices)
        is_number = isinstance(value, int if self.type is int else int | float) and not isinstance(value, bool)
        return is_number and self.least <= value <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break something."""

    name: str
    family: str
    help: str
    where: Where = "actor"
    targets: tuple[Target, ...] = ("kernel",)
    parameters: tuple[Parameter, ...] = ()

    @property
    def whole(self) -> Target | None:
        """The target it has where it hits no node of the tree."""
        return next((target for target in self.targets if target in WHOLE), None)


def _text(name: str, default: str | None, help: str, *choices: str) -> Parameter:
    return Parameter(name=name, type=str, default=default, help=help, choices=choices)


def _whole(name: str, default: int, help: str, *, least: float = ABOVE_0) -> Parameter:
    return Parameter(name=name, type=int, default=default, help=help, least=least)


def _number(name: str, default: float, help: str, *, least: float = ABOVE_0, most: float = MOST) -> Parameter:
    return Parameter(name=name, type=float, default=default, help=help, least=least, most=most)


def _for(seconds: float, help: str = "how long it lasts") -> Parameter:
    return _number("seconds", seconds, help)


def _requests(*more: Parameter) -> tuple[Parameter, ...]:
    """Which requests a fault of messages hits, and for how long."""
    return (
        *more,
        _text("verb", "*", "of requests with this verb, as a pattern"),
        _text("topic", "*", "of requests whose argument `topic` is like this"),
        _number("share", 1.0, "of so many of these, by chance", most=1.0),
        _for(30.0),
    )


_PATH = _text("path", None, "a file below the home, such as data/librarian/library.db")
_BACK = _for(300.0, "after which the good copy is put back")

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            name="kill",
            family="process",
            where="supervisor",
            targets=(*ACTOR, "process"),
            help="SIGKILL: the process is gone without a word",
        ),
        Fault(
            name="term",
            family="process",
            where="supervisor",
            targets=(*ACTOR, "process"),
            help="SIGTERM: the process is asked to end by somebody else",
        ),
        Fault(
            name="crash",
            family="process",
            targets=ACTOR,
            help="raise an exception in the kernel's own process",
            parameters=(_text("message", "injected", "the exception's message"),),
        ),
        Fault(
            name="hang",
            family="process",
            where="supervisor",
            targets=(*ACTOR, "process"),
            help="SIGSTOP: the process stands still, then goes on",
            parameters=(_for(60.0, "how long it stands still"),),
        ),
        Fault(
            name="block",
            family="process",
            targets=ACTOR,
            help="keep the kernel busy: it handles no message and answers no heartbeat",
            parameters=(_for(5.0, "how long it is busy"),),
        ),
        Fault(
            name="exit",
            family="process",
            targets=ACTOR,
            help="end normally, though nobody asked for it",
        ),
        Fault(
            name="slow",
            family="process",
            targets=ACTOR,
            help="every message is handled later",
            parameters=(_for(60.0), _number("delay_ms", 200.0, "by so many milliseconds")),
        ),
        Fault(
            name="mute",
            family="process",
            targets=ACTOR,
            help="no heartbeat is answered, everything else works",
            parameters=(_for(40.0),),
        ),
        Fault(
            name="hide",
            family="process",
            help="the process does not find a program any more",
            parameters=(_for(60.0), _text("binary", "git", "the program's name")),
        ),
        Fault(
            name="drop",
            family="messages",
            targets=ACTOR,
            help="requests that arrive are lost: who asked gets no answer in time",
            parameters=_requests(),
        ),
        Fault(
            name="delay",
            family="messages",
            targets=ACTOR,
            help="requests that arrive are handled later, in the order they would have been",
            parameters=_requests(_number("delay_ms", 500.0, "by so many milliseconds")),
        ),
        Fault(
            name="duplicate",
            family="messages",
            targets=ACTOR,
            help="requests that arrive are handled twice; the first answer counts",
            parameters=_requests(),
        ),
        Fault(
            name="reorder",
            family="messages",
            targets=ACTOR,
            help="a request that arrives is handled after the next one",
            parameters=_requests(),
        ),
        Fault(
            name="flood",
            family="messages",
            where="runner",
            help="requests, more than it can handle",
            parameters=(
                _text("verb", None, "the verb that is asked"),
                _text("args", "{}", "its arguments as JSON"),
                _whole("count", 5000, "how many requests"),
                _number("rate", 0.0, "so many a second; 0 is as fast as it goes", least=0),
            ),
        ),
        Fault(
            name="leak",
            family="resources",
            targets=ACTOR,
            help="allocate memory and never give it back",
            parameters=(_whole("mb", 50, "how much, in MB"),),
        ),
        Fault(
            name="descriptors",
            family="resources",
            help="the process may open hardly any more files",
            parameters=(_for(30.0), _whole("leave", 3, "only so many", least=0)),
        ),
        Fault(
            name="quota",
            family="resources",
            help="no file of the process may grow: as on a full disk",
            parameters=(_for(30.0), _whole("mb", 1, "beyond so many MB", least=0)),
        ),
        Fault(
            name="burn",
            family="resources",
            where="runner",
            targets=("host",),
            help="processes that keep cores busy",
            parameters=(_whole("cores", 2, "how many"), _for(60.0)),
        ),
        Fault(
            name="ballast",
            family="resources",
            where="runner",
            targets=("host",),
            help="a process that holds memory",
            parameters=(_whole("mb", 256, "how much, in MB"), _for(60.0)),
        ),
        Fault(
            name="corrupt",
            family="files",
            where="supervisor",
            help="damage the kernel's store (its search index, if it has one) and kill it: its next start meets it",
            parameters=(_whole("bytes", 4096, "how much is overwritten, about"),),
        ),
        Fault(
            name="damage",
            family="files",
            where="runner",
            targets=("home",),
            help="overwrite a part of a file",
            parameters=(_PATH, _whole("bytes", 1024, "how much"), _BACK),
        ),
        Fault(
            name="truncate",
            family="files",
            where="runner",
            targets=("home",),
            help="cut off the end of a file",
            parameters=(_PATH, _whole("bytes", 0, "how much is left", least=0), _BACK),
        ),
        Fault(
            name="delete",
            family="files",
            where="runner",
            targets=("home",),
            help="delete a file",
            parameters=(_PATH, _BACK),
        ),
        Fault(
            name="change",
            family="files",
            where="runner",
            targets=("home",),
            help="replace what is in a file, such as a configuration",
            parameters=(_PATH, _text("text", None, "what it holds instead"), _BACK),
        ),
        Fault(
            name="toxic",
            family="network",
            where="runner",
            help="connections to a kernel's port pass a proxy that spoils them, in the words of Toxiproxy",
            parameters=(
                _text(
                    "toxic",
                    "latency",
                    "how they are spoiled",
                    *("latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "down"),
                ),
                _text("stream", "downstream", "to the client or from it", "downstream", "upstream"),
                _number("toxicity", 1.0, "of so many connections, by chance", most=1.0),
                _whole("latency", 1000, "ms, of latency", least=0),
                _whole("jitter", 0, "ms more or less, of latency", least=0),
                _whole("rate", 0, "KB a second, of bandwidth", least=0),
                _whole("delay", 0, "ms, of slow_close; microseconds, of slicer", least=0),
                _whole("timeout", 0, "ms until the end, of timeout and reset_peer; 0 of timeout: never", least=0),
                _whole("average_size", 0, "bytes of a slice", least=0),
                _whole("size_variation", 0, "bytes a slice is longer or shorter", least=0),
                _whole("bytes", 0, "of limit_data", least=0),
                _for(60.0),
            ),
        ),
        Fault(
            name="secret",
            family="leaks",
            where="runner",
            targets=("home",),
            help="write a made-up secret into a log",
            parameters=(_text("path", "logs/chaos_runner.log", "the log, below the home"), _for(60.0)),
        ),
        Fault(
            name="clock",
            family="clock",
            help="the wall clock that the kernel sees jumps",
            parameters=(_for(60.0), _number("offset_s", 300.0, "by so many seconds, back if below 0", least=-MOST)),
        ),
        Fault(
            name="patch",
            family="code",
            where="runner",
            targets=("home",),
            help="replace a file of the scratch package that demonstration kernels import",
            parameters=(
                _text("path", None, "the file, below scratch"),
                _text("text", None, "the code it holds instead"),
                _BACK,
            ),
        ),
    )
}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(fault.family for fault in FAULTS.values()))
OF_ANY_PROCESS: tuple[str, ...] = tuple(fault.name for fault in FAULTS.values() if "process" in fault.targets)
"""What works on an OS process as on an actor."""
PARDON = Fault(
    name="pardon",
    family="pardon",
    targets=ACTOR,
    help="end what was injected into the process and lasts",
    parameters=(_text("fault", "*", "only this one, as a pattern"),),
)
"""Not a fault: the end of those that an actor carries out and that last."""
INJECTABLE: Mapping[str, Fault] = {**FAULTS, PARDON.name: PARDON}


def checked(name: Any, params: Any) -> dict[str, Any]:
    """The parameters of a fault with defaults filled in. Raises FaultError: what is wrong must reach nobody."""
    fault = INJECTABLE.get(name) if isinstance(name, str) else None
    if fault is None:
        raise FaultError(f"there is no fault {name!r:.80}", hint=f"known: {', '.join(INJECTABLE)}")
    known = {parameter.name: parameter for parameter in fault.parameters}
    if not isinstance(params, Mapping) or not set(params) <= set(known):
        raise FaultError(f"{name}: parameters {params!r:.80}", hint=f"allowed: {', '.join(known) or 'none'}")
    for key, value in params.items():
        if not known[key].takes(value):
            raise FaultError(f"{name}: {key} is {value!r:.80}", hint=f"allowed: {known[key].allowed}")
    missing = [key for key, parameter in known.items() if parameter.default is None and key not in params]
    if missing:
        raise FaultError(f"{name}: {', '.join(missing)} must be given", hint=f"{missing[0]}: {known[missing[0]].help}")
    return {key: params.get(key, parameter.default) for key, parameter in known.items()}
