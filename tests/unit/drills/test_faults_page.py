"""docs/faults.md has one row for each fault, with its parameters and who carries it out."""

from __future__ import annotations

import re

from chaos.faults.table import FAULTS
from tests.contract.pages import page

ROWS = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| *(.*?) *\| (.+?) \|$", page("docs/faults.md").text, re.MULTILINE)


def test_every_fault_has_a_row_and_every_row_a_fault() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(FAULTS)


def test_a_row_says_who_carries_it_out_and_every_parameter() -> None:
    who = {"supervisor": "supervisor", "actor": "target", "runner": "runner"}
    said = {name: (by, set(re.findall(r"`(\w+)`", params))) for name, by, _, params, _ in ROWS}
    assert said == {
        name: (who[fault.where], {parameter.name for parameter in fault.parameters}) for name, fault in FAULTS.items()
    }
