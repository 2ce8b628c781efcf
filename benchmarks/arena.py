"""A tree in the measuring process's own forks: no guard, no console, nothing but the runtime.

The measuring process plays the root's parent. It holds the same imports as the floor's loop.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from thespian.system.transport import ReceiveEnvelope, TransmitIntent

import benchmarks.kernels  # noqa: F401 - forked with, not imported by each child
from grace_actors import birth as births
from grace_actors import lifeline, wire
from grace_actors.home import Home
from grace_actors.outside import Outside
from grace_actors.transport.base import start as start_actor_system
from supervisors.spec import ChildSpec, ChildType, KernelStart, Strategy, SupervisorSpec

TRIVIAL = KernelStart(path="benchmarks.kernels:Trivial")
REGISTRY = ChildSpec(id="registry", start=KernelStart(path="grace_actors.registry:Registry"))


class Arena:
    """A running tree: [registry, the supervisor under test]."""

    def __init__(self, root: SupervisorSpec, directory: Path) -> None:
        self.registry: Any = None
        home = Home(directory).create()
        sockets = directory / "s"
        sockets.mkdir()
        words = births.LastWords()
        births.prepare(
            births.Birth(
                name=root.name,
                gen=1,
                kind="supervisor",
                parent=None,
                start=root,
                home=home.root,
                instance="bench",
                registry=None,
                last_words_fd=words.write_fd,
            )
        )
        self.actors = start_actor_system(str(sockets))
        self._transport = self.actors._systemBase.transport
        address = self.actors.createActor("grace_actors.supervisor.SupervisorActor")
        self._transport.scheduleTransmit(None, TransmitIntent(address, wire.Begin(1)))
        self.root = address
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until the root says it is ready."""
        while True:
            envelope = self._transport.run(None, timedelta(seconds=60))
            match envelope.message if isinstance(envelope, ReceiveEnvelope) else None:
                case wire.RegistryAt(address):
                    self.registry = address
                case wire.Ready():
                    return
                case wire.RootGone(_, reason, detail):
                    raise RuntimeError(f"the tree did not start: {reason} {detail}")
                case None:
                    raise RuntimeError("the tree did not start within 60 s")

    def outside(self) -> Outside:
        return Outside(self._transport, lambda: self.registry)

    def drain(self) -> None:
        """Read what has come in, so that it does not pile up."""
        while isinstance(self._transport.run(None, timedelta(0)), ReceiveEnvelope):
            pass


@contextlib.contextmanager
def arena(*children: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE) -> Iterator[Arena]:
    """A tree whose second branch is `children` under `strategy`, without restart limits."""
    under_test = (branch_of(*children, strategy=strategy),) if children else ()
    root = SupervisorSpec(name="bench", intensity=100_000, period_s=1.0, children=(REGISTRY, *under_test))
    with tempfile.TemporaryDirectory(prefix="grace-bench-") as directory:
        lifeline.install()
        running = Arena(root, Path(directory))
        try:
            yield running
        finally:
            running.actors.shutdown()
            _reap()


def _reap() -> None:
    deadline = time.monotonic() + 10
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.002)


def branch_of(*children: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE) -> ChildSpec:
    """A supervisor called `branch` without restart limits."""
    spec = SupervisorSpec(name="branch", strategy=strategy, intensity=100_000, period_s=1.0, children=children)
    return ChildSpec(id="branch", start=spec, type=ChildType.SUPERVISOR)


def trivial(name: str) -> ChildSpec:
    """A permanent child that does nothing."""
    return ChildSpec(id=name, start=TRIVIAL, shutdown_s=5.0)
