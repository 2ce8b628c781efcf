"""The verb ask against a real instance: kernels answer a person as they answer each other."""

from __future__ import annotations

from typing import Any

import pytest

from grace_actors.console.errors import RemoteFailed
from tests.harness.instance import Running

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def ask(grace: Running, name: str, verb: str, **args: Any) -> Any:
    return grace.client.call("ask", {"name": name, "verb": verb, "args": args})


def test_a_kernel_answers_a_request_of_its_own_verbs(grace: Running) -> None:
    answer = ask(grace, "immutable_log", "append", actor="tester", action="door.opened", resource="front")
    found = ask(grace, "immutable_log", "search", action="door.opened")
    assert [entry["entry_id"] for entry in found["entries"]] == [answer["entry_id"]]


def test_a_question_is_answered_in_words(grace: Running) -> None:
    assert "Nothing is down" in ask(grace, "voice_conversation", "ask", question="what is down?")["text"]


@pytest.mark.parametrize(
    ("name", "verb", "code"),
    [
        ("librarian", "fly", "not_found"),
        ("nobody", "stats", "not_found"),
        ("core", "stats", "refused"),
        ("librarian", "inject", "refused"),
        ("librarian", "pause", "refused"),
        ("librarian", "observe", "refused"),
        ("message_bus", "subscribe", "refused"),
        ("status", "record", "refused"),
        ("status", "describe", "refused"),
    ],
)
def test_what_is_no_kernels_own_verb_is_refused(grace: Running, name: str, verb: str, code: str) -> None:
    with pytest.raises(RemoteFailed) as caught:
        ask(grace, name, verb)
    assert (caught.value.code, bool(caught.value.message)) == (code, True)
