"""What is asked before a fault is caused: is it a fault, may this be its target, and who causes it.

Translates the table of `chaos.faults` into errors of the runtime; must not cause anything. Invariant: what it lets pass
is a known fault with complete parameters and a target of a kind it can hit.
"""

from __future__ import annotations

from typing import Any

from chaos.faults.table import INJECTABLE, OF_ANY_PROCESS, FaultError, checked
from grace_actors.errors import Refused
from grace_actors.kernel import Data

RUNNER = "chaos_runner"
NO_RUNNER = (
    f"add this child to the tree: {{id: {RUNNER}, kernel: grace_actors.kernels.chaos_runner:ChaosRunner}}, "
    "or choose a fault of a process or of messages"
)


def admitted(fault: Any, params: Any) -> Data:
    """The complete parameters of a fault. Raises Refused."""
    try:
        return checked(fault, params)
    except FaultError as error:
        raise Refused(error.message, hint=error.hint) from None


def of_supervisor(fault: Any, params: Any, child: str | None) -> tuple[str, Data]:
    """What a supervisor is asked to do to a child, or to itself, with complete parameters. Raises Refused. Around the
    damage of a file the child stands still (`hold`, `release`), and what was done to the file is told (`corrupt`)."""
    is_told = isinstance(fault, str) and fault in ("hold", "release", "corrupt")
    given = params if is_told else admitted(fault, params)
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise Refused(f"{fault}: params are {params!r:.80}", hint="allowed: a mapping with text keys")
    if child is None and (is_told or INJECTABLE[fault].where == "supervisor"):
        raise Refused(f"{fault} is done to a child", hint="add child: its name")
    return fault, given


def by_runner(fault: str) -> bool:
    """Is it the runner that causes this fault?"""
    return INJECTABLE[fault].where == "runner"


def refuse_target(fault: str, target: str, kind: str) -> None:
    """Raises Refused where a fault cannot hit a node of this kind."""
    known = INJECTABLE.get(fault)
    if known is None:
        raise Refused(f"there is no fault {fault!r:.80}", hint=f"known: {', '.join(INJECTABLE)}")
    targets = known.targets
    if known.whole:
        raise Refused(f"{fault} hits no node of the tree", hint=f"its target is: {known.whole}")
    if kind == "process" and "process" not in targets:
        hint = f"use {', '.join(OF_ANY_PROCESS[:-1])} or {OF_ANY_PROCESS[-1]}"
        raise Refused(f"{fault} works on actors; {target} is an OS process", hint=hint)
    if kind == "supervisor" and "supervisor" not in targets:
        why = ": what it starts would inherit it" if known.where == "actor" else ""
        raise Refused(f"{fault} works on kernels; {target} is a supervisor{why}", hint="choose one of its children")
