"""The transport of the actor system: what Thespian calls to send, to find others and to prepare for children.

Knows Thespian's contract (see its TCP and UDP transports) and translates it to `RunLoop` and `Mesh`. Invariants:
order is kept from one sender to one receiver on each lane; a message is delivered once, or reported dead at once,
or was in the inbox of a peer that died; no thread but the one that runs touches a connection.
"""

from __future__ import annotations

import time
from pickle import HIGHEST_PROTOCOL, dumps
from threading import get_ident
from typing import Any

from thespian.actors import ActorAddress
from thespian.system.addressManager import ActorLocalAddress, CannotPickleAddress
from thespian.system.transport import ExternalInterfaceTransportInit, SendStatus, Thespian__UpdateWork

from grace_actors.transport import flow, sockets
from grace_actors.transport.addresses import Endpoint, SocketAddress
from grace_actors.transport.frames import POSITION, Lane, encode
from grace_actors.transport.lanes import lane_of
from grace_actors.transport.run_loop import RunLoop
from grace_actors.transport.sockets import Place

PLACE = "Grace Place"
"""The capability that says where the endpoints of the system listen: a `Place`."""

CONTROL = Lane.CONTROL
_THREADS_MOST = 100
_THREADS_STEP_S = 0.001


class _Clone:
    """Marks the transport of a `private()` endpoint."""


