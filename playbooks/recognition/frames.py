"""Says of each frame which module it is in, whether that is the project's own code, and why.

The name of a module must be the same on every host, in every checkout and virtual environment, so directories above
the code are left out; it is judged by the path alone, for the file may be on another machine. Library code begins
behind `site-packages` or `lib/python3.x`. Invariant: the names of library frames do not depend on the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from playbooks.recognition.rules import Rules
from playbooks.recognition.traceback_text import Frame

OURS = ("grace_actors", "supervisors", "playbooks", "chaos")
PLUMBING = (
    *("grace_actors.actor", "grace_actors.kernel_actor", "grace_actors.process_actor", "grace_actors.timers"),
    *("grace_actors.birth", "grace_actors.incarnation", "grace_actors.nursery", "grace_actors.transport"),
)
"""What carries a message to a kernel: it is on the way of every failure and says nothing about one."""

INLINED = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
"""Frames of their own up to Python 3.11, none from 3.12 on (PEP 709): left out, for the same text from both."""

SYNTAX = "<syntax>"
"""Stands for the function where a file could not be compiled."""

_PACKAGES = re.compile(r".*/(?:site-packages|dist-packages|__pypackages__/[0-9.]+/lib)/(?:[^/]+\.egg/)?")
_STDLIB = re.compile(
    r"/lib(?:32|64)?/(?:python|pypy)[0-9.]+t?/(?:lib-dynload/)?|/python(?:[0-9]{2,3}|-[0-9.]+)/lib/|/python[0-9]+\.zip/",
    re.IGNORECASE,
)
_COMPILED = (".pyx", ".pxd", ".pxi", ".so", ".pyd")
_ENDINGS = (".py", ".pyc", ".pyw", ".__init__")
_MADE_UP = re.compile(r"tmp[a-z0-9_]{8}$|(?=.*\d.*\d)[0-9a-f]{8,}$")
"""Names of directories that were drawn at random."""


class Call(NamedTuple):
    """A frame with its place in words: `module:function`, whether it is the project's, and the reason."""

    place: str
    is_own: bool
    why: str


class Places:
    """Judges frames under the same rules; what was found of a file is kept."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._anchors = {*OURS, *(name.partition(".")[0] for name in (*rules.in_app, *rules.not_in_app))}
        self._known: dict[str, tuple[str, bool]] = {}
        self._last: tuple[Sequence[str], dict[str, tuple[str, bool, str]]] = ((), {})

    def calls_of(self, frames: Sequence[Frame]) -> list[Call]:
        """Every frame of one stack judged. They are judged together: they show where the project's root is."""
        files = tuple(dict.fromkeys([frame.file for frame in frames]))
        if self._last[0] != files:
            self._last = files, self._judged_together(files)
        judged = self._last[1]
        calls = []
        for frame in frames:
            module, is_own, why = judged[frame.file]
            calls.append(Call(f"{module}:{frame.function or SYNTAX}", is_own, why))
        return calls

    def _judged_together(self, files: Sequence[str]) -> dict[str, tuple[str, bool, str]]:
        known = {file: self._of_path(file) for file in files}
        loose = [file for file, (module, _) in known.items() if not module]
        if loose:
            known.update(_below_the_root(loose))
        return {file: (module, *self._judged(module, is_library)) for file, (module, is_library) in known.items()}

    def is_own(self, frame: Frame) -> bool:
        """Whether the frame is the project's; for this it need not be judged with others."""
        module, is_library = self._of_path(frame.file)
        if not module:
            module = _module_of(_nameable(frame.file.replace("\\", "/").split("/")))
        return self._judged(module, is_library)[0]

    def is_library(self, frame: Frame) -> bool:
        """Whether the path alone tells that it is a library's, whatever the rules say."""
        return self._of_path(frame.file)[1]

    def _judged(self, module: str, is_library: bool) -> tuple[bool, str]:
        rules = self._rules
        if rules.not_in_app and _is_in(module, rules.not_in_app):
            return False, "the rules call it library code"
        if rules.in_app and _is_in(module, rules.in_app):
            return True, "the rules call it project code"
        if module.startswith("grace_actors.") and _is_in(module, PLUMBING):
            return False, "carries messages to kernels"
        return (False, "library code") if is_library else (True, "project code")

    def _of_path(self, file: str) -> tuple[str, bool]:
        """The module as far as the path alone tells it, else '', and whether it is a library's."""
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self._find(file.replace("\\", "/"))
        return known

    def _find(self, path: str) -> tuple[str, bool]:
        if path.startswith("<"):
            return path, path not in ("<string>", "<stdin>")
        found = _PACKAGES.match(path) if "-packages" in path or "__pypackages__" in path else None
        if found is None and ("ython" in path or "pypy" in path):
            found = _STDLIB.search(path)
        if found is not None:
            parts = path[found.end() :].split("/")
            return _module_of(parts), parts[0] not in OURS
        for root in self._rules.roots:
            if found := root.match(path):
                return _module_of(path[found.end() :].split("/")), False
        parts = path.split("/")
        if path.endswith(_COMPILED):
            return _module_of(parts[-1:]), True
        if not self._anchors.isdisjoint(parts[:-1]):
            at = max(n for n, part in enumerate(parts[:-1]) if part in self._anchors)
            return _module_of(parts[at:]), False
        return "", False


def _below_the_root(files: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """File -> its module below the directory that these files share; none is a library's. Files that share not even
    the first directory belong to different projects, each with a root of its own."""
    groups: dict[Sequence[str], dict[str, list[str]]] = {}
    for file in files:
        parts = file.replace("\\", "/").split("/")
        is_absolute = len(parts) > 1 and (not parts[0] or parts[0].endswith(":"))
        groups.setdefault(tuple(parts[1:2]) if is_absolute else (), {})[file] = parts
    found = {}
    for paths in groups.values():
        shared = _shared(list(paths.values()))
        found.update({file: (_module_of(_nameable(parts[shared:])), False) for file, parts in paths.items()})
    return found


def _module_of(parts: Sequence[str]) -> str:
    name = ".".join(parts)
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """How many leading directories all paths have in common."""
    shortest = min(len(parts) for parts in paths) - 1
    first = paths[0]
    for at in range(shortest):
        if any(parts[at] != first[at] for parts in paths):
            return at
    return shortest


def _nameable(parts: Sequence[str]) -> Sequence[str]:
    """The end of a path that can be a module's name: what is above a name that cannot be is a place on some disk."""
    at = len(parts) - 1
    while at > 0 and parts[at - 1].isidentifier() and not _MADE_UP.match(parts[at - 1]):
        at -= 1
    return parts[at:]


def _is_in(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def named_once(places: Iterable[str]) -> list[str]:
    """Places in the order of their first call: how deep a recursion went says nothing about the failure."""
    return list(dict.fromkeys(places))
