"""What a user says about signatures: which code is the project's, and which failures belong together.

Plain data in, checked rules out; reading the file is somebody else's work. The first rule that fits gives the parts
of the specific hash; `{{ default }}` among them refines instead of replacing. Invariant: data with a mistake gives
no rules at all, and every mistake is told with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from supervisors.faults import Fault

SCHEMA = "grace.signatures/1"
FIELDS = ("kernel", "kind", "type", "message", "place")
"""What a rule may look at; `place` is any `module:function` of the project's on the way to the failure."""
PARTS = ("default", "kernel", "kind", "type", "message")
_KEYS = ("schema", "roots", "in_app", "not_in_app", "rules")
_PACKAGE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*$")
_PART = re.compile(r"\{\{\s*(.*?)\s*\}\}")


class RulesRefused(ValueError):
    """The data cannot be used; `faults` has every mistake."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, faults)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When every pattern of `when` fits, `parts` make the specific hash."""

    name: str
    when: tuple[tuple[str, re.Pattern[str]], ...]
    parts: tuple[str, ...]

    def fits(self, facts: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether each field named in `when` has a value that fits."""
        return all(any(shape.match(value) for value in facts[field]) for field, shape in self.when)

    def expanded(self, default: tuple[str, ...], facts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The parts with what stands in braces filled in."""
        parts: list[str] = []
        for part in self.parts:
            if _name_of(part) == "default":
                parts += default
            else:
                parts.append(_PART.sub(lambda found: facts[found[1]][0], part))
        return tuple(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`roots` are directories that hold the project's code; `in_app` and `not_in_app` are packages."""

    roots: tuple[re.Pattern[str], ...] = ()
    in_app: tuple[str, ...] = ()
    not_in_app: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def judges_code(self) -> bool:
        """Whether modules are named or judged in another way than without rules."""
        return bool(self.roots or self.in_app or self.not_in_app)

    def first(self, facts: Mapping[str, tuple[str, ...]]) -> Rule | None:
        """The first rule that fits."""
        return next((rule for rule in self.rules if rule.fits(facts)), None)


NO_RULES = Rules()


def parse_rules(data: Any) -> Rules:
    """Rules from the data of a file. Raises RulesRefused."""
    if not isinstance(data, Mapping):
        raise RulesRefused([Fault((), "not_a_mapping", f"rules are {type(data).__name__}", ("a mapping",))])
    faults = [
        Fault((str(key),), "unknown_key", f"{key!r} means nothing here", _KEYS) for key in data if key not in _KEYS
    ]
    if data.get("schema") != SCHEMA:
        faults.append(Fault(("schema",), "other_schema", f"schema is {data.get('schema')!r}", (SCHEMA,)))
    roots = _texts(data, "roots", faults)
    in_app, not_in_app = (_packages(data, key, faults) for key in ("in_app", "not_in_app"))
    entries = data.get("rules", [])
    if not isinstance(entries, list):
        faults.append(Fault(("rules",), "not_a_list", f"rules is {type(entries).__name__}", ("a list of rules",)))
        entries = []
    rules = [_rule(number, entry, faults) for number, entry in enumerate(entries)]
    if faults:
        raise RulesRefused(faults)
    return Rules(
        roots=tuple(_root(root) for root in roots),
        in_app=in_app,
        not_in_app=not_in_app,
        rules=tuple(rule for rule in rules if rule is not None),
    )


def _root(path: str) -> re.Pattern[str]:
    """A directory and what is below it; `*` stands for one name."""
    return re.compile(re.escape(path.rstrip("/")).replace(r"\*", "[^/]*") + "/")


def _texts(data: Mapping[Any, Any], key: str, faults: list[Fault], *path: str) -> tuple[str, ...]:
    found = data.get(key, [])
    if isinstance(found, list) and all(isinstance(text, str) and text for text in found):
        return tuple(found)
    faults.append(Fault((*path, key), "not_texts", f"{key} is {found!r}", ("a list of texts",)))
    return ()


def _packages(data: Mapping[Any, Any], key: str, faults: list[Fault]) -> tuple[str, ...]:
    names = _texts(data, key, faults)
    bad = [name for name in names if not _PACKAGE.match(name)]
    faults += [Fault((key,), "no_package", f"{name!r} is no name of a package", ("shop", "shop.stock")) for name in bad]
    return names


def _rule(number: int, entry: Any, faults: list[Fault]) -> Rule | None:
    path = ("rules", str(number))
    if not isinstance(entry, Mapping):
        faults.append(Fault(path, "not_a_mapping", f"a rule is {type(entry).__name__}", ("name, when, signature",)))
        return None
    allowed = ("name", "when", "signature")
    faults += [Fault((*path, str(key)), "unknown_key", f"{key!r}", allowed) for key in entry if key not in allowed]
    when, name = entry.get("when"), entry.get("name", f"rule {number + 1}")
    if not isinstance(name, str):
        faults.append(Fault((*path, "name"), "not_a_text", f"name is {name!r}", ("a text",)))
    if not isinstance(when, Mapping) or not when:
        faults.append(Fault((*path, "when"), "no_condition", f"when is {when!r}", FIELDS))
        when = {}
    for key, pattern in when.items():
        if key not in FIELDS:
            faults.append(Fault((*path, "when", str(key)), "unknown_field", f"{key!r}", FIELDS))
        elif not isinstance(pattern, str):
            faults.append(Fault((*path, "when", key), "not_a_text", f"{pattern!r}", ("a text with * and ?",)))
    parts = _texts(entry, "signature", faults, *path)
    if not parts:
        faults.append(Fault((*path, "signature"), "no_parts", "a rule needs a signature", ("a list of texts",)))
    for part in parts:
        faults += _part_faults(part, (*path, "signature"))
    shapes = [(key, re.compile(translate(text))) for key, text in when.items() if isinstance(text, str)]
    return Rule(name=str(name), when=tuple(shapes), parts=parts)


def _part_faults(part: str, path: tuple[str, ...]) -> list[Fault]:
    allowed = tuple(f"{{{{ {name} }}}}" for name in PARTS)
    unknown = [name for name in _PART.findall(part) if name not in PARTS]
    faults = [Fault(path, "unknown_part", f"{{{{ {name} }}}}", allowed) for name in unknown]
    if "default" in _PART.findall(part) and _name_of(part) != "default":
        faults.append(Fault(path, "default_not_alone", f"{part!r} has more than the default", ("{{ default }}",)))
    return faults


def _name_of(part: str) -> str:
    found = _PART.fullmatch(part.strip())
    return found[1] if found else ""
