"""Both pages are read in the light and in the dark: every colour of a text stands out from its paper."""

from __future__ import annotations

import re

import pytest

from chaos.report.style import SHEET
from grace_actors.kernels.api_page import PAGE

TEXTS = {"ink", "dim", "good", "bad", "warn", "calm", "link"}
LEAST = 4.5
"""The contrast that WCAG 2 asks of text of this size."""


def schemes(sheet: str) -> tuple[dict[str, str], dict[str, str]]:
    """The colours by name, in the light and in the dark."""
    first, dark = re.findall(r":root \{([^}]*)\}", sheet)[:2]
    light = dict(re.findall(r"--(\w+): (#\w+)", first))
    return light, light | dict(re.findall(r"--(\w+): (#\w+)", dark))


def brightness(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sheet", [SHEET, PAGE.decode("ascii")], ids=["drills", "tree"])
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_its_paper(sheet: str, scheme: int) -> None:
    colours = schemes(sheet)[scheme]
    found = {name: contrast(colours[name], colours["paper"]) for name in TEXTS & set(colours)}
    assert len(found) >= 6
    assert {name: value for name, value in found.items() if value < LEAST} == {}


def test_the_tree_page_names_each_column_also_where_the_head_has_no_room() -> None:
    page = PAGE.decode("ascii")
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page)
    (names,) = re.findall(r"const NAMES = \[([^\]]*)\]", page)
    assert heads == re.findall(r'"([^"]*)"', names)
    assert "content: attr(data-name)" in page


def test_a_tree_page_without_a_tree_was_a_head_with_nothing_below() -> None:
    page = PAGE.decode("ascii")
    assert '<p id="empty" class="dim" hidden>There is no tree yet' in page
    assert 'at("table").hidden = !status.tree' in page
