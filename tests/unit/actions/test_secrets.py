"""Secrets are found in logs and overwritten in place; what is stored is encrypted anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_actors.actions import secrets_
from grace_actors.kernels.secret_manager import SecretManager
from tests.unit.actions.stage import Stage

SECRET = "s3cret-of-the-shop"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEA\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def logs(stage: Stage) -> Path:
    stage.bench.add("secret_manager", SecretManager)
    stage.bench.ask("secret_manager", "put", "shop", name="shop", value=SECRET, allowed=["shop"])
    return stage.home / "logs"


def test_a_clean_log_is_clean_and_stays_as_it_is(stage: Stage, logs: Path) -> None:
    (logs / "shop.log").write_text("nothing\n")
    assert stage.ok("scan_logs_for_secrets", actor="shop").data["value"] == 0
    assert not stage.ok("redact_log", actor="shop").changed


def test_a_secret_is_found_by_place_and_never_shown(stage: Stage, logs: Path) -> None:
    (logs / "shop.log").write_text(f"one\ntwo {SECRET}\n")
    result = stage.fails("scan_logs_for_secrets")
    (place,) = result.data["findings"]
    assert (place["line"], place["kind"], result.data["value"]) == (2, "shop", 1)
    assert SECRET not in repr(result)


def test_secrets_are_overwritten_and_everything_else_stays(stage: Stage, logs: Path) -> None:
    text = f"one\ntwo {SECRET} ümlaut\npassword=hunter2hunter2 end\nthree\n"
    (logs / "shop.log").write_text(text)
    (logs / "shop.log.1").write_text(f"{SECRET}\n")
    (logs / "shopper.log").write_text(f"{SECRET}\n")
    with (logs / "shop.log").open("a") as writer:
        result = stage.ok("redact_log", actor="shop")
        writer.write("four\n")
    after = (logs / "shop.log").read_text()
    assert [line.rstrip() for line in after.splitlines()] == [
        "one",
        "two *** ümlaut",
        "password=*** end",
        "three",
        "four",
    ]
    assert len(after.encode()) == len(text.encode()) + 5
    assert result.data == {"value": 3, "files": {"shop.log": 2, "shop.log.1": 1}}
    assert (logs / "shopper.log").read_text() == f"{SECRET}\n"
    assert stage.ok("scan_logs_for_secrets", actor="shop").data["value"] == 0


def test_a_log_named_alone_and_all_logs_are_redacted(stage: Stage, logs: Path) -> None:
    for name in ("a.log", "b.log"):
        (logs / name).write_text(f"{SECRET}\n")
    assert stage.ok("redact_log", file="a.log").data["files"] == {"a.log": 1}
    assert stage.ok("redact_log").data["files"] == {"b.log": 1}


def test_a_secret_across_the_border_of_two_pieces_and_one_of_several_lines_are_found(
    stage: Stage, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets_, "PIECE_BYTES", 200)
    (logs / "shop.log").write_text("x" * 90 + "\n" + "y" * 60 + "\n" + KEY + "the end\n")
    stage.ok("redact_log", actor="shop")
    after = (logs / "shop.log").read_text()
    assert "MIIB" not in after
    assert "the end" in after


def test_a_value_without_room_for_a_mask_is_taken_out(stage: Stage, logs: Path) -> None:
    (logs / "shop.log").write_text('password="x"')
    stage.ok("redact_log", actor="shop")
    assert (logs / "shop.log").read_text() == 'password="" '


def test_bytes_that_are_no_text_stay(stage: Stage, logs: Path) -> None:
    (logs / "shop.log").write_bytes(b"\xff\xfe " + SECRET.encode() + b"\n")
    stage.ok("redact_log", actor="shop")
    assert (logs / "shop.log").read_bytes().rstrip() == b"\xff\xfe ***"


def test_a_log_stays_as_it_is_while_nobody_knows_the_secrets(stage: Stage, logs: Path) -> None:
    (logs / "shop.log").write_text(f"{SECRET}\n")
    stage.bench.crash("secret_manager")
    assert "secret_manager" in stage.fails("redact_log", actor="shop").message
    assert (logs / "shop.log").read_text() == f"{SECRET}\n"


@pytest.mark.parametrize("params", [{"actor": "nobody"}, {"file": "../x"}, {"file": "a", "actor": "b"}])
def test_only_logs_of_the_home_are_touched(stage: Stage, logs: Path, params: dict[str, str]) -> None:
    stage.fails("redact_log", **params)


def test_a_link_in_the_folder_of_the_logs_is_not_followed(stage: Stage, logs: Path) -> None:
    (stage.home / "other").write_text(f"{SECRET}\n")
    (logs / "x.log").symlink_to(stage.home / "other")
    assert "there is no log" in stage.fails("redact_log", actor="x").message
    assert (stage.home / "other").read_text() == f"{SECRET}\n"


def test_everything_stored_is_encrypted_with_a_new_key(stage: Stage, logs: Path) -> None:
    key = stage.home / "data/secret_manager/secrets.key"
    before = key.read_bytes()
    assert stage.ok("rotate_secret_key").data == {"value": 1, "names": ["shop"]}
    assert key.read_bytes() != before
    assert stage.bench.ask("secret_manager", "get", "shop", name="shop")["value"] == SECRET


def test_a_key_that_may_not_be_changed_is_a_failure(stage: Stage, logs: Path) -> None:
    assert "may not rotate" in stage.fails("rotate_secret_key", by="stranger").message
