"""Remembers: the catalogue of kernel snapshots, and artifacts that are signed, searched and fused.

Snapshots are written by the kernels' own actors; here they are verified, archived and handed back. It must not
restart anything. Invariant: what it hands back was verified in that moment.
"""

from __future__ import annotations

from typing import Any

from grace_actors import snapshots
from grace_actors.errors import GraceError, Refused, StoreFailed
from grace_actors.kernel import Check, Data, Kernel, Request
from grace_actors.kernels.arguments import choice, flag, text, text_or, texts_or_empty, whole_or
from grace_actors.kernels.memory.archive import KEPT, Archive
from grace_actors.kernels.memory.artifacts import MIGRATIONS, Artifacts, Draft, Tampered
from grace_actors.kernels.memory.fusing import Rule, fuse
from grace_actors.kernels.memory.signing import Seal, open_key
from grace_actors.kernels.rows import as_json
from grace_actors.snapshots import Entry
from grace_actors.stores.sqlite import EVENTS, Store

CAPTURE_S = 3600.0
BACKUP_S = 300.0
KEY_CHARS = 300


class MemoryFusion(Kernel):
    """Verbs for snapshots: list, verify, restore, capture, prune; for artifacts: put, get, delete, search, fuse.
    Config: capture_interval (3600 s)."""

    emits = (
        "snapshot.captured",
        "snapshot.found_damaged",
        "snapshot.reinstalled",
        "memory.tampered",
        "memory.key_replaced",
        *EVENTS,
    )

    def setup(self) -> None:
        self.archive = Archive(self.ctx.home / "snapshots")
        self.store = Store(
            self.ctx.data / "memory.db", MIGRATIONS, emit=self.ctx.emit, name=self.ctx.name, home=self.ctx.home
        )
        path = self.ctx.data / "signing.key"
        is_new = not path.exists()
        signer, problem = open_key(path, self.ctx.home, self.ctx.name, self.ctx.wall())
        self.artifacts = Artifacts(self.store, signer)
        if is_new and self.artifacts.count():
            problem = "the key file was missing"
        if problem:
            self.degraded = [f"{problem}: earlier artifacts cannot be verified"]
            self.ctx.emit("memory.key_replaced", self.ctx.name, {"problem": problem})
        self._captured = self._damaged = self._written = 0
        self.ctx.every(float(self.ctx.config.get("capture_interval", CAPTURE_S)), self._capture_all)
        self.ctx.every(BACKUP_S, self._back_up)

    def ready(self) -> list[Check]:
        signer = self.artifacts.signer
        seals = (signer.check(signer.sign(b"probe"), b"probe"), signer.check(signer.sign(b"probe"), b"other"))
        signing = Check(name="signing_works", ok=seals == (Seal.VALID, Seal.FALSE), detail=f"key {signer.key_id}")
        return [self.store.writable(), self.store.index_works(), signing]

    # ---- snapshots ----------------------------------------------------------------------------------

    def do_list(self, request: Request) -> Any:
        """Every snapshot file of kernel `name`, or of all: kind, time, size, checksum and whether it is valid."""
        wanted = text_or(request, "name", max_chars=KEY_CHARS)
        names = [wanted] if wanted else self.archive.names()
        found = [_described(entry) for name in names for entry in self.archive.entries(_plain(name))]
        return {"count": len(found), "snapshots": found}

    def do_verify(self, request: Request) -> Any:
        """Check all files, or those of kernel `name`: `ok` and the damaged ones."""
        found = self.do_list(request)["snapshots"]
        damaged = [one for one in found if not one["valid"]]
        for one in damaged:
            self.ctx.emit("snapshot.found_damaged", one["name"], {"file": one["file"], "error": one["error"]})
        self._damaged += len(damaged)
        self.did = f"verified {len(found)} snapshots, {len(damaged)} damaged"
        return {"ok": not damaged, "checked": len(found), "damaged": damaged}

    def do_restore(self, request: Request) -> Any:
        """The newest valid state of kernel `name`; with `install` it also becomes the snapshot its next start uses."""
        name = _plain(text(request, "name", max_chars=KEY_CHARS))
        state, entry = self.archive.newest_valid(name)
        installed = flag(request, "install", False) and _kind(entry) != "current"
        if installed:
            snapshots.save(self.archive.directory, name, state)
            self.ctx.emit("snapshot.reinstalled", name, {"from": entry.file.name, "by": request.sender})
        self.did = f"handed back the {_kind(entry)} snapshot of {name}"
        return _described(entry) | {"state": state, "installed": installed}

    def do_capture(self, request: Request) -> Any:
        """Archive every valid snapshot that changed since it was archived last; keeps the newest five of each."""
        return {"captured": self._capture()}

    def do_prune(self, request: Request) -> Any:
        """Delete archived copies beyond the newest `keep` (5) of each kernel, and damaged copies."""
        keep = whole_or(request, "keep", KEPT, low=1, high=1000)
        gone = [str(file) for file in self.archive.prune(keep)]
        self.did = f"pruned {len(gone)} snapshots"
        return {"pruned": gone}

    def _capture(self) -> list[str]:
        wall = self.ctx.wall()
        done = [name for name in self.archive.names() if self.archive.capture(name, wall) is not None]
        pruned = sum(1 for _ in self.archive.prune())
        self._captured += len(done)
        if done:
            self.did = f"archived the snapshots of {len(done)} kernels"
            self.ctx.emit("snapshot.captured", self.ctx.name, {"kernels": done, "pruned": pruned})
        return done

    def _capture_all(self) -> None:
        try:
            self._capture()
        except StoreFailed as error:
            self.did = f"could not archive snapshots: {error.message}"

    # ---- artifacts ----------------------------------------------------------------------------------

    def do_put(self, request: Request) -> Any:
        """Store `value` (plain data) under `key` with `tags`; a known key gets a new version."""
        if "value" not in request.args:
            raise Refused("put: argument 'value' is missing", hint="null is a value too")
        key = text(request, "key", max_chars=KEY_CHARS)
        origin = {"by": request.sender, "at": self.ctx.wall()}
        return self._write(request, key, request.args["value"], [origin])

    def _write(self, request: Request, key: str, value: Any, provenance: list[Data]) -> Data:
        draft = Draft(
            key=key,
            value=as_json(value, f"{request.verb}: value"),
            tags=texts_or_empty(request, "tags"),
            writer=request.sender,
            at=self.ctx.wall(),
            provenance=provenance,
        )
        version = self.artifacts.put(draft)
        self._written += 1
        self.did = f"stored {key} version {version}"
        return {"key": key, "version": version}

    def do_get(self, request: Request) -> Any:
        """The artifact of `key`; its signature is checked. One that was tampered with is refused with an event."""
        return self._get(text(request, "key", max_chars=KEY_CHARS))

    def _get(self, key: str) -> Data:
        try:
            return self.artifacts.get(key)
        except Tampered:
            self.ctx.emit("memory.tampered", key, {})
            raise

    def do_delete(self, request: Request) -> Any:
        """Delete the artifact of `key`; `found` says whether there was one."""
        key = text(request, "key", max_chars=KEY_CHARS)
        return {"key": key, "found": self.artifacts.delete(key)}

    def do_search(self, request: Request) -> Any:
        """Artifacts without values: by `words` anywhere in them, `prefix` of the key, `tag`; newest first."""
        words, prefix, tag = (text_or(request, name, max_chars=KEY_CHARS) for name in ("words", "prefix", "tag"))
        found = self.artifacts.search(words, prefix, tag, whole_or(request, "limit", 50, low=1, high=1000))
        return {"count": len(found), "artifacts": found}

    def do_fuse(self, request: Request) -> Any:
        """Merge the artifacts of `keys` (two or more) by `rule` into `into`; the result names what it came from."""
        keys, into = texts_or_empty(request, "keys"), text(request, "into", max_chars=KEY_CHARS)
        if len(set(keys)) != len(keys) or len(keys) < 2:
            raise Refused(f"fuse: keys are {keys!r:.100}", hint="two or more different keys")
        rule = choice(request, "rule", Rule, Rule.NEWEST)
        parts = [self._get(key) for key in keys]
        fused = fuse([part["value"] for part in parts], [part["updated_at"] for part in parts], rule)
        sources: list[Data] = [{"key": p["key"], "version": p["version"], "writer": p["writer"]} for p in parts]
        origin = {"by": request.sender, "at": self.ctx.wall(), "rule": rule.value, "sources": sources}
        return self._write(request, into, fused, [origin]) | {"value": fused, "sources": sources}

    # ---- itself -------------------------------------------------------------------------------------

    def metrics(self) -> dict[str, float]:
        return {
            "artifacts_count": float(self.artifacts.count()),
            "artifacts_written_count": float(self._written),
            "snapshots_captured_count": float(self._captured),
            "snapshots_damaged_count": float(self._damaged),
        }

    def _back_up(self) -> None:
        try:
            self.store.backup_if_changed()
        except StoreFailed as error:
            self.did = f"no snapshot of the memory: {error.message}"

    def stop(self, reason: str) -> None:
        try:
            self.store.backup_if_changed()
        except GraceError as error:
            self.did = f"stopped without a snapshot: {error.message}"
        self.store.close()


def _kind(entry: Entry) -> str:
    if entry.file.parent.parent.name == "archive":
        return "archived"
    return "previous" if entry.previous else "current"


def _described(entry: Entry) -> Data:
    archived = _kind(entry) == "archived"
    return {
        "name": entry.file.parent.name if archived else entry.name,
        "kind": _kind(entry),
        "file": str(entry.file),
        "at": entry.at,
        "size": entry.size,
        "sha256": entry.sha256,
        "valid": not entry.error,
        "error": entry.error,
    }


def _plain(name: str) -> str:
    if "/" in name or "\0" in name or name.startswith("."):
        raise Refused(f"{name!r} is no kernel name", hint="`list` names the kernels that have snapshots")
    return name
