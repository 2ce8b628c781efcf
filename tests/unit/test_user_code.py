"""Users' modules are imported anew once a file of theirs has changed."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace_actors import user_code


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `till` of a user, with a module in a folder without `__init__`; imported and remembered."""
    monkeypatch.setattr(user_code, "_imported", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    before = dict(sys.modules)
    package = tmp_path / "till"
    (package / "rules").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rules" / "prices.py").write_text("APPLE = 1\n")
    (package / "worker.py").write_text("from till.rules.prices import APPLE\n\n\ndef price():\n    return APPLE\n")
    assert price() == 1
    user_code.remember()
    yield package
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)  # the modules of the tests are users' modules too


def price() -> object:
    return importlib.import_module("till.worker").price()


def test_a_file_that_changed_is_named_and_who_imports_it_sees_the_change(service: Path) -> None:
    prices = service / "rules" / "prices.py"
    prices.write_text("APPLE = 22\n")
    assert user_code.forget_changed() == [prices]
    assert price() == 22


def test_a_change_within_the_second_that_keeps_the_size_is_seen(service: Path) -> None:
    prices = service / "rules" / "prices.py"
    prices.write_text("APPLE = 2\n")
    assert user_code.forget_changed() == [prices]
    assert price() == 2


def test_without_a_change_modules_stay_as_they_are(service: Path) -> None:
    worker = sys.modules["till.worker"]
    assert user_code.forget_changed() == []
    assert sys.modules["till.worker"] is worker


def test_a_file_that_is_gone_fails_the_import_and_not_what_asks(service: Path) -> None:
    (service / "rules" / "prices.py").unlink()
    assert user_code.forget_changed()
    with pytest.raises(ModuleNotFoundError, match=r"till\.rules"):
        price()


def test_installed_packages_and_grace_itself_are_left_alone(service: Path) -> None:
    assert {name.partition(".")[0] for name in user_code._imported} & {"grace_actors", "pytest", "json"} == set()
    (service / "rules" / "prices.py").write_text("APPLE = 33\n")
    assert user_code.forget_changed()
    assert sys.modules["json"] is json
    assert sys.modules["grace_actors.user_code"] is user_code
