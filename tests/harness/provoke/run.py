"""Makes the copies, runs them, collects what they raised.

Invariant: a fault that did not raise, or raised in one copy another type than in the first, stops the generator.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.provoke.catalogue import FAULTS
from tests.harness.provoke.shift import shifted
from tests.harness.provoke.variants import VARIANTS, Variant

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
OWN = ("grace_actors", "supervisors", "playbooks", "chaos")
DEADLINE_S = 300.0


@dataclass(frozen=True)
class Raised:
    """The traceback of a fault in a variant; the fields are those of a line of the corpus."""

    fault: str
    variant: str
    kernel: str
    library: str
    text: str


class NotProvoked(Exception):
    """A fault did not do what it is in the catalogue for."""


def provoke(wanted: Sequence[str] = (), variants: Iterable[Variant] = VARIANTS) -> Iterator[Raised]:
    """Every wanted fault (none means all) in every variant."""
    known = {fault.id: fault for fault in FAULTS}
    for variant in variants:
        with _copy(variant) as app:
            texts = {found["fault"]: found["text"] for found in map(json.loads, _run(app, variant, wanted))}
            if silent := [name for name, text in texts.items() if not text]:
                raise NotProvoked(f"in {variant.name} these did not raise: {', '.join(silent)}")
            for name, text in texts.items():
                fault = known[name]
                yield Raised(name, variant.name, fault.kernel, fault.library, variant.neutral(text, app))


@contextmanager
def _copy(variant: Variant) -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="provoke-", dir="/tmp"))
    try:
        app = base / "app"
        _copy_sources(HERE / "projects", app, variant)
        for package in OWN:
            _copy_sources(REPOSITORY / package, app / package, variant)
        plain = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "tests" / "harness", app / "tests" / "harness", ignore=plain)
        (app / "tests" / "__init__.py").touch()
        yield app
    finally:
        shutil.rmtree(base)


def _copy_sources(source: Path, target: Path, variant: Variant) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    if variant.is_shifted:
        for path in sorted(target.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            path.write_text(shifted(text, f"{variant.name}:{path.relative_to(target)}"), encoding="utf-8")


def _run(app: Path, variant: Variant, wanted: Sequence[str]) -> list[str]:
    results = app.parent / "results.jsonl"
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {"PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(app), "LC_ALL": "C.UTF-8", **variant.env}
    command = [sys.executable, "worker.py", variant.values, str(results), *wanted]
    with subprocess.Popen(
        command,
        cwd=app,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=DEADLINE_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that the faults started
            raise
    if process.returncode:
        raise NotProvoked(f"{variant.name} ended with {process.returncode}: {said.decode()[-2000:]}")
    return results.read_text(encoding="utf-8").splitlines()
