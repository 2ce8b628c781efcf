"""Exits in the words of recognition: every failure has a signature, a clean exit has none."""

from __future__ import annotations

import pytest

from grace_actors.signatures import signature
from supervisors.messages import Exit, ExitKind

TRACEBACK = """\
Traceback (most recent call last):
  File "/app/{0}.py", line {1}, in load
    raise ValueError(n)
ValueError: {1}
"""


@pytest.mark.parametrize("kind", list(ExitKind))
def test_every_failure_has_a_signature_and_a_clean_exit_has_none(kind: ExitKind) -> None:
    exit = Exit(kind, "ValueError: 4", "")
    assert bool(signature("prices", exit)) is not exit.is_clean


def test_failures_alike_but_for_lines_and_values_have_the_same_signature_and_others_another() -> None:
    first, moved, other = (
        signature("prices", Exit(ExitKind.CRASH, f"ValueError: {line}", TRACEBACK.format(file, line)))
        for file, line in (("shop/index", 4), ("shop/index", 71), ("shop/feed", 4))
    )
    assert first == moved
    assert first != other
    assert first != signature("till", Exit(ExitKind.CRASH, "ValueError: 4", TRACEBACK.format("shop/index", 4)))
