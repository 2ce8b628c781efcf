"""The verb signature against a knowledge base without an instance around it: words, answers, questions, files."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console import signature_base
from grace_actors.console.client import Client
from grace_actors.console.dispatch import dispatch
from grace_actors.console.errors import RemoteFailed
from grace_actors.errors import GraceError
from grace_actors.home import Home
from grace_actors.kernel import Request
from grace_actors.stores.signature import SignatureStore
from tests.harness.kernels import Bench

Captured = pytest.CaptureFixture[str]
CART, SHELF = "shop_ValueError_a3f2", "till_KeyError_b111"
HASHES = ["a" * 32, "b" * 32, "c" * 32]
KEYS = [
    "signature_id", "kernel", "playbook_name", "success_count", "failure_count", "confidence", "last_used",
    "auto_apply",
]  # fmt: skip


class Base:
    """A knowledge base that answers the console in place of an instance."""

    def __init__(self, home: Path) -> None:
        self.kernel = Bench(home).add("signature", SignatureStore)
        self.verbs: list[str] = []

    def call(self, client: Client, verb: str, args: Any = None, *, timeout_s: float | None = None) -> Any:
        assert (verb, args["name"]) == ("ask", "signature")
        return self.ask(args["verb"], **json.loads(json.dumps(args["args"])))

    def ask(self, verb: str, **args: Any) -> Any:
        self.verbs.append(verb)
        try:
            return json.loads(json.dumps(self.kernel.handle(Request(verb=verb, args=args, sender="console"))))
        except GraceError as error:
            raise RemoteFailed(error.code, error.message, error.hint) from None


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Base:
    found = Base(tmp_path / "base")
    monkeypatch.setattr(Client, "call", lambda client, *args, **more: found.call(client, *args, **more))
    components = [
        {"name": "call", "value": "shop.cart:total", "contributes": True, "into": ["specific"], "hint": "project code"},
        {"name": "line", "value": "28", "contributes": False, "into": [], "hint": "lines move"},
    ]
    repair = {"playbook": "refill", "params": {"shelf": "apples"}}
    for number in range(2):
        found.ask(
            "record_outcome", signature=CART, kernel="shop", aliases=HASHES, repair=repair, ok=True,
            run=f"run_{number}", detail="filled\nup", components=components,
        )  # fmt: skip
    found.ask("record_outcome", signature=CART, repair="rollback", ok=False)
    found.ask("seen", signature=SHELF, kernel="till")
    return found


@pytest.fixture
def say(tmp_path: Path, capsys: Captured) -> Said:
    def run(*words: str) -> tuple[int, str, str]:
        code = dispatch(["signature", *words], Home(tmp_path / "home"))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_list_prints_objects_with_exactly_these_keys(base: Base, say: Said) -> None:
    code, out, _ = say("list", "--json")
    found = json.loads(out)
    assert code == 0
    assert [list(each) for each in found] == [KEYS] * 3
    refill = next(each for each in found if each["playbook_name"] == "refill")
    assert (refill["signature_id"], refill["kernel"], refill["success_count"], refill["confidence"]) == (
        CART, "shop", 2, 0.9,
    )  # fmt: skip
    assert refill["last_used"].endswith("Z")
    assert [each["playbook_name"] for each in found if each["signature_id"] == SHELF] == [None]


def test_list_is_a_table_for_people(base: Base, say: Said) -> None:
    _, out, _ = say("list")
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["kernel", "confidence"]
    assert any(CART in line and "refill" in line and "0.90" in line and "✓ yes" in line for line in lines)
    assert lines[-1] == "2 signatures, 1 repaired without a question"
    assert SHELF not in say("list", "--kernel", "shop")[1]


def test_an_empty_base_is_said_to_be_empty(base: Base, say: Said) -> None:
    for name in (CART, SHELF):
        base.ask("forget", signature=name)
    assert say("list")[1] == "no signature is known\n"
    assert say("list", "--json")[1] == "[]\n"


@pytest.mark.parametrize("word", [CART, "shop_", HASHES[0], "bbbb"])
def test_show_takes_an_id_a_beginning_an_alias_and_a_hash(base: Base, say: Said, word: str) -> None:
    code, out, _ = say("show", word, "--json")
    assert (code, json.loads(out)["signature"]) == (0, CART)


def test_show_says_why_it_is_grouped_what_comes_next_and_how_repairs_went(base: Base, say: Said) -> None:
    code, out, _ = say("show", "shop_V")
    assert code == 0
    for part in (
        "refill shelf=apples",
        "applied at once where the specific hash is met: 2 verified successes, confidence 0.90",
        "confidence 0.90, 2 worked, 0 failed, automatic: yes",
        "run_1 filled up",
        "confidence 0.00, 0 worked, 1 failed, automatic: no",
        "shop.cart:total [specific]: project code",
        "28 [not in]: lines move",
    ):
        assert part in out
    assert "no known repair" in say("show", SHELF)[1]
    base.ask("record_outcome", signature=SHELF, repair="rollback", ok=True)
    assert "an approval is asked for: verified successes: 1, 2 are needed" in say("show", SHELF)[1]


def test_an_unknown_signature_is_told_with_the_nearest_ones(base: Base, say: Said) -> None:
    code, out, err = say("show", "shop_ValueErorr_a3f2")
    assert (code, out) == (4, "")
    assert f"did you mean: {CART}?" in err


def test_a_beginning_of_several_is_told_with_the_candidates(base: Base, say: Said) -> None:
    base.ask("seen", signature="shop_ValueError_ffff")
    code, _, err = say("show", "shop_Value")
    assert (code, "ambiguous" in err, CART in err, "shop_ValueError_ffff" in err) == (5, True, True, True)


def test_merge_takes_beginnings_and_says_what_was_moved(base: Base, say: Said) -> None:
    code, out, _ = say("merge", "shop", "till")
    assert (code, out) == (0, f"{CART} is {SHELF} from now on; repairs: 2 moved, 0 united\n")
    assert json.loads(say("show", CART, "--json")[1])["signature"] == SHELF
    code, _, err = say("merge", CART, SHELF)
    assert (code, "itself" in err) == (5, True)


def test_a_hash_that_failures_share_is_too_little_to_merge_or_forget_by(base: Base, say: Said) -> None:
    for words in (["merge", HASHES[2], SHELF], ["forget", HASHES[2], "--yes"]):
        code, _, err = say(*words)
        assert (code, "only hints at" in err) == (2, True)
    assert base.ask("stats")["known_signatures"] == 2


# ---- forgetting -----------------------------------------------------------------------------------------------------


def test_forget_off_a_terminal_needs_yes(base: Base, say: Said) -> None:
    code, out, err = say("forget", CART)
    assert (code, out, "--yes" in err) == (2, "", True)
    assert "forget" not in base.verbs
    assert say("forget", CART, "--yes")[0] == 0
    assert base.ask("lookup", signature=CART)["known"] is False


@pytest.mark.parametrize(("typed", "is_gone"), [("y", True), ("yes", True), ("", False), ("n", False), (None, False)])
def test_forget_on_a_terminal_asks_and_takes_only_yes(
    base: Base, say: Said, monkeypatch: pytest.MonkeyPatch, typed: str | None, is_gone: bool
) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        if typed is None:
            raise EOFError
        return typed

    monkeypatch.setattr("grace_actors.console.confirm.can_ask", lambda out: True)
    monkeypatch.setattr("builtins.input", answer)
    code, _, err = say("forget", "shop")
    assert asked == [f"forget {CART}, seen 3 times, with 2 repairs? [y/N] "]
    assert (base.ask("lookup", signature=CART)["known"], code) == ((False, 0) if is_gone else (True, 2))
    assert ("nothing was forgotten" in err) is not is_gone


# ---- files ----------------------------------------------------------------------------------------------------------


def test_export_to_output_and_to_a_file_say_the_same_and_can_be_imported(
    base: Base, say: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_base, "PAGE", 1)
    file = tmp_path / "all.json"
    assert "2 signatures written to" in say("export", str(file))[1]
    exported = json.loads(file.read_text(encoding="utf-8"))
    assert exported == json.loads(say("export")[1]) == json.loads(say("export", "-")[1])
    assert list(exported) == [CART, SHELF]
    for name in (CART, SHELF):
        base.ask("forget", signature=name)
    monkeypatch.setattr(signature_base, "CHUNK_CHARS", 10)
    code, out, _ = say("import", str(file))
    assert code == 0
    assert out.splitlines() == [
        "signatures: 2 new, 0 known before", "repairs: 2 added, 0 raised, 0 kept, 0 replaced",
    ]  # fmt: skip
    assert base.ask("export")["signatures"] == exported


def test_import_in_parts_writes_none_unless_all_are_sound(
    base: Base, say: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_base, "CHUNK_CHARS", 10)
    good = {"signature_id": "s1", "playbook_name": "p", "success_count": 1, "failure_count": 0, "confidence": 0.8}
    file = tmp_path / "some.json"
    file.write_text(json.dumps({"s1": good, "s2": good | {"signature_id": "s2", "confidence": 7}}), encoding="utf-8")
    code, _, err = say("import", str(file))
    assert (code, "'s2': confidence is 7" in err) == (5, True)
    assert base.ask("lookup", signature="s1")["known"] is False


def test_import_reads_standard_input_and_tells_notes(base: Base, say: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        '{"x": {"signature_id": "x", "playbook_name": "p", "success_count": 1, "failure_count": 0,'
        ' "confidence": 0.8, "last_used": null, "auto_apply": true}}'
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, _ = say("import", "-", "--replace")
    assert (code, "auto_apply is imported as off" in out) == (0, True)


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "not JSON"), ("[]", "list"), ('{"a": {}, "a": {}}', "'a' is there twice"), ("\xff", "not JSON")],
)
def test_a_file_that_is_not_of_the_form_is_told(base: Base, say: Said, tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content.encode("latin-1"))
    code, out, err = say("import", str(file))
    assert (code, out, told in err, str(file) in err) == (1, "", True, True)


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(base: Base, say: Said, tmp_path: Path) -> None:
    code, _, err = say("export", str(tmp_path / "no" / "all.json"))
    assert (code, "cannot be written" in err) == (1, True)


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lst"], "did you mean: list"),
        (["show"], "missing: SIGNATURE"),
        (["merge", "a"], "missing: INTO"),
        (["merge"], "missing: FROM INTO"),
        (["list", "a"], "'a' is one word too many"),
        (["forget", "a", "b"], "'b' is one word too many"),
        (["list", "--replace"], "that is for: import"),
        (["show", "a", "--yes"], "that is for: forget"),
        (["show", "a", "--kernel", "x"], "that is for: list, explain"),
        (["import", "no-such-file"], "there is no file"),
    ],
)
def test_words_that_do_not_belong_together_are_told(base: Base, say: Said, words: list[str], told: str) -> None:
    base.verbs.clear()
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert base.verbs == []


def test_all_but_explain_need_an_instance(tmp_path: Path, capsys: Captured) -> None:
    for line in ("list", "show a", "merge a b", "forget a --yes", "export"):
        assert dispatch(["signature", *line.split()], Home(tmp_path / "home")) == 3
        assert "no instance is running" in capsys.readouterr().err
