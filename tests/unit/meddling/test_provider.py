"""The functions that cards name: there is one for each fault, step and reading action, and each says what to do."""

from __future__ import annotations

import importlib
import inspect
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chaoslib.exceptions import InvalidActivity
from chaoslib.provider.python import run_python_activity, validate_python_activity

from chaos import link, probes, steps
from chaos.faults.table import FAMILIES, FAULTS, INJECTABLE, Fault, FaultError, checked
from grace_actors.actions.catalogue import CATALOGUE
from grace_actors.home import Home
from playbooks.spec import ActionKind

MODULES = {family: importlib.import_module(f"chaos.faults.{family}") for family in FAMILIES}
READS = {name: action.spec for name, action in CATALOGUE.items() if action.spec.kind is ActionKind.READS}


def functions(module: ModuleType) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(module, inspect.isfunction)
    return {name: inspect.signature(each) for name, each in found if each.__module__ == module.__name__}


def shape(signature: inspect.Signature) -> list[tuple[str, Any]]:
    """Names and defaults."""
    return [(one.name, None if one.default is one.empty else one.default) for one in signature.parameters.values()]


def simple(default: Any) -> Any:
    """A default as a signature can show it: a list or an object left out is the action's own."""
    return None if isinstance(default, list | dict) else default


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_a_fault_has_a_function_with_exactly_its_parameters(fault: Fault) -> None:
    target = [] if fault.whole else [("kernel", None)]
    expected = target + [(one.name, one.default) for one in fault.parameters]
    signature = functions(MODULES[fault.family])[fault.name]
    assert shape(signature) == expected
    types = {name: one.annotation for name, one in signature.parameters.items() if name != "kernel"}
    assert types == {one.name: one.type.__name__ for one in fault.parameters}


def test_there_is_no_function_without_a_fault() -> None:
    named = {name for module in MODULES.values() for name in functions(module)}
    assert named == set(FAULTS)


def test_a_probe_is_each_action_that_only_reads_with_exactly_its_parameters() -> None:
    found = functions(probes)
    del found["ask"]
    wanted = {name: [(key, simple(one.default)) for key, one in spec.params.items()] for name, spec in READS.items()}
    assert {name: [(key, simple(value)) for key, value in shape(one)] for name, one in found.items()} == wanted
    required = {
        name: [one.name for one in s.parameters.values() if one.default is one.empty] for name, s in found.items()
    }
    assert required == {name: [key for key, one in s.params.items() if one.required] for name, s in READS.items()}


