"""The side of the generator that runs inside a copy: prepares every fault and writes down what it raised."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.harness.provoke.catalogue import FAULTS
from tests.harness.provoke.fault import Call, Fault, Values


@dataclass
class Job:
    """A prepared fault; the worker says how it ended."""

    fault: Fault
    call: Call
    out: TextIO

    def failed(self, error: BaseException) -> None:
        self._write("".join(traceback.format_exception(error)))

    def passed(self) -> None:
        self._write("")

    def _write(self, text: str) -> None:
        print(json.dumps({"fault": self.fault.id, "text": text}), file=self.out, flush=True)


def jobs(seed: str, results: str, wanted: Sequence[str]) -> Iterator[Job]:
    """The jobs of this copy; `wanted` names the faults, none means all."""
    files = Path("var").absolute()
    with Path(results).open("w", encoding="utf-8") as out:
        for fault in FAULTS:
            if not wanted or fault.id in wanted:
                yield Job(fault, fault.prepare(Values(f"{seed}:{fault.id}", files / fault.kernel)), out)
