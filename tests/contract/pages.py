"""The pages people read: Markdown files of the repository, their code blocks, tables and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.contract.sources import REPOSITORY

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Page:
    """One Markdown file; `name` is its path from the repository."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _BLOCK.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """The contents of all code blocks in that language, in order."""
        return [content for kind, content in _BLOCK.findall(self.text) if kind == language]

    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """What `#...` may name on this page, as GitHub makes it of headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def section(self, title: str) -> str:
        """From `### title` to the next heading of its level or above. Raises KeyError when there is none."""
        found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^###? |\Z)", self.text, re.MULTILINE | re.DOTALL)
        if found is None:
            raise KeyError(title)
        return found[1]


def page(name: str) -> Page:
    """The page at this path from the repository."""
    return Page(REPOSITORY / name)


def pages() -> list[Page]:
    """Every page that a reader may open."""
    folders = ("docs", "examples")
    found = [*REPOSITORY.glob("*.md"), *(path for folder in folders for path in (REPOSITORY / folder).rglob("*.md"))]
    return [Page(path) for path in sorted(found)]
