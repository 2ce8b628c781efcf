"""Talking to actors from a process that is not one: the gateway and the boot conductor.

Each thread has an `Outside` of its own (a shared endpoint would hand answers to the wrong caller) and
every request carries an id. Invariant: an ask ends with its own answer or its deadline, never another's.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from thespian.system.transport import ReceiveEnvelope, TransmitIntent, TransmitOnly

from grace_actors import wire
from grace_actors.errors import Died, GraceError, NotFound, Refused, StoreFailed, TimedOut, WorldFailed
from grace_actors.kernel import Answer, Data
from grace_actors.transport.addresses import PeerLost

_STEP_S = 0.25
_ERRORS = {kind.code: kind for kind in (Died, NotFound, Refused, StoreFailed, TimedOut, WorldFailed)}
_numbers = itertools.count(1)


class Outside:
    """One private endpoint. `registry` is asked for each time: it may move."""

    def __init__(self, transport: Any, registry: Callable[[], Any]) -> None:
        self._transport = transport.external_transport_clone()
        self._transport.announces_losses = True
        self._registry = registry
        self._known: dict[str, Any] = {}

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Outside:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, to: str, verb: str, args: Data | None = None, *, timeout_s: float = 10.0, again: bool = False) -> Any:
        """The value of the answer. A request that only looks may be sent `again` to the next incarnation when
        this one dies over it. Raises the GraceError of the answer, Died or TimedOut."""
        deadline = time.monotonic() + timeout_s
        stale = ""
        while time.monotonic() < deadline:
            address = self._resolve(to, stale, deadline)
            if address is None:
                break
            stale = str(address.addressDetails)
            number = next(_numbers)
            was_dead = self._send(address, wire.Ask(number, verb, args or {}, "console"))
            answer = PeerLost(stale) if was_dead else self._wait_for(number, stale, deadline)
            if isinstance(answer, Answer):
                return _value(answer)
            if answer is None:
                break
            self._known.pop(to, None)
            if not was_dead and not again:
                raise Died(f"{to} died before it answered {verb}", hint=f"see: status {to}")
        raise TimedOut(f"{to} did not answer {verb} within {timeout_s:g} s", hint=f"see: status {to}")

    def tell(self, address: Any, message: Any) -> bool:
        """Send a runtime message to an address; False when it is dead."""
        return not self._send(address, message)

    def _send(self, address: Any, message: Any) -> bool:
        """True when the address turned out to be dead."""
        failed: list[object] = []
        intent = TransmitIntent(address, message, onError=lambda *_: failed.append(1))
        self._transport.scheduleTransmit(None, intent)
        self._transport.run(TransmitOnly, timedelta(seconds=1))
        return bool(failed)

    def _resolve(self, name: str, stale: str, deadline: float) -> Any:
        if name in self._known:
            return self._known[name]
        asked_at = 0.0
        while (now := time.monotonic()) < deadline:
            registry = self._registry()
            if registry is not None and now - asked_at > _STEP_S:
                self._send(registry, wire.Resolve(name, stale))
                asked_at = now
            message = self._receive(min(deadline - now, _STEP_S if registry is not None else 0.02))
            if not isinstance(message, wire.Resolved) or message.name != name:
                continue
            if str(message.address.addressDetails) != stale:  # an answer to an earlier question may come late
                self._known[name] = message.address
                return message.address
        return None

    def _wait_for(self, number: int, path: str, deadline: float) -> Answer | PeerLost | None:
        while (left := deadline - time.monotonic()) > 0:
            message = self._receive(left)
            if isinstance(message, wire.Reply) and message.id == number:
                return message.answer
            if isinstance(message, wire.Kept) and message.id == number:
                path = ""  # the next incarnation gets it: the death of this one is no answer
            if isinstance(message, PeerLost) and message.path == path:
                return message
        return None

    def _receive(self, timeout_s: float) -> Any:
        envelope = self._transport.run(None, timedelta(seconds=max(0.0, timeout_s)))
        return envelope.message if isinstance(envelope, ReceiveEnvelope) else None


def _value(answer: Answer) -> Any:
    if answer.ok:
        return answer.value
    error = answer.error or {}
    kind = _ERRORS.get(error.get("code", ""), GraceError)
    raise kind(error.get("message", "failed"), hint=error.get("hint", ""))
