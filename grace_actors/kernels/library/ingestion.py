"""Brings one file into the index, a slice at a time.

Reads, validates, hashes, chunks, stores; yields after every slice so that the mailbox is served in between. Must not
move the file. Invariant: whatever interrupts it, the index shows the whole document or nothing of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from grace_actors.errors import Refused
from grace_actors.kernel import Data
from grace_actors.kernels.library.chunking import Chunker
from grace_actors.kernels.library.inbox import check, decode
from grace_actors.kernels.library.index import Index

READ_BYTES = 1 << 20
SLICE_CHARS = 64 * 1024


@dataclass(slots=True)
class Ingestion:
    """One file on its way. `document` is set when it is done; `duplicate` when its content was there before."""

    path: Path
    source: str
    document: Data | None = None
    duplicate: bool = False

    def steps(self, index: Index, *, max_bytes: int, wall: float) -> Generator[None, None, None]:
        """Do it. Raises Refused for a file that is not acceptable, StoreFailed when the disk refuses; then nothing
        of it is in the index."""
        try:
            check(self.path, max_bytes)
            parts: list[bytes] = []
            with self.path.open("rb") as file:
                while part := file.read(READ_BYTES):
                    parts.append(part)
                    yield
        except OSError as error:
            raise Refused(f"{self.path.name} cannot be read: {error.strerror}", hint="check its permissions") from None
        content = b"".join(parts)
        text = decode(self.path.name, content)
        digest = hashlib.sha256(content).hexdigest()
        self.document = index.known(digest)
        if self.document is not None:
            self.duplicate = True
            return
        yield
        yield from self._store(index, text, digest, len(content), wall)

    def _store(self, index: Index, text: str, digest: str, size: int, wall: float) -> Generator[None, None, None]:
        chunker, number = Chunker(), 0
        document = index.begin(
            digest=digest, name=self.path.name, size=size, chars=len(text), at=wall, source=self.source
        )
        try:
            for at in range(0, len(text), SLICE_CHARS):
                chunks = chunker.feed(text[at : at + SLICE_CHARS])
                if at + SLICE_CHARS >= len(text):
                    chunks += chunker.finish()
                kept = [chunk for chunk in chunks if chunk.strip()]
                index.add(document, number, kept)
                number += len(kept)
                yield
            self.document = index.complete(document, number)
        finally:
            if self.document is None:
                index.delete(document)
