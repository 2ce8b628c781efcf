"""What may be told to policies from elsewhere: the form of the data of every topic that a policy reads closely.

Data of other topics, and fields that are not named here, may hold anything: no policy relies on them.
Invariant: data that `problem` has nothing against makes no policy fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisors.spec import MOST


@dataclass(frozen=True, slots=True)
class Form:
    """How a value must be, for the machine and in words."""

    fits: Callable[[Any], bool]
    words: str


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST


TEXT = Form(lambda value: isinstance(value, str), "a text")
NUMBER = Form(_is_number, f"a number from {-MOST:g} to {MOST:g}")
TEXT_OR_NUMBER = Form(lambda value: TEXT.fits(value) or NUMBER.fits(value), "a text or a number")


def _list(inner: Form) -> Form:
    return Form(
        lambda value: isinstance(value, list | tuple) and all(map(inner.fits, value)),
        f"a list, each item {inner.words}",
    )


def _record(*needed: str, **forms: Form) -> Form:
    """A mapping; those in `needed` must be there, the others of `forms` may."""

    def fits(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            form.fits(value[key]) if key in value else key not in needed for key, form in forms.items()
        )

    return Form(fits, "{" + ", ".join(f"{key}: {form.words}" for key, form in forms.items()) + "}")


_MEMBER = {"kind": TEXT}
FORMS: Mapping[str, Mapping[str, Form]] = {
    "health.suspected": {"level": NUMBER},
    "member.started": _MEMBER,
    "member.exited": _MEMBER,
    "member.stopped": _MEMBER,
    "clock.told": {"wall_s": NUMBER},
    "wait.reported": {
        "child": TEXT,
        "above": _list(TEXT),
        "waits": _list(_record("to", "for_s", to=TEXT, verb=TEXT, id=TEXT_OR_NUMBER, for_s=NUMBER)),
        "owes": _list(_record("to", to=TEXT, id=TEXT_OR_NUMBER)),
    },
    "deadlock.assigned": {"members": _list(TEXT), "waits": _list(_record("who", who=TEXT)), "text": TEXT},
}
"""Topic -> the fields that must be so where they are there."""


def problem(topic: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
    """What was seen that is not allowed, and what is; None when there is nothing against it."""
    for key, form in FORMS.get(topic, {}).items():
        if key in data and not form.fits(data[key]):
            return f"{topic}: {key} is {data[key]!r:.80}", f"{key} is {form.words}"
    return None
