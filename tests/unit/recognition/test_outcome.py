"""Failures that left no traceback: each way of failing has a signature of its own, the same every time."""

from __future__ import annotations

from itertools import combinations

import pytest

from playbooks.recognition import Failure, FailureKind, Signature, signature_of

KINDS = list(FailureKind)


def signed(kind: FailureKind, reason: str = "", detail: str = "", *, kernel: str = "web", check: str = "") -> Signature:
    return signature_of(Failure(kernel=kernel, kind=kind, reason=reason, detail=detail, check=check))


DIFFERENT = {
    "hung": Failure(kernel="web", kind=FailureKind.HUNG, reason="hung"),
    "killed": Failure(kernel="web", kind=FailureKind.KILLED, reason="SIGKILL"),
    "segfault": Failure(kernel="web", kind=FailureKind.KILLED, reason="SIGSEGV"),
    "start timeout": Failure(kernel="web", kind=FailureKind.START_TIMEOUT, reason="not ready within 5 s"),
    "no program": Failure(kernel="web", kind=FailureKind.START_FAILED, reason="FileNotFoundError: [Errno 2] No such"),
    "no fork": Failure(kernel="web", kind=FailureKind.START_FAILED, reason="cannot fork", detail="refused"),
    "exit 1": Failure(kernel="web", reason="exit 1"),
    "exit 3": Failure(kernel="web", reason="exit 3"),
    "exit 3, told": Failure(kernel="web", reason="exit 3", detail="error: no config"),
    "exit 3, told another": Failure(kernel="web", reason="exit 3", detail="error: no route"),
    "not ready": Failure(kernel="web", kind=FailureKind.NOT_READY, check="store_writable"),
    "not ready otherwise": Failure(kernel="web", kind=FailureKind.NOT_READY, check="incidents_readable"),
    "trigger": Failure(kernel="web", kind=FailureKind.TRIGGER, check="store_writable"),
    "reported": Failure(kernel="web", kind=FailureKind.REPORTED, reason="the queue is stuck"),
    "type alone": Failure(kernel="web", reason="shop.errors.NoPrice: apple"),
    "hung elsewhere": Failure(kernel="db", kind=FailureKind.HUNG, reason="hung"),
}


@pytest.mark.parametrize(("one", "other"), list(combinations(DIFFERENT, 2)))
def test_different_ends_have_different_hashes(one: str, other: str) -> None:
    first, second = signature_of(DIFFERENT[one]), signature_of(DIFFERENT[other])
    assert first.specific != second.specific
    assert first.full != second.full
    assert first.broad != second.broad


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (FailureKind.HUNG, ("hung", ""), ("hung", "error: queue is full")),
        (FailureKind.KILLED, ("SIGKILL", "served 3 pages"), ("SIGKILL", "served 999 pages in 5 s")),
        (FailureKind.START_TIMEOUT, ("not ready within 5 s", "loading"), ("not ready within 60 s", "cannot load")),
        (FailureKind.CRASH, ("exit 3", "served 3\nlistening"), ("exit 3", "cleaning up")),
        (FailureKind.CRASH, ("exit 3", "12:00:01 [81] error: no /a/b"), ("exit 3", "13:10:59 [9] error: no /c")),
        (FailureKind.CRASH, ("exit 3", "error: x\nbye 1"), ("exit 3", "error: x\nerror: x\nbye bye")),
        (FailureKind.REPORTED, ("queue of 3 is stuck", ""), ("queue of 77 is stuck", "")),
        (FailureKind.CRASH, ("NoPrice: item 3", ""), ("NoPrice: item 4", "")),
    ],
)
def test_the_same_end_with_other_figures_and_other_output_has_the_same_hashes(
    kind: FailureKind, one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert signed(kind, *one).hashes == signed(kind, *other).hashes


def test_the_figures_of_a_check_do_not_count() -> None:
    one, other = (signed(FailureKind.TRIGGER, reason, check="cpu_high") for reason in ("cpu at 91 %", "load is bad"))
    assert one.hashes == other.hashes
    assert one.error == "cpu_high"


@pytest.mark.parametrize(
    ("kind", "reason", "error"),
    [
        (FailureKind.KILLED, "SIGKILL", "SIGKILL"),
        (FailureKind.CRASH, "exit 3", "exit-3"),
        (FailureKind.HUNG, "hung", "hung"),
        (FailureKind.CRASH, "shop.errors.NoPrice: apple", "NoPrice"),
        (FailureKind.START_FAILED, "cannot fork", "start_failed"),
    ],
)
def test_the_id_names_how_it_ended(kind: FailureKind, reason: str, error: str) -> None:
    found = signed(kind, reason)
    assert found.id == f"web_{error}_{found.specific[:8]}"


def test_a_process_that_printed_a_traceback_is_known_by_it() -> None:
    text = 'starting\nTraceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n    g()\nKeyError: 1\n'
    found = signed(FailureKind.CRASH, "exit 1", text)
    assert found.error == "KeyError"
    assert found.hashes == signed(FailureKind.CRASH, "exit 7", text.replace("line 1", "line 8")).hashes


def test_output_without_an_error_in_it_is_told_to_be_left_out() -> None:
    (left_out,) = [c for c in signed(FailureKind.CRASH, "exit 3", "bye").components if c.name == "output"]
    assert (left_out.contributes, left_out.hint) == (False, "no line of it reads like an error")


def test_the_three_last_error_lines_count_in_their_order() -> None:
    found = signed(FailureKind.CRASH, "exit 1", "error a\nfine\nerror b\nerror c\nerror d\n")
    assert [c.value for c in found.components if c.name == "output"] == ["error b", "error c", "error d"]
