"""The registry actor: which address serves a name now.

Knows names and addresses only. When it is restarted its address travels through the tree and everybody
registers again, so nothing is stored. Invariant: a name points to the newest incarnation that registered.
"""

from __future__ import annotations

from typing import Any

from grace_actors import wire
from grace_actors.actor import Actor, memory_mb
from grace_actors.errors import NotFound


class Registry(Actor):
    """Answers Resolve now or as soon as the name is registered."""

    def begin(self) -> None:
        self._served: dict[str, tuple[int, Any]] = {}
        self._wanted: dict[str, list[tuple[Any, str]]] = {}
        self.names.registry_at(self.myAddress)
        self.send(self.parent, wire.RegistryAt(self.myAddress))
        self.is_ready()

    def on_message(self, message: Any, sender: Any) -> None:
        match message:
            case wire.Register(name, gen):
                self._register(name, gen, sender)
            case wire.Resolve(name, stale):
                self._resolve(name, stale, sender)
            case _:
                super().on_message(message, sender)

    def _register(self, name: str, gen: int, address: Any) -> None:
        self._served[name] = (gen, address)
        waiting = self._wanted.pop(name, [])
        path = str(address.addressDetails)
        for asker, stale in waiting:
            if stale == path:
                self._wanted.setdefault(name, []).append((asker, stale))
            else:
                self.send(asker, wire.Resolved(name, address))

    def _resolve(self, name: str, stale: str, sender: Any) -> None:
        known = self._served.get(name)
        if known is not None and str(known[1].addressDetails) != stale:
            self.send(sender, wire.Resolved(name, known[1]))
            return
        waiting = self._wanted.setdefault(name, [])
        path = str(sender.addressDetails)
        waiting[:] = [w for w in waiting if str(w[0].addressDetails) != path]
        waiting.append((sender, stale))

    def handle_ask(self, ask: wire.Ask, sender: Any) -> Any:
        if ask.verb == "names":
            return sorted(self._served)
        if ask.verb == "ping":
            return {"pong": True}
        if ask.verb == "ready":
            return {"checks": [{"name": "serving", "ok": self.name in self._served, "detail": ""}]}
        if ask.verb == "inspect":
            return {"checks": [], "metrics": {"names": len(self._served)}, "does": self.pulse().does}
        if ask.verb == "inject":
            self.inject(ask.args["fault"], ask.args.get("params", {}))
            return None
        raise NotFound(f"registry has no verb {ask.verb!r}", hint="it knows: names, ping, ready, inspect")

    def pulse(self) -> wire.Pulse:
        return wire.Pulse(self.name, self.gen, f"serves {len(self._served)} names", 0, memory_mb())
