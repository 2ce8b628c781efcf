"""Addresses of endpoints, and what a parent hands to the transport of its child.

Plain data that Thespian carries around. Invariant: an address is one string, the path of a socket file or
`tcp:HOST:PORT`, and nothing else.
"""

from __future__ import annotations

from typing import Any


class SocketAddress:
    """Where an endpoint listens."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SocketAddress) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __str__(self) -> str:
        return self.path

    def isSameSystem(self, other: object) -> bool:  # noqa: N802 - Thespian's name
        """Every endpoint of a host is of one system."""
        return isinstance(other, SocketAddress)


class PeerLost:
    """Message of the transport to its own actor: the endpoint at `path`, talked to before, is gone."""

    __slots__ = ("path",)
    __match_args__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class Endpoint:
    """What a parent prepares for its child: Thespian passes it to the child's transport."""

    def __init__(self, instance: int | None, assigned: Any, admin: Any, place: Any) -> None:
        self.addrInst = instance
        self.assigned, self.admin, self.place = assigned, admin, place
