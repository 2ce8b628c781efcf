"""The shell fed from a file or pipe, and on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace_actors.console import repl
from grace_actors.home import Home
from tests.harness.interrupts import heed_interrupts
from tests.unit.console.fake import HANG_UP, FakeInstance, Items

CHECKOUT = Path(__file__).parents[3]
PROGRAM = """
import faulthandler
import sys
faulthandler.dump_traceback_later(20)  # whoever hangs says where, before the deadline
from grace_actors.console import repl
from grace_actors.home import Home
sys.exit(repl.run(Home.resolve()))
"""
DEADLINE_S = 30.0


def feed(fake: FakeInstance, text: str | bytes) -> subprocess.CompletedProcess[str]:
    data = text.encode() if isinstance(text, str) else text
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=fake.environment(),
        cwd=CHECKOUT,
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(found.args, found.returncode, found.stdout.decode(), found.stderr.decode())


def test_every_line_is_run_and_the_end_of_input_is_the_end(root: Path) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}}) as fake:
        found = feed(fake, "kill message_bus\n\n# a remark\n  kill core # another\n")
        assert [args for verb, args in fake.requests if verb == "kill"] == [{"name": "message_bus"}, {"name": "core"}]
    assert (found.returncode, found.stdout) == (0, "message_bus killed\ncore killed\n")


def test_failing_verb_sets_the_exit_code_but_reading_goes_on(root: Path) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}, "events": HANG_UP}) as fake:
        found = feed(fake, "nonsense\nevents\nkill core")
    assert found.returncode == 1
    assert found.stdout == "core killed\n"
    assert "unknown verb 'nonsense'" in found.stderr


@pytest.mark.parametrize("word", ["exit", "quit", "shutdown", "shutdown --reason done"])
def test_leaving_ends_the_reading(root: Path, word: str) -> None:
    with FakeInstance(root) as fake:
        assert feed(fake, f"{word}\nkill core\n").returncode == 0
        assert "kill" not in fake.verbs()


def test_open_quote_is_a_message_and_no_crash(root: Path) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}}) as fake:
        found = feed(fake, "inject crash core message='bad\nkill core\n")
    assert found.returncode == 2
    assert "no closing quotation" in found.stderr
    assert found.stdout == "core killed\n"


def test_quoted_words_stay_together(root: Path) -> None:
    with FakeInstance(root, {"inject": {"result": "injected"}}) as fake:
        feed(fake, 'inject crash core message="bad port"\n')
        assert fake.requests[-1][1]["params"] == {"message": "bad port"}


def test_bytes_that_are_no_text_are_a_message_and_no_crash(root: Path) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}}) as fake:
        found = feed(fake, b"\xff\xfe\x00\nkill core\n")
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert found.stdout == "core killed\n"


def test_bug_in_a_verb_ends_the_verb_and_not_the_shell(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(repl, "dispatch", bug)
    with FakeInstance(root) as fake:
        assert repl.execute("status", fake.home) == 1


PROMPT = "grace> ?"


def _plain(text: str) -> str:
    """Terminal output without escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


class Shell:
    """The shell on a terminal of its own."""

    def __init__(self, fake: FakeInstance, **more: str) -> None:
        environment = fake.environment(TERM="xterm", NO_COLOR="1", **more)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(CHECKOUT)
            heed_interrupts()
            os.execve(sys.executable, [sys.executable, "-c", PROGRAM], environment)
        self.text = ""

    def expect(self, pattern: str) -> None:
        """Read until the pattern was seen since the last one."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := re.search(pattern, _plain(self.text))):
            ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{pattern!r} did not come, but {self.text!r}"
            self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
        self.text = _plain(self.text)[found.end() :]

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def ended(self) -> int:
        """The exit code, once it has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.fd], [], [], 0.01)
            if ready:
                try:
                    self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def shells() -> Iterator[list[Shell]]:
    started: list[Shell] = []
    yield started
    for shell in started:
        try:
            os.kill(shell.pid, signal.SIGKILL)
            os.waitpid(shell.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(shell.fd)


def start(shells: list[Shell], fake: FakeInstance, **more: str) -> Shell:
    shell = Shell(fake, **more)
    shells.append(shell)
    shell.expect(PROMPT)
    return shell


def test_prompt_welcomes_runs_a_verb_and_ends_at_ctrl_d(root: Path, shells: list[Shell]) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}, "shutdown": {"result": "ok"}}) as fake:
        shell = Shell(fake)
        shells.append(shell)
        shell.expect("message_bus")
        shell.expect("help lists|`help` lists")
        shell.expect(PROMPT)
        shell.type("kill core\r")
        shell.expect("core killed")
        shell.expect(PROMPT)
        shell.type("\x04")
        assert shell.ended() == repl.SHUTDOWN
        assert fake.verbs()[-1] == "shutdown"


