"""Moves the lines of a module without changing what it does: comments, imports and helpers come in above.

Invariant: every statement of the original stays as it is, in the same function.
"""

from __future__ import annotations

import ast
import random

COMMENTS = (
    "Kept short on purpose.",
    "See the notes of the last release.",
    "The order matters here.",
    "Reviewed with the night shift.",
    "Prices are in cents.",
    "This was two functions once.",
)
IMPORTS = ("import calendar as _calendar", "import colorsys as _colorsys", "import textwrap as _textwrap")
HELPER = '''def _noted_{number}(text, width={width}):
    """Shortens what goes into the margin."""
    kept = str(text)[:width]
    return kept.strip()


'''


def shifted(source: str, seed: str) -> str:
    """`source` with other line numbers for most of its statements."""
    rng = random.Random(seed)
    lines = source.splitlines(keepends=True)
    for at, text in sorted(_insertions(ast.parse(source), rng), key=lambda item: item[0], reverse=True):
        lines.insert(at - 1, text)
    header = "".join(f"# {rng.choice(COMMENTS)}\n" for _ in range(rng.randint(2, 9)))
    return header + "".join(lines)


def _insertions(tree: ast.Module, rng: random.Random) -> list[tuple[int, str]]:
    """Line before which something comes in, and what."""
    found = []
    is_imported = False
    for node in tree.body[_first(tree) :]:
        if not is_imported:
            found.append((_line(node), "".join(f"{line}\n" for line in rng.sample(IMPORTS, rng.randint(1, 3)))))
            is_imported = True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if rng.random() < 0.4:
                found.append((_line(node), HELPER.format(number=_line(node), width=rng.randint(8, 80))))
            found += _inside(node, rng)
    return found


def _first(tree: ast.Module) -> int:
    """Index of the first statement before which an import may stand."""
    for index, node in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (is_docstring or is_future):
            return index
    return len(tree.body)


def _inside(node: ast.stmt, rng: random.Random) -> list[tuple[int, str]]:
    """Comments before statements of functions, at any depth."""
    found = []
    for inner in ast.walk(node):
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        last = inner.lineno
        for statement in inner.body:
            if statement.lineno > last and rng.random() < 0.45:
                indent = " " * statement.col_offset
                found.append((_line(statement), f"{indent}# {rng.choice(COMMENTS)}\n" * rng.randint(1, 3)))
            last = statement.end_lineno or statement.lineno
    return found


def _line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
