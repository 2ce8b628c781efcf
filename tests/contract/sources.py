"""The source files of the repository and what they import, for tests that judge the code as text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LAYERS = ("supervisors", "playbooks", "chaos", "grace_actors")
"""From the bottom up: a package imports itself and those before it."""


@dataclass(frozen=True)
class Source:
    """One Python file; `name` is its path from the repository, `module` its dotted name."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    @property
    def module(self) -> str:
        parts = self.path.relative_to(REPOSITORY).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        return parsed(self.path)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of everything imported, inside functions too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.lineno, self._base(node)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.module.split(".") if self.path.stem == "__init__" else self.module.split(".")[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def sources(*packages: str) -> list[Source]:
    """Every Python file of these top-level packages."""
    found = [path for package in packages for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return [Source(path) for path in found if "__pycache__" not in path.parts]
