"""Raises the requirement of one package in the text of pyproject.toml or a requirements file.

Pure: text in, text out; every other character stays. Invariant: what cannot be raised without thinking, such as an
upper bound below the version, is refused and never dropped.
"""

from __future__ import annotations

import re

from grace_actors.errors import NotFound, Refused
from grace_actors.preflight import fits

_CLAUSE = re.compile(r"(===|==|~=|>=|<=|!=|>|<)\s*([0-9A-Za-z.*!+-]+)")


def raised(text: str, package: str, version: str, *, is_toml: bool) -> tuple[str, list[str]]:
    """The text in which `package` is required in `version` or newer (or in it alone, where it was pinned), and the
    lines that name it. Raises NotFound, Refused."""
    name = re.sub(r"[-_.]+", "[-_.]+", package)
    head = "[\"']" if is_toml else "^[ \\t]*"
    where = re.compile(
        rf"(?P<head>{head})(?P<name>{name})(?P<extras>[ \t]*\[[^\]\n]*\])?"
        r"(?P<clauses>[ \t]*(?:(?:===|==|~=|>=|<=|!=|>|<)[ \t]*[0-9A-Za-z.*!+-]+[ \t]*,?[ \t]*)*)"
        r"(?P<tail>[;\"'#\s]|$)",
        re.IGNORECASE | re.MULTILINE,
    )
    lines: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        clauses = _clauses(package, match["clauses"], version)
        lines.append(f"{match['name']}{match['extras'] or ''}{clauses}")
        blank = match["clauses"][len(match["clauses"].rstrip()) :]
        return f"{match['head']}{match['name']}{match['extras'] or ''}{clauses}{blank}{match['tail']}"

    after = where.sub(replaced, text)
    if not lines:
        raise NotFound(f"no requirement of {package} is in the file", hint="name the file that has it")
    return after, lines


def _clauses(package: str, text: str, version: str) -> str:
    found = _CLAUSE.findall(text)
    kept, pin = [], ""
    for op, bound in found:
        if op in ("==", "===", "~="):
            pin = op
        elif op in ("<", "<=", "!="):
            if not fits(version, op, bound):
                raise Refused(f"{package}{op}{bound} excludes {version}", hint="whoever set that bound has to lift it")
            kept.append(f"{op}{bound}")
        elif fits(bound, op, version):
            return text.rstrip()  # it wants this one or a newer one already
    return ",".join([f"{pin or '>='}{version}", *kept])
