"""Every class that Grace's own tree names exists and is what the tree takes it for."""

from __future__ import annotations

import importlib

import pytest

from grace_actors.resolve import resolve
from supervisors.loader import BUILT_IN, load_tree
from supervisors.spec import KernelStart
from supervisors.tree_file.keys import ACTORS

KERNELS = {
    child.id: child.start.path
    for child in load_tree(BUILT_IN).children()
    if isinstance(child.start, KernelStart) and child.id not in ACTORS
}


@pytest.mark.parametrize("path", KERNELS.values(), ids=KERNELS.keys())
def test_a_kernel_of_the_tree_is_a_class_that_can_be_imported(path: str) -> None:
    assert resolve(path) is None


@pytest.mark.parametrize("path", ACTORS.values(), ids=ACTORS.keys())
def test_a_built_in_actor_is_a_class_that_can_be_imported(path: str) -> None:
    module, _, name = path.partition(":")
    assert isinstance(getattr(importlib.import_module(module), name), type)
