"""Lets drills in, one at a time: finds out what may speak against one, and has it judged.

What is in the way of a card is decided in `chaos.drill.admission`. Invariant: from the request until it is answered no
other drill is let in, and each request is answered once, whoever falls silent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from chaos.card import Card
from chaos.drill.admission import objection
from grace_actors.actions.action import Result
from grace_actors.drills.host.stage import Sweep
from grace_actors.drills.host.surroundings import surroundings
from grace_actors.errors import Refused, StoreFailed
from grace_actors.kernel import Context, Data

Answered = Callable[[Data | None, Refused | None], None]
Choose = Callable[[Collection[str]], Card | None]
"""The card for a tree with these names; None: what is to begin follows no card. May raise Refused."""
Begin = Callable[[Card | None], Data]
WAIT = "wait for it, or end it: drill halt"


class Admission:
    """`running` describes what runs, in words; `hears` says whether the events of the tree come in."""

    def __init__(self, ctx: Context, sweep: Sweep, running: Callable[[], str], hears: Callable[[], bool]) -> None:
        self._ctx, self._sweep, self._running, self._hears = ctx, sweep, running, hears
        self._entering: _Entry | None = None

    def admit(self, what: str, by: str, choose: Choose, begin: Begin, answered: Answered) -> None:
        """Begin if nothing speaks against it; `answered` gets what `begin` gave, or why it was refused."""
        text = self._running() or (self._entering.said if self._entering else "")
        if text:
            answered(None, Refused(text, hint=WAIT))
        elif not self._hears():
            why = "the runner has just started and does not hear the events of the tree yet"
            answered(None, Refused(why, hint="again in a moment; see: status status"))
        else:
            self._entering = entry = _Entry(f"{what} is about to begin, started by {by}", choose, begin, answered)
            self._sweep.sweep(partial(self._swept, entry))

    def halt(self, by: str) -> None:
        """What is about to begin does not."""
        if self._entering is not None:
            self._refuse(self._entering, Refused(f"halted by {by} before it began"))

    def _swept(self, entry: _Entry, left: list[str]) -> None:
        if left:
            text = f"the last drill left on the stage what does not go: {'; '.join(left)}"
            self._refuse(entry, Refused(text, hint="see: tree"))
        elif entry is self._entering:
            surroundings.perform(self._ctx, {}, False, partial(self._known, entry))

    def _known(self, entry: _Entry, found: Result) -> None:
        if entry is not self._entering:
            return
        if not found.ok:
            text = f"whether an incident is open is not known: {found.message}"
            self._refuse(entry, Refused(text, hint="a drill begins only when all is well"))
            return
        try:
            value = self._judge(entry, **found.data["value"])
        except Refused as error:
            self._refuse(entry, error)
        except StoreFailed as error:
            self._refuse(entry, Refused(error.message, hint=error.hint))
        else:
            self._entering = None
            entry.answered(value, None)

    def _judge(self, entry: _Entry, tree: list[str], incidents: Data) -> Data:
        """Begin it, or raise Refused. What the runner itself reports, as a gate that failed, is in nobody's way."""
        others = [(id, kernel) for id, kernel in incidents.items() if kernel != self._ctx.name]
        card = entry.choose(tree)
        text = objection(card, incidents=others, tree=tree) if card else _of_incidents(others)
        if text:
            raise Refused(text, hint="see: incident list, drill show, tree")
        return entry.begin(card)

    def _refuse(self, entry: _Entry, error: Refused) -> None:
        if entry is self._entering:
            self._entering = None
            entry.answered(None, error)


class _Entry:
    """A drill at the door."""

    def __init__(self, said: str, choose: Choose, begin: Begin, answered: Answered) -> None:
        self.said, self.choose, self.begin, self.answered = said, choose, begin, answered


def _of_incidents(incidents: list[tuple[str, str]]) -> str:
    return f"the incident {incidents[0][0]} of {incidents[0][1]} is open" if incidents else ""
