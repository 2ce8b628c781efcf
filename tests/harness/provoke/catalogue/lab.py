"""Faults of the lab: imports, syntax, recursion, chains, groups, and pairs that are easily taken for one another."""

from __future__ import annotations

from tests.harness.provoke.fault import Payload, Values, faults_of

fault = faults_of("lab")
IMPORT, SYNTAX = {"library": "importlib"}, {"library": "syntax"}


def module(source: str, name: str = "of_the_day") -> Payload:
    """A plugin with this source below some lines of comment."""

    def payload(v: Values) -> dict[str, object]:
        text = "# line\n" * v.between(1, 30) + source.format(word=v.word, number=v.number, user=v.user)
        return {"name": f"plugin_{name}", "source": text}

    return payload


START = "def start(context):\n"

FAULTS = [
    fault("plugins.load", "no_module", lambda v: {"name": f"{v.word}_{v.user}"}, **IMPORT),
    fault("plugins.plugin", "missing_import", module("import missing_{word}\n", "missing_import"), **IMPORT),
    fault("plugins.plugin", "no_name", module("from json import {word}\n", "no_name"), **IMPORT),
    fault("plugins.plugin", "itself", module("from plugin_of_the_day import {word}\n", "of_the_day"), **IMPORT),
    fault("plugins.plugin", "relative", module("from . import {word}\n", "relative"), **IMPORT),
    fault("plugins.plugin", "raises", module("LIMIT = {number} / 0\n", "raises"), **IMPORT),
    fault("plugins.plugin", "no_colon", module("def start(name)\n    return {number}\n", "no_colon"), **SYNTAX),
    fault("plugins.plugin", "indent", module("def start(name):\nreturn {number}\n", "indent"), **SYNTAX),
    fault("plugins.plugin", "mixed_tabs", module("if 1:\n        a = {number}\n\tb = 2\n", "mixed_tabs"), **SYNTAX),
    fault("plugins.plugin", "string_left_open", module("NAME = '{word}\n", "string_left_open"), **SYNTAX),
    fault("plugins.plugin", "bracket_left_open", module("NAMES = [{number},\n", "bracket_left_open"), **SYNTAX),
    fault("plugins.plugin", "return_outside", module("return {number}\n", "return_outside"), **SYNTAX),
    fault("plugins.plugin", "assigned_to_call", module("start({number}) = 1\n", "assigned_to_call"), **SYNTAX),
    fault("plugins.plugin", "zero_byte", module("NAME = '{word}\0'\n", "zero_byte"), **SYNTAX),
    fault(
        "plugins.plugin",
        "latin1",
        lambda v: {"name": "plugin_latin1", "source": f"# {v.word}\nA = 'M".encode() + b"\xfcller'\n"},
        **SYNTAX,
    ),
    fault("plugins.plugin_or_told", "raised_from", module("while {number}\n", "raised_from"), **SYNTAX),
    fault("plugins.called", "no_start", module("begin = {number}\n", "no_start")),
    fault("plugins.called", "key", module(START + "    return context['{word}']\n", "key")),
    fault("plugins.called", "three_arguments", module("def start(a, b, c):\n    return {number}\n", "three_arguments")),
    fault("plugins.called", "name", module(START + "    return contxt['name'] * {number}\n", "name")),
    fault("plugins.first_of", "none", lambda v: {"names": [v.word + "_a", v.user + "_b"]}, **IMPORT),
    fault("plugins.optional", "during_handling", lambda v: {"name": v.word}, **IMPORT),
    fault("plugins.relative", "no_package", lambda v: {"name": f".{v.word}"}, **IMPORT),
    fault("plugins.part_of", "not_there", lambda v: {"name": v.word}, **IMPORT),
    fault("plugins.version", "not_installed", lambda v: {"name": f"{v.word}-{v.number}"}, **IMPORT),
    fault("plugins.resource", "not_there", lambda v: {"name": f"{v.word}.txt"}, **IMPORT),
    fault("plugins.evaluated", "name", lambda v: {"text": f"{v.word} + 1", v.user: 1}),
    fault("plugins.evaluated", "by_zero", lambda v: {"text": f"{v.number} / zero", "zero": 0}),
    fault("plugins.executed", "name", lambda v: {"text": f"a = 1\nb = {v.word}"}),
    fault("plugins.executed", "syntax", lambda v: {"text": f"a = \nb = {v.number}"}, **SYNTAX),
    fault("plugins.compiled", "two_words", lambda v: {"text": f"{v.word} {v.user}"}, **SYNTAX),
    fault("plugins.class_of", "two_layouts", lambda v: {"name": v.word.title(), "bases": (int, str)}),
    fault("plugins.delegated", "not_there", lambda v: {"value": v.number, "name": v.word}),
    fault("plugins.slotted", "no_slot", lambda v: {"value": v.number, "name": v.word}),
    fault("depths.countdown", "no_end", lambda v: {"number": v.number}),
    fault("depths.ring", "no_end", lambda v: {"name": v.word}),
    fault("depths.parity", "no_end", lambda v: {"number": v.number, "limit": v.between(60, 90)}),
    fault("depths.shown", "own_repr", lambda v: {"name": v.word}),
    fault("depths.equal", "own_eq", lambda v: {"left": v.word, "right": v.other}),
    fault("depths.factorial", "cached", lambda v: {"number": -v.number}, library="functools"),
    fault("depths.area", "abstract", lambda v: {"name": v.word.title()}, library="abc"),
    fault("depths.hashed", "a_list", lambda v: {"value": [v.word]}),
    fault("depths.dead", "gone", lambda v: {"name": v.word}, library="weakref"),
    fault("depths.picked", "not_there", lambda v: {"name": v.word, "table": {v.other: 1}}, library="operator"),
    fault("depths.attribute", "not_there", lambda v: {"name": v.word}, library="operator"),
    fault("depths.reduced", "nothing", lambda v: {"numbers": []}, library="functools"),
    fault("depths.partial", "given_twice", lambda v: {"name": v.word}, library="functools"),
    fault("depths.strictly", "shorter", lambda v: {"left": [1] * v.between(3, 9), "right": [v.word]}),
    fault("depths.stepped", "step_zero", lambda v: {"start": v.number}, library="itertools"),
    fault("depths.generated", "stop_inside", lambda v: {"names": [v.word, ""]}),
    fault("depths.in_section", "inside", lambda v: {"name": v.word}, library="contextlib"),
    fault("depths.in_section", "while_closing", lambda v: {"name": f"bad {v.word}"}, library="contextlib"),
    fault("depths.suppressed", "while_closing", lambda v: {"name": f"bad {v.word}"}, library="contextlib"),
    fault("depths.not_yielding", "nothing", lambda v: {"name": v.word}, library="contextlib"),
    fault("depths.three_deep", "raised_from", lambda v: {"name": v.word}),
    fault("depths.while_cleaning", "in_finally", lambda v: {"name": v.word}),
    fault("depths.hidden", "from_none", lambda v: {"name": v.word}),
    fault("depths.raised_again", "with_note", lambda v: {"name": v.word}),
    fault("depths.many", "a_group", lambda v: {"names": [v.word, v.other, v.user][: v.between(2, 3)]}),
    fault("depths.many_kinds", "a_group", lambda v: {"names": [v.word]}),
    fault("depths.group_in_group", "nested", lambda v: {"names": [v.word, v.user]}),
    fault("depths.split", "from_group", lambda v: {"names": [v.word]}),
    fault("depths.group_of_nothing", "empty", lambda v: {"message": v.word}),
    fault("mistakes.asserted", "not_below", lambda v: {"value": v.number}, library="assert"),
    fault("mistakes.asserted_bare", "true", lambda v: {"value": v.number}, library="assert"),
    fault("mistakes.left", "same_message", lambda v: {"name": v.word}),
    fault("mistakes.right", "same_message", lambda v: {"name": v.word}),
    fault("mistakes.walked", "up", lambda v: {"table": {v.word: 1}, "steps": ["up"]}),
    fault("mistakes.walked", "down", lambda v: {"table": {v.word: 1}, "steps": ["down"]}),
    fault("mistakes.walked", "unknown_step", lambda v: {"table": {}, "steps": [v.word]}),
    fault("mistakes.local", "unbound", lambda v: {"flag": v.number}),
    fault("mistakes.global_name", "undefined", lambda v: {"flag": v.word}),
    fault("mistakes.free", "unbound", lambda v: {"flag": v.number}),
    fault("mistakes.deleted", "unbound", lambda v: {"value": v.number}),
    fault("mistakes.called", "a_text", lambda v: {"value": v.word}),
    fault("mistakes.keywords", "unknown", lambda v: {v.word: v.number}),
    fault("mistakes.doubled", "twice", lambda v: {"given": {"name": v.word}}),
    fault("mistakes.huge", "memory", lambda v: {"number": v.number}),
    fault("mistakes.long_number", "digits", lambda v: {"count": v.number}),
    fault("mistakes.formatted", "text", lambda v: {"value": v.word}),
    fault("mistakes.character", "too_large", lambda v: {"number": v.number}),
    fault("mistakes.sliced", "read_only", lambda v: {"value": v.number % 256}),
    fault("mistakes.sized", "too_large", lambda v: {"value": v.number}),
    fault("mistakes.shifted", "below_zero", lambda v: {"number": v.number}),
    fault("mistakes.joined", "text", lambda v: {"values": [v.word]}),
    fault("mistakes.translated", "lengths", lambda v: {"text": v.word}),
    fault("mistakes.sorted_by", "no_key", lambda v: {"items": [{"a": 1}], "name": v.word}),
    fault("mistakes.ended", "with_code", lambda v: {"code": v.between(1, 99)}),
    fault("mistakes.not_an_error", "a_text", lambda v: {"value": v.word}),
]