class GraceTransport(RunLoop):
    """One endpoint: an actor's, the admin's, or that of a program outside."""

    def __init__(self, init: Any, *args: Any) -> None:
        assigned: str | None = None
        if isinstance(init, ExternalInterfaceTransportInit):
            self.place: Place = args[0][PLACE]
            self._adminAddr = self.getAdminAddr(args[0])
        elif isinstance(init, Endpoint):
            self.place, self._adminAddr = init.place, init.admin
            assigned = init.assigned.addressDetails.path if init.assigned else None
        elif isinstance(init, _Clone):
            self.place, self._adminAddr = args
        else:
            raise TypeError(f"GraceTransport cannot be made from {type(init).__name__}")
        super().__init__(assigned or self.place.fresh(), self.place.token)
        self._is_open = self._waits_for_room = True

    # ---- life -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Release everything; the endpoint's address is dead afterwards."""
        if self._is_open:
            self._is_open = False
            self._mesh.close()
            self._poller.close()

    def remove_sockets_of(self, pid: int) -> None:
        """The files of a process that ended without closing them."""
        sockets.forget(self.place.directory, pid)

    def external_transport_clone(self) -> GraceTransport:
        """An endpoint of its own, for one thread."""
        return GraceTransport(_Clone(), self.place, self._adminAddr)

    def protectedFileNumList(self) -> list[int]:  # noqa: N802 - Thespian's name
        return [*self._poller.own_descriptors(), *self._mesh.descriptors()]

    def childResetFileNumList(self) -> list[int]:  # noqa: N802 - Thespian's name
        return self.protectedFileNumList()

    # ---- addresses ------------------------------------------------------------------------------

    @staticmethod
    def getAdminAddr(capabilities: Any) -> Any:  # noqa: N802 - Thespian's name
        return ActorAddress(SocketAddress(capabilities[PLACE].admin))

    @staticmethod
    def getAddressFromString(spec: str) -> Any:  # noqa: N802 - Thespian's name
        return ActorAddress(SocketAddress(spec))

    @staticmethod
    def getConventionAddress(capabilities: Any) -> None:  # noqa: N802 - Thespian's name
        return None

    @staticmethod
    def probeAdmin(address: Any) -> bool:  # noqa: N802 - Thespian's name
        """Whether somebody listens there."""
        return sockets.answers(address.addressDetails.path)

    def prepEndpoint(self, local: Any, capabilities: Any) -> Endpoint:  # noqa: N802 - Thespian's name
        """What a child's transport is made from."""
        details = local.addressDetails
        if isinstance(details, ActorLocalAddress):
            return Endpoint(details.addressInstanceNum, None, self._adminAddr, self.place)
        return Endpoint(None, local, self._adminAddr, self.place)

    def connectEndpoint(self, endpoint: Endpoint) -> None:  # noqa: N802 - Thespian's name
        """Nothing to do: the child's first message tells its address."""

    def setAddressManager(self, manager: Any) -> None:  # noqa: N802 - Thespian's name
        self._addressMgr = manager

    def enableRXPauseFlowControl(self, enable: bool = True) -> None:  # noqa: N802 - Thespian's name
        """Whether a send may wait for room. Not for the admin: everybody waits for it."""
        self._waits_for_room = enable

    def lostRemote(self, address: Any) -> None:  # noqa: N802 - Thespian's name
        """There are no remote hosts here."""

    def deadAddress(self, manager: Any, address: Any) -> None:  # noqa: N802 - Thespian's name
        path = getattr(address.addressDetails, "path", None)
        if path is not None:
            self._mesh.forget(path)

    # ---- sending --------------------------------------------------------------------------------

    def scheduleTransmit(self, manager: Any, intent: Any) -> None:  # noqa: N802 - Thespian's name
        """Send as soon as the kernel takes it; waits when too much waits for this receiver already.
        Raises CannotPickleAddress for a child whose address is not known yet (Thespian keeps the message),
        FrameTooLarge, and whatever pickling raises."""
        if type(intent.targetAddr.addressDetails) is not SocketAddress and not _is_prepared(manager, intent):
            return
        message, path = intent.message, intent.targetAddr.addressDetails.path
        if type(message) is Thespian__UpdateWork:
            intent.tx_done(SendStatus.Sent)
            return
        lane = lane_of(message)
        if path == self._mesh.path:
            self._put_own(message, lane)
            if self._runner != get_ident():
                self._poller.wake()
            intent.tx_done(SendStatus.Sent)
            return
        payload = dumps(message, HIGHEST_PROTOCOL)
        if self._runner == get_ident():
            self._send(path, lane, payload, intent)
        else:
            self._send_from_thread(path, lane, payload, intent)

    def _send(self, path: str, lane: Lane, payload: bytes, intent: Any) -> None:
        if lane is CONTROL:
            source = self._mesh.sources.get(path)
            position = POSITION.pack(source.sent if source is not None else 0)
            self._mesh.send(path, lane, encode(payload, position), intent)
            return
        frame = encode(payload)
        if self._mesh.waiting_for(path) > flow.OUT_HIGH and self._waits_for_room:
            self.wait_for_room(path)
        self._mesh.send(path, lane, frame, intent)

    def _send_from_thread(self, path: str, lane: Lane, payload: bytes, intent: Any) -> None:
        """Connections belong to the thread that runs. While none runs, the caller may use them."""
        with self._turns:
            if not self._runner:
                self._send(path, lane, payload, intent)
                self._mesh.end_turn()
                return
        encode(payload)  # what is too large is told to the caller
        while self._runner and (
            len(self._from_threads) >= _THREADS_MOST or self._mesh.waiting_for(path) > flow.OUT_HIGH
        ):
            time.sleep(_THREADS_STEP_S)  # the thread that runs waits for nobody else's sends
        self._from_threads.append(lambda: self._send(path, lane, payload, intent))
        self._poller.wake()


def _is_prepared(manager: Any, intent: Any) -> bool:
    """Looks up the address of a child. An address of ours needs that not: this transport records no dead ones with
    the manager. False when the message must not be sent at all. Raises CannotPickleAddress."""
    target, message = manager.prepMessageSend(intent.targetAddr, intent.message)
    if message is SendStatus.DeadTarget:
        intent.tx_done(SendStatus.Sent)  # a notice to the dead about the dead: dropped, as Thespian asks
        return False
    if not target:
        raise CannotPickleAddress(intent.targetAddr)
    intent.changeTargetAddr(target)
    intent.changeMessage(message)
    return True
