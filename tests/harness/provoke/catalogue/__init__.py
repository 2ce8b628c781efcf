"""All faults, in the order in which they are provoked."""

from __future__ import annotations

from tests.harness.provoke.catalogue import desk, fleet, gateway, ingest, kernels, lab, ledger, office, shop
from tests.harness.provoke.fault import Fault

FAULTS: tuple[Fault, ...] = tuple(
    fault for part in (shop, ledger, ingest, gateway, fleet, desk, lab, office, kernels) for fault in part.FAULTS
)
