"""The Thespian system base on our own transport, and its admin as a true child of the process that starts it.

Thespian daemonises its admin by forking twice. Here the starter is a child subreaper, so the admin comes
back as its child and dies with it: `GraceAdmin` arms the parent-death signal once it has been adopted.
Invariant: when the process that started the system is gone, the admin is gone.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

from thespian.actors import InvalidActorAddress
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import (
    MAX_ADMIN_STARTUP_DELAY,
    MultiProcAdmin,
    detach_child,
    multiprocessCommon,
    startAdmin,
)
from thespian.system.transport import ReceiveEnvelope

from grace_actors import lifeline
from grace_actors.transport import sockets
from grace_actors.transport.forking import ForkContext
from grace_actors.transport.frames import TOKEN_BYTES
from grace_actors.transport.manager import LeanSending
from grace_actors.transport.sockets import Place
from grace_actors.transport.transport import PLACE, GraceTransport

STARTER_PID = "Grace Starter Pid"
_ADOPTION_S = 2.0


class GraceAdmin(LeanSending, MultiProcAdmin):  # type: ignore[misc]
    """Thespian's admin, bound to the life of its starter."""

    def __init__(self, transport: Any, address: Any, capabilities: Any, *args: Any) -> None:
        starter = capabilities[STARTER_PID]
        deadline = time.monotonic() + _ADOPTION_S
        while os.getppid() != starter and time.monotonic() < deadline:
            time.sleep(0.0005)
        lifeline.arm(parent=starter)
        lifeline.rearm()
        super().__init__(transport, address, capabilities, *args)

    def run(self) -> None:
        """Until the shutdown; the address is dead afterwards."""
        try:
            super().run()
        finally:
            self.transport.close()


class GraceSystemBase(multiprocessCommon):  # type: ignore[misc]
    """Give this class's instance to `ActorSystem(systemBase=...)`, or let `start` do it."""

    transportType = GraceTransport  # noqa: N815 - Thespian's name

    def __init__(self, system: Any, logDefs: Any = None) -> None:  # noqa: N803
        system.capabilities["Thespian ActorSystem Name"] = "graceBase"
        system.capabilities["Thespian ActorSystem Version"] = 1
        system.capabilities["Thespian Watch Supported"] = True
        super().__init__(system, logDefs)

    def _startAdmin(self, address: Any, starter: Any, capabilities: Any, logDefs: Any) -> None:  # noqa: N802, N803
        capabilities[STARTER_PID] = os.getpid()
        self.mpcontext = ForkContext()
        lifeline.adopt_orphans()
        endpoint = self.transport.prepEndpoint(address, capabilities)
        args = (GraceAdmin, starter, endpoint, GraceTransport, address, capabilities, logDefs, self.mpcontext)
        admin = self.mpcontext.Process(target=_start_admin, args=args, name="grace-admin")
        admin.start()
        detach_child(admin)
        answer = self.transport.run(None, MAX_ADMIN_STARTUP_DELAY)
        if not isinstance(answer, ReceiveEnvelope) or not isinstance(answer.message, EndpointConnected):
            raise InvalidActorAddress(address, "not a valid ActorSystem admin")


def _start_admin(*args: Any) -> None:
    """First fork: must not be bound to a parent, it ends as soon as the second fork exists."""
    lifeline.disarm()
    startAdmin(*args)


def start(directory: str, *, host: str = "", port: int = 0) -> Any:
    """A running ActorSystem whose sockets live in `directory` (which must exist, mode 0700); with `host`, on TCP
    ports of that address instead, the admin's being `port` (0: a free one). Whoever can read what travels there
    can run code as this user: the endpoints know each other by a token only."""
    from thespian.actors import ActorSystem

    place = Place(directory)
    if host:
        place = Place(host=host, admin_port=port or sockets.free_port(host), token=secrets.token_bytes(TOKEN_BYTES))
    capabilities = {PLACE: place}

    class _System:  # what Thespian's loader passes to a base: an object with capabilities
        pass

    system = _System()
    system.capabilities = capabilities  # type: ignore[attr-defined]
    base = GraceSystemBase(system)
    return ActorSystem(systemBase=base, capabilities=capabilities, transientUnique=True)
