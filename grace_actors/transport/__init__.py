"""How actors talk: a Thespian system base over private Unix sockets.

The only package that knows Thespian's transport contract. It decides nothing about supervision. From the wire up:
sockets, frames, link (one connection), mesh (all of one endpoint), inbox and flow (what waits), run_loop, transport,
manager (what is between a message and its handler), base (the whole, with its admin).
Invariant: no inet socket is opened unless TCP is asked for, and no byte of a stranger is unpickled.
"""

from grace_actors.transport.addresses import PeerLost
from grace_actors.transport.base import GraceSystemBase
from grace_actors.transport.transport import GraceTransport

__all__ = ["GraceSystemBase", "GraceTransport", "PeerLost"]
