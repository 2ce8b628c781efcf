"""Changes the spec of a running supervisor: OTP's `code_change/3` for supervisors.

Flags are replaced, known ids updated in place, new specs added but not started, removed specs stay; what runs keeps
running with the spec it was started with. It starts and stops nothing.
Invariant: a spec with a fault changes nothing at all.
"""

from __future__ import annotations

from supervisors.engine import Ask, Engine
from supervisors.policy_host import PolicyHost
from supervisors.slots import Slot
from supervisors.spec import ChildSpec, Strategy, SupervisorSpec
from supervisors.validate import validate


def reload(engine: Engine, policies: PolicyHost, ask: Ask) -> None:
    """Answer the `reload` operation: `ok`, or the code of the first fault with all faults as value."""
    spec = ask.op.spec
    faults = [fault for fault in validate(spec, policies=policies.known) if fault.is_fatal]
    if faults:
        ask.answer(faults[0].code, faults)
        return
    if (spec.strategy is Strategy.DYNAMIC) is not engine.is_dynamic:
        ask.answer("invalid_strategy", "a supervisor cannot become dynamic, or stop being it, while it runs")
        return
    _replace(engine, policies, spec)
    ask.answer("ok")


def _replace(engine: Engine, policies: PolicyHost, spec: SupervisorSpec) -> None:
    old, engine.spec = engine.spec, spec
    engine.window.limit(spec.intensity, spec.period_s)
    if spec.policies != old.policies:
        policies.load(spec.policies)
    if engine.is_dynamic:
        return  # each child has the spec it was started with
    for child in spec.children:
        slot = engine.slots.get(child.id)
        if slot is None:
            engine.add(child)
        else:
            _respec(engine, slot, engine.adapt(child))
    engine.slots.reorder([child.id for child in spec.children])


def _respec(engine: Engine, slot: Slot, spec: ChildSpec) -> None:
    limit = (slot.spec.budget, slot.spec.on_exhausted)
    engine.slots.respec(slot, spec)
    if limit != (spec.budget, spec.on_exhausted):
        engine.renew_budget(slot)
