"""Incidents: what is done about one failure, from the first notice to the verified end.

Pure: events in, commands out; nothing here reads a clock, a file or a store.
Invariant: what is listed in `__all__` is the public surface; the rest may change without notice.
"""

from __future__ import annotations

from playbooks.incidents.case import Case
from playbooks.incidents.choice import Candidate, Knowledge, candidates_of, choose
from playbooks.incidents.repair import ITSELF
from playbooks.incidents.state import CaseState, How, Phase, Record

__all__ = ["ITSELF", "Candidate", "Case", "CaseState", "How", "Knowledge", "Phase", "Record", "candidates_of", "choose"]