def test_tab_completes_the_names_of_the_tree(root: Path, shells: list[Shell]) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}}) as fake:
        shell = start(shells, fake)
        shell.type("kill mess\t")
        shell.expect("age_bus")
        shell.type("\r")
        shell.expect("message_bus killed")
        assert ("kill", {"name": "message_bus"}) in fake.requests


def test_noteworthy_event_is_printed_above_the_line_being_typed(root: Path, shells: list[Shell]) -> None:
    crash = {"seq": 9, "type": "child.exited", "subject": "librarian", "data": {"kind": "crash"}}
    calm = {"seq": 8, "type": "child.exited", "subject": "sandbox", "data": {"kind": "normal"}}

    def events(args: dict[str, Any]) -> Any:
        return Items([calm, crash]) if args.get("follow") and args.get("since", 0) < 9 else Items([])

    with FakeInstance(root, {"events": events, "kill": {"result": "injected"}}) as fake:
        shell = start(shells, fake)
        shell.expect("#9 +child.exited +librarian")
        assert "sandbox" not in shell.text
        shell.type("kill core\r")
        shell.expect("core killed")


def test_ctrl_c_takes_back_a_line_begun_and_on_an_empty_one_stops_in_order(root: Path, shells: list[Shell]) -> None:
    with FakeInstance(root, {"shutdown": {"result": "ok"}}) as fake:
        shell = start(shells, fake)
        shell.type("kill co")
        shell.expect("kill co")
        shell.type("\x03")
        shell.expect(PROMPT)
        assert "shutdown" not in fake.verbs()
        shell.type("\x03")
        shell.expect("stopping in order")
        assert shell.ended() == repl.SHUTDOWN
        assert "kill" not in fake.verbs()


def test_second_ctrl_c_forces(root: Path, shells: list[Shell]) -> None:
    with FakeInstance(root, {"shutdown": {"result": "ok"}}, is_held=True) as fake:
        shell = start(shells, fake)
        shell.type("\x03")
        shell.expect("Ctrl-C again to force")
        assert fake.wait_for("shutdown")
        shell.type("\x03")
        assert shell.ended() == repl.FORCE


def test_ctrl_c_during_a_verb_ends_the_verb_alone(root: Path, shells: list[Shell]) -> None:
    def status(args: dict[str, Any]) -> Any:
        if len([verb for verb, _ in fake.requests if verb == "status"]) > 1:
            time.sleep(DEADLINE_S)
        return {"state": "running"}

    with FakeInstance(root, {"status": status, "kill": {"result": "injected"}}) as fake:
        shell = start(shells, fake)
        shell.type("tree\r")
        assert fake.wait_for("status")
        shell.expect("tree")
        with fake.asked:
            assert fake.asked.wait_for(lambda: fake.verbs().count("status") == 2, DEADLINE_S)
        shell.type("\x03")
        shell.expect(PROMPT)
        shell.type("kill core\r")
        shell.expect("core killed")


def test_end_from_outside_leaves_without_asking_for_a_shutdown(root: Path, shells: list[Shell]) -> None:
    with FakeInstance(root) as fake:
        shell = start(shells, fake)
        os.kill(shell.pid, signal.SIGTERM)
        assert shell.ended() == 0
        assert "shutdown" not in fake.verbs()


def test_history_is_kept_in_the_home(root: Path, shells: list[Shell]) -> None:
    with FakeInstance(root, {"kill": {"result": "injected"}}) as fake:
        shell = start(shells, fake)
        shell.type("kill core\r")
        shell.expect("core killed")
        assert "+kill core" in fake.home.history_file.read_text()
        assert fake.home.history_file.stat().st_mode & 0o077 == 0


def test_clear_is_a_word_of_the_prompt_and_asks_nobody(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repl.execute("clear", Home(root)) == 0
    assert capsys.readouterr() == ("", "")
