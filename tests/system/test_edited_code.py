"""A kernel whose code was edited runs the edited code after a restart, whoever restarts it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.harness.instance import Running, wait_for

pytestmark = [pytest.mark.system, pytest.mark.chaos]

TREE = """
schema: grace.tree/1
name: shop
defaults: {backoff: {min: 100ms, max: 500ms}}
intensity: 50
children:
  - {id: till, kernel: "till_of_test.worker:Till"}
"""
WORKER = """
from grace_actors.kernel import Kernel, Request
from till_of_test.rules import WORD


class Till(Kernel):
    def do_word(self, request: Request) -> str:
        return WORD
"""


def test_a_restart_ran_the_code_that_was_imported_at_boot(start: Callable[..., Running], tmp_path: Path) -> None:
    package = tmp_path / "till_of_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "worker.py").write_text(WORKER)
    rules = package / "rules.py"
    rules.write_text('WORD = "one"\n')
    (tmp_path / "tree.yaml").write_text(TREE)
    grace = start(tmp_path / "tree.yaml")
    grace.wait_running()
    word = partial(grace.client.call, "ask", {"name": "till", "verb": "word", "args": {}})
    assert word() == "one"
    first = grace.node("till")["pid"]
    rules.write_text('WORD = "two"\n')
    grace.call("restart", name="till")
    assert word() == "two"
    assert [event["data"]["files"] for event in grace.events(type="code.changed")] == [[str(rules)]]

    old = grace.wait_new_pid("till", first)["pid"]
    rules.write_text("raise ValueError('half a patch')\n")
    grace.kill(old)
    wait_for(lambda: grace.events(type="child.start_failed"), "a start that fails visibly")
    rules.write_text('WORD = "six"\n')
    grace.wait_new_pid("till", old)
    assert word() == "six"
