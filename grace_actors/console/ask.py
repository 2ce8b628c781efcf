"""The verb ask: a request to a kernel's own verb, the way another kernel would send it.

Reads `k=v` words as arguments and prints the answer; which verbs there are is the kernel's business, and which of
them a person may not use is the instance's. Invariant: with --json the answer is printed exactly as the kernel gave it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, UsageError
from grace_actors.console.names import complete_name
from grace_actors.console.out import Out
from grace_actors.console.table import Arg, Args, Kind, Many, Takes, Verb
from grace_actors.console.words import one_line

if TYPE_CHECKING:
    import yaml


def ask(client: Client, args: Args, out: Out) -> ExitCode:
    """Send the request, print the answer."""
    given = read_arguments(args["parameter"] or ())
    name = complete_name(client, args["name"])
    value = client.call("ask", {"name": name, "verb": args["verb"], "args": given})
    if out.json:
        out.value(value)
    else:
        out.say(answer_text(value, out.console.width))
    return ExitCode.OK


def read_arguments(words: Sequence[str], *, verb: str = "ask") -> dict[str, Any]:
    """`k=v` words as arguments: a value that is JSON is taken as such, any other is text. Raises UsageError."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(
                f"{verb}: {word!r} is no argument", allowed=["k=v"], hint="for example words='red apples' or limit=5"
            )
        if key in found:
            raise UsageError(f"{verb}: {key} is given twice")
        found[key] = _value(text)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(word: str) -> NoReturn:
    """NaN and Infinity are Python's idea of JSON: text here."""
    raise ValueError(word)


def answer_text(value: Any, width: int) -> str:
    """An answer for people: text as it is, anything with parts as an indented outline."""
    import yaml

    if value is None:
        return "done"
    if isinstance(value, str):
        return "\n".join(one_line(line) for line in value.splitlines())
    if not value or not isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    # PyYAML breaks a line at the first space behind the width, so it is given some less.
    outline: str = yaml.dump(value, Dumper=_outline(), sort_keys=False, allow_unicode=True, width=max(40, width - 24))
    return outline.rstrip("\n")


def _outline() -> type[yaml.SafeDumper]:
    """A dumper that shows texts of several lines as they are."""
    import yaml

    class Outline(yaml.SafeDumper):
        """Outline for people; nobody reads it back."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Outline.add_representer(str, text)
    return Outline


VERBS = (
    Verb(
        name="ask",
        summary="send a request to a kernel's own verb",
        help=(
            "VERB is one that the kernel answers; asked for one it does not know, it lists them, and docs/kernels.md "
            "describes those of the built-in kernels. A value that is JSON is sent as such (limit=5, paths='[\"a\"]'), "
            "any other as text. The kernel sees the sender `console`. Verbs by which the runtime talks to itself are "
            "refused."
        ),
        example="ask librarian search words=apples limit=3",
        kind=Kind.REMOTE,
        run=ask,
        args=(
            Arg(name="name", takes=Takes.NAME, help="a kernel of the tree; a unique prefix will do"),
            Arg(name="verb", takes=Takes.TEXT, help="one of its verbs"),
            Arg(name="parameter", takes=Takes.PARAMETER, help="the request's arguments", many=Many.ANY),
        ),
    ),
)
