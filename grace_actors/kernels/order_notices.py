"""What coding_agent tells about a work order: the events, by the names that whoever waits for an order looks for.

Pure: an order goes in, events come out; it must not know when they are sent. Invariant: `work_order_updated` is the
last of a change, so who hears it has heard of the patch and of its tests.
"""

from __future__ import annotations

from collections.abc import Iterator

from grace_actors.kernel import Data
from grace_actors.kernels.work_orders import OrderState

CREATED = "coding_agent.work_order_created"
UPDATED = "coding_agent.work_order_updated"
PATCHED = "coding_agent.patch_generated"
PASSED = "coding_agent.tests_passed"
NOTICES = (CREATED, UPDATED, PATCHED, PASSED)

Notice = tuple[str, Data]
"""Type and data; the subject is always the order."""
_OK = {OrderState.COMPLETED.value: True, OrderState.FAILED.value: False}


def created(order: Data) -> Notice:
    """It is in the queue."""
    told = {key: order[key] for key in ("type", "priority", "status", "description")}
    return CREATED, told | _references(order)


def updated(order: Data, message: str) -> Iterator[Notice]:
    """It moved. `ok` is true when it is completed, false when it failed, null while nobody knows and of one that was
    withdrawn."""
    patch = order["patch_result"] or {}
    result = {"files_changed": patch.get("files_changed"), "tests_passed": patch.get("tests_passed")}
    if order["status"] == OrderState.COMPLETED.value:
        if patch.get("diff_url") or patch.get("files_changed"):
            yield PATCHED, result | {"diff_url": patch.get("diff_url", "")} | _references(order)
        if patch.get("tests_passed"):
            yield PASSED, result | _references(order)
    state = {"status": order["status"], "ok": _OK.get(order["status"]), "message": message}
    yield UPDATED, state | _references(order) | {"agent": order["assigned_agent"]} | result


def _references(order: Data) -> Data:
    return {"run": order["self_healing_run_id"], "incident": order["incident"]}
