"""What a command of a case comes to in writing: lines of its story, attempts, and messages that must arrive.

Pure: it fills a batch and does nothing. Invariant: a text that is written was masked.
"""

from __future__ import annotations

import json

from grace_actors.healing.case_rows import decision, outcome, sighting, text
from grace_actors.healing.incident_rows import Batch
from grace_actors.healing.outbox import message
from grace_actors.healing.redaction import masked_data
from grace_actors.kernel import Data
from playbooks.incidents import Record
from playbooks.incidents import messages as m
from playbooks.incidents.messages import Command

WITHDRAW = "withdraw"
"""The verb of coding_agent that takes the orders of an incident out of the queue."""


def sighted(batch: Batch, row: Data) -> None:
    """The knowledge base is told that a failure was seen."""
    _mail(batch, row["id"], "signature", "seen", sighting(row, 1))


def write(batch: Batch, record: Record, row: Data, command: Command, now: float) -> bool:
    """Put the command into the batch; True when that is all there is to do."""
    id = record.id
    match command:
        case m.Note(what):
            batch.timeline.append((id, now, text(what)))
        case m.Learn(playbook, _, _, ok, detail):
            batch.ended.append((id, playbook, "healed" if ok else "failed", text(detail)))
            _mail(batch, id, "signature", "record_outcome", outcome(row, command, now))
        case m.Drop(playbook, why):
            batch.ended.append((id, playbook, "dropped", text(why)))
        case m.Judge(ok):
            key = f"{id}/{row['opened_at']:.3f}/{record.orders}/{len(record.tried)}/{ok}"
            judged = {"component": record.kernel, "ok": ok, "key": key}
            _mail(batch, id, "verification_framework", "record_outcome", judged)
        case m.Decide():
            _mail(batch, id, "clarity_framework", "record", decision(id, record.kernel, command))
        case m.Resolve(ok, note):
            args = {"outcome": "succeeded" if ok else "failed", "note": text(note)}
            _mail(batch, id, "clarity_framework", "resolve", args)
        case m.WithdrawOrders(why):
            _mail(batch, id, "coding_agent", WITHDRAW, {"incident": id, "reason": text(why)})
        case m.StartRun(playbook, inputs, how, _):
            attempt: Data = {"incident": id, "playbook": playbook, "params": json.dumps(masked_data(dict(inputs)))}
            attempt |= {"run": "", "how": how.value, "status": "running", "message": "", "at": now}
            batch.attempts.append(attempt)
            return False
        case _:
            return False
    return True


def _mail(batch: Batch, id: str, receiver: str, verb: str, args: Data) -> None:
    batch.outbox.append(message(receiver, verb, args, id))
