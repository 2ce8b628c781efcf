"""The house rules that a machine can check, for every file of the four packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.contract.sources import LAYERS, REPOSITORY, Source, sources

MAX_LINES = 400
CODE = sources(*LAYERS)
WRITTEN = [s for s in CODE if s.text.strip()]
TOP = [Source(path) for path in sorted(REPOSITORY.glob("*.py"))]


def functions_of(source: Source) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Public functions and methods of public classes at module level."""
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("_"):
                    yield f"{node.name}.{item.name}", item


@pytest.mark.parametrize("source", [*WRITTEN, *TOP], ids=lambda source: source.name)
def test_a_module_opens_with_a_docstring(source: Source) -> None:
    assert ast.get_docstring(source.tree)


@pytest.mark.parametrize("source", [*WRITTEN, *TOP], ids=lambda source: source.name)
def test_a_file_can_be_read_in_one_sitting(source: Source) -> None:
    assert len(source.text.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("source", [*WRITTEN, *TOP], ids=lambda source: source.name)
def test_no_exception_is_swallowed_unseen(source: Source) -> None:
    silent = [
        node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]
    assert silent == []


@pytest.mark.parametrize("source", WRITTEN, ids=lambda source: source.name)
def test_nothing_is_left_to_do(source: Source) -> None:
    marks = [word for word in ("TODO", "FIXME", "NotImplementedError") if word in source.text]
    assert marks == []


@pytest.mark.parametrize("source", WRITTEN, ids=lambda source: source.name)
def test_a_public_class_says_what_it_is(source: Source) -> None:
    bare = [
        node.name
        for node in source.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert bare == []


@pytest.mark.parametrize("source", sources("supervisors", "grace_actors"), ids=lambda source: source.name)
def test_a_public_function_says_what_it_means(source: Source) -> None:
    bare = [name for name, node in functions_of(source) if "." not in name and not ast.get_docstring(node)]
    assert bare == []


@pytest.mark.parametrize("source", [*WRITTEN, *TOP], ids=lambda source: source.name)
def test_a_function_states_its_types(source: Source) -> None:
    untyped = [
        f"{node.name}:{node.lineno}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is None
    ]
    assert untyped == []
