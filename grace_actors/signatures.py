"""Which failures of a child are the same one: the supervisors' exits in the words of `playbooks.recognition`.

Imported before supervisors are forked, so that none of them loads it in the midst of a restart. It keeps nothing.
Invariant: only failures have a signature; a clean exit has none.
"""

from __future__ import annotations

from playbooks.recognition import failure_of_exit, signature_of
from supervisors.messages import Exit


def signature(child: str, exit: Exit) -> str:
    """The specific hash of this failure; empty for a clean exit."""
    if exit.is_clean:
        return ""
    return signature_of(failure_of_exit(child, exit.kind.value, exit.reason, exit.detail)).specific
