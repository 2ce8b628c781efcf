"""docs/kernels.md knows every verb of every kernel, and no other; the examples of the pages run."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grace_actors.kernel import Kernel
from grace_actors.resolve import resolve
from supervisors.loader import BUILT_IN, load_tree
from supervisors.spec import KernelStart
from tests.contract.pages import page
from tests.contract.sources import REPOSITORY
from tests.harness.kernels import Bench

PAGE = page("docs/kernels.md")
READERS = re.compile(r"^(need|flag|text|choice\w*|\w+_or|\w+_or_empty)$")
"""Functions that take an argument out of a request by its name."""


def classes() -> dict[str, type]:
    """Name in the tree -> class, for everything that answers in `do_` methods."""
    found = {}
    for child in load_tree(BUILT_IN).children():
        if isinstance(child.start, KernelStart):
            module, _, name = child.start.path.partition(":")
            found[child.id] = getattr(importlib.import_module(module), name)
    return {name: cls for name, cls in found.items() if issubclass(cls, Kernel)}


KERNELS = classes()


def verbs(cls: type) -> set[str]:
    return {name[3:] for name in dir(cls) if name.startswith("do_")}


def rows(name: str) -> dict[str, str]:
    """Verb -> its row."""
    lines = re.findall(r"^\| `(\w+)` \|.*$", PAGE.section(name), re.MULTILINE)
    return {
        verb: next(line for line in PAGE.section(name).splitlines() if line.startswith(f"| `{verb}` |"))
        for verb in lines
    }


def arguments(cls: type, verb: str) -> set[str]:
    """The arguments that the method itself takes out of the request by name."""
    method = ast.parse(textwrap.dedent(inspect.getsource(getattr(cls, f"do_{verb}"))))
    found = set()
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            is_reader = READERS.match(ast.unparse(node.func)) and ast.unparse(node.args[0]) == "request"
            found |= {str(node.args[1].value)} if is_reader else set()
    return found


@pytest.mark.parametrize("name", KERNELS)
def test_every_verb_of_a_kernel_is_documented_and_no_other(name: str) -> None:
    assert set(rows(name)) == verbs(KERNELS[name])


@pytest.mark.parametrize(
    ("name", "verb"), [(name, verb) for name, cls in KERNELS.items() for verb in sorted(verbs(cls))]
)
def test_every_argument_of_a_verb_is_named_in_its_row(name: str, verb: str) -> None:
    row = rows(name)[verb]
    assert [
        argument for argument in sorted(arguments(KERNELS[name], verb)) if not re.search(f"`{argument}[`=]", row)
    ] == []


def test_arguments_were_found() -> None:
    assert arguments(KERNELS["librarian"], "search") == {"words", "limit"}


def test_the_twenty_kernels_the_runner_and_three_actors_are_on_the_page() -> None:
    titles = re.findall(r"^### (\w+)$", PAGE.text, re.MULTILINE)
    assert len(titles) == len(set(titles)) == 24
    assert set(KERNELS) <= set(titles)


# ---- examples --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported, as one beside a tree file; nothing of them stays."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("hello", "shop", "desk", "test_hello"):
            del sys.modules[name]


def written(folder: Path, name: str, code: str) -> ModuleType:
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return importlib.import_module(name)


def test_the_kernel_of_the_readme_counts_on_after_a_crash(folder: Path) -> None:
    (code,) = page("README.md").blocks("python")
    kernel: Any = written(folder, "hello", code).Hello
    bench = Bench(folder)
    bench.add("hello", kernel)
    assert bench.ask("hello", "greet", name="Ada") == "hello Ada, number 1"
    bench.crash("hello")
    bench.add("hello", kernel)
    assert bench.ask("hello", "greet", name="Ada") == "hello Ada, number 2"
    assert len(code.splitlines()) <= 30


def test_the_trees_of_the_readme_load_with_their_classes(folder: Path) -> None:
    (code,) = page("README.md").blocks("python")
    (folder / "hello.py").write_text(code, encoding="utf-8")
    shutil.copytree(REPOSITORY / "examples/shop/shop", folder / "shop")
    found = []
    for number, text in enumerate(page("README.md").blocks("yaml")):
        path = folder / f"tree{number}.yaml"
        path.write_text(text, encoding="utf-8")
        found.append([child.id for child in load_tree(path, resolve=resolve).children()])
    assert found == [["till", "prices", "shop_window"], ["hello"]]


def test_the_examples_of_writing_a_kernel_run(folder: Path) -> None:
    hello, desk, test = page("docs/writing-a-kernel.md").blocks("python")
    written(folder, "hello", hello)
    (tree,) = page("docs/writing-a-kernel.md").blocks("yaml")
    (folder / "hello.yaml").write_text(tree, encoding="utf-8")
    assert [child.id for child in load_tree(folder / "hello.yaml", resolve=resolve).children()] == ["hello"]
    written(folder, "test_hello", test).test_greetings_are_counted(folder)

    bench = Bench(folder)
    bench.add("desk", written(folder, "desk", desk).Desk)
    answers: list[Any] = []
    bench.post("test", "desk", "open_incidents", {}, answers.append)
    bench.advance(5.0)
    assert answers[0].value == {"count": 0, "known": False}


def test_every_hook_and_every_part_of_the_context_is_explained() -> None:
    from grace_actors.kernel import Context

    text = page("docs/writing-a-kernel.md").text
    parts = [name for name in (*Context.__annotations__, *vars(Context)) if not name.startswith("_")]
    assert [name for name in parts if f"`ctx.{name}" not in text] == []
    hooks = [name for name in vars(Kernel) if not name.startswith("_") and name not in ("handle", "emits")]
    assert [name for name in hooks if f"`{name}(" not in text] == []
