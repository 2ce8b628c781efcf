"""run.py as a person or script starts it: exit codes, streams, colour, start-up cost."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.console.fake import STATUS, FakeInstance, Items

RUN = Path(__file__).parents[3] / "run.py"


def run(fake: FakeInstance, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *words],
        env=fake.environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def on_terminal(fake: FakeInstance, *words: str, **more: str) -> str:
    """What a verb writes to a terminal."""
    master, slave = pty.openpty()
    environment = fake.environment(TERM="xterm-256color", **more)
    subprocess.run([sys.executable, str(RUN), *words], env=environment, stdout=slave, timeout=60, check=False)
    os.close(slave)
    text = b""
    while chunk := _read(master):
        text += chunk
    os.close(master)
    return text.decode()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # what Linux says when the other end of a terminal is closed
        return b""


def test_home_is_taken_from_flag_before_and_behind_the_verb_and_from_the_environment(root: Path) -> None:
    with FakeInstance(root) as fake:
        for words in (("--home", str(root), "status"), ("status", "--home", str(root)), (f"--home={root}", "status")):
            assert run(fake, *words, GRACE_HOME="/nowhere").returncode == 0
        assert run(fake, "status").returncode == 0
        assert run(fake, "status", GRACE_HOME="/nowhere").returncode == 3


def test_json_flag_works_before_and_behind_the_verb(root: Path) -> None:
    with FakeInstance(root) as fake:
        for words in (("--json", "status"), ("status", "--json")):
            assert json.loads(run(fake, *words).stdout) == STATUS


def test_errors_go_to_standard_error_with_exit_code_2(root: Path) -> None:
    with FakeInstance(root) as fake:
        found = run(fake, "statsu")
    assert (found.returncode, found.stdout) == (2, "")
    assert "did you mean: status" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_help_needs_no_instance(root: Path, words: tuple[str, ...]) -> None:
    with FakeInstance(root) as fake:
        found = run(fake, *words, GRACE_HOME="/nowhere")
    assert found.returncode == 0
    assert "python run.py VERB" in found.stdout


def test_version_is_that_of_the_checkout(root: Path) -> None:
    with FakeInstance(root) as fake:
        plain, as_json = run(fake, "--version").stdout, run(fake, "version", "--json").stdout
    assert json.loads(as_json)["version"] in plain
    project = (RUN.parent / "pyproject.toml").read_text()
    assert f'version = "{json.loads(as_json)["version"]}"' in project


def test_output_off_a_terminal_has_no_escapes(root: Path) -> None:
    with FakeInstance(root) as fake:
        assert "\x1b" not in run(fake, "status").stdout


def test_terminal_gets_colour_unless_no_color_is_set(root: Path) -> None:
    with FakeInstance(root) as fake:
        assert "\x1b[32m" in on_terminal(fake, "status")
        assert "\x1b[32m" not in on_terminal(fake, "status", NO_COLOR="1")


def test_terminal_that_lacks_a_character_is_no_crash(root: Path) -> None:
    with FakeInstance(root) as fake:
        found = run(fake, "status", PYTHONIOENCODING="ascii")
    assert found.returncode == 0
    assert "? message_bus" in found.stdout


def test_reader_that_has_seen_enough_is_no_error(root: Path) -> None:
    items = Items([{"seq": seq, "type": "x.y", "subject": "s" * 200, "data": {}} for seq in range(5000)])
    with FakeInstance(root, {"events": items}) as fake:
        command = f"{sys.executable} {RUN} events --json | head -1; echo ${{PIPESTATUS[0]}}"
        found = subprocess.run(
            ["bash", "-c", command], env=fake.environment(), capture_output=True, text=True, timeout=60, check=False
        )
    assert json.loads(found.stdout.splitlines()[0])["seq"] == 0
    assert found.stdout.splitlines()[1:] == ["0"]
    assert found.stderr == ""


def test_second_start_on_a_live_home_is_refused_naming_the_pid(root: Path) -> None:
    with FakeInstance(root, is_held=True) as fake:
        found = run(fake)
    assert found.returncode == 1
    assert f"pid {os.getpid()}" in found.stderr


def test_start_with_a_missing_tree_file_is_refused(root: Path) -> None:
    with FakeInstance(root) as fake:
        found = run(fake, "--tree", "/nowhere.yaml")
    assert found.returncode == 1
    assert "/nowhere.yaml" in found.stderr


def test_client_verbs_import_nothing_of_the_runtime(root: Path) -> None:
    program = """
import sys
from grace_actors.console.main import main
code = main(sys.argv[1:])
heavy = {"thespian", "psutil", "sqlite_utils", "yaml", "prompt_toolkit", "multiprocessing"} & set(sys.modules)
print(sorted(heavy), file=sys.stderr)
sys.exit(code)
"""
    with FakeInstance(root, {"events": Items([])}) as fake:
        for words in (["status"], ["status", "--json"], ["tree"], ["events"], ["help"], ["doctor"]):
            found = subprocess.run(
                [sys.executable, "-c", program, *words],
                env=fake.environment(),
                cwd=RUN.parent,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (found.returncode, found.stderr) == (0, "[]\n"), words


def test_python_without_the_packages_is_told_to_make_run(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN.read_text())
    found = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "run.py"), "status"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 1
    assert "make run" in found.stderr
