"""The audit record: who did what to what, with which decision; its fields, limits and bytes.

Pure; knows neither chain nor files. Invariant: `unpack(pack(record))` is the record, and a record that passed
`from_args` fits into one frame of the chain.
"""

from __future__ import annotations

from typing import Any

import msgpack

from grace_actors.errors import Refused
from grace_actors.kernel import Data, Request
from grace_actors.kernels.arguments import mapping_or_empty, text, text_or

MAX_BYTES = 256 * 1024
NAME_CHARS = 200
RESOURCE_CHARS = 2000


def from_args(request: Request) -> Data:
    """The caller's part of a record. `actor` defaults to the sender. Raises Refused."""
    result = request.args.get("result")
    record: Data = {
        "actor": text_or(request, "actor", request.sender or "unknown", max_chars=NAME_CHARS),
        "action": text(request, "action", max_chars=NAME_CHARS),
        "resource": text_or(request, "resource", max_chars=RESOURCE_CHARS),
        "decision": text_or(request, "decision", max_chars=NAME_CHARS),
        "subsystem": text_or(request, "subsystem", request.sender, max_chars=NAME_CHARS),
        "metadata": mapping_or_empty(request, "metadata"),
        "payload": mapping_or_empty(request, "payload"),
        "result": result,
    }
    try:
        size = len(msgpack.packb(record))
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(
            f"append: the record is not plain data: {error}", hint="texts, numbers, lists, mappings"
        ) from None
    if size > MAX_BYTES:
        raise Refused(f"append: the record has {size} bytes", hint=f"at most {MAX_BYTES}; put the rest into a file")
    return record


def numbered(record: Data, seq: int, wall: float) -> Data:
    """The record as it is stored: with its number, time and id. The id stays unique even where a number is given
    out again behind records that were lost."""
    return {"seq": seq, "entry_id": f"{seq:08d}-{int(wall * 1000):x}", "timestamp": wall} | record


def pack(record: Data) -> bytes:
    """The bytes that are chained."""
    packed: bytes = msgpack.packb(record)
    return packed


def unpack(data: bytes) -> Data:
    """The record in bytes whose hash was right. Raises ValueError when they are no record of this format."""
    try:
        found: Any = msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"no audit record: {error}") from error
    if not isinstance(found, dict) or "entry_id" not in found:
        raise ValueError("no audit record: the fields are missing")
    return found
