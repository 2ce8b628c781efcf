"""Loads a tree file: YAML in, a `Tree` of specs out, or every mistake of the file at once.

The format is described in docs/tree-file.md and listed in `supervisors.tree_file.keys`. Classes are checked
through a function the caller gives (`class_resolver`), so that this package never imports the runtime.
Invariant: for any bytes `load_tree` returns a Tree or raises TreeFileError, nothing else.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from supervisors.spec import ChildSpec, SupervisorSpec
from supervisors.tree_file.branches import read_root
from supervisors.tree_file.dependencies import lift
from supervisors.tree_file.fields import Faults
from supervisors.tree_file.keys import ACTORS, SCHEMA
from supervisors.tree_file.runtime import children_of, with_built_in_actors
from supervisors.tree_file.scope import Names, Scope
from supervisors.validate import validate, warnings
from supervisors.yaml_source import FileError, FileFault, Node, Place, parse_yaml, read_text

Resolve = Callable[[str], str | None]
"""Says why `package.module:Class` cannot be used as a kernel; None if it can."""

JUDGED_BEFORE = frozenset(
    ("unknown_dependency", "dependency_order", "dependency_cycle", "duplicate_child_name", "unknown_parameter")
)
"""Codes of `supervisors.validate` for mistakes that the reader of the file tells better, in the words of the file."""

BUILT_IN = Path(__file__).with_name("grace.yaml")
"""The tree of Grace itself."""


class TreeFileError(FileError):
    """A tree file that cannot be used; `faults` holds every mistake with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A loaded tree.

    `kernels` are the classes it needs (`package.module:Class`, each once, built-in actors first), to be imported
    before processes are forked. `places` maps (name,) and (name, key) to where they stand in the file. `infos` are
    remarks about what was read, no faults.
    """

    root: SupervisorSpec
    source: Path
    places: Mapping[tuple[str, ...], Place] = field(default_factory=dict)
    kernels: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()

    def children(self) -> Iterator[ChildSpec]:
        """Every child of every level, in the order of the file."""
        yield from children_of(self.root)


def load_tree(path: Path | str, *, imports: bool = True, resolve: Resolve | None = None) -> Tree:
    """Load a tree file. With `resolve` (and `imports` on) the class of each kernel is checked too;
    its module may stand beside the tree file. Raises TreeFileError with all faults."""
    source = Path(path)
    text, unreadable = read_text(source)
    if text is None:
        raise TreeFileError(unreadable)
    node, found = parse_yaml(text, str(source))
    faults = Faults(found)
    start = Place(str(source), 1, 1)
    if node is None and not found:
        faults.add(start, "an empty file", f"schema: {SCHEMA} and a tree")
    if node is None or not _is_tree(node, faults):
        raise TreeFileError(list(faults.found))
    names = Names()
    root = read_root(node, Scope(faults=faults, names=names, folder=source.absolute().parent))
    lifted, edges = lift(root, names.places, faults)
    if imports and resolve is not None:
        _find_modules_in(source.absolute().parent)
        _check_classes(names.classes, resolve, faults)
    _validate(lifted, names.places, start, faults)
    if faults.found:
        raise TreeFileError(list(faults.found))
    infos = (*_remarks(lifted, names.places, start), *(f"start order: {edge}" for edge in edges))
    return Tree(root=lifted, source=source, places=names.places, kernels=(*names.actors, *names.classes), infos=infos)


def with_runtime(tree: Tree) -> Tree:
    """The tree with the built-in actors it does not name itself. The file's root keeps all it declares and becomes
    a child of a new root that starts the missing actors first."""
    root, missing = with_built_in_actors(tree.root)
    kernels = dict.fromkeys([ACTORS[name] for name in missing]) | dict.fromkeys(tree.kernels)
    return replace(tree, root=root, kernels=tuple(kernels)) if missing else tree


def class_resolver(base: type) -> Resolve:
    """A `resolve` that imports the module and wants a subclass of `base`."""

    def resolve(path: str) -> str | None:
        module_name, _, class_name = path.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            return f"no module named {error.name!r}"
        except (Exception, SystemExit) as error:  # whatever the module does on import is the user's to see
            return f"importing {module_name} raised {type(error).__name__}: {error}"
        found = getattr(module, class_name, None)
        if found is None:
            return f"{module_name} has no class {class_name!r}"
        if not isinstance(found, type) or not issubclass(found, base):
            return f"{path} is not a subclass of {base.__module__}.{base.__qualname__}"
        return None

    return resolve


def _is_tree(node: Node, faults: Faults) -> bool:
    """Whether it is worth reading on: a mapping of this schema."""
    if not isinstance(node.value, Mapping):
        faults.wrong(node, "the file", f"a mapping that begins with schema: {SCHEMA}")
        return False
    schema = node.value.get("schema")
    if schema is None:
        faults.add(node.place, "a tree file without schema", f"schema: {SCHEMA}")
    elif schema.value != SCHEMA:
        faults.add(schema.place, f"schema is {schema.kind}", SCHEMA)
    return True


def _find_modules_in(folder: Path) -> None:
    """A user's modules live beside the tree file. The folder comes last, so that no file there can hide a package, and
    stays, because the processes forked later import from it too."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _check_classes(classes: Mapping[str, Place], resolve: Resolve, faults: Faults) -> None:
    for path, place in classes.items():
        problem = resolve(path)
        if problem:
            faults.add(place, problem, "package.module:Class, importable from here")


def _validate(root: SupervisorSpec, places: Mapping[tuple[str, ...], Place], start: Place, faults: Faults) -> None:
    """The rules that hold for specs from anywhere, told at their places in this file."""
    for fault in validate(root):
        place = _place_of((root.name, *fault.path), places, start)
        if fault.is_fatal and fault.code not in JUDGED_BEFORE and not faults.any_at(place):
            faults.add(place, _as_written(fault.message), _as_written(", ".join(fault.allowed)))


def _remarks(root: SupervisorSpec, places: Mapping[tuple[str, ...], Place], start: Place) -> Iterator[str]:
    """What is legal but will surprise."""
    for fault in (*(fault for fault in validate(root) if not fault.is_fatal), *warnings(root)):
        yield f"{_place_of((root.name, *fault.path), places, start)}: {_as_written(fault.message)}"


def _as_written(text: str) -> str:
    """Fields of specs carry their unit, keys of the file do not: `max_age_s` is `max_age` there."""
    return re.sub(r"\b([a-z]+(?:_[a-z]+)*)_s\b", r"\1", text)


def _place_of(path: tuple[str, ...], places: Mapping[tuple[str, ...], Place], start: Place) -> Place:
    """The place of the last name in the path, and of the key after it if the file has that key."""
    last = max((number for number, word in enumerate(path) if (word,) in places), default=None)
    if last is None:
        return start
    exact = (places.get((path[last], key.removesuffix("_s"))) for key in path[last + 1 :])
    return next((place for place in exact if place), places[(path[last],)])


__all__ = [
    "BUILT_IN",
    "FileFault",
    "Resolve",
    "Tree",
    "TreeFileError",
    "class_resolver",
    "load_tree",
    "with_runtime",
]
