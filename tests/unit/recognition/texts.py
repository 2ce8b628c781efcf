"""Texts of tracebacks for tests: written line by line, or taken from exceptions that were really raised."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from playbooks.recognition import NO_RULES, Failure, Rules, Signature, signature_of

CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def written(error: str, *calls: tuple[str, str], root: str = "/srv/app", first_line: int = 10) -> str:
    """A traceback with these calls, each `(file, function)`; a file that is not absolute is below the root."""
    lines = ["Traceback (most recent call last):"]
    for number, (file, function) in enumerate(calls, first_line):
        path = file if file.startswith(("/", "<")) else f"{root}/{file}"
        lines += [f'  File "{path}", line {number}, in {function}', f"    call_{function}(at)"]
    return "\n".join([*lines, error, ""])


def real(function: Callable[[], object]) -> str:
    """What Python prints of the exception that the function raises."""
    try:
        function()
    except BaseException as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError("it raised nothing")


def signed(detail: str, *, kernel: str = "shop", rules: Rules = NO_RULES) -> Signature:
    """The signature of a crash with this detail."""
    return signature_of(Failure(kernel=kernel, detail=detail), rules)


def values(signature: Signature, name: str) -> Sequence[str]:
    """The values of the components of this name that are in the specific hash."""
    return [c.value for c in signature.components if c.name == name and "specific" in c.into]
