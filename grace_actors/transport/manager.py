"""The manager of an actor's process, without what costs most between a message and its handler.

Thespian describes every message it sends and receives for a log that is off, throttles by a clock it asks for each
message, and makes each sender's address comparable anew. The classes here take the same steps without these; every
unusual message (the system's own, one before the start is complete, one whose handler raises) goes Thespian's way.
Invariant: what an actor can observe is what Thespian's manager would do.
"""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Callable
from typing import Any

from thespian.actors import ActorExitRequest, ActorSystemMessage, ChildActorExited, PoisonMessage, ThespianWatch
from thespian.system.multiprocCommon import MultiProcManager
from thespian.system.transport import ReceiveEnvelope, SendStatus, TransmitIntent

from grace_actors.transport.addresses import SocketAddress

_NO_DESCRIPTORS: list[int] = []
_UNUSUAL = (ActorSystemMessage, logging.LogRecord)


class Outgoing:
    """One message on its way: Thespian's TransmitIntent, without retries and timers this transport does not need."""

    __slots__ = ("_on_error", "message", "result", "targetAddr")

    def __init__(self, target: Any, message: Any, on_error: Callable[[Any, Any], Any]) -> None:
        self.targetAddr, self.message, self._on_error = target, message, on_error
        self.result: Any = None

    def changeTargetAddr(self, target: Any) -> None:  # noqa: N802 - Thespian's name
        self.targetAddr = target

    def changeMessage(self, message: Any) -> None:  # noqa: N802 - Thespian's name
        self.message = message

    def tx_done(self, status: Any) -> None:
        """Sent, or not: then who sent it is told."""
        self.result = status
        if status is not SendStatus.Sent:
            self._on_error(status, self)

    def identify(self) -> str:
        return f"{type(self.message).__name__} to {self.targetAddr}"


class LeanSending:
    """For admin and actors alike."""

    _addrManager: Any  # noqa: N815 - Thespian's name
    transport: Any

    def _send_intent(self, intent: Any, curtime: Any = None) -> None:
        self._send_intent_to_transport(intent)

    def _send_intent_to_transport(self, intent: Any) -> None:
        try:
            self.transport.scheduleTransmit(self._addrManager, intent)
        except Exception:
            # It fails again in the same way; Thespian keeps the message or hands it back as a PoisonMessage.
            super()._send_intent_to_transport(intent)  # type: ignore[misc]


class LeanManager(LeanSending, MultiProcManager):  # type: ignore[misc]
    """One for each actor."""

    def actor_send(self, target: Any, message: Any) -> None:
        """What `Actor.send` calls."""
        self._send_intent_to_transport(Outgoing(target, message, self.actor_send_fail))

    def handleMessages(self, envelope: ReceiveEnvelope) -> Any:  # noqa: N802 - Thespian's name
        """What the transport calls with each message; something false ends the process."""
        message = envelope.message
        if isinstance(message, ChildActorExited) and self._was_told(message.childAddress):
            return True
        if isinstance(message, _UNUSUAL) or self._receiveQueue or hasattr(self, "_exiting"):
            return super().handleMessages(envelope)
        if "eqOverride" not in envelope.sender.__dict__:
            self._addrManager.importAddr(envelope.sender)
        try:
            result = self.actorInst.receiveMessage(message, envelope.sender)
        except Exception as error:
            return self._after_failure(envelope, error)
        return self._after_message(result)

    def _was_told(self, child: Any) -> bool:
        """A child that says goodbye is also missed when its process ends: its parent hears it once."""
        return type(child.addressDetails) is SocketAddress and child not in self._children

    def _registerChild(self, child: Any) -> None:  # noqa: N802 - Thespian's name
        """A child that comes up while we end is told to end, too: Thespian would wait for it."""
        super()._registerChild(child)
        if hasattr(self, "_exiting"):
            self._send_intent(TransmitIntent(child, ActorExitRequest(recursive=True)))

    def _childExited(self, child: Any) -> None:  # noqa: N802 - Thespian's name
        """Thespian forgets all children that are dead by now. Each is told when its own end is looked at."""

    def _after_message(self, result: Any) -> bool:
        if isinstance(result, ThespianWatch):
            self.transport.set_watch(result.filenos)
        else:
            self.transport.set_watch(_NO_DESCRIPTORS)
        while self._receiveQueue:
            if not self._handleOneMessage(self._receiveQueue.pop(0)):
                return False
        return True

    def _after_failure(self, envelope: ReceiveEnvelope, error: Exception) -> bool:
        """Thespian's rule: once more with a copy, then the sender gets it back as a PoisonMessage."""
        message, who = envelope.message, (self._actorClass, self.transport.myAddress)
        log = logging.getLogger(str(self._actorClass))
        log.warning("Actor %s @ %s retryable exception on message %s", *who, message, exc_info=error)
        try:
            return self._after_message(self.actorInst.receiveMessage(copy.deepcopy(message), envelope.sender))
        except Exception:
            log.exception("Actor %s @ %s second exception on message %s", *who, message)
            self._send_intent(TransmitIntent(envelope.sender, PoisonMessage(message, traceback.format_exc())))
        return self._after_message(None)
