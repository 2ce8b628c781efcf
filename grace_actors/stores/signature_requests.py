"""Reads what a request says of an outcome or an occurrence.

Checks and converts; must not know the database. Invariant: what is answered can be written as it is.
"""

from __future__ import annotations

from typing import Any

from grace_actors.errors import Refused
from grace_actors.kernel import Data, Request, need
from grace_actors.kernels.arguments import flag, number_or, text, text_or, texts_or_empty, whole_or
from grace_actors.kernels.rows import as_json
from grace_actors.stores.signature_names import Occurrence
from grace_actors.stores.signature_schema import canonical
from grace_actors.stores.signature_writing import Outcome

NAME_CHARS = 300
DETAIL_CHARS = 2000
LATEST = 1e11
"""The year 5138: what is later is not a time in seconds."""


def occurrence_of(request: Request, wall: float) -> Occurrence:
    """The failure that was met. Raises Refused."""
    return Occurrence(
        signature=text(request, "signature", max_chars=NAME_CHARS),
        hashes=_hashes(request),
        kernel=text_or(request, "kernel", max_chars=NAME_CHARS),
        # Files hold microseconds; what is exported and imported again must be the same.
        at=round(number_or(request, "at", wall, low=0.0, high=LATEST), 6),
        incident=text_or(request, "incident", max_chars=NAME_CHARS),
        components=components_of(request),
        count=whole_or(request, "count", 1, low=1, high=1_000_000),
    )


def outcome_of(request: Request, wall: float) -> Outcome:
    """One use of a repair. Raises Refused."""
    repair = need(request, "repair", (dict, str))
    playbook = repair if isinstance(repair, str) else repair.get("playbook")
    params: Any = {} if isinstance(repair, str) else repair.get("params") or {}
    if not isinstance(playbook, str) or not playbook.strip() or not isinstance(params, dict):
        raise Refused(
            f"{request.verb}: repair is {repair!r:.100}", hint="{playbook: NAME, params: {...}} or NAME is allowed"
        )
    if params:
        as_json(params, f"{request.verb}: params")
    return Outcome(
        occurrence=occurrence_of(request, wall),
        playbook=playbook.strip(),
        params=canonical(params),
        ok=flag(request, "ok"),
        verified=flag(request, "verified", True),
        run=text_or(request, "run", max_chars=NAME_CHARS),
        detail=text_or(request, "detail")[:DETAIL_CHARS],
    )


def components_of(request: Request) -> tuple[Data, ...]:
    """What made the signature, as `Component.as_dict` says it. Raises Refused."""
    given = request.args.get("components")
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or not all(isinstance(item, dict) for item in given):
        raise Refused(f"{request.verb}: components is {given!r:.80}", hint="a list of objects is allowed")
    as_json(given, f"{request.verb}: components")
    return tuple(given)


def _hashes(request: Request) -> list[str]:
    found = texts_or_empty(request, "aliases")
    if any(len(alias) > NAME_CHARS for alias in found):
        raise Refused(f"{request.verb}: aliases is too long", hint=f"texts of at most {NAME_CHARS} characters")
    return found
