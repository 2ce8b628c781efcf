"""What is known of a child that was quarantined, as files for a person: its log, how it failed, what else there was.

The files are in `quarantine/kernels/<name>_<time>`, without secrets. It must not decide anything. Invariant: a dossier
is whole or not there; at most `KEPT_OF_ONE` are kept of a child and `KEPT` in all, the newest; what nobody could look
through for secrets is not written, and waits.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from grace_actors.errors import StoreFailed
from grace_actors.healing.diagnostics import Diagnostics
from grace_actors.healing.redaction import Redaction
from grace_actors.kernel import Context, Data
from grace_actors.kernels.tree_events import TreeEvent
from grace_actors.stores.files import failed, replace, stamp, sync_directory

FOLDER = Path("quarantine", "kernels")
KEPT_OF_ONE, KEPT = 5, 50
QUARANTINED = "child.quarantined"
_NAME = re.compile(r"[\w.-]{1,100}")
_STAMPED = re.compile(r"(.+)_(\d{8}T\d{6}\.\d{6}Z)")
_OF_STATE = ("tree", "resources", "heartbeat", "config", "missing")


class Dossiers:
    """Makes the dossier of each child that is quarantined."""

    def __init__(self, ctx: Context, diagnostics: Diagnostics) -> None:
        self._ctx, self._diagnostics = ctx, diagnostics
        self.redaction = Redaction(ctx, self._write)

    def take(self, event: TreeEvent) -> None:
        """Collect what is known now, and write it once it holds no secret."""
        name = event.subject
        if not _NAME.fullmatch(name) or name in (".", ".."):
            return
        id = f"{name}_{stamp(event.at)}"
        told = {key: event.data.get(key) for key in ("cause", "next_step", "by", "gen", "supervisor")}
        known: Data = {"kernel": name, "kind": event.kind, "reason": event.reason, "detail": event.detail}
        known |= {"at": event.at, "generation": event.data.get("gen"), "incident": "", "event": event.data}
        self._diagnostics.collect(
            known, lambda found: self.redaction.take(id, found | {"quarantine": told, **_of(known)})
        )

    def _write(self, id: str, found: Data) -> None:
        """Raises StoreFailed; then nothing of it is there."""
        folder = self._ctx.home / FOLDER
        draft, target = folder / f".{id}.tmp", folder / id
        error = {
            key: found.get(key) for key in ("kernel", "kind", "reason", "at", "quarantine", "traceback", "handling")
        }
        state = {key: found.get(key) for key in _OF_STATE}
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700, parents=True)
            replace(draft / "kernel.log", "".join(f"{line}\n" for line in found.get("log") or ()).encode())
            replace(draft / "error.json", _json(error))
            replace(draft / "system_state.json", _json(state))
            if target.exists():
                shutil.rmtree(target)
            draft.rename(target)
            sync_directory(folder)
        except OSError as problem:
            raise failed(target, problem) from problem
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        prune(folder)


def prune(folder: Path) -> None:
    """Delete the oldest beyond what is kept. What has another name is not ours."""
    mine = sorted(((found[2], found[1], path) for path, found in _stamped(folder)), reverse=True)
    seen: dict[str, int] = {}
    for place, (_, name, path) in enumerate(mine):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > KEPT_OF_ONE or place >= KEPT:
            shutil.rmtree(path, ignore_errors=True)


def newest(home: Path, name: str, since: float) -> str:
    """The newest dossier of a child that is not older than `since`, relative to the home; empty when none is seen."""
    try:
        mine = [path.name for path, found in _stamped(home / FOLDER) if found[1] == name and found[2] >= stamp(since)]
    except StoreFailed:
        return ""  # a folder that cannot be read has nothing to look into
    return str(FOLDER / max(mine)) if mine else ""


def named(home: Path, row: Data) -> Data:
    """An incident that is not healed, with the dossier of its kernel in the next step if there is one since."""
    if row["state"] == "healed" or not (where := newest(home, str(row["kernel"]), row["opened_at"])):
        return row
    step = row.get("next_step")
    return row | {"next_step": f"look into {where}" + (f"; {step}" if step else "")}


def _stamped(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    try:
        paths = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreFailed(f"{folder} cannot be read: {error.strerror or error}") from error
    return [(path, found) for path in paths if (found := _STAMPED.fullmatch(path.name))]


def _of(known: Data) -> Data:
    return {key: known[key] for key in ("kind", "reason")}


def _json(data: Any) -> bytes:
    return json.dumps(data, indent=1, default=str, ensure_ascii=False).encode() + b"\n"
