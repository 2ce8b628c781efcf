"""What is left out of Thespian's suite, and how the plugin finds it and what it leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.thespian_suite import left_out
from tests.thespian_suite.left_out import BadTable


def test_each_name_has_the_reason_of_its_group() -> None:
    table = '[a]\nreason = """\nno\nway\n"""\ntests = ["t.py::one", "t.py::two"]\n'
    assert left_out.read(table) == {"t.py::one": "no way", "t.py::two": "no way"}


@pytest.mark.parametrize(
    "table",
    ['[a]\ntests = ["t"]', '[a]\nreason = " "\ntests = ["t"]', '[a]\nreason = "r"', '[a]\nreason = "r"\ntests = []'],
)
def test_a_group_without_a_reason_or_tests_is_refused(table: str) -> None:
    with pytest.raises(BadTable, match="needs a reason and tests"):
        left_out.read(table)


def test_a_name_is_listed_once() -> None:
    with pytest.raises(BadTable, match="t is listed twice"):
        left_out.read('[a]\nreason = "r"\ntests = ["t"]\n[b]\nreason = "s"\ntests = ["t"]')


def test_a_name_that_the_suite_does_not_have_is_refused() -> None:
    left_out.check({"t"}, {"t", "u"})
    with pytest.raises(BadTable, match="gone"):
        left_out.check({"t", "gone"}, {"t", "u"})


def test_every_name_in_the_table_is_a_test_of_the_installed_suite() -> None:
    import thespian.test

    suite = Path(thespian.test.__file__).parent
    reasons = left_out.read(left_out.TABLE.read_text(encoding="utf-8"))
    assert reasons
    for name in reasons:
        file, _, function = name.split("::")
        assert f"def {function}(" in (suite / file).read_text(encoding="utf-8"), name


@pytest.mark.system
def test_what_is_left_is_named_and_ended(tmp_path: Path) -> None:
    directory = tmp_path / "sockets"
    directory.mkdir()
    (directory / "admin").touch()
    code = (
        "import subprocess, sys, os, pathlib\n"
        "from tests.thespian_suite import leftovers\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, leftovers.clear([pathlib.Path(sys.argv[1])], wait_s=0.0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)], capture_output=True, text=True, timeout=30, check=True
    )
    pid, _, left = done.stdout.partition(" ")
    assert f"process {pid} (sleep: sleep 60)" in left
    assert f"file {directory}/admin" in left
    assert not directory.exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.system
def test_what_ends_in_time_is_not_left(tmp_path: Path) -> None:
    code = (
        "import subprocess\n"
        "from tests.thespian_suite import leftovers\n"
        "subprocess.Popen(['sleep', '0.2'])\n"
        "print(leftovers.clear([]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"
