"""The knowledge base of signatures of a running instance: list it, show one, merge, forget, export, import.

The signature actor decides and remembers; here it is asked and shown. Invariant: nothing is forgotten unless a person
said yes to what was shown, or typed --yes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grace_actors.console.client import Client
from grace_actors.console.confirm import confirm
from grace_actors.console.errors import ExitCode, RemoteFailed, Unknown, UsageError, nearest
from grace_actors.console.lines import items, mappings
from grace_actors.console.offline import Invalid
from grace_actors.console.out import Out
from grace_actors.console.parse import readable_file
from grace_actors.console.records import ask, show, user
from grace_actors.console.saving import save
from grace_actors.console.signature_view import counted, imported_view, list_view, merged_view, signature_view, text
from grace_actors.console.table import Args
from grace_actors.errors import WorldFailed

KERNEL = "signature"
EVERYTHING = 100_000
PAGE = 1_000
"""Signatures in one answer of an export."""
CHUNK_CHARS = 2_000_000
"""Of an import: what is larger goes in several requests, so that the actor is never busy for long."""


def list_all(client: Client, args: Args, out: Out) -> ExitCode:
    """Every repair of every signature, the newest used first."""
    value = ask(client, KERNEL, "list", {"limit": EVERYTHING, "kernel": args["kernel"] or ""})
    return show(out, value["signatures"], lambda: list_view(mappings(value["signatures"]), width=out.console.width))


def show_one(client: Client, args: Args, out: Out) -> ExitCode:
    """Everything known of one signature."""
    value = _get(client, args["target"])
    return show(out, value, lambda: signature_view(value))


def merge(client: Client, args: Args, out: Out) -> ExitCode:
    """Make one signature an alias of another."""
    source, target = _named(client, args["target"]), _named(client, args["into"])
    value = ask(client, KERNEL, "merge", {"from": source["signature"], "into": target["signature"], "by": user()})
    return show(out, value, lambda: merged_view(value))


def forget(client: Client, args: Args, out: Out) -> ExitCode:
    """Delete one signature, once a person has said yes."""
    found = _named(client, args["target"])
    name, repairs = found["signature"], len(items(found["repairs"]))
    if not args["yes"]:
        question = f"forget {name}, seen {found['seen']} times, with {counted(repairs, 'repair')}?"
        confirm(question, out, otherwise="nothing was forgotten")
    value = ask(client, KERNEL, "forget", {"signature": name})
    return show(out, value, lambda: [text(f"forgotten: {name} ({counted(repairs, 'repair')})")])


def export(client: Client, args: Args, out: Out) -> ExitCode:
    """Everything in the JSON form, to a file or to standard output."""
    found: dict[str, Any] = {}
    after: Any = ""
    while after is not None:
        page = ask(client, KERNEL, "export", {"after": after, "limit": PAGE})
        found |= page["signatures"]
        after = page["next"]
    if args["target"] in (None, "-"):
        out.value(found)
        return ExitCode.OK
    path = Path(args["target"]).expanduser()
    save(path, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    value = {"path": str(path), "signatures": len(found)}
    return show(out, value, lambda: [text(f"{counted(len(found), 'signature')} written to {path}")])


def import_file(client: Client, args: Args, out: Out) -> ExitCode:
    """Take over what a file says, all or none."""
    word = args["target"]
    content = _stdin() if word == "-" else _read(readable_file(word))
    signatures = _parsed(content, "standard input" if word == "-" else word)
    chunks = list(_chunks(signatures))
    if len(chunks) > 1:  # none is written unless all are sound
        for chunk in chunks:
            ask(client, KERNEL, "import", {"signatures": chunk, "replace": args["replace"], "check": True})
    value: dict[str, Any] = {}
    for chunk in chunks:
        done = ask(client, KERNEL, "import", {"signatures": chunk, "replace": args["replace"]})
        value = {key: value[key] + done[key] for key in done} if value else done
    return show(out, value, lambda: imported_view(value))


# ---- names ----------------------------------------------------------------------------------------------------------


def _get(client: Client, word: str) -> Any:
    try:
        return ask(client, KERNEL, "get", {"signature": word})
    except RemoteFailed as error:
        if error.code != "not_found":
            raise
        known = ask(client, KERNEL, "list", {"limit": EVERYTHING})["signatures"]
        near = nearest(word, dict.fromkeys(str(each["signature_id"]) for each in mappings(known)))
        raise Unknown(error.message, near=near, hint=error.hint) from None


def _named(client: Client, word: str) -> Any:
    """Like `_get`, but not by a hash that several failures share. Raises UsageError for that."""
    found = _get(client, word)
    if word in found["hints"]:
        raise UsageError(f"{word!r} only hints at {found['signature']!r}", hint="other failures share it: give the id")
    return found


# ---- files ----------------------------------------------------------------------------------------------------------


def _stdin() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("signature: standard input is a terminal", hint="name a file, or pipe the JSON in")
    return sys.stdin.buffer.read()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorldFailed(f"{path} cannot be read: {error}") from error


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(content, object_pairs_hook=_without_doubles)
    except ValueError as error:  # of the decoder, of a key that is there twice, of bytes that are no text
        raise Invalid(f"{where}: not JSON that can be imported: {error}", hint="see docs/signatures.md") from None
    if not isinstance(found, dict):
        raise Invalid(f"{where}: {type(found).__name__}", hint="an object keyed by signature ids is allowed")
    return found


def _chunks(signatures: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The entries in parts of about CHUNK_CHARS; at least one part, which may be empty."""
    chunk: dict[str, Any] = {}
    size = 0
    for key, entry in signatures.items():
        length = len(json.dumps(entry))
        if chunk and size + length > CHUNK_CHARS:
            yield chunk
            chunk, size = {}, 0
        chunk[key] = entry
        size += length
    yield chunk


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found
