"""A kernel that imports a module of the folder `scratch` afresh for each request: code that can be broken and cured.

It knows one file below the home and nothing of what is done to it. Invariant: an answer comes from the file as it is
now, and a file that cannot be imported ends the process with an error that says which and as of when.
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from grace_actors.kernel import Data, Kernel, Request

FOLDER = "scratch"
MODULE = "drill_target"
GOOD = '"""What a drill breaks and mends: replaced by the fault `patch`."""\n\n\ndef answer() -> int:\n    return 42\n'


class Importer(Kernel):
    """Verbs: `use`. Config: `module`, a name below scratch."""

    def setup(self) -> None:
        # Two writes within a second have the same stamp: a cached translation might be that of the one before.
        sys.dont_write_bytecode = True
        self.file = self.ctx.home / FOLDER / f"{self.ctx.config.get('module', MODULE)}.py"
        self.file.parent.mkdir(mode=0o700, exist_ok=True)
        if not self.file.exists():
            self.file.write_text(GOOD, encoding="utf-8")

    def do_use(self, request: Request) -> Data:
        """What the module answers now. A module that cannot be imported is a bug, and ends this process."""
        answer = _imported(self.file).answer()
        self.did = f"used {self.file.name}: {answer!r:.40}"
        return {"answer": answer}


def _imported(file: Path) -> ModuleType:
    """The module of a file. Raises ImportError."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, OSError) as error:
        raise ImportError(f"{file.name} as of {_written(file)}: {type(error).__name__}: {error}") from error
    return module


def _written(file: Path) -> str:
    """When it was written: the same mistake made again is another one, and is told anew."""
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%H:%M:%S.%f")
    except OSError:
        return "no time: it is gone"
