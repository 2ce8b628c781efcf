"""docs/events.md knows every event type that the code can emit, and no other."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

import pytest

from supervisors.slots import HELD
from tests.contract.pages import page
from tests.contract.sources import Source, sources

EMITTERS = frozenset({"emit", "_emit", "report", "_report", "Report", "_own"})
TYPE = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
BUILT = {"child.{}": [f"child.{state.value}" for state in HELD], "child.{}d": ["child.paused", "child.resumed"]}
"""Types put together from a pattern, with what they come to."""

DOCUMENTED = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", page("docs/events.md").text, re.MULTILINE)


def words(node: ast.expr, inside: ast.AST) -> Iterator[str]:
    """Every type that an expression can be; a variable is looked up in the function around it."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*words(body, inside), *words(orelse, inside))
        case ast.JoinedStr(values=values):
            yield from BUILT.get("".join(v.value if isinstance(v, ast.Constant) else "{}" for v in values), ["?.?"])
        case ast.Name(id=name):
            for found in ast.walk(inside):
                if isinstance(found, ast.Assign) and [ast.unparse(target) for target in found.targets] == [name]:
                    yield from words(found.value, inside)


def emitted(source: Source) -> set[str]:
    """What the calls of a file emit."""
    found: set[str] = set()
    for function in ast.walk(source.tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and call.args:
                name = ast.unparse(call.func).rpartition(".")[2]
                found |= set(words(call.args[0], function)) if name in EMITTERS else set()
    return {word for word in found if TYPE.fullmatch(word) or word == "?.?"}


def declared() -> set[str]:
    """What kernels say they emit."""
    found: set[str] = set()
    for source in sources("grace_actors"):
        if "emits = (" in source.text:
            module = importlib.import_module(source.module)
            kernels = [item for item in vars(module).values() if isinstance(item, type) and hasattr(item, "emits")]
            found |= {word for kernel in kernels for word in kernel.emits}
    return found


CALLED = {word: source.name for source in sources("supervisors", "grace_actors") for word in emitted(source)}


@pytest.mark.parametrize("word", sorted({*CALLED, *declared()}))
def test_every_type_that_is_emitted_is_documented(word: str) -> None:
    assert word in DOCUMENTED, CALLED.get(word)


def test_every_type_that_is_documented_is_emitted_and_stands_there_once() -> None:
    assert set(DOCUMENTED) - {*CALLED, *declared()} == set()
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def test_the_search_sees_every_way_to_emit() -> None:
    ways = {"child.exited", "child.quarantined", "child.paused", "system.recovered", "log.recovered", "store.restored"}
    assert ways <= set(CALLED)
