"""From typed words to an exit code: find the verb, parse, run, tell what went wrong.

The same function serves the command line and the prompt. Invariant: whatever a verb does, this returns an
exit code; only a bug leaves it as an exception.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, exit_code
from grace_actors.console.out import Out
from grace_actors.console.parse import parse
from grace_actors.console.verbs import VERBS, find_verb
from grace_actors.errors import GraceError
from grace_actors.home import Home

INTERRUPTED = 130
"""What a shell reports for a command ended by Ctrl-C."""


def dispatch(words: Sequence[str], home: Home, *, json: bool = False, anywhere: bool = False) -> int:
    """Run one verb. `anywhere` also takes --home behind the verb."""
    out = Out(json=json)
    try:
        verb = find_verb(words[0])
        if {"--help", "-h"} & set(words[1:]):
            return VERBS["help"].run(Client(home), {"verb": verb.name}, out)
        args = parse(verb, words[1:], anywhere=anywhere)
        out.json = json or args["json"]
        chosen = Home.resolve(args["home"]) if args.get("home") else home
        return int(verb.run(Client(chosen), args, out))
    except GraceError as error:
        out.fail(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.stdout.fileno())
        return ExitCode.OK
