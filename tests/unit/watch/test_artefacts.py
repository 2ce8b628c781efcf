"""The artefacts against their manifest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from grace_actors.kernels.watch import artefacts as module
from grace_actors.kernels.watch.artefacts import Artefacts


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "artefacts"
    (made / "models").mkdir(parents=True)
    (made / "models" / "a.pt").write_bytes(b"good")
    (made / "b.bin").write_bytes(b"b" * 100)
    (made / "manifest.sha256").write_text(f"{sha(b'good')}  models/a.pt\n{sha(b'b' * 100)} *b.bin\n")
    return made


def checked(artefacts: Artefacts) -> dict[str, str] | None:
    for _ in artefacts.check():
        pass
    return artefacts.faults


def test_without_a_manifest_nothing_is_promised_and_nothing_is_wrong(tmp_path: Path) -> None:
    artefacts = Artefacts(tmp_path / "artefacts")
    assert (artefacts.faults, bool(artefacts.problem)) == (None, True)
    assert (checked(artefacts), artefacts.problem) == ({}, "")


def test_a_changed_and_a_missing_file_are_found_and_a_repaired_one_is_no_longer(folder: Path) -> None:
    artefacts = Artefacts(folder)
    assert checked(artefacts) == {}
    (folder / "models" / "a.pt").write_bytes(b"evil")
    (folder / "b.bin").unlink()
    assert checked(artefacts) == {
        "models/a.pt": f"its SHA-256 begins with {sha(b'evil')[:12]}, the manifest says {sha(b'good')[:12]}",
        "b.bin": "it is missing",
    }
    assert list(artefacts.changed_at) == ["models/a.pt"]
    (folder / "models" / "a.pt").write_bytes(b"good")
    (folder / "b.bin").write_bytes(b"b" * 100)
    assert (checked(artefacts), artefacts.changed_at) == ({}, {})


def test_an_unchanged_file_is_not_hashed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artefacts = Artefacts(folder)
    checked(artefacts)
    hashed: list[Path] = []
    real = module._hashed
    monkeypatch.setattr(module, "_hashed", lambda path: hashed.append(path) or real(path))
    checked(artefacts)
    assert hashed == []
    os.utime(folder / "b.bin")
    checked(artefacts)
    assert hashed == [folder / "b.bin"]


def test_a_large_file_is_hashed_in_slices(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_BYTES", 10)
    assert len(list(Artefacts(folder).check())) == 1 + 10


def test_a_file_that_is_being_written_while_it_is_hashed_gets_no_false_verdict(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE_BYTES", 20_000)
    content = b"b" * 200_000
    (folder / "b.bin").write_bytes(content)
    (folder / "manifest.sha256").write_text(f"{sha(content)}  b.bin\n")
    artefacts = Artefacts(folder)
    for number, _ in enumerate(artefacts.check()):
        if number == 4:
            (folder / "b.bin").write_bytes(b"c" * 200_000)
        if number == 12:
            (folder / "b.bin").write_bytes(content)
    assert artefacts.faults == {}


def test_a_manifest_that_is_none_is_a_reason_and_no_finding(folder: Path) -> None:
    (folder / "manifest.sha256").write_text("no checksum\n")
    artefacts = Artefacts(folder)
    assert checked(artefacts) is None
    assert "manifest.sha256:1: 'no checksum'" in artefacts.problem
    (folder / "manifest.sha256").write_text(f"{sha(b'good')}  models/a.pt\n")
    assert (checked(artefacts), artefacts.problem) == ({}, "")
