"""Nothing is stored before the secret manager has seen it; and what waits is bounded and tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import StoreFailed
from grace_actors.healing.redaction import MAX_WAITING, Redaction
from grace_actors.kernel import LATER, Data
from grace_actors.kernels.secret_manager import SecretManager
from tests.harness.kernels import Bench, BenchContext
from tests.unit.healing.test_diagnostics import Desk
from tests.unit.kernels_mind.stubs import Fixed

SECRET = "correct-horse-battery"
SHAPED = "AKIA" + "Q" * 16


class Vault:
    """A redaction with what was stored, and a disk that may refuse."""

    def __init__(self, home: Path) -> None:
        self.bench = Bench(home)
        self.stored: list[tuple[str, Data]] = []
        self.refuses = False
        self.redaction = Redaction(BenchContext(self.bench, "self_healing", home, home, {}), self.store)

    def store(self, id: str, clean: Data) -> None:
        if self.refuses:
            raise StoreFailed("incidents.db cannot be written: disk full")
        self.stored.append((id, clean))

    def manager(self) -> Vault:
        self.bench.add("secret_manager", SecretManager)
        self.bench.ask("secret_manager", "put", name="db", value=SECRET, allowed=["test"])
        return self

    def ids(self) -> list[str]:
        return [id for id, _ in self.stored]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def test_secrets_are_taken_out_and_the_structure_stays(vault: Vault) -> None:
    data = {
        "log": {"text": f"connected with {SECRET}\nkey {SHAPED}\n", "lines": 2, "is_whole": True},
        "chain": [{"message": f"bad {SECRET}"}, {"message": "plain", "at": 1.5, "none": None}],
        f"odd {SECRET}": ["x", (1, "y")],
        "list": ["x", "y z", SHAPED],
        "password": "swordfish",
        "token": 12345,
    }
    vault.manager().redaction.take("inc_1", data)
    assert vault.stored == [
        (
            "inc_1",
            {
                "log": {"text": "connected with [redacted:db]\nkey ***\n", "lines": 2, "is_whole": True},
                "chain": [{"message": "bad [redacted:db]"}, {"message": "plain", "at": 1.5, "none": None}],
                "odd [redacted:db]": ["x", [1, "y"]],
                "list": ["x", "y z", "***"],
                "password": "***",
                "token": "***",
            },
        )
    ]
    assert vault.redaction.problem == ""


def test_nothing_is_stored_while_the_secret_manager_is_silent(vault: Vault) -> None:
    vault.redaction.take("inc_1", {"text": f"with {SECRET}"})
    assert vault.redaction.problem == ""
    vault.bench.advance(6.0)
    assert vault.stored == []
    assert vault.redaction.problem.startswith("details of 1 incidents are withheld: secret_manager does not redact")
    vault.manager().redaction.again()
    assert vault.stored == [("inc_1", {"text": "with [redacted:db]"})]
    assert vault.redaction.problem == ""


def test_all_that_waited_is_stored_once_it_answers_again(vault: Vault) -> None:
    for n in range(10):
        vault.redaction.take(f"inc_{n}", {"text": SECRET})
    vault.bench.advance(6.0)
    vault.manager().redaction.again()
    assert sorted(vault.ids()) == [f"inc_{n}" for n in range(10)]
    assert SECRET not in json.dumps(vault.stored)


def test_one_request_at_a_time_is_under_way(vault: Vault) -> None:
    vault.bench.add("secret_manager", Fixed, redact=lambda request: LATER)
    for n in range(10):
        vault.redaction.take(f"inc_{n}", {"text": "x"})
        vault.redaction.again()
    assert len(vault.bench.kernels["secret_manager"].asked) == 1  # type: ignore[attr-defined]


def test_one_at_which_the_secret_manager_fails_does_not_hold_up_the_others(vault: Vault) -> None:
    def picky(request: Any) -> Any:
        return LATER if "poison" in request.args["texts"] else {"texts": request.args["texts"], "complete": True}

    vault.bench.add("secret_manager", Fixed, redact=picky)
    vault.redaction.take("bad", {"text": "poison"})
    vault.redaction.take("good", {"text": "x"})
    vault.bench.advance(6.0)
    vault.redaction.again()
    assert vault.ids() == ["good"]
    assert vault.redaction.problem.startswith("details of 1 incidents")


def test_what_waits_is_bounded_and_what_was_given_up_is_told(vault: Vault) -> None:
    for n in range(MAX_WAITING + 7):
        vault.redaction.take(f"inc_{n}", {"text": "x"})
    vault.bench.advance(12.0)
    assert "7 older ones were given up" in vault.redaction.problem
    vault.manager().redaction.again()
    assert len(vault.stored) == MAX_WAITING
    assert "inc_0" not in vault.ids()


def test_data_taken_again_replaces_what_waits(vault: Vault) -> None:
    vault.redaction.take("inc_1", {"text": "first"})
    vault.redaction.take("inc_1", {"text": "second"})
    vault.bench.advance(12.0)
    vault.manager().redaction.again()
    assert vault.stored == [("inc_1", {"text": "second"})]


def test_what_the_disk_refuses_waits_on(vault: Vault) -> None:
    vault.refuses = True
    vault.manager().redaction.take("inc_1", {"text": "x"})
    assert "disk full" in vault.redaction.problem
    vault.refuses = False
    vault.redaction.again()
    assert (vault.ids(), vault.redaction.problem) == (["inc_1"], "")


def test_a_secret_manager_that_cannot_read_its_secrets_is_not_enough(vault: Vault) -> None:
    key = vault.manager().bench.home / "data" / "secret_manager" / "secrets.key"
    right = key.read_bytes()
    key.write_bytes(b"not a key")
    vault.bench.crash("secret_manager")
    vault.bench.add("secret_manager", SecretManager)
    vault.redaction.take("inc_1", {"text": f"with {SECRET}"})
    assert vault.stored == []
    assert "cannot read all of its secrets" in vault.redaction.problem
    key.write_bytes(right)
    vault.redaction.again()
    assert vault.stored == [("inc_1", {"text": "with [redacted:db]"})]


@pytest.mark.parametrize(
    "odd", [None, {}, {"texts": ["a", "b"], "complete": True}, {"texts": [1], "complete": True}, {"texts": ["x"]}]
)
def test_an_answer_of_an_odd_form_stores_nothing(vault: Vault, odd: Any) -> None:
    vault.bench.add("secret_manager", Fixed, redact=odd)
    vault.redaction.take("inc_1", {"text": "x"})
    assert vault.stored == []
    assert vault.redaction.problem


def test_what_is_too_much_to_be_checked_is_withheld(vault: Vault) -> None:
    vault.manager().redaction.take("inc_1", {"text": f"{SECRET} " * 30_000})
    ((_, clean),) = vault.stored
    assert list(clean) == ["withheld"]


def test_a_secret_over_several_lines_of_a_list_is_taken_out(vault: Vault) -> None:
    lines = ["before", "-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG", "-----END PRIVATE KEY-----", "after"]
    vault.manager().redaction.take("inc_1", {"log": lines, "after": ["one", "two"]})
    ((_, clean),) = vault.stored
    assert clean == {"log": ["before", "[redacted:private_key]", "after"], "after": ["one", "two"]}


def test_odd_values_become_plain_data(vault: Vault) -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]
    given = {"set": {1}, "bytes": b"\xff", "nan": float("nan"), "path": Path("/x"), "deep": deep, 7: "seven"}
    vault.manager().redaction.take("inc_1", given)  # type: ignore[arg-type]
    ((_, clean),) = vault.stored
    assert json.loads(json.dumps(clean, allow_nan=False))["7"] == "seven"
    assert clean["set"] == [1] and clean["nan"] == "nan"


def test_a_secret_that_is_a_word_of_the_program_does_not_change_the_structure(vault: Vault) -> None:
    vault.manager().bench.ask("secret_manager", "put", name="short", value="tree", allowed=["test"])
    vault.redaction.take("inc_1", {"tree": "a tree"})
    assert vault.stored == [("inc_1", {"tree": "a [redacted:short]"})]


def test_no_secret_of_log_traceback_or_configuration_reaches_the_store(tmp_path: Path) -> None:
    desk, vault = Desk(tmp_path / "home").peers(), Vault(tmp_path / "other")
    vault.manager()
    secrets = [SECRET, SHAPED, "MIIEvQIBADANBgkqhkiG", "hunter22", "url-pass"]
    desk.log(
        f"login {SECRET}\naws {SHAPED}\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----\n"
        "open https://me:url-pass@host/\npassword=hunter22\nall well\n"
    )
    (desk.home / "config").mkdir()
    (desk.home / "config" / "a.yaml").write_text("port: 1\n")
    desk.config.started("shop")
    (desk.home / "config" / "a.yaml").write_text(f"port: 2\nphrase: {SECRET}\npassword: hunter22\n")
    text = f'Traceback (most recent call last):\n  File "/a.py", line 1, in f\nValueError: no {SECRET} at {SHAPED}\n'
    found = desk.collect(detail=f"{text}while handling: Ask(verb='login', args={{'word': '{SECRET}'}})")
    assert SECRET in json.dumps(found)
    vault.redaction.take("inc_1", found)
    ((_, clean),) = vault.stored
    for secret in secrets:
        assert secret not in json.dumps(clean), secret
    assert "all well" in clean["log"]
    assert "+port: 2" in clean["config"][0]["diff"]
    assert clean["traceback"]["chain"][0]["type"] == "ValueError"
    assert clean.keys() == found.keys()
