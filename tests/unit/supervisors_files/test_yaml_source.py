"""What YAML means here, and what it refuses to mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisors.yaml_source import MAX_DEPTH, FileError, Node, Place, parse_yaml, plain_scalar, read_yaml


def tree_of(text: str) -> Node:
    node, faults = parse_yaml(text, "f")
    assert faults == []
    assert node is not None
    return node


def faults_of(text: str) -> list[str]:
    return [str(fault) for fault in parse_yaml(text, "f")[1]]


@pytest.mark.parametrize(
    "written",
    ["on", "off", "yes", "no", "NO", "y", "12:30:45", "0777", "1_000", "2024-05-01", "1e", "1.2.3", "0x", "none", "="],
)
def test_an_unquoted_word_that_is_no_plain_number_stays_text(written: str) -> None:
    assert plain_scalar(written) == written
    assert tree_of(f"k: {written}").plain() == {"k": written}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("0", 0),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("-.5e3", -500.0),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("-.Inf", float("-inf")),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    got = plain_scalar(written)
    assert got == value
    assert type(got) is type(value)


def test_not_a_number_is_a_float() -> None:
    got = plain_scalar(".nan")
    assert isinstance(got, float)
    assert got != got


def test_a_number_too_long_for_the_wire_stays_text() -> None:
    assert plain_scalar("9" * 18) == int("9" * 18)
    assert plain_scalar("9" * 19) == "9" * 19
    assert plain_scalar("9" * 10_000) == "9" * 10_000


@pytest.mark.parametrize("quoted", ['"5"', "'5'", "|-\n  5", ">-\n  5"])
def test_a_quoted_scalar_is_always_text(quoted: str) -> None:
    assert tree_of(f"k: {quoted}").plain() == {"k": "5"}


def test_every_node_and_key_knows_its_place() -> None:
    node = tree_of("a:\n  - x\n  - b: 1\n")
    assert isinstance(node.value, dict)
    items = node.value["a"].value
    assert isinstance(items, tuple)
    assert node.keys["a"] == Place("f", 1, 1)
    assert items[0].place == Place("f", 2, 5)
    assert items[1].keys["b"] == Place("f", 3, 5)
    assert str(items[1].place) == "f:3:5"


def test_the_column_counts_characters_not_bytes() -> None:
    node = tree_of("é: {ü: 1}")
    assert isinstance(node.value, dict)
    assert node.value["é"].keys["ü"] == Place("f", 1, 5)


def test_keys_are_text_as_written() -> None:
    assert tree_of("1: a\ntrue: b\n~: c\n").plain() == {"1": "a", "true": "b", "~": "c"}


def test_a_duplicate_key_is_a_fault_and_the_first_one_counts() -> None:
    node, faults = parse_yaml("a: 1\nb: 2\na: 3\n", "f")
    assert [str(fault) for fault in faults] == [
        "f:3:1: the key 'a' for the second time, first at line 1; allowed: each key once"
    ]
    assert node is not None
    assert node.plain() == {"a": 1, "b": 2}


def test_anchors_aliases_tags_and_merge_keys_are_refused() -> None:
    assert [f.partition(";")[0] for f in faults_of("a: &x 1\nb: *x\nc: !!str 1\nd: {<<: 1}\n")] == [
        "f:1:4: the anchor &x",
        "f:2:4: the alias *x",
        "f:3:4: the tag tag:yaml.org,2002:str",
        "f:4:5: the merge key <<",
    ]


def test_a_bomb_of_aliases_is_refused_without_growing() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    node, faults = parse_yaml("\n".join(lines), "f")
    assert len(faults) == 60 + 2 * 59
    assert node is not None
    assert len(str(node.plain())) < 10_000


def test_an_alias_to_itself_is_refused() -> None:
    assert len(faults_of("a: &x [*x]")) == 2


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_without_end_is_refused(opening: str) -> None:
    faults = faults_of(opening * 5000)
    assert len(faults) == 1
    assert f"nesting deeper than {MAX_DEPTH} levels" in faults[0]


def test_a_second_document_is_refused() -> None:
    assert faults_of("a: 1\n---\nb: 2\n") == ["f:2:1: a second document; allowed: one document in a file"]


def test_a_list_cannot_be_a_key() -> None:
    assert faults_of("? [a]\n: 1\nb: 2\n") == ["f:1:3: a list as a key; allowed: text"]


def test_an_empty_text_is_nothing_without_a_fault() -> None:
    assert parse_yaml("", "f") == (None, [])
    assert parse_yaml("# only this\n", "f") == (None, [])


def test_a_file_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        read_yaml(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path}/none.yaml:1:1: cannot be read: No such file or directory"


def test_a_directory_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("")
    with pytest.raises(FileError, match="1:1: an empty file"):
        read_yaml(tmp_path / "f.yaml")


def test_bytes_that_are_not_utf8_are_a_fault_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes("a: 1\né: ".encode() + b"\xff\n")
    with pytest.raises(FileError, match=r"f\.yaml:2:4: the byte 0xff is not UTF-8; allowed: UTF-8 text"):
        read_yaml(tmp_path / "f.yaml")


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "f.yaml").plain() == {"a": 1}


def test_faults_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: 1\na: 2\nb: !x 1\na: 3\n")
    with pytest.raises(FileError) as caught:
        read_yaml(tmp_path / "f.yaml")
    assert [fault.place.line for fault in caught.value.faults] == [2, 3, 4]
