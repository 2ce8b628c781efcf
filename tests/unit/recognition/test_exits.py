"""An exit of a child as a failure: a failed self-test is known by its checks, not by the frames of the runtime."""

from __future__ import annotations

from playbooks.recognition import FailureKind, Signature, failure_of_exit, signature_of

TRACE = """Traceback (most recent call last):
  File "/srv/grace/grace_actors/kernel_actor.py", line 58, in begin
    raise NotReady("; ".join(failed))
grace_actors.kernel_actor.NotReady: {said}
"""


def self_test(said: str) -> Signature:
    reason = f"NotReady: {said}"
    return signature_of(failure_of_exit("librarian", "crash", reason, TRACE.format(said=said)))


def test_two_checks_that_fail_are_two_failures() -> None:
    assert self_test("index_works: damaged").specific != self_test("store_librarian: damaged").specific


def test_one_check_that_fails_for_two_reasons_is_two_failures() -> None:
    assert self_test("index_works: damaged").specific != self_test("index_works: the disk is full").specific


def test_the_same_check_that_fails_with_other_figures_and_paths_is_the_same_failure() -> None:
    one = self_test("index_works: 12 of 40 segments of /home/a/library.db are damaged")
    assert self_test("index_works: 3 of 41 segments of /srv/b/library.db are damaged").specific == one.specific


def test_a_failed_self_test_is_named_by_its_checks() -> None:
    failure = failure_of_exit("librarian", "crash", "NotReady: one: x; two: failed", "")
    assert (failure.kind, failure.check) == (FailureKind.NOT_READY, "one,two")


def test_any_kind_of_exit_gives_a_failure() -> None:
    assert failure_of_exit("a", "no such kind", "", "").kind is FailureKind.CRASH
