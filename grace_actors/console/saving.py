"""Writing what a verb was asked to write into a file.

Invariant: the whole file or none of it, and never half over one that was there.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from grace_actors.errors import WorldFailed


def save(path: Path, text: str) -> None:
    """Write the file. Raises WorldFailed when that is not possible."""
    if path.is_dir():
        raise WorldFailed(f"{path} is a directory", hint="name a file in it, or - for output")
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8", errors="replace")
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise WorldFailed(f"{path} cannot be written: {error}", hint="name another file, or - for output") from error
