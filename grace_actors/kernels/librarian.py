"""Watches the inbox, takes in documents, and finds what is in them.

Looks every POLL_S, at the cost of one stat while nothing changes; files are taken in one at a time, in slices. It must
not read anything outside the home. Invariant: every file put into the inbox ends in `done` and the index, or in
`rejected` with a reason; none is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace_actors.errors import GraceError, NotFound, Refused, StoreFailed
from grace_actors.kernel import LATER, Check, Data, Kernel, Request
from grace_actors.kernels.arguments import text, whole_or
from grace_actors.kernels.library.inbox import EXTENSIONS, MAX_BYTES, Inbox
from grace_actors.kernels.library.index import MIGRATIONS, Index
from grace_actors.kernels.library.ingestion import Ingestion
from grace_actors.stores.sqlite import EVENTS, Store

POLL_S = 1.5
RETRY_S = 30.0
BACKUP_S = 300.0
QUEUE_MOST = 1000
CLOSED = ("data", "run", "snapshots", "quarantine")
"""Directories of the home whose files are state of kernels, not documents."""


@dataclass(slots=True)
class _Job:
    ingestion: Ingestion
    request: Request | None
    steps: Generator[None, None, None]


class Librarian(Kernel):
    """Verbs: search, documents, ingest, forget, stats. Config: max_bytes, poll_interval."""

    emits = ("ingestion.completed", "ingestion.failed", "document.forgotten", *EVENTS)

    def setup(self) -> None:
        self._max_bytes = int(self.ctx.config.get("max_bytes", MAX_BYTES))
        directory = self.ctx.home / "inbox"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.inbox = Inbox(directory)
        self.store = Store(
            self.ctx.data / "library.db", MIGRATIONS, emit=self.ctx.emit, name=self.ctx.name, home=self.ctx.home
        )
        self.index = Index(self.store)
        self._jobs: deque[_Job] = deque()
        self._ingested = self._rejected = self._duplicates = self._searches = 0
        self._is_waiting_for_disk = self._is_stepping = False
        swept = self.index.sweep()
        if swept:
            self.did = f"removed {swept} documents whose indexing was interrupted"
        self.ctx.every(float(self.ctx.config.get("poll_interval", POLL_S)), self._poll)
        self.ctx.every(BACKUP_S, self._back_up)

    def ready(self) -> list[Check]:
        exists = self.inbox.directory.is_dir()
        inbox = Check(name="inbox_readable", ok=exists, detail=f"{self.inbox.directory}, {len(self._jobs)} files wait")
        return [inbox, self.store.writable(), self._index_works()]

    def _index_works(self) -> Check:
        try:
            found = self.store.index_works()
            totals = self.index.totals()
            self.index.search("probe", 1)
        except GraceError as error:
            return Check(name="index_works", ok=False, detail=error.message)
        if not found.ok:
            return found
        return Check(name="index_works", ok=True, detail=f"{totals['documents']} documents, {totals['chunks']} chunks")

    # ---- the inbox ----------------------------------------------------------------------------------

    def _poll(self) -> None:
        try:
            if not self.inbox.is_idle:
                for path in self.inbox.ready():
                    self._queue_file(path)
        except OSError as error:
            self.degraded = [f"the inbox cannot be read: {error.strerror}"]
            self._mend_inbox()
            return
        if self.degraded and not self._is_waiting_for_disk:
            self.degraded = []

    def _mend_inbox(self) -> None:
        """Somebody removed the directory: make it again."""
        try:
            self.inbox.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            self.did = f"cannot make the inbox: {error.strerror}"

    def _queue_file(self, path: Path) -> None:
        if len(self._jobs) >= QUEUE_MOST:
            self.inbox.look_again()
            return
        self.inbox.busy.add(path.name)
        self._queue(Ingestion(path, "inbox"), None)

    def _queue(self, ingestion: Ingestion, request: Request | None) -> None:
        steps = ingestion.steps(self.index, max_bytes=self._max_bytes, wall=self.ctx.wall())
        self._jobs.append(_Job(ingestion, request, steps))
        self._go_on()

    def _go_on(self) -> None:
        """See to it that the next slice is due, once."""
        if self._jobs and not self._is_stepping and not self._is_waiting_for_disk:
            self._is_stepping = True
            self.ctx.after(0.0, self._step)

    def _step(self) -> None:
        """One slice of the file in front; what comes of it is settled when it ends."""
        self._is_stepping = False
        job = self._jobs[0]
        try:
            next(job.steps)
        except StopIteration:
            self._finish(job)
        except Refused as error:
            self._refuse(job, error)
        except StoreFailed as error:
            self._wait_for_disk(job, error)
        self._go_on()

    def _finish(self, job: _Job) -> None:
        document = job.ingestion.document
        assert document is not None
        answer = document | {"duplicate": job.ingestion.duplicate}
        if job.request is None and not self._put_aside(job, ""):
            return
        self._jobs.popleft()
        self._ingested += not job.ingestion.duplicate
        self._duplicates += job.ingestion.duplicate
        name = job.ingestion.path.name
        what = "knew" if job.ingestion.duplicate else "indexed"
        self.did = f"{what} {name}: {document['chunks']} chunks"
        told = {"hash": document["hash"], "chunks": document["chunks"], "duplicate": job.ingestion.duplicate}
        self.ctx.emit("ingestion.completed", name, told)
        if job.request is not None:
            self.ctx.answer(job.request, answer)

    def _refuse(self, job: _Job, error: Refused) -> None:
        if job.request is None and not self._put_aside(job, f"{error.message}\n{error.hint}"):
            return
        self._jobs.popleft()
        self._rejected += 1
        self.did = f"rejected {job.ingestion.path.name}: {error.message}"
        self.ctx.emit("ingestion.failed", job.ingestion.path.name, {"reason": error.message, "hint": error.hint})
        if job.request is not None:
            self.ctx.answer(job.request, error=error)

    def _put_aside(self, job: _Job, reason: str) -> bool:
        """Move a file of the inbox away; False when that must be tried again later. A file somebody took away
        meanwhile is no problem."""
        path, wall = job.ingestion.path, self.ctx.wall()
        try:
            if path.is_symlink() or path.exists():
                _ = self.inbox.reject(path, reason, wall) if reason else self.inbox.done(path, wall)
        except StoreFailed as error:
            self._wait_for_disk(job, error)
            return False
        self.inbox.busy.discard(path.name)
        return True

    def _wait_for_disk(self, job: _Job, error: StoreFailed) -> None:
        """The file stays where it is and is taken in again later; who asked for it is told now."""
        self._jobs.remove(job)
        self.degraded = [error.message]
        self.did = f"could not store {job.ingestion.path.name}: {error.message}"
        if job.request is not None:
            self.ctx.answer(job.request, error=error)
        else:
            self.inbox.busy.discard(job.ingestion.path.name)
        self._is_waiting_for_disk = True
        self.ctx.after(RETRY_S, self._resume)

    def _resume(self) -> None:
        self._is_waiting_for_disk = False
        self.inbox.look_again()
        self._go_on()

    # ---- requests -----------------------------------------------------------------------------------

    def do_search(self, request: Request) -> Any:
        """Chunks that hold all the `words` (`word*` matches beginnings), the most relevant first."""
        words = text(request, "words", max_chars=500)
        found = self.index.search(words, whole_or(request, "limit", 10, low=1, high=200))
        self._searches += 1
        self.did = f"searched for {words[:60]!r}: {len(found)} chunks"
        return {"count": len(found), "chunks": found}

    def do_documents(self, request: Request) -> Any:
        """The documents in the index, newest first."""
        found = self.index.page(whole_or(request, "limit", 100, low=1, high=1000))
        return {"count": len(found), "documents": found}

    def do_ingest(self, request: Request) -> Any:
        """Take in the file at `path` (relative to the home); answered when it is indexed. The file stays."""
        path = self._inside(text(request, "path", max_chars=4000))
        if len(self._jobs) >= QUEUE_MOST:
            raise Refused(f"{len(self._jobs)} files wait already", hint="ask again later")
        self._queue(Ingestion(path, request.sender or "request"), request)
        return LATER

    def _inside(self, given: str) -> Path:
        home = self.ctx.home.resolve()
        path = (home / given).resolve()
        if home not in path.parents:
            raise Refused(f"ingest: {given} is outside the home", hint="copy it into the inbox")
        if path.relative_to(home).parts[0] in CLOSED:
            raise Refused(f"ingest: {given} is state of Grace", hint=f"not below {', '.join(CLOSED)}")
        if not path.exists():
            raise NotFound(f"ingest: {given} does not exist", hint=f"paths are relative to {home}")
        return path

    def do_forget(self, request: Request) -> Any:
        """Remove a document, by `document`: its hash, id or name; answers what was removed."""
        gone: Data = self.index.find(text(request, "document", max_chars=500))
        self.index.delete(gone["id"])
        self.did = f"forgot {gone['name']}"
        self.ctx.emit("document.forgotten", gone["name"], {"hash": gone["hash"], "by": request.sender})
        return gone

    def do_stats(self, request: Request) -> Any:
        """Counts, and what is accepted."""
        limits = {"max_bytes": self._max_bytes, "extensions": sorted(EXTENSIONS)}
        return self.index.totals() | {"waiting": len(self._jobs), "rejected": self._rejected} | limits

    # ---- itself -------------------------------------------------------------------------------------

    def metrics(self) -> dict[str, float]:
        return {
            "documents_count": float(self.index.totals()["documents"]),
            "documents_ingested_count": float(self._ingested),
            "documents_duplicate_count": float(self._duplicates),
            "documents_rejected_count": float(self._rejected),
            "searches_count": float(self._searches),
            "inbox_waiting_count": float(len(self._jobs)),
        }

    def _back_up(self) -> None:
        try:
            self.store.backup_if_changed()
        except StoreFailed as error:
            self.did = f"no snapshot of the library: {error.message}"

    def stop(self, reason: str) -> None:
        try:
            for job in self._jobs:
                job.steps.close()
            self.store.backup_if_changed()
        except GraceError as error:
            self.did = f"stopped without a snapshot: {error.message}"
        self.store.close()
