"""Whatever bytes a tree file holds, it loads or it is refused with places; nothing else ever leaves the loader."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors.loader import BUILT_IN, Tree, TreeFileError, load_tree
from supervisors.tree_file.keys import SECTIONS
from supervisors.yaml_source import plain_scalar
from tests.harness.examples import examples

BUILT_IN_LINES = BUILT_IN.read_bytes().splitlines(keepends=True)
NASTY = [b"\t", b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\r", b"\xf0\x9f\x98\x80", b"? ", b"- "]
NASTY += b"*a|&a |!!x |<<: |---\n|...\n|{|}|[|]|: |#|'|>\n|%YAML 9\n|none|~|.nan|1e999|-1|99999999999999999999".split(
    b"|"
)
NASTY += [b'"', b"|\n", b"depends_on: [grace]", b"id: grace\n"]
WORDS = sorted({key for section in SECTIONS.values() for key in section})


def outcome_of(raw: bytes) -> Tree | TreeFileError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tree.yaml")
        path.write_bytes(raw)
        try:
            return load_tree(path)
        except TreeFileError as refusal:
            return refusal


def check(raw: bytes) -> None:
    outcome = outcome_of(raw)
    if isinstance(outcome, TreeFileError):
        assert outcome.faults
        lines = raw.count(b"\n") + raw.count(b"\r") + 3 * raw.count(b"\xe2\x80") + 3 * raw.count(b"\xc2\x85") + 2
        for fault in outcome.faults:
            assert fault.message
            assert 1 <= fault.place.line <= lines
            assert fault.place.column >= 1
    else:
        names = [outcome.root.name, *(child.id for child in outcome.children())]
        assert len(names) == len(set(names))


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The built-in tree with a few bytes, words or lines changed."""
    lines = list(BUILT_IN_LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        column = draw(st.integers(0, len(lines[at])))
        piece = draw(st.one_of(st.sampled_from(NASTY), st.binary(max_size=4), st.sampled_from(WORDS).map(str.encode)))
        match draw(st.sampled_from(["insert", "cut", "drop", "repeat", "swap", "indent"])):
            case "insert":
                lines[at] = lines[at][:column] + piece + lines[at][column:]
            case "cut":
                lines[at] = lines[at][:column] + lines[at][column + draw(st.integers(1, 8)) :]
            case "drop" if len(lines) > 1:
                del lines[at]
            case "repeat":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines[at] = b" " * draw(st.integers(1, 3)) + lines[at]
    return b"".join(lines)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(WORDS))
names = st.one_of(st.sampled_from(WORDS), st.text(max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=20,
)


@given(mutations())
@settings(max_examples=examples(150), deadline=None)
def test_a_damaged_tree_loads_or_is_refused(raw: bytes) -> None:
    check(raw)


@given(st.binary(max_size=200))
@settings(max_examples=examples(100), deadline=None)
def test_any_bytes_load_or_are_refused(raw: bytes) -> None:
    check(raw)


@given(st.dictionaries(st.sampled_from(WORDS), values, max_size=6), st.lists(values, max_size=3))
@settings(max_examples=examples(150), deadline=None)
def test_any_value_under_any_key_loads_or_is_refused(root: dict[str, object], children: list[object]) -> None:
    document = {**root, "schema": "grace.tree/1", "name": "shop", "children": children}
    check(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"))


@given(st.sampled_from(WORDS), values)
@settings(max_examples=examples(150), deadline=None)
def test_any_value_of_any_key_of_a_child_loads_or_is_refused(key: str, value: object) -> None:
    for start in ({"kernel": "m:A"}, {"command": ["ls"]}, {"supervisor": "back", "children": []}):
        child = {"id": "web", **start, key: value}
        document = {"schema": "grace.tree/1", "name": "shop", "children": [child]}
        check(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"))


@given(st.text(max_size=12))
def test_a_plain_scalar_means_one_of_five_kinds(text: str) -> None:
    assert isinstance(plain_scalar(text), str | int | float | bool | None)


def test_the_undamaged_tree_loads() -> None:
    assert isinstance(outcome_of(b"".join(BUILT_IN_LINES)), Tree)
