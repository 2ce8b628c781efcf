"""A kernel that lays out something to be damaged: an artefact and a configuration file, both accepted as good, and a
document for the library.

The files stay when it ends, so that the next drill finds them accepted. It must not look at what others have put there.
Invariant: it answers `prepare` only once good copies of both are kept, from which a repair can take them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from grace_actors.errors import TimedOut, WorldFailed
from grace_actors.kernel import LATER, Answer, Data, Kernel, Request
from grace_actors.kernels.arguments import number_or
from grace_actors.stores import manifest
from grace_actors.stores.files import replace

MESH = "trigger_mesh"
ARTEFACT = Path("artefacts/drill_weights.bin")
WEIGHTS = b"".join(hashlib.sha256(b"weight %d" % number).digest() for number in range(256))
SETTINGS = Path("config/drill_settings.yaml")
RULES = b"# For drills: the fault `change` writes over it.\napproval_required: true\n"
COPIES = Path("snapshots")
DOCUMENT = Path("scratch/drill_document.md")
WORDS = b"# For drills\n\n" + b"An index of nothing cannot be damaged: these words are there to be found in it.\n" * 40
LOOK_S = 0.5
INGEST_S = 20.0


class Exhibit(Kernel):
    """Verbs: `prepare` {within_s}, `prepare_library`."""

    def do_prepare(self, request: Request) -> Any:
        """Lay out what is not there, have it accepted, and answer once it is in safe keeping."""
        until = self.ctx.now() + number_or(request, "within_s", 90.0, low=1, high=600)
        self._lay_out()
        if self._is_kept():
            return self._told()

        def accepted(answer: Answer) -> None:
            if answer.ok or self.ctx.now() >= until:
                self._wait(request, until)
            else:
                self.ctx.after(LOOK_S, partial(self._accept, accepted))

        self._accept(accepted)
        return LATER

    def do_prepare_library(self, request: Request) -> Any:
        """Have librarian take a document in, so that there is something in its index."""
        file = self.ctx.home / DOCUMENT
        file.parent.mkdir(mode=0o700, exist_ok=True)
        replace(file, WORDS)

        def taken(answer: Answer) -> None:
            if answer.ok:
                self.did = "laid out a document"
                self.ctx.answer(request, {"document": DOCUMENT.name})
            else:
                why = (answer.error or {}).get("message", "no reason was given")
                self.ctx.answer(
                    request, error=WorldFailed(f"librarian did not take it: {why}", hint="see: tail librarian")
                )

        self.ctx.ask("librarian", "ingest", {"path": str(DOCUMENT)}, taken, timeout_s=INGEST_S)
        return LATER

    def _accept(self, then: Callable[[Answer], None]) -> None:
        """Whoever keeps copies follows what the mesh accepts."""
        self.ctx.ask(MESH, "accept", {"what": "config"}, then)

    def _lay_out(self) -> None:
        for path, content in ((ARTEFACT, WEIGHTS), (SETTINGS, RULES)):
            file = self.ctx.home / path
            if not file.exists():
                file.parent.mkdir(mode=0o700, exist_ok=True)
                replace(file, content)
        listed = self.ctx.home / ARTEFACT.parent / manifest.NAME
        known = manifest.read(listed) if listed.exists() else {}
        if ARTEFACT.name not in known:
            named = {**known, ARTEFACT.name: hashlib.sha256(WEIGHTS).hexdigest()}
            replace(listed, manifest.text_of(named).encode())

    def _is_kept(self) -> bool:
        home = self.ctx.home
        listed = home / SETTINGS.parent / manifest.NAME
        copies = [home / COPIES / path for path in (ARTEFACT, SETTINGS)]
        return all(copy.exists() for copy in copies) and listed.exists() and SETTINGS.name in manifest.read(listed)

    def _wait(self, request: Request, until: float) -> None:
        if self._is_kept():
            self.ctx.answer(request, self._told())
        elif self.ctx.now() < until:
            self.ctx.after(LOOK_S, partial(self._wait, request, until))
        else:
            hint = "infrastructure_manager keeps them: see status infrastructure_manager"
            self.ctx.answer(request, error=TimedOut("no good copies were made of what was laid out", hint=hint))

    def _told(self) -> Data:
        self.did = "laid out, with good copies"
        return {"artefact": str(ARTEFACT), "settings": str(SETTINGS)}
