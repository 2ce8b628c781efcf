"""Writes docs/cli.md from the table of verbs: `python -m grace_actors.console.docs`.

Invariant: the same table gives the same text, so a stale file is found by comparing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from chaos.faults.table import FAULTS, PARDON, Fault
from grace_actors.console.inject import NOTES
from grace_actors.console.parse import GLOBALS
from grace_actors.console.table import Kind, Option, Takes, Verb, all_options, usage
from grace_actors.console.verbs import GROUPS

FILE = Path(__file__).parent.parent.parent / "docs" / "cli.md"

_HEAD = """# Command line and prompt

<!-- Written by `python -m grace_actors.console.docs` from the table of verbs. Edit the table, not this file. -->

`python run.py` starts the tree and a prompt. `python run.py VERB ...` runs one verb against the running instance
and exits. The prompt takes the same verbs with the same arguments; with standard input from a file or pipe it
runs one verb a line, and stops the instance in order at the end of input.

A name may be shortened to any prefix that only one name has. Every verb takes `--json`: standard output is then
exactly the answer, with stable keys. Errors go to standard error. `NO_COLOR` turns colour off, and so does
output that is not a terminal.

| exit code | meaning |
|---|---|
| 0 | ok; for `status`: everything is up |
| 1 | failed; for `status`: something is degraded or down |
| 2 | wrong usage: nothing was done |
| 3 | no instance is running |
| 4 | unknown: what was named does not exist, nothing was done |
| 5 | refused: it is not allowed, or not possible now; nothing was done |
| 130 | ended by Ctrl-C |

At the prompt `exit`, `quit`, Ctrl-D and Ctrl-C on an empty line stop the instance in order; Ctrl-C again forces it.
`clear` clears the screen. A name, a file or a fault may be completed with Tab, and earlier lines are kept in the home.
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD, "## Before the verb\n", *_options(GLOBALS), ""]
    for group, verbs in GROUPS.items():
        parts.append(f"## {group[0].upper()}{group[1:]}\n")
        for verb in verbs:
            parts += _verb(verb)
    return "\n".join(parts).rstrip() + "\n"


def _verb(verb: Verb) -> Iterator[str]:
    yield f"### {verb.name}\n"
    yield f"{verb.summary[0].upper()}{verb.summary[1:]}.{' Needs no instance.' if verb.kind is Kind.LOCAL else ''}\n"
    yield f"```\n{usage(verb)}\n```\n"
    # The prompt's help lists the faults as text; here they are a table.
    yield from _faults() if verb.name == "inject" else [f"{verb.help}\n"]
    words = [(_word(arg.name, arg.takes), arg.help) for arg in verb.args]
    yield from (f"- `{word}`: {about}" for word, about in words)
    yield from _options(all_options(verb))
    yield f"\nExample: `python run.py {verb.example}`\n"


def _faults() -> Iterator[str]:
    yield "| family | fault | target | what it does | parameters |\n|---|---|---|---|---|"
    yield from map(_fault, [*FAULTS.values(), PARDON])
    yield ""
    yield from (f"{note}\n" for note in NOTES)


def _fault(fault: Fault) -> str:
    params = "; ".join(f"`{p.name}={'...' if p.default is None else p.default}` {p.help}" for p in fault.parameters)
    return f"| {fault.family} | `{fault.name}` | {', '.join(fault.targets)} | {fault.help} | {params or 'none'} |"


def _word(name: str, takes: Takes) -> str:
    return "k=v" if takes is Takes.PARAMETER else name.upper()


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        value = f" {option.metavar or option.takes.upper()}" if option.takes else ""
        default = f" (default {option.default})" if option.default is not None else ""
        yield f"- `{', '.join(option.flags)}{value}`: {option.help}{default}"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
