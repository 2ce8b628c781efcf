"""What a fault is, and the values it is provoked with.

Invariant: the values of a fault in a variant depend on the names of both alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

USERS = ("ada", "grace", "linus", "margaret", "dennis", "barbara", "ken", "radia", "edsger", "frances", "tony", "hedy")
WORDS = (
    "apple",
    "lantern",
    "copper",
    "river",
    "violin",
    "harbor",
    "pepper",
    "saddle",
    "meadow",
    "thimble",
    "walnut",
    "marble",
    "kettle",
    "orchid",
    "barrel",
    "falcon",
    "ribbon",
    "granite",
    "candle",
    "anchor",
    "velvet",
    "hammer",
)


class Values:
    """Names, numbers, dates and files that differ from variant to variant."""

    def __init__(self, seed: str, files: Path) -> None:
        self._random = random.Random(seed)
        self._files = files
        self.user = self._random.choice(USERS)
        self.word = self._random.choice(WORDS)
        self.other = self._random.choice([word for word in WORDS if word != self.word])
        self.number = self._random.randint(1000, 99_999)
        self.id = f"{self.word[:2]}-{self.number}"
        self.hex = f"{self._random.getrandbits(64):016x}"
        self.day = date(2026, 1, 1) + timedelta(days=self._random.randrange(300))

    def between(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def latin1(self) -> bytes:
        """A text that is not UTF-8."""
        return f"{self.user} M\u00fcller, {self.id}".encode("latin-1")

    def file(self, ending: str, content: bytes | str) -> str:
        """Path of a new file with this content."""
        path = Path(self.no_file(ending))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def no_file(self, ending: str) -> str:
        """Path of a file that is not there, in a directory that is."""
        directory = self._files / self.user
        directory.mkdir(parents=True, exist_ok=True)
        return str(directory / f"{self.word}-{self.number}{ending}")

    def folder(self, *, mode: int = 0o755) -> Path:
        """A new directory."""
        path = self._files / self.user / f"{self.other}-{self.hex[:6]}"
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path


@dataclass(frozen=True)
class Call:
    """What is called for a fault; it must raise."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Fault:
    """One mistake. `prepare` makes what the mistake needs and says what to call; it does not raise."""

    id: str
    kernel: str
    library: str
    prepare: Callable[[Values], Call]


Payload = Callable[[Values], Mapping[str, Any]]


def faults_of(kernel: str) -> Callable[..., Fault]:
    """Makes faults of a project: the action is called by the project's own service, as a kernel would do it."""

    def fault(action: str, case: str, payload: Payload, *, library: str = "python") -> Fault:
        def prepare(values: Values) -> Call:
            from service import handle  # type: ignore[import-not-found]  # the copy's, not this directory's

            return Call(handle, (kernel, action, dict(payload(values))))

        return Fault(f"{kernel}.{action}.{case}", kernel, library, prepare)

    return fault
