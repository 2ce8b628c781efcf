"""What could come next on a line: verbs, names, faults, parameters, options, files.

Pure but for listing files; the names of the tree are asked of a function. Knows no prompt library.
Invariant: every suggestion, put in place of the last word, is something the verb's parser accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.faults.table import INJECTABLE
from grace_actors.console.table import Arg, Many, Takes, Verb, all_options
from grace_actors.console.verbs import VERBS

WORDS = {
    "clear": "clear the screen",
    "exit": "stop everything in order and leave",
    "quit": "stop everything in order and leave",
}
"""Words of the prompt that are no verbs."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` takes the place of the last word; `about` explains it."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the names of the tree, those of logs and the ids of drills come from."""

    names: Callable[[], Sequence[str]]
    logs: Callable[[], Sequence[str]]
    drills: Callable[[], Sequence[str]] = tuple


def suggest(line: str, sources: Sources) -> list[Suggestion]:
    """Suggestions for the last word of the line before the cursor."""
    *before, word = line.split(" ")
    words = [part for part in before if part]
    if not words:
        known = {**{verb.name: verb.summary for verb in VERBS.values()}, **WORDS}
        found = [Suggestion(name, about) for name, about in known.items()]
    elif words[0] in VERBS:
        found = list(_arguments(VERBS[words[0]], words[1:], word, sources))
    else:
        found = []
    return [suggestion for suggestion in found if suggestion.text.startswith(word) and suggestion.text != word]


def _arguments(verb: Verb, words: Sequence[str], word: str, sources: Sources) -> Iterator[Suggestion]:
    options = {flag: option for option in all_options(verb) for flag in option.flags}
    last = options.get(words[-1]) if words else None
    if last is not None and last.takes is not None:
        yield from _values(last.takes, [], word, sources)
        return
    if word.startswith("-"):
        for option in all_options(verb):
            yield Suggestion(option.flags[0], option.help)
        return
    given = _positionals(words, {flag for flag, option in options.items() if option.takes})
    arg = _next(verb.args, len(given))
    if arg is not None and (not arg.after or (given and given[0] in arg.after)):
        yield from map(Suggestion, arg.words)
        yield from _values(arg.takes, given, word, sources)


def _positionals(words: Sequence[str], valued: set[str]) -> list[str]:
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before not in valued
    ]


def _next(args: Sequence[Arg], position: int) -> Arg | None:
    if position < len(args):
        return args[position]
    return args[-1] if args and args[-1].many in (Many.SOME, Many.ANY) else None


def _values(takes: Takes, given: Sequence[str], word: str, sources: Sources) -> Iterator[Suggestion]:
    match takes:
        case Takes.NAME:
            yield from (Suggestion(name) for name in sources.names() if name not in given)
        case Takes.DRILL:
            yield from (Suggestion(id) for id in sources.drills() if id not in given)
        case Takes.LOG:
            yield from map(Suggestion, sources.logs())
        case Takes.VERB:
            yield from (Suggestion(verb.name, verb.summary) for verb in VERBS.values())
        case Takes.FAULT:
            yield from (Suggestion(fault.name, fault.help) for fault in INJECTABLE.values())
        case Takes.TARGET:
            whole = INJECTABLE[given[0]].whole if given and given[0] in INJECTABLE else None
            yield from map(Suggestion, [whole] if whole else sources.names())
        case Takes.PARAMETER if given and given[0] in INJECTABLE:
            done = {part.partition("=")[0] for part in given[2:]}
            for parameter in INJECTABLE[given[0]].parameters:
                if parameter.name not in done:
                    default = "must be given" if parameter.default is None else f"default {parameter.default}"
                    yield Suggestion(f"{parameter.name}=", f"{parameter.help} ({default})")
        case Takes.FILE:
            yield from _files(word)


def _files(word: str) -> Iterator[Suggestion]:
    folder, _, _ = word.rpartition("/")
    try:
        entries = sorted(Path(f"{folder}/" if word.startswith("/") else folder or ".").iterdir())
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith("."):
            path = f"{folder}/{entry.name}" if "/" in word else entry.name
            yield Suggestion(path + ("/" if entry.is_dir() else ""))
