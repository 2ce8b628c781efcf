"""Operations of the supervision core as messages carry them, and its answers as plain data.

It translates and decides nothing. Invariant: what `as_data` gives can be packed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Data
from supervisors import Supervisor
from supervisors import messages as m
from supervisors.spec import ChildSpec, KernelStart, ProcessStart, SupervisorSpec

_OPS = tuple(kind.value for kind in m.OpKind)
_TEXTS, _SWITCHES = ("child", "like", "id", "mode", "reason"), ("keep", "force")
_FIELDS = ("op", *_TEXTS, *_SWITCHES, "spec")
_STARTS = (KernelStart, ProcessStart, SupervisorSpec)


def operation(core: Supervisor, spec: SupervisorSpec, args: Data) -> m.Op:
    """The operation that the arguments of the verb `call` mean. Raises Refused, NotFound."""
    _refuse_others(args)
    if not args.get("like"):
        _refuse_unstartable(args.get("spec"))
    return m.Op(
        kind=m.OpKind(args["op"]),
        child=args.get("child"),
        spec=one_more(core, spec, args["like"], args["id"]) if args.get("like") else args.get("spec"),
        mode=args.get("mode") or "",
        reason=args.get("reason") or "",
        keep=bool(args.get("keep")),
    )


def _refuse_others(args: Data) -> None:
    """Raises Refused unless each argument is known, and of the type it must have."""
    op = args.get("op")
    if not isinstance(op, str) or op not in _OPS:
        raise Refused(f"call: op is {op!r:.60}", hint=f"allowed: {', '.join(_OPS)}")
    unknown = [key for key in args if key not in _FIELDS]
    if unknown:
        raise Refused(f"call: there is no argument {unknown[0]!r:.60}", hint=f"allowed: {', '.join(_FIELDS)}")
    for names, kind, words in ((_TEXTS, str, "a text"), (_SWITCHES, bool, "true or false")):
        wrong = [name for name in names if not isinstance(args.get(name), kind | None)]
        if wrong:
            raise Refused(f"call: {wrong[0]} is {args[wrong[0]]!r:.60}", hint=f"allowed: {words}")
    if bool(args.get("like")) is not bool(args.get("id")):
        raise Refused("call: like and id go together", hint="like: whose spec is taken, id: the name of the new child")


def _refuse_unstartable(spec: Any) -> None:
    """Raises Refused if there is a child in it that nobody knows how to start; all else is the core's to judge."""
    start = spec.start if isinstance(spec, ChildSpec) else spec
    if isinstance(spec, ChildSpec) and not isinstance(start, _STARTS):
        allowed = ", ".join(kind.__name__ for kind in _STARTS)
        raise Refused(f"call: {spec.id!r:.60} would start {start!r:.60}", hint=f"allowed: {allowed}")
    if isinstance(start, SupervisorSpec) and isinstance(start.children, tuple | list):
        for child in start.children:
            _refuse_unstartable(child)


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