def test_every_number_has_its_limits_and_a_good_default() -> None:
    for fault in INJECTABLE.values():
        for one in fault.parameters:
            assert one.default is None or one.takes(one.default), f"{fault.name}: {one.name}"
            assert not one.takes(True)
            assert not one.takes(float("nan"))


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("rain", {}, "there is no fault 'rain'"),
        (["kill"], {}, "there is no fault"),
        ("kill", {"x": 1}, "parameters"),
        ("kill", "x", "parameters"),
        ("quota", {"mb": -1}, "mb is -1"),
        ("quota", {"mb": 1.5}, "mb is 1.5"),
        ("drop", {"verb": 7}, "verb is 7"),
        ("toxic", {"toxic": "rain"}, "toxic is 'rain'"),
        ("flood", {}, "verb must be given"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_what_is_allowed(name: Any, params: Any, words: str) -> None:
    with pytest.raises(FaultError, match=words) as refused:
        checked(name, params)
    assert refused.value.hint


def test_zero_is_allowed_where_it_means_something() -> None:
    assert checked("quota", {"mb": 0})["mb"] == 0
    assert checked("clock", {"offset_s": -60.0})["offset_s"] == -60.0
    assert checked("flood", {"verb": "x"}) == {"verb": "x", "args": "{}", "count": 5000, "rate": 0.0}


# ---- called by a stock Chaos Toolkit --------------------------------------------------------------------


def activity(module: str, func: str, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": func, "provider": provider}


def test_the_validator_of_the_chaos_toolkit_knows_functions_and_arguments() -> None:
    validate_python_activity(activity("chaos.faults.process", "kill", kernel="librarian"))
    validate_python_activity(activity("chaos.probes", "kernel_state", kernel="librarian"))
    with pytest.raises(InvalidActivity, match="seconds"):
        validate_python_activity(activity("chaos.faults.process", "kill", kernel="librarian", seconds=1))
    with pytest.raises(InvalidActivity, match="kernel"):
        validate_python_activity(activity("chaos.faults.process", "kill"))
    with pytest.raises(InvalidActivity, match="rain"):
        validate_python_activity(activity("chaos.faults.process", "rain"))


@contextmanager
def instance(answer: bytes) -> Iterator[list[Any]]:
    """A control socket that gives one answer; the requests it got."""
    path, requests = link.control_socket(), list[Any]()
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer, peer.makefile("rb") as lines:
                requests.append(json.loads(lines.readline()))
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield requests
        finally:
            thread.join(timeout=10)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with a path short enough for its socket to be in it."""
    with tempfile.TemporaryDirectory(prefix="grace-") as folder:
        monkeypatch.setenv("GRACE_HOME", folder)
        yield Path(folder)


def test_a_fault_is_injected_by_the_instance_with_all_its_parameters() -> None:
    with instance(b'{"ok": true, "value": {"result": "injected"}}\n') as requests:
        called = activity("chaos.faults.messages", "drop", kernel="bus", topic="orders.*")
        assert run_python_activity(called, {}, {}) == {"result": "injected"}
    params = {"verb": "*", "topic": "orders.*", "share": 1.0, "seconds": 30.0}
    assert requests == [{"verb": "inject", "args": {"fault": "drop", "target": "bus", "params": params}}]


def test_a_fault_of_the_host_needs_no_kernel() -> None:
    with instance(b'{"ok": true, "value": {}}\n') as requests:
        MODULES["resources"].burn(cores=1)
    assert requests[0]["args"] == {"fault": "burn", "target": "host", "params": {"cores": 1, "seconds": 60.0}}


def test_steps_and_probes_are_asked_of_the_runner() -> None:
    with instance(b'{"ok": true, "value": {"value": 7, "message": "read"}}\n') as requests:
        assert steps.act("pause_kernel", {"kernel": "bus"}) == 7
    asked = {"func": "act", "args": {"action": "pause_kernel", "params": {"kernel": "bus"}}}
    assert requests[0]["args"] == {"name": "chaos_runner", "verb": "step", "args": asked, "timeout_s": 600.0}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"ok": false, "error": {"code": "refused", "message": "no", "hint": "later"}}\n', "kernel_state|no: later"),
        (b"", "ended before its answer"),
        (b"rain\n", "it is none"),
    ],
)
def test_what_was_not_done_fails_the_activity(answer: bytes, words: str) -> None:
    with instance(answer), pytest.raises(link.NotDone, match=words):
        probes.kernel_state("bus")


def test_without_an_instance_an_activity_says_where_it_looked(home: Path) -> None:
    with pytest.raises(link.NotDone, match=f"no instance answers in {home}"):
        MODULES["process"].kill("bus")


@pytest.mark.parametrize("name", ["h", "h" * 60])
def test_the_socket_is_where_the_instance_listens(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for root in (tmp_path / name, Path("/tmp") / name):
        monkeypatch.setenv("GRACE_HOME", str(root))
        assert link.control_socket() == Home(root).control_socket
    monkeypatch.delenv("GRACE_HOME")
    monkeypatch.chdir(tmp_path)
    assert link.control_socket() == Home.resolve(None, {}).control_socket


def test_a_socket_below_tmp_that_somebody_else_could_have_made_was_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(link, "SHORT", tmp_path)
    monkeypatch.setenv("GRACE_HOME", f"/tmp/{'h' * 80}")
    path = link.control_socket()
    path.parent.mkdir(parents=True, mode=0o700)
    path.parent.parent.chmod(0o700)
    assert link.control_socket() == path
    path.parent.parent.chmod(0o777)
    with pytest.raises(link.NotDone, match=r"not a private directory of uid \d+ \(uid \d+, mode 777\)"):
        probes.kernel_state("bus")
    path.parent.parent.chmod(0o700)
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path)
    with pytest.raises(link.NotDone, match="not a private directory"):
        probes.kernel_state("bus")
