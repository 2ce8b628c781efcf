"""The audit log: append-only, hash-chained, on the disk before it is acknowledged, checked all the time.

Appends that arrive within GROUP_S share one fsync; verification and search run in slices between messages. It must
not judge what is logged. Invariant: an acknowledged entry is found again after any crash, or its loss is an event
and an entry of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from grace_actors.errors import Refused, StoreFailed
from grace_actors.kernel import LATER, Check, Data, Kernel, Request, Timer
from grace_actors.kernels.arguments import flag, number_or, text_or, whole_or
from grace_actors.kernels.log import passes
from grace_actors.kernels.log.record import NAME_CHARS, from_args, numbered, pack
from grace_actors.stores.chain import ChainLog
from grace_actors.stores.chain.log import Places

GROUP_S = 0.002
GROUP_MOST = 512
SEGMENT_BYTES = 1 << 20
CHECK_S = 10.0
IDEAL_FREE_BYTES = 1 << 30
LEAST_FREE_BYTES = 1 << 20
REPAIR_ROUNDS = 3
"""Storing the entry about a repair may need a repair itself; what is left is told at the next look."""
TAIL_KEPT = 200
PASSES_MOST = 4
"""Verifications and searches at once; more would only slow each other down."""


class ImmutableLog(Kernel):
    """Verbs: append, verify, search, tail, stats, archive. Config: segment_bytes."""

    emits = ("log.tail_repaired", "log.corrupt", "log.restored", "log.degraded", "log.recovered")

    def setup(self) -> None:
        size = int(self.ctx.config.get("segment_bytes", SEGMENT_BYTES))
        places = Places(self.ctx.data, self.ctx.home / "snapshots" / self.ctx.name, self.ctx.home, self.ctx.name)
        self._waiting: list[tuple[Request, Data]] = []
        self._flush_timer: Timer | None = None
        self._passes = 0
        self._appended = self._groups = self._refused = 0
        self._checked_index = 0
        self._write_problem = ""
        self.log = ChainLog(places, segment_bytes=size, wall=self.ctx.wall)
        self._report_notes()
        self._look_at_disk()
        self.ctx.every(CHECK_S, self._check_some)

    def ready(self) -> list[Check]:
        problem, gaps = self.log.problem(), sum(1 for part in self.log.sealed if part.damage)
        free = self._free_bytes()
        detail = f"{self.log.next - 1} records in {len(self.log.segments())} segments, {gaps} known gaps"
        return [
            self._writable(),
            Check(name="integrity_valid", ok=not problem, detail=problem or detail),
            Check(name="disk_free", ok=free >= LEAST_FREE_BYTES, detail=f"{free / 1e9:.1f} GB free, 1 GB wanted"),
        ]

    # ---- appending ----------------------------------------------------------------------------------

    def do_append(self, request: Request) -> Any:
        """Store an entry; answered with entry_id, seq and hash once it is on the disk."""
        self._waiting.append((request, from_args(request)))
        if len(self._waiting) >= GROUP_MOST:
            self._flush()
        elif self._flush_timer is None:
            self._flush_timer = self.ctx.after(GROUP_S, self._flush)
        return LATER

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        group, self._waiting = self._waiting, []
        if not group:
            return
        try:
            stored = self._store([record for _, record in group])
        except StoreFailed as error:
            self._could_not_write(group, error)
            return
        self._write_problem = ""
        self._appended += len(group)
        self._groups += 1
        for (request, _), entry in zip(group, stored, strict=True):
            self.ctx.answer(request, {"entry_id": entry["entry_id"], "seq": entry["seq"]})
        last = stored[-1]
        self.did = f"stored {len(group)} entries, last {last['entry_id']}: {last['action']} by {last['actor']}"
        self._report_notes()

    def _store(self, records: list[Data]) -> list[Data]:
        """Number, chain and write; the number depends on the segment, so repairs come first."""
        self.log.settle()
        wall, first = self.ctx.wall(), self.log.next
        stored = [numbered(record, first + at, wall) for at, record in enumerate(records)]
        self.log.append([pack(record) for record in stored])
        return stored

    def _could_not_write(self, group: list[tuple[Request, Data]], error: StoreFailed) -> None:
        self._refused += len(group)
        self._write_problem = error.message
        self.did = f"refused {len(group)} entries: {error.message}"
        self._look_at_disk()
        for request, _ in group:
            self.ctx.answer(request, error=error)

    def _report_notes(self) -> None:
        """Tell what the log repaired, as events and, because it is evidence, as entries."""
        for _ in range(REPAIR_ROUNDS):
            notes, self.log.notes = self.log.notes, []
            if not notes:
                return
            for note in notes:
                self.ctx.emit(note.event, note.subject, note.data)
            own = {"actor": self.ctx.name, "subsystem": self.ctx.name, "decision": "repaired", "payload": {}}
            told = [own | {"action": n.event, "resource": n.subject, "metadata": n.data, "result": None} for n in notes]
            try:
                self._store(told)
            except StoreFailed as error:
                self._write_problem = error.message

    # ---- reading ------------------------------------------------------------------------------------

    def do_tail(self, request: Request) -> Any:
        """The last `limit` entries, oldest first."""
        limit = whole_or(request, "limit", 20, low=1, high=TAIL_KEPT)
        return {"entries": passes.newest(self.log, limit)}

    def do_verify(self, request: Request) -> Any:
        """Check the chain from the entry number `from` (1) to its end; answered when the pass is done."""
        verdict = passes.Verdict(since=whole_or(request, "from", 1, low=1, high=1 << 62))

        def done() -> Data:
            result = verdict.as_data()
            self.did = f"verified {verdict.checked} entries: {'valid' if result['ok'] else verdict.problem}"
            return result

        return self._pass(request, passes.verifying(self.log, verdict), done)

    def do_search(self, request: Request) -> Any:
        """Entries by actor, action (`error.*`), subsystem, since, until (Unix seconds); newest first."""
        texts = {key: text_or(request, key, max_chars=NAME_CHARS) for key in ("actor", "action", "subsystem")}
        limit = whole_or(request, "limit", 100, low=1, high=1000)
        since, until = (_time(request, key) for key in ("since", "until"))
        found: list[Data] = []

        def done() -> Data:
            self.did = f"found {len(found)} entries"
            return {"count": len(found), "entries": found}

        query = passes.Query(**texts, since=since, until=until, limit=limit)
        return self._pass(request, passes.searching(self.log, query, found), done)

    def do_stats(self, request: Request) -> Any:
        """Counts, sizes, the newest hash, known gaps."""
        parts = self.log.segments()
        return {
            "entries": self.log.next - 1,
            "last_hash": self.log.last.hex(),
            "segments": len(parts),
            "segments_packed": sum(1 for part in parts if part.packed),
            "bytes": sum(part.size for part in parts),
            "gaps": [{"segment": part.name, "damage": part.damage} for part in parts if part.damage],
            "free_bytes": self._free_bytes(),
            "copy_problem": self.log.mirror_problem,
        }

    def do_archive(self, request: Request) -> Any:
        """Seal what is written so far (`seal`, true) and compress all sealed segments but the newest `keep` (0)."""
        keep = whole_or(request, "keep", 0, low=0, high=100_000)
        if flag(request, "seal", True):
            self.log.rotate()
            self._report_notes()
        chosen = [index for index, part in enumerate(self.log.sealed[: len(self.log.sealed) - keep]) if not part.packed]
        packed: list[str] = []

        def packing() -> Iterator[None]:
            for index in chosen:
                packed.append(self.log.pack(index).name)
                yield

        def done() -> Data:
            self.did = f"archived {len(packed)} segments"
            return {"packed": packed, "segments": len(self.log.segments())}

        return self._pass(request, packing(), done)

    def _pass(self, request: Request, steps: Iterator[None], done: Callable[[], Data]) -> Any:
        """Drive a pass one step at a time; answer when it ends."""
        if self._passes >= PASSES_MOST:
            raise Refused(f"{self._passes} passes over the log are running", hint="ask again when one is done")
        self._passes += 1

        def step() -> None:
            try:
                next(steps)
            except StopIteration:
                self._passes -= 1
                self.ctx.answer(request, done())
            except StoreFailed as error:
                self._passes -= 1
                self.ctx.answer(request, error=error)
            else:
                self.ctx.after(0.0, step)

        self.ctx.after(0.0, step)
        return LATER

    # ---- watching itself ----------------------------------------------------------------------------

    def _check_some(self) -> None:
        """Look at the active file and at the next sealed segment; what differs is repaired and told."""
        try:
            self.log.settle()
            if self.log.sealed:
                self._checked_index = (self._checked_index + 1) % len(self.log.sealed)
                self.log.inspect_sealed(self._checked_index)
        except StoreFailed as error:
            self._write_problem = error.message
        self._report_notes()
        self._look_at_disk()

    def _look_at_disk(self) -> None:
        reasons = [text for text in (self._write_problem, self.log.mirror_problem) if text]
        free = self._free_bytes()
        if free < IDEAL_FREE_BYTES:
            reasons.append(f"{free / 1e6:.0f} MB of disk are free, 1000 MB wanted")
        if bool(reasons) != bool(self.degraded):
            self.ctx.emit("log.degraded" if reasons else "log.recovered", self.ctx.name, {"reasons": reasons})
        self.degraded = reasons

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self.ctx.data).free

    def _writable(self) -> Check:
        """Writes and removes a file beside the segments: the chain itself must not show a test."""
        probe = self.ctx.data / f".probe.{os.getpid()}"
        try:
            probe.write_bytes(bytes(4096))
            probe.unlink()
        except OSError as error:
            return Check(name="log_writable", ok=False, detail=f"{self.ctx.data}: {error.strerror}")
        return Check(name="log_writable", ok=True, detail=f"next record is {self.log.next}")

    def metrics(self) -> dict[str, float]:
        return {
            "log_entries": float(self.log.next - 1),
            "log_segments": float(len(self.log.segments())),
            "log_appended_count": float(self._appended),
            "log_refused_count": float(self._refused),
            "log_fsync_count": float(self._groups),
            "log_waiting_count": float(len(self._waiting)),
        }

    def stop(self, reason: str) -> None:
        self._flush()
        self.log.close()


def _time(request: Request, key: str) -> float | None:
    return number_or(request, key, 0.0, low=0.0, high=1e12) if request.args.get(key) is not None else None
