"""Measures recognition: the time from the text of a traceback of twelve frames to its signature.

The floor is what no recipe can do without: cutting the same text into lines and hashing it. Both run by turns. Each
text has paths, lines and values of its own, so nothing that is remembered from the last one helps.
"""

from __future__ import annotations

import json
import statistics
import time
from hashlib import sha256
from itertools import count
from typing import Any

from playbooks.recognition import Failure, signature_of

ROUNDS = 41
TEXTS = 50
MOST_US = 200.0
_OWN = (("worker", "serve"), ("service", "handle"), ("shop/orders", "place"), ("shop/stock/shelf", "take"))
_LIBRARY = ("json/__init__", "json/decoder", "urllib/request", "site-packages/yaml/constructor")
_numbers = count(1)


def traceback_text() -> str:
    """A text as Python 3.11 prints it: twelve frames with carets, eight of them the project's."""
    number = next(_numbers)
    lines = ["Traceback (most recent call last):"]
    for at in range(12):
        if at < 8:
            module, function = _OWN[at % 4]
            path, name = f"/srv/releases/{number}/{module}.py", f"{function}_{at}"
        else:
            path, name = f"/opt/venv-{number}/lib/python3.11/{_LIBRARY[at % 4]}.py", f"decode_{at}"
        lines += [
            f'  File "{path}", line {number + at}, in {name}',
            f"    return self.next(order, items[{number}], retry=True)",
            "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ]
    return "\n".join([*lines, f"ValueError: order {number} at 10.0.0.{number % 256} has no items in '/var/{number}'\n"])


def _floor(text: str) -> str:
    return sha256("".join(text.split("\n")).encode()).hexdigest()


def run() -> dict[str, Any]:
    """Keys: name, per_signature_us, floor_us (medians), ratio, n (rounds), limits, ok."""
    grace: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS):
        texts = [traceback_text() for _ in range(TEXTS)]
        failures = [Failure(kernel="bench", detail=text) for text in texts]
        begin = time.process_time()
        signatures = [signature_of(failure) for failure in failures]
        middle = time.process_time()
        for text in texts:
            _floor(text)
        floor.append((time.process_time() - middle) / TEXTS)
        grace.append((middle - begin) / TEXTS)
        assert len({signature.specific for signature in signatures}) == 1
    per_signature_us, floor_us = statistics.median(grace) * 1e6, statistics.median(floor) * 1e6
    return {
        "name": "signature",
        "per_signature_us": round(per_signature_us, 1),
        "floor_us": round(floor_us, 2),
        "ratio": round(per_signature_us / floor_us, 1),
        "n": ROUNDS,
        "limits": {"per_signature_us": MOST_US},
        "ok": per_signature_us <= MOST_US,
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
