"""Actions on the configuration of kernels: what a kernel runs with, and a change of it in the overrides.

The tree file stays as it is. Invariant: only a setting that the kernel is known to look for is changed, and only to a
value of the type it has now; the file of the overrides is replaced as a whole.
"""

from __future__ import annotations

import difflib
import math
from typing import Any

from grace_actors.actions.action import Call, Result, Steps, acts, ask, fields, given, needed, reads
from grace_actors.actions.control import KERNEL
from grace_actors.actions.tree import find
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Data
from grace_actors.kernels.masking import masked
from grace_actors.kernels.overrides import FILE, WITH, read_overrides, set_override
from grace_actors.kernels.rows import moment
from playbooks.spec import Severity
from supervisors.yaml_source import parse_yaml

KEY = needed("the setting: a key below `with:` of the kernel in the tree file")
MOST_CHARACTERS = 10_000


@reads(kernel=KERNEL, key=KEY)
def read_setting(call: Call) -> Steps:
    """Reads what a kernel runs with. `value` is the setting, with the kernel's own default where nothing sets it."""
    known: Data = yield from _settings(call)
    value = _current(call, known)
    pending = _pending(call)
    data = {"value": value, "overridden": call["key"] in known["overridden"], "pending": pending}
    text = f"{call['key']} of {call['kernel']} is {_shown(call, value)}"
    return Result(True, message=text + (f", {pending} from its next start" if pending is not None else ""), data=data)


@acts(
    kernel=KERNEL,
    key=KEY,
    value=given("", "the new value, written as in the tree file"),
    times=given(0.0, "instead of value: what the present number is multiplied by"),
    risk=Severity.HIGH,
)
def set_setting(call: Call) -> Steps:
    """Writes a setting of a kernel to config/overrides.yaml. It counts from the kernel's next start:
    data.restart_needed says whether it runs with another value now."""
    name, key = call["kernel"], call["key"]
    known: Data = yield from _settings(call)
    before = _current(call, known)
    value = _multiplied(call, before) if call["times"] else _value(call)
    _same_kind(call, before, value)
    path = call.ctx.home / FILE
    data = {"value": value, "before": before, "restart_needed": before != value}
    stands = [entry for entry in read_overrides(path) if _is_about(call, entry)]
    if (stands and stands[-1].get("change") == {"to": value}) or (not stands and before == value):
        return Result(True, message=f"{key} of {name} is {_shown(call, value)} already", data=data)
    text = f"{key} of {name}: {_shown(call, value)} instead of {_shown(call, before)}"
    if call.check:
        return Result(True, changed=True, message=f"{FILE} would get {text}", data=data)
    entry: Data = {"child": name, "setting": WITH + key, "change": {"to": value}}
    set_override(path, entry | {"by": call.ctx.name, "at": moment(call.ctx.wall())})
    call.changed = True
    if not any(_is_about(call, one) and one["change"] == {"to": value} for one in read_overrides(path)):
        raise WorldFailed(f"{path} does not hold what was written", hint="look at the disk")
    return Result(True, changed=True, message=f"{text}; it counts from the next start of {name}", data=data)


def _settings(call: Call) -> Steps:
    yield from find(call, call["kernel"], "kernel", "actor")
    name = call["kernel"]
    return fields((yield from ask(name, "settings")), name, "config", "overridden", "used")


def _current(call: Call, known: Data) -> Any:
    """What the kernel uses now. Raises NotFound for a setting it has neither been given nor looked for."""
    for place in ("used", "config"):
        if call["key"] in known[place]:
            return known[place][call["key"]]
    names = sorted({*known["used"], *known["config"]})
    near = difflib.get_close_matches(call["key"], names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it looks for: {', '.join(names) or 'nothing'}"
    raise NotFound(f"{call['kernel']} knows no setting {call['key']!r:.80}", hint=hint)


def _multiplied(call: Call, before: Any) -> Any:
    """Raises Refused when there is no number to multiply."""
    if call["value"] or not isinstance(before, int | float) or isinstance(before, bool):
        raise Refused(f"times is {call['times']}, {call['key']} is {before!r:.80}", hint="give value instead")
    return round(before * call["times"]) if isinstance(before, int) else before * call["times"]


def _value(call: Call) -> Any:
    """The value as the tree file would give it. Raises Refused for what is no value."""
    if len(call["value"]) > MOST_CHARACTERS:
        raise Refused(f"value has {len(call['value'])} characters", hint=f"at most {MOST_CHARACTERS}")
    node, faults = parse_yaml(call["value"], "value")
    if faults:
        raise Refused(str(faults[0]), hint="write it as in the tree file, such as 20 or [a, b]")
    return node.plain() if node is not None else ""


def _same_kind(call: Call, before: Any, value: Any) -> None:
    """Raises Refused for a value that the kernel could not start with as far as can be told."""
    if before is None:
        return
    is_number = isinstance(before, int | float) and not isinstance(before, bool)
    if is_number and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or (before > 0 >= value) or (isinstance(before, int) and isinstance(value, float)):
            kind = "a whole number" if isinstance(before, int) else "a number"
            raise Refused(f"value is {value}", hint=f"{call['key']} is {before}: {kind} like it is allowed")
        return
    if type(value) is not type(before):
        seen = f"{type(value).__name__} {call['value']!r:.80}"
        raise Refused(f"value is {seen}", hint=f"{call['key']} is a {type(before).__name__} now: give one")


def _is_about(call: Call, entry: Data) -> bool:
    return (entry.get("child"), entry.get("setting")) == (call["kernel"], WITH + call["key"])


def _pending(call: Call) -> Any:
    """What the overrides say of it, or None."""
    stands = [entry.get("change") for entry in read_overrides(call.ctx.home / FILE) if _is_about(call, entry)]
    change = stands[-1] if stands else None
    return change.get("to") if isinstance(change, dict) else None


def _shown(call: Call, value: Any) -> str:
    """A value for a message, without what looks like a secret."""
    key: str = call["key"]
    return masked(f"{key}={value!r:.200}").removeprefix(f"{key}=")
