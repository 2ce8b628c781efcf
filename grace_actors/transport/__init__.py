"""How actors talk: a Thespian system base over private Unix sockets.

The only package that knows Thespian's transport contract. It decides nothing about supervision.
Invariant: no inet socket is opened, and no byte of a peer of another uid is unpickled.
"""

from grace_actors.transport.addresses import PeerLost
from grace_actors.transport.base import GraceSystemBase
from grace_actors.transport.unix import UnixTransport

__all__ = ["GraceSystemBase", "PeerLost", "UnixTransport"]
