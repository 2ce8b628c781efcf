"""The secret manager: encrypted at rest, given to few, taken out of texts."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import GraceError, StoreFailed
from grace_actors.kernel import Answer
from grace_actors.kernels.secret_manager import SecretManager
from grace_actors.kernels.secrets.keys import Keys
from grace_actors.kernels.secrets.patterns import PATTERNS
from tests.harness.kernels import Bench

NAME = "secret_manager"
VALUE = "correct-horse-battery"
SAMPLES = {
    "private_key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----",
    "aws_access_key": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_key": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "github_token": "ghp_" + "a1B2" * 9,
    "slack_token": "xoxb-123456789012-abcdefghij",
    "google_api_key": "AIza" + "Sy0-" * 8 + "abc",
    "api_key": "sk-" + "a1B2" * 8,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "bearer": "Authorization: Bearer abcdef0123456789",
    "url_password": "postgres://app:hunter22@db/prod",
    "assignment": "DB_PASSWORD=hunter22",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    start(bench)
    return bench


def start(bench: Bench) -> SecretManager:
    kernel = bench.add(NAME, SecretManager)
    assert isinstance(kernel, SecretManager)
    return kernel


def put(bench: Bench, name: str = "db", value: str = VALUE, sender: str = "owner", allowed: Any = ("api",)) -> Any:
    return bench.ask(NAME, "put", sender=sender, name=name, value=value, allowed=list(allowed))


def restart(bench: Bench) -> SecretManager:
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SecretManager)
    kernel.store.close()
    bench.crash(NAME)
    bench.events.clear()
    return start(bench)


def key_file(bench: Bench) -> Path:
    return bench.home / "data" / NAME / "secrets.key"


def test_a_secret_is_given_to_those_on_its_list_and_nobody_else(bench: Bench) -> None:
    put(bench)
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE
    for stranger in ("owner", "console", "", "api2"):
        with pytest.raises(GraceError, match="may not get"):
            bench.ask(NAME, "get", sender=stranger, name="db")
    assert bench.types().count("secret.denied") == 4


def test_no_file_of_the_home_contains_a_value(bench: Bench) -> None:
    put(bench)
    kernel = bench.kernels[NAME]
    kernel.stop("shutdown")
    for file in bench.home.rglob("*"):
        assert not file.is_file() or VALUE.encode() not in file.read_bytes(), file


def test_no_event_error_or_status_line_contains_a_value(bench: Bench) -> None:
    put(bench)
    bench.ask(NAME, "get", sender="api", name="db")
    seen: list[Answer] = []
    bench.post("x", NAME, "put", {"name": "db", "value": VALUE, "allowed": ["x"]}, seen.append)
    bench.post("x", NAME, "put", {"name": VALUE, "value": 7, "allowed": 7}, seen.append)
    bench.post("x", NAME, "put", {"name": "n", "value": VALUE, "allowed": []}, seen.append)
    assert not any(answer.ok for answer in seen)
    assert VALUE not in f"{bench.events} {[a.error for a in (seen[0], seen[2])]} {bench.kernels[NAME].does()}"


def test_the_key_file_is_readable_by_its_owner_only(bench: Bench) -> None:
    assert stat.S_IMODE(key_file(bench).stat().st_mode) == 0o600
    put(bench)
    key_file(bench).chmod(0o644)
    restart(bench)
    assert stat.S_IMODE(key_file(bench).stat().st_mode) == 0o600


def test_secrets_survive_a_crash(bench: Bench) -> None:
    put(bench)
    restart(bench)
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE


def test_only_owner_allowed_and_operators_replace_or_delete(bench: Bench) -> None:
    put(bench)
    with pytest.raises(GraceError, match="may not put"):
        put(bench, value="stolen", sender="thief", allowed=["thief"])
    with pytest.raises(GraceError, match="may not delete"):
        bench.ask(NAME, "delete", sender="thief", name="db")
    assert put(bench, value="newer value")["version"] == 2
    assert bench.ask(NAME, "delete", sender="console", name="db")["deleted"]
    with pytest.raises(GraceError, match="there is no secret"):
        bench.ask(NAME, "get", sender="api", name="db")


def test_list_gives_names_only(bench: Bench) -> None:
    put(bench, "b")
    put(bench, "a")
    assert bench.ask(NAME, "list") == {"count": 2, "names": ["a", "b"]}


def test_rotation_encrypts_everything_anew_and_drops_the_old_key(bench: Bench) -> None:
    put(bench)
    old = key_file(bench).read_bytes()
    assert bench.ask(NAME, "rotate", sender="console") == {"secrets": 1}
    new = key_file(bench).read_bytes()
    assert old.split(b"\n")[0] not in new
    restart(bench)
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE
    key_file(bench).write_bytes(old)
    restart(bench)
    assert bench.types() == ["secret.keys_unusable"]


def test_a_rotation_stopped_in_the_middle_keeps_both_keys(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bench)

    def fails(self: Keys) -> Keys:
        raise StoreFailed("disk full")

    monkeypatch.setattr(Keys, "keep_newest", fails)
    with pytest.raises(GraceError, match="disk full"):
        bench.ask(NAME, "rotate", sender="console")
    monkeypatch.undo()
    restart(bench)
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE
    assert bench.ask(NAME, "rotate", sender="console") == {"secrets": 1}


def test_rotation_is_for_operators(bench: Bench) -> None:
    with pytest.raises(GraceError, match="may not rotate"):
        bench.ask(NAME, "rotate", sender="api")


def test_a_snapshot_made_with_an_old_key_is_not_kept(bench: Bench) -> None:
    put(bench)
    bench.advance(301.0)
    bench.ask(NAME, "rotate", sender="console")
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SecretManager)
    kernel.store.close()
    (bench.home / "data" / NAME / "secrets.db").write_bytes(b"")
    restart(bench)
    assert "store.restored" in bench.types()
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE


@pytest.mark.parametrize("damage", ["garbage", "flipped", "truncated", "empty", "deleted", "other"])
def test_a_damaged_key_file_refuses_clearly_and_leaves_everything_untouched(bench: Bench, damage: str) -> None:
    put(bench)
    good = key_file(bench).read_bytes()
    spoil(key_file(bench), damage)
    spoiled = key_file(bench).read_bytes() if key_file(bench).exists() else None
    kernel = restart(bench)
    assert kernel.degraded
    assert bench.types() == ["secret.keys_unusable"]
    for verb, args in (("get", {"name": "db"}), ("put", {"name": "n", "value": "v", "allowed": ["a"]})):
        with pytest.raises(GraceError, match="put the right key file back"):
            bench.ask(NAME, verb, sender="api", **args)
    assert (key_file(bench).read_bytes() if key_file(bench).exists() else None) == spoiled
    assert bench.ask(NAME, "list")["names"] == ["db"]
    assert "[redacted:aws_access_key]" in bench.ask(NAME, "redact", text=SAMPLES["aws_access_key"])["text"]
    key_file(bench).write_bytes(good)
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE
    assert kernel.degraded == []
    assert VALUE not in bench.ask(NAME, "redact", text=f"x {VALUE} y")["text"]


def test_known_values_are_taken_out_also_encoded(bench: Bench) -> None:
    put(bench, value="p@ss word/1")
    for form in ("p@ss word/1", "p%40ss%20word%2F1", "cEBzcyB3b3JkLzE="):
        found = bench.ask(NAME, "redact", text=f"before {form} after")
        assert found["text"] == "before [redacted:db] after"
    assert bench.ask(NAME, "redact", text="nothing here") == {"text": "nothing here", "count": 0, "redacted": {}}


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_kind_of_token_is_recognised_by_shape(bench: Bench, kind: str) -> None:
    found = bench.ask(NAME, "redact", text=f"log line: {SAMPLES[kind]} end of line")
    assert found["count"] >= 1
    secret = SAMPLES[kind].split("=")[-1].split(" ")[-1].strip()
    assert kind == "private_key" or secret not in found["text"]
    assert bench.ask(NAME, "redact", text=found["text"])["text"] == found["text"]


def test_every_pattern_has_a_sample(bench: Bench) -> None:
    assert [p["kind"] for p in bench.ask(NAME, "patterns")["patterns"]] == [p.kind for p in PATTERNS] == list(SAMPLES)


@pytest.mark.parametrize(
    "innocent",
    [
        "the token ring",
        "tokenizer: fast",
        "a password is needed",
        "key frames: 12",
        "basic idea",
        "http://host/a:b",
        "AKIA",
    ],
)
def test_ordinary_words_are_left_alone(bench: Bench, innocent: str) -> None:
    assert bench.ask(NAME, "redact", text=innocent)["text"] == innocent


def test_json_stays_json(bench: Bench) -> None:
    assert bench.ask(NAME, "redact", text='{"password": "a b, c", "n": 1}')["text"] == (
        '{"password": "[redacted:assignment]", "n": 1}'
    )


def test_a_text_that_is_too_long_or_no_text_is_refused(bench: Bench) -> None:
    for bad in ("x" * 500_001, None, 7):
        with pytest.raises(GraceError):
            bench.ask(NAME, "redact", text=bad)


def test_a_scan_says_where_and_never_what(bench: Bench) -> None:
    put(bench)
    logs = bench.home / "logs"
    logs.mkdir()
    (logs / "a.log").write_text(
        f"fine\nalso fine {VALUE}\n" + "filler line\n" * 30_000 + SAMPLES["github_token"] + "\n"
    )
    (logs / "b.log").write_text("nothing\n")
    report = scan(bench, paths=["logs"])
    assert [(Path(f["path"]).name, f["line"], f["column"], f["kind"]) for f in report["findings"]] == [
        ("a.log", 2, 11, "db"),
        ("a.log", 30_003, 1, "github_token"),
    ]
    assert report["files"] == 2
    assert VALUE not in str(report) + str(bench.events)
    assert bench.types()[-1] == "secret.leaked"


def test_a_secret_across_the_border_of_two_pieces_is_found_once(bench: Bench) -> None:
    (bench.home / "logs").mkdir()
    for offset in range(-45, 5, 5):
        (bench.home / "logs" / "a.log").write_text("x" * (128 * 1024 + offset) + " " + SAMPLES["github_token"])
        assert len(scan(bench)["findings"]) == 1


def test_a_scan_outside_the_home_is_refused_and_links_do_not_lead_there(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    outside.write_text(SAMPLES["github_token"])
    with pytest.raises(GraceError, match="outside"):
        bench.ask(NAME, "scan", paths=["../"])
    (bench.home / "logs").mkdir()
    (bench.home / "logs" / "link.log").symlink_to(outside)
    assert scan(bench)["clean"]
    with pytest.raises(GraceError, match="outside"):
        bench.ask(NAME, "scan", paths=["logs/link.log"])
    with pytest.raises(GraceError, match="does not exist"):
        bench.ask(NAME, "scan", paths=["nowhere"])


def test_a_full_disk_keeps_the_old_value(bench: Bench) -> None:
    put(bench)
    kernel = bench.kernels[NAME]
    assert isinstance(kernel, SecretManager)
    kernel.store.db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(GraceError, match="full"):
        put(bench, value="y" * 60_000)
    assert bench.ask(NAME, "get", sender="api", name="db")["value"] == VALUE


def scan(bench: Bench, **args: Any) -> Any:
    answers: list[Answer] = []
    bench.post("test", NAME, "scan", args, answers.append)
    bench.advance(1.0)
    return answers[0].value


def spoil(file: Path, damage: str) -> None:
    content = file.read_bytes()
    match damage:
        case "garbage":
            file.write_bytes(b"\x00\xff" * 50)
        case "flipped":
            file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        case "truncated":
            file.write_bytes(content[:30])
        case "empty":
            file.write_bytes(b"")
        case "deleted":
            file.unlink()
        case "other":
            Keys.create(file)
