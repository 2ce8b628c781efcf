"""Says whether `package.module:Class` can be used as a kernel: imports it and looks.

The loader of tree files takes this as a function, so that it never imports the runtime itself.
Invariant: whatever a user's module does while it is imported becomes an error text, never an exception.
"""

from __future__ import annotations

from functools import cache

from grace_actors.kernel import Kernel
from supervisors.loader import class_resolver

_check = class_resolver(Kernel)


@cache
def resolve(path: str) -> str | None:
    """What is wrong with the class, in words; None if it is a Kernel."""
    return _check(path)
