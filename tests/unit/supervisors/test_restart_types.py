"""Who comes back after which exit (statements 26 to 33)."""

import pytest

from supervisors import Restart
from supervisors.messages import ExitKind, OpKind
from tests.unit.supervisors.driver import Driver, child

CLEAN = [ExitKind.NORMAL, ExitKind.SHUTDOWN]
ABNORMAL = [ExitKind.CRASH, ExitKind.KILLED]


@pytest.mark.parametrize("kind", CLEAN + ABNORMAL)
def test_permanent_child_is_restarted_after_every_exit(kind):
    d = Driver("a")
    d.leave("a", kind)
    assert d.state("a") == "running"
    assert d.gen("a") == 2


@pytest.mark.parametrize("kind", CLEAN)
def test_transient_child_is_not_restarted_after_clean_exit_and_can_be_revived(kind):
    d = Driver((child("a", restart=Restart.TRANSIENT),))
    d.leave("a", kind)
    assert d.state("a") == "stopped"
    assert d.counts() == [1, 0, 0, 1]
    assert d.call(OpKind.RESTART_CHILD, "a") == "ok"
    assert d.state("a") == "running"


@pytest.mark.parametrize("kind", ABNORMAL)
def test_transient_child_is_restarted_after_abnormal_exit(kind):
    d = Driver((child("a", restart=Restart.TRANSIENT),))
    d.leave("a", kind)
    assert d.state("a") == "running"


@pytest.mark.parametrize("kind", CLEAN + ABNORMAL)
def test_temporary_child_is_never_restarted_and_its_id_is_free(kind):
    spec = child("a", restart=Restart.TEMPORARY)
    d = Driver((spec,), intensity=0)
    d.leave("a", kind)
    assert d.states() == {}
    assert d.call(OpKind.START_CHILD, spec=spec) == "ok"


def test_restarted_child_gets_its_original_spec_and_a_new_generation():
    d = Driver("a")
    d.crash("a")
    first, second = (c for c in d.commands if type(c).__name__ == "StartChild")
    assert first.spec is second.spec
    assert (first.gen, second.gen) == (1, 2)


@pytest.mark.parametrize(
    ("restart", "kind", "context"),
    [
        (Restart.PERMANENT, ExitKind.NORMAL, "child_terminated"),
        (Restart.PERMANENT, ExitKind.CRASH, "child_terminated"),
        (Restart.TRANSIENT, ExitKind.NORMAL, "child_finished"),
        (Restart.TRANSIENT, ExitKind.KILLED, "child_terminated"),
        (Restart.TEMPORARY, ExitKind.SHUTDOWN, "child_finished"),
        (Restart.TEMPORARY, ExitKind.CRASH, "child_terminated"),
    ],
)
def test_exit_is_reported_as_error_always_for_permanent_and_else_only_when_abnormal(restart, kind, context):
    d = Driver((child("a", restart=restart),))
    d.leave("a", kind, "why")
    (report,) = d.told("child.exited")
    assert report.subject == "a"
    assert report.data["context"] == context
    assert (report.data["supervisor"], report.data["offender"]) == ("top", "a")
    assert (report.data["reason"], report.data["kind"]) == ("why", kind.value)


def test_spec_of_a_temporary_child_is_forgotten_after_its_exit():
    d = Driver((child("a", restart=Restart.TEMPORARY),))
    d.crash("a")
    assert d.call(OpKind.GET_CHILDSPEC, "a") == "not_found"
