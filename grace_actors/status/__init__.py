"""The read model of the tree and the event log: what everyone may ask, decided by nobody here.

Supervisors describe themselves to the status actor and every actor records its events with it; the shell,
the HTTP API and the kernels read from it. Losing it loses no decision: it is told everything again.
"""

from grace_actors.status.actor import Status

__all__ = ["Status"]
