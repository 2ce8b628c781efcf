"""Mistakes of spelling in a playbook file: what has one right answer is mended, and nothing else."""

from __future__ import annotations

import codecs
import random
import re
from pathlib import Path
from typing import Any

import pytest

from grace_actors.actions.catalogue import specs
from grace_actors.healing.library import PACKS
from grace_actors.mending.mechanical import MOST_BYTES, MOST_JUDGED, MOST_JUDGED_BYTES, Faulty, Sound, mend
from playbooks.loader import PlaybookFileError, read_playbook
from supervisors.yaml_source import parse_yaml

FILES = sorted(PACKS.glob("*.yaml"))
ACTIONS = specs()
LINES: dict[str, tuple[str, Any]] = {
    "a tab": (r"^( +)(?=\S)", lambda found: "\t" * max(len(found[1]) // 2, 1)),
    "no space after a colon": (r"^( *(?:- )?\w+): (?=\S)", r"\1:"),
    "no space after a dash": (r"^( *)- (?=\w)", r"\1-"),
    "no colon": (r"^( *\w+):$", r"\1"),
    "an open quote": (r"^( *\w+: \"[^\"]*)\"$", r"\1"),
}


class Judge:
    """The real loader, which counts how often it is asked."""

    def __init__(self, path: Path) -> None:
        self.path, self.asked = path, 0

    def __call__(self, text: str) -> Sound | Faulty:
        self.asked += 1
        node, _ = parse_yaml(text, str(self.path))
        try:
            read_playbook(text, self.path, ACTIONS)
        except PlaybookFileError as error:
            return Faulty(error.faults[0].place.line, len(error.faults), node is not None)
        assert node is not None
        return Sound(node.plain())


def meaning(text: str) -> object:
    node, _ = parse_yaml(text, "x")
    return node.plain() if node else None


@pytest.mark.parametrize("kind", LINES)
def test_a_line_of_any_pack_that_is_misspelt_is_mended_to_what_it_meant_or_left(kind: str) -> None:
    pattern, into = LINES[kind]
    mended, rng = 0, random.Random(kind)
    for path in FILES:
        good = path.read_text(encoding="utf-8")
        lines = good.split("\n")
        places = [number for number, line in enumerate(lines) if re.search(pattern, line)]
        if not places:
            continue
        number = rng.choice(places)
        bad = "\n".join([*lines[:number], re.sub(pattern, into, lines[number]), *lines[number + 1 :]])
        judge = Judge(path)
        if isinstance(judge(bad), Sound):
            continue
        found = mend(bad.encode(), judge)
        assert judge.asked <= MOST_JUDGED + 1
        if found is not None:
            assert meaning(found.text) == meaning(good), (path.name, [str(edit) for edit in found.edits])
            mended += 1
    assert mended > 5


def broken(path: Path, old: str, new: str) -> bytes:
    text = path.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1).encode()


PACK = PACKS / "critical_kernel_restart.yaml"


def test_every_edit_is_told_with_its_line_and_nothing_else_is_different() -> None:
    raw = broken(PACK, "title: Restart", "title:Restart")
    found = mend(raw, Judge(PACK))
    assert found is not None
    assert [str(edit) for edit in found.edits] == ["line 3: a space put after the colon"]
    assert found.text == PACK.read_text(encoding="utf-8")


def test_several_mistakes_are_mended_one_after_the_other() -> None:
    text = PACK.read_text(encoding="utf-8").replace("title: R", "title:R").replace("severity: c", "severity:c")
    found = mend(text.encode(), Judge(PACK))
    assert found is not None
    assert [edit.line for edit in found.edits] == [3, 9, 37]
    assert found.text == PACK.read_text(encoding="utf-8")


def test_a_file_of_a_foreign_editor_is_written_as_ours() -> None:
    text = PACK.read_text(encoding="utf-8")
    raw = codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le")
    found = mend(raw, Judge(PACK))
    assert found is not None
    assert found.text == text
    assert [edit.line for edit in found.edits] == [0, 0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"\x80 is no text",
        b"schema: 3",
        PACK.read_bytes()[:300],
        broken(PACK, "action: restart_kernel", "action: restart_kernle"),
        broken(PACK, "steps:", "stepps:"),
        b"x" * (MOST_BYTES + 1),
    ],
    ids=["empty", "half a letter", "no text", "no playbook", "cut off", "no action", "no key", "too long"],
)
def test_what_may_have_been_meant_in_several_ways_is_left(raw: bytes) -> None:
    assert mend(raw, Judge(PACK)) is None


def test_a_long_file_is_read_less_often() -> None:
    """One of 256 kB used to be read for so long that its reader was taken for dead."""
    read = 0

    def judge(text: str) -> Sound | Faulty:
        nonlocal read
        read += len(text)
        return Faulty(20, 1)

    line = "key:value" + " " * (MOST_BYTES // 25) + "\n"
    assert mend((line * 20).encode(), judge) is None
    assert MOST_JUDGED_BYTES // 2 < read < MOST_JUDGED_BYTES + MOST_BYTES


def test_two_readings_with_a_different_meaning_are_none() -> None:
    def judge(text: str) -> Sound | Faulty:
        """Both lines may be corrected, which says something else each time."""
        sound = text.count(": ") == 1
        return Sound(text) if sound else Faulty(2, 1, True)

    assert mend(b"a:1\nb:2\n", judge) is None


def test_a_sound_file_is_not_changed() -> None:
    assert mend(PACK.read_bytes(), Judge(PACK)) is None
