"""The path tells the layer: who decides never touches the world, and nothing imports upwards."""

from __future__ import annotations

import pytest

from tests.contract.sources import LAYERS, Source, sources

WORLD = {"thespian", "time", "random", "os", "sqlite3"}
"""Time, randomness, ids and storage reach the deciding layers as arguments."""

LOADERS = {
    "supervisors.loader",
    "supervisors.yaml_source",
    "supervisors.tree_file",
    "playbooks.loader",
    "playbooks.pack",
    "chaos.loader",
    "chaos.link",
}
"""Modules, and packages with all they hold, that read files; even they never import thespian."""

DECIDING = sources("supervisors", "playbooks", "chaos")


def is_loader(module: str) -> bool:
    return any(module == loader or module.startswith(loader + ".") for loader in LOADERS)


def top(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("source", sources(*LAYERS), ids=lambda source: source.name)
def test_a_layer_never_imports_a_layer_above_it(source: Source) -> None:
    level = LAYERS.index(top(source.module))
    upwards = [(line, name) for line, name in source.imports() if top(name) in LAYERS[level + 1 :]]
    assert upwards == []


@pytest.mark.parametrize("source", [s for s in DECIDING if not is_loader(s.module)], ids=lambda source: source.name)
def test_what_decides_imports_nothing_of_the_world(source: Source) -> None:
    touched = [(line, name) for line, name in source.imports() if top(name) in WORLD]
    assert touched == []


@pytest.mark.parametrize("source", sources("supervisors", "playbooks", "chaos", "examples"), ids=lambda s: s.name)
def test_only_the_runtime_imports_thespian(source: Source) -> None:
    assert [(line, name) for line, name in source.imports() if top(name) == "thespian"] == []


@pytest.mark.parametrize("source", sources("grace_actors/kernels"), ids=lambda source: source.name)
def test_a_kernel_never_imports_thespian_or_threads(source: Source) -> None:
    banned = {"thespian", "threading"}
    assert [(line, name) for line, name in source.imports() if top(name) in banned] == []


def test_the_walk_sees_the_code_it_judges() -> None:
    names = {source.module for source in sources(*LAYERS)}
    assert {"supervisors.spec", "supervisors.loader", "grace_actors.kernel"} <= names
    assert ("supervisors.spec" in {name for source in DECIDING for _, name in source.imports()}) is True
