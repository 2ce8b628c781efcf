"""The number of examples of a property that names its own, in proportion to the profile that is loaded."""

from __future__ import annotations

from hypothesis import settings

_USUAL = 100


def examples(number: int) -> int:
    """`number` for a search of usual length (100 examples); half of it in `make test`, twice in `make test-all`."""
    return max(1, number * settings.default.max_examples // _USUAL)
