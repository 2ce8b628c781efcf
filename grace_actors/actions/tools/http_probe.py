"""Asks an HTTP address a few times and measures each answer. A command: JSON in, JSON out.

Invariant: an address that does not answer is a row with an error, never a failure of the command.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

MOST_BYTES = 2_000_000


def probe(url: str, timeout_s: float, *, reads: bool = False) -> dict[str, Any]:
    """Status and milliseconds of one GET, with `reads` also the value of its JSON; redirects are not followed."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    began = time.perf_counter()
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read(MOST_BYTES if reads else 65536)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"url": url, "status": None, "ms": None, "error": str(error) or type(error).__name__}
    ms = round((time.perf_counter() - began) * 1000, 3)
    found = {"url": url, "status": response.status, "ms": ms, "error": "", "bytes": len(body)}
    if reads:
        try:
            found["json"] = json.loads(body)
        except ValueError:
            found["error"] = "the answer is no JSON"
    return found


def main() -> None:
    """Obey the order on standard input."""
    order = json.load(sys.stdin)
    reads = order.get("reads", False)
    print(json.dumps([probe(url, order["timeout_s"], reads=reads) for url in order["urls"]]))


if __name__ == "__main__":
    main()
