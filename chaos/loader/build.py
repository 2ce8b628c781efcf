"""Builds a card from the sections of its file: sections in, a card and faults out.

It knows functions by their arguments and playbooks by their names only. Invariant: whatever is wrong, every part of
the file is still checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from chaos.card import (
    FAULTS_PACKAGE,
    HOME,
    NO_PLAYBOOK,
    PROBES_MODULE,
    RESTART,
    WAIT,
    Activity,
    Card,
    Cure,
    Expect,
    Kind,
    TriggerRule,
)
from chaos.loader.event_types import EVENT_ALLOWED, nearest, problem_of
from chaos.loader.functions import Arguments, Known, known_functions
from chaos.loader.keys import (
    CARD_ID,
    CARD_ID_FORM,
    MOST_S,
    MOST_WEIGHT,
    OWN_EVENTS,
    SECTIONS,
    TITLES,
    ActivityType,
    ToleranceType,
)
from playbooks.file.keys import Table
from playbooks.file.sections import Section
from playbooks.spec import Tolerance
from playbooks.tolerance import pattern_problem
from supervisors.durations import nearest_match
from supervisors.tree_file.fields import Faults
from supervisors.yaml_source import Node, Place

ANSWER_S = 60.0
"""How long an answer may take, beyond the time that the arguments ask for."""


class CardSection(Section):
    """A mapping of a card."""

    tables: ClassVar[Mapping[str, Table]] = SECTIONS
    titles: ClassVar[Mapping[str, str]] = TITLES


class Builder:
    """Builds one card."""

    def __init__(self, faults: Faults, known: Known) -> None:
        self._faults, self._known = faults, known
        self._functions = known_functions() if known.functions is None else known.functions
        self._names: dict[str, Place] = {}

    def build(self, node: Node) -> Card:
        """The card, to be used only if no fault was found."""
        root = CardSection(node, "root", self._faults)
        own = self._extension(root)
        hypothesis = root["steady-state-hypothesis"]
        probes = tuple(self._activity(one, Kind.PROBE) for one in hypothesis["probes"]) if hypothesis else ()
        method = tuple(self._activity(one, Kind.STEP, Kind.FAULT) for one in root["method"])
        rollbacks = tuple(self._activity(one, Kind.STEP) for one in root["rollbacks"])
        targets = tuple(dict.fromkeys(each.target for each in method if each.target))
        expect = self._expect(own["expect"] if own else None, targets)
        if method and not any(each.is_acting for each in method) and not self._faults.found:
            allowed = "a function of chaos.faults, or ask, tell or act of chaos.steps"
            self._faults.add(root.place("method"), "a method that breaks nothing", allowed)
        return Card(
            id=self._id(own),
            title=root["title"] or "",
            description=root["description"] or "",
            tags=root["tags"],
            weight=self._number(own, "weight", 0.1, MOST_WEIGHT, 1.0) if own else 1.0,
            is_micro=own["micro"] if own else False,
            radius=own["radius"] if own else (),
            expect=expect,
            approves=own["approve"] if own else False,
            cure=self._cure(own, expect),
            timeout_s=self._timeout(own, expect),
            hypothesis=hypothesis["title"] or "" if hypothesis else "",
            probes=probes,
            method=method,
            rollbacks=rollbacks,
            experiment=node.plain(),
            place=node.place.file,
        )

    # ---- the extension -----------------------------------------------------------------------------------

    def _extension(self, root: Section) -> Section | None:
        entries: tuple[Section, ...] = root["extensions"]
        for another in entries[1:]:
            self._faults.add(another.node.place, "the extension grace for the second time", "one entry")
        return entries[0] if entries else None

    def _id(self, own: Section | None) -> str:
        id: str = (own["card"] or "") if own else ""
        if own is not None and id and not re.fullmatch(CARD_ID, id):
            self._faults.add(own.place("card"), f"card is {id[:80]!r}", CARD_ID_FORM)
        return id

    def _cure(self, own: Section | None, expect: Expect) -> Cure:
        cure: Cure = own["cure"] if own else Cure.NONE
        if own is not None and cure is not Cure.NONE and not expect.work_orders and "cure" in own:
            self._faults.add(own.place("cure"), f"cure is {cure.value!r}, but no work order is expected", _ORDERS)
        return cure

    def _timeout(self, own: Section | None, expect: Expect) -> float:
        timeout_s: float = own["timeout"] if own else 180.0
        if own is not None and timeout_s < expect.heal_within_s:
            message = f"timeout is {timeout_s:g} s, less than heal_within, {expect.heal_within_s:g} s"
            self._faults.add(own.place("timeout"), message, "longer than the method and heal_within together")
        return timeout_s

    def _expect(self, section: Section | None, targets: tuple[str, ...]) -> Expect:
        if section is None:
            return Expect(trigger=TriggerRule(type=""))
        rule: Section | None = section["trigger"]
        return Expect(
            trigger=self._trigger(rule, targets) if rule else TriggerRule(type=""),
            playbook=self._playbook(section),
            work_orders=section["work_orders"],
            detect_within_s=section["detect_within"],
            heal_within_s=section["heal_within"],
        )

    def _trigger(self, rule: Section, targets: tuple[str, ...]) -> TriggerRule:
        """Without a subject it is about what the method is done to: an event of anybody else shows nothing."""
        where: Node | None = rule["where"]
        type, subject = rule["type"] or "", rule["subject"] or ""
        of = tuple(name for name in targets if name != HOME)
        if any(fnmatchcase(own, type) for own in OWN_EVENTS):
            message = f"the trigger {type[:60]!r} is an event of the drill itself"
            self._faults.add(rule.place("type"), message, "an event by which somebody else notices")
        elif type and (problem := problem_of(type, own=targets)):
            self._faults.add(rule.place("type"), f"the trigger {type[:60]!r}: {problem}", EVENT_ALLOWED, nearest(type))
        if not subject and not of and not self._faults.found:
            message = "a trigger without a subject, and the method is done to nothing that an event could be about"
            self._faults.add(rule.node.place, message, 'subject: ..., such as the path of a file, or "*" for any')
        return TriggerRule(
            type=type, subject=subject, of=() if subject else of, where=where.plain() if where is not None else {}
        )

    def _playbook(self, section: Section) -> str:
        name: str = section["playbook"] or ""
        playbooks = self._known.playbooks
        allowed = [RESTART, NO_PLAYBOOK, *sorted(playbooks or ())]
        if playbooks is not None and name and name not in allowed:
            near = nearest_match(name, allowed)
            self._faults.add(section.place("playbook"), f"unknown playbook {name[:60]!r}", ", ".join(allowed), near)
        return name

    # ---- activities --------------------------------------------------------------------------------------

    def _activity(self, section: Section, *kinds: Kind) -> Activity:
        """A method may hold probes as well; a hypothesis nothing else, and rollbacks only steps."""
        is_probe = section["type"] is ActivityType.PROBE
        if is_probe and Kind.FAULT in kinds:
            kinds = (Kind.PROBE,)
        if "type" in section and section["type"] is not None and is_probe is not (Kind.PROBE in kinds):
            allowed = ActivityType.PROBE if Kind.PROBE in kinds else ActivityType.ACTION
            self._faults.add(section.place("type"), f"type is {section['type']}", allowed)
        provider: Section | None = section["provider"]
        arguments = self._arguments(provider, kinds)
        pauses: Section | None = section["pauses"] if "pauses" in section.tables[section.name] else None
        module = (provider["module"] or "") if provider else ""
        return Activity(
            name=self._name(section),
            kind=_kind_of(module),
            module=module,
            func=(provider["func"] or "") if provider else "",
            arguments=arguments,
            tolerance=self._tolerance(section) if "tolerance" in section else None,
            timeout_s=self._number(section, "timeout", 0.1, MOST_S, 0.0) or ANSWER_S + _asked_s(arguments),
            pause_before_s=self._number(pauses, "before", 0.0, MOST_S, 0.0) if pauses else 0.0,
            pause_after_s=self._number(pauses, "after", 0.0, MOST_S, 0.0) if pauses else 0.0,
        )

    def _name(self, section: Section) -> str:
        name: str = section["name"] or ""
        if name and name in self._names:
            first = self._names[name].line
            message = f"the activity {name[:60]!r} for the second time, first at line {first}"
            self._faults.add(section.place("name"), message, "each name once")
        elif name:
            self._names[name] = section.place("name")
        return name

    def _arguments(self, provider: Section | None, kinds: tuple[Kind, ...]) -> dict[str, Any]:
        if provider is None:
            return {}
        node: Node | None = provider["arguments"]
        given: dict[str, Any] = node.plain() if node is not None else {}
        known = self._function(provider, kinds)
        if known is None:
            return given
        func = provider["func"]
        for name, value in given.items():
            assert node is not None
            if name not in known:
                near = nearest_match(name, known)
                message = f"unknown argument {name[:60]!r} of {func}"
                self._faults.add(node.keys[name], message, ", ".join(known) or "none", near)
            elif not known[name].takes(value):
                self._faults.wrong(_below(node, name), name, known[name].allowed)
        for name, argument in known.items():
            if argument.is_required and name not in given:
                self._faults.add(provider.place("func"), f"{func} without its argument {name}", f"{name}: ...")
        if func == "act" and node is not None and "action" in given:
            self._judge_action(_below(node, "action"))
        if node is not None:
            self._judge_wait(func, node)
        return given

    def _judge_wait(self, func: str, node: Node) -> None:
        """An event that nothing tells would be waited for in vain."""
        given = node.plain()
        if func == "act" and given.get("action") == WAIT and isinstance(given.get("params"), Mapping):
            node = _below(node, "params")
        elif func != WAIT:
            return
        type = node.plain().get("type")
        if isinstance(type, str) and (problem := problem_of(type)):
            place = _below(node, "type").place
            self._faults.add(place, f"the event {type[:60]!r}: {problem}", EVENT_ALLOWED, nearest(type))

    def _judge_action(self, node: Node) -> None:
        actions = self._known.actions
        if actions is not None and isinstance(node.value, str) and node.value not in actions:
            message, near = f"unknown action {node.value[:60]!r}", nearest_match(node.value, actions)
            self._faults.add(node.place, message, "an action of docs/actions.md", near)

    def _function(self, provider: Section, kinds: tuple[Kind, ...]) -> Arguments | None:
        """The arguments of the function that is named, or None and a fault."""
        module, func = provider["module"], provider["func"]
        if module is None or func is None:
            return None
        modules = [name for name in self._functions if _kind_of(name) in kinds]
        if module not in modules:
            near = nearest_match(module, modules)
            self._faults.add(provider.place("module"), f"module is {module[:60]!r}", ", ".join(modules), near)
            return None
        functions = self._functions[module]
        if func not in functions:
            elsewhere = [name for name in modules if func in self._functions[name]]
            message = f"{module} has no function {func[:60]!r}" + (f", but {elsewhere[0]} has" if elsewhere else "")
            near = None if elsewhere else nearest_match(func, functions)
            self._faults.add(provider.place("func"), message, ", ".join(functions), near)
            return None
        return functions[func]

    # ---- values ------------------------------------------------------------------------------------------

    def _number(self, section: Section, key: str, least: float, most: float, default: float) -> float:
        found = section.fields.number(key, least, most)
        return default if found is None else found

    def _tolerance(self, section: Section) -> Tolerance | None:
        """As the Chaos Toolkit means it: a list of two is a least and a greatest, any other is a choice."""
        node = section.at("tolerance")
        match node.value:
            case Mapping():
                return self._mapped(CardSection(node, "tolerance", self._faults, "tolerance"))
            case tuple() as items if len(items) == 2:
                return self._bounds(node, [item.plain() for item in items])
            case tuple() as items:
                return Tolerance(values=tuple(item.plain() for item in items))
            case float() | None:
                self._faults.wrong(node, "tolerance", _FORMS)
                return None
            case scalar:
                return Tolerance(values=(scalar,))

    def _bounds(self, node: Node, values: list[Any]) -> Tolerance | None:
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            self._faults.add(node.place, "a tolerance of two that are not numbers", _TWO)
            return None
        return Tolerance(least=values[0], most=values[1])

    def _mapped(self, section: Section) -> Tolerance | None:
        type, other = section["type"], {"range": "pattern", "regex": "range"}.get(str(section["type"]), "")
        wanted = "range" if type is ToleranceType.RANGE else "pattern"
        if type is None:
            return None
        if wanted not in section or other in section:
            place = section.place(other) if other in section else section.node.place
            self._faults.add(place, f"a tolerance of type {type} with {', '.join(section.fields.entries)}", wanted)
            return None
        if type is ToleranceType.RANGE:
            if len(section["range"]) != 2:
                self._faults.wrong(section.at("range"), "range", "a list of two numbers")
                return None
            return self._bounds(section.at("range"), list(section["range"]))
        if section["pattern"] and (problem := pattern_problem(section["pattern"])):
            message = f"pattern is not a regular expression: {problem}"
            self._faults.add(section.place("pattern"), message, "a Python regular expression")
        return Tolerance(pattern=section["pattern"])


def _kind_of(module: str) -> Kind:
    if module == PROBES_MODULE:
        return Kind.PROBE
    return Kind.FAULT if module.startswith(f"{FAULTS_PACKAGE}.") else Kind.STEP


def _asked_s(arguments: Mapping[str, Any]) -> float:
    """What the arguments themselves ask for: a wait, or so many requests with a rest between."""
    asked = sum(_number(arguments.get(name)) for name in ("within_s", "wait_s", "window_s", "rest_s"))
    inner = (arguments.get(name) for name in ("params", "args"))
    asked += sum(_asked_s(each) for each in inner if isinstance(each, Mapping))
    return asked + _number(arguments.get("times")) * _number(arguments.get("every_s"))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _below(node: Node, key: str) -> Node:
    assert isinstance(node.value, Mapping)
    return node.value[key]


_FORMS = "a text, a whole number, true or false, a list, or a mapping with a type"
_ORDERS = "work_orders: 1 or more under expect"
_TWO = "two numbers, the least and the greatest; of texts {type: regex, pattern: ...}"
