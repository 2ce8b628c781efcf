"""An event in a file, for `playbook test`: its type and its issue, or a record as `events --json` prints it.

What a playbook sees of a record is decided in `healing.intake`, as in a running instance. Invariant: a file is
understood in one way, or refused with the place of the mistake.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbooks.matching import TriggerEvent

RECORD = ("seq", "at", "type", "subject", "data")


def read_event_file(path: Path) -> TriggerEvent:
    """The event in a YAML or JSON file. Raises FileError."""
    from grace_actors.healing.intake import event_of
    from grace_actors.kernels.tree_events import TreeEvent
    from playbooks.matching import TriggerEvent
    from supervisors.tree_file.fields import Faults, Fields
    from supervisors.yaml_source import FileError, read_yaml

    faults = Faults()
    fields = Fields(read_yaml(path), "an event", faults)
    type = fields.needs("type", fields.text("type"))
    if "issue" in fields or not ("data" in fields or "subject" in fields):
        fields.only(("type", "issue"))
        issue = Fields(fields["issue"], "issue", faults).node.plain() if "issue" in fields else {}
        found = TriggerEvent(type=str(type), issue=issue)
    else:
        fields.only(RECORD)
        subject = fields.text("subject") if "subject" in fields else ""
        data = Fields(fields["data"], "data", faults).node.plain() if "data" in fields else {}
        name = str(subject or "").rpartition("/")[2]
        found = event_of(TreeEvent(type=str(type), subject=name, at=0.0, data=data if not faults.found else {}))
    if faults.found:
        raise FileError(list(faults.found))
    return found
