"""Operations of the supervision core as messages carry them, and its answers as plain data.

It translates and decides nothing. Invariant: what `as_data` gives can be packed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grace_actors.errors import NotFound
from grace_actors.kernel import Data
from supervisors import Supervisor
from supervisors import messages as m
from supervisors.spec import ChildSpec, SupervisorSpec


def operation(core: Supervisor, spec: SupervisorSpec, args: Data) -> m.Op:
    """The operation that the arguments of the verb `call` mean. Raises NotFound."""
    return m.Op(
        kind=m.OpKind(args["op"]),
        child=args.get("child"),
        spec=one_more(core, spec, args["like"], args["id"]) if "like" in args else args.get("spec"),
        mode=args.get("mode", ""),
        reason=args.get("reason", ""),
        keep=bool(args.get("keep", False)),
    )


def one_more(core: Supervisor, spec: SupervisorSpec, like: str, id: str) -> ChildSpec:
    """The spec of one more child like one there is, or like one of the tree file. Raises NotFound."""
    known = {child.id: child for child in spec.children} | {slot.id: slot.spec for slot in core.view()}
    if like not in known:
        raise NotFound(f"{spec.name} has no child {like!r}", hint=f"known: {', '.join(known) or 'none'}")
    return replace(known[like], id=id)


def as_data(value: Any) -> Any:
    """Plain data of whatever the core says: dataclasses become mappings, tuples lists."""
    if hasattr(value, "__dataclass_fields__"):
        return {key: as_data(getattr(value, key)) for key in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): as_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_data(item) for item in value]
    return value
