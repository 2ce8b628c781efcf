"""Whatever is asked of a supervisor: it answers or refuses, says what is allowed, and goes on."""

from __future__ import annotations

import re
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_actors import wire
from grace_actors.kernel_actor import _figures
from grace_actors.observing import Observing
from grace_actors.supervisor import VERBS, SupervisorActor
from supervisors import POLICIES, Backoff, ChildSpec, PolicySpec, Strategy, Supervisor, SupervisorSpec
from supervisors import messages as m
from supervisors.faults import Fault
from supervisors.observations import FORMS
from supervisors.spec import KernelStart, ProcessStart

NEEDED = {"mutual_repair": {"pair": ["a", "b"]}, "emergency": {"set": ["a", "b"]}, "recycle": {"max_age_s": 60.0}}
START = KernelStart(path="till:Till")
SPEC = SupervisorSpec(
    name="top",
    intensity=100,
    children=tuple(ChildSpec(id=id, start=START) for id in "ab"),
    policies=tuple(PolicySpec(name=name, params=NEEDED.get(name, {})) for name in POLICIES),
)


class Shell(SupervisorActor):
    """A supervisor with its real core and every policy, whose children are always well."""

    def __init__(self) -> None:
        self.name, self.gen, self.spec = "top", 1, SPEC
        self.living: dict[str, Any] = {}
        self.paused: dict[str, str] = {}
        self.names: Any = SimpleNamespace(events=SimpleNamespace(emit=lambda *event: None))
        self.description: Any = SimpleNamespace(changed=lambda: None)
        self.birth: Any = SimpleNamespace(parent="root")
        self.is_up = True
        self.answers: list[Any] = []
        self._calls, self._call_number, self._forced = {}, 0, set()
        self.now = 0.0
        self.due: dict[int, float] = {}
        self.core = Supervisor(SPEC)
        self.observing = Observing(self)
        self.feed(m.Start())

    def feed(self, event: m.Event) -> None:
        for command in self.core.handle(event, self.now):
            self._perform(command)
        self.observing.look()

    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for token in [token for token, at in self.due.items() if at <= self.now]:
            if self.due.pop(token, None) is not None:
                self.feed(m.TimerFired(token))

    def after(self, delay_s: float, call: Any) -> Any:
        return SimpleNamespace(cancel=lambda: None)

    def send(self, to: Any, message: Any) -> None:
        if to == "kernel":
            self.answers.append(message)

    def inject(self, fault: str, params: dict[str, Any]) -> None:
        """What a supervisor is asked to do to itself it does."""

    def _perform(self, command: m.Command) -> None:
        match command:
            case m.StartChild(child, gen):
                told = SimpleNamespace(name=child, gen=gen, address=child, kind="kernel", signal_shown=lambda _: None)
                self.living[child] = told
                self.feed(m.ChildReady(child, gen))
            case m.StopChild(child, gen):
                if self.living.pop(child, None) is not None:
                    self.feed(m.ChildExited(child, gen, m.Exit(m.ExitKind.SHUTDOWN, "shutdown")))
            case m.SetTimer(token, delay_s):
                self.due[token] = self.now + delay_s
            case m.CancelTimer(token):
                self.due.pop(token, None)
            case m.Reply() | m.Deliver() | m.PassDown():
                super()._perform(command)

    def asked(self, verb: Any, args: Any) -> Any:
        """The answer to a request of a kernel; None when there is none yet."""
        self.answers.clear()
        self._dispatch_ask(wire.Ask(1, verb, args, "prices"))
        return self.answers[0].answer if self.answers else None

    def _dispatch_ask(self, ask: wire.Ask) -> None:
        self._on_ask(ask, "kernel")

    @property
    def keeping(self) -> Any:
        return SimpleNamespace(deliver=lambda *_: None)


# ---- by name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "args", "seen", "allowed"),
    [
        ("call", {}, "op is None", "terminate_child"),
        ("call", {"op": ["reset"]}, r"op is \['reset'\]", "terminate_child"),
        ("call", {"op": "reset", "child": {}}, "child is {}", "a text"),
        ("call", {"op": "reset", "chlid": "a"}, "no argument 'chlid'", "child"),
        ("call", {"op": "recycle", "child": "a", "keep": "yes"}, "keep is 'yes'", "true or false"),
        ("call", {"op": "start_child", "like": "a"}, "go together", "the name of the new child"),
        ("call", {"op": "start_child", "like": "c", "id": "d"}, "no child 'c'", "known: a, b"),
        ("call", {"op": "start_child", "spec": ChildSpec(id="c", start=5)}, "would start 5", "KernelStart"),
        ("pause", {"child": ["a"]}, r"child is \['a'\]", "the name of a child"),
        ("resume", {"child": ""}, "child is ''", "the name of a child"),
        ("inject", {}, "no fault None", "kill"),
        ("inject", {"fault": "hang", "child": "a", "params": {"seconds": "x"}}, "seconds is 'x'", "a number"),
        ("inject", {"fault": "kill"}, "done to a child", "child"),
        ("inject", {"fault": "corrupt", "child": "a", "params": 5}, "params are 5", "a mapping"),
        ("observe", {"topic": "a.b", "data": [1]}, r"data \[1\]", "data is a mapping"),
        ("observe", {"topic": "health.suspected", "data": {"level": "high"}}, "level is 'high'", "level is a number"),
        ("observe", {"topic": "wait.reported", "data": {"waits": 5}}, "waits is 5", "a list"),
        ("observe", {"topic": "wait.reported", "data": {"waits": [{"to": "a"}]}}, "waits is", "for_s: a number"),
        ("observe", {"topic": "deadlock.assigned", "data": {"waits": ["a"]}}, "waits is", "who: a text"),
        ("observe", {"topic": "member.exited", "subject": "a", "data": {"kind": []}}, "kind is", "a text"),
        ("ping", [1], r"arguments are \[1\]", "a mapping"),
        ("dance", {}, "no verb 'dance'", "observe"),
    ],
)
def test_bad_request_no_longer_takes_its_supervisor_down_but_is_told_what_is_allowed(
    verb: str, args: Any, seen: str, allowed: str
) -> None:
    answer = Shell().asked(verb, args)
    assert not answer.ok
    assert answer.error["code"] in ("refused", "not_found")
    assert re.search(seen, answer.error["message"])
    assert allowed in answer.error["hint"]


def test_spec_with_anything_in_its_fields_is_answered_with_its_faults() -> None:
    shell = Shell()
    for spec, code in (
        (ChildSpec(id="c", start=START, depends_on=5), "invalid_depends_on"),  # type: ignore[arg-type]
        (ChildSpec(id="c", start=KernelStart(path=5)), "invalid_path"),  # type: ignore[arg-type]
        (ChildSpec(id="c", start=ProcessStart(command="ls")), "invalid_command"),  # type: ignore[arg-type]
        (ChildSpec(id=[], start=START), "missing_id"),  # type: ignore[arg-type]
        (ChildSpec(id="c", start=START, shutdown_s=10**400), "invalid_shutdown"),
    ):
        answer = shell.asked("call", {"op": "start_child", "spec": spec})
        assert (answer.value["result"], answer.value["value"][0]["code"]) == (code, code)
    for field, value in (("children", 5), ("policies", {}), ("policies", (PolicySpec(name=[]),)), ("name", None)):  # type: ignore[arg-type]
        spec = SupervisorSpec(**{"name": "top", field: value})  # type: ignore[arg-type]
        assert shell.asked("call", {"op": "reload", "spec": spec}).value["result"] != "ok"


def test_limit_of_a_billion_restarts_is_judged_at_once() -> None:
    backoff = Backoff(min_s=0.001, max_s=0.001)
    spec = SupervisorSpec(
        name="top", intensity=10**9, period_s=1e11, children=(ChildSpec(id="c", start=START, backoff=backoff),)
    )
    assert Shell().asked("call", {"op": "reload", "spec": spec}).value["result"] == "ok"


def test_kernel_whose_gauges_are_no_numbers_no_longer_takes_its_supervisor_down_but_itself() -> None:
    assert _figures("prices", {"failed_runs": 2}) == {"failed_runs": 2}
    for gauges in ({"failed_runs": "2"}, {3: 1.0}, None):
        with pytest.raises(TypeError, match=r"gauges\(\) of prices.*allowed: a mapping of names to numbers"):
            _figures("prices", gauges)


# ---- whatever it is -----------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2)
names = st.sampled_from(["a", "b", "top/a", "safe", "kill", "crash", "hold", "c", *(op.value for op in m.OpKind)])
specs = st.builds(
    lambda fields: ChildSpec(**{"id": "c", "start": START, **fields}),
    st.dictionaries(st.sampled_from([field.name for field in fields(ChildSpec)]), scalars, max_size=2),
) | st.builds(
    lambda fields: SupervisorSpec(**{"name": "top", **fields}),
    st.dictionaries(st.sampled_from([field.name for field in fields(SupervisorSpec)]), scalars, max_size=2),
)
anything = st.recursive(
    scalars | names | specs | st.sampled_from([10**400, Strategy.DYNAMIC, {1}, Fault((), "x", "y")]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2) | names, inner, max_size=2),
    max_leaves=4,
)
KEYS = ["op", "child", "spec", "like", "id", "mode", "reason", "keep", "force", "fault", "params", "odd"]
DATA = sorted({key for forms in FORMS.values() for key in forms} | {"by", "incidents", "running", "cpu_percent", "to"})
waits = st.lists(st.dictionaries(st.sampled_from(["to", "id", "for_s", "verb", "who"]), anything), max_size=2)
observed = st.fixed_dictionaries(
    {"topic": st.sampled_from(sorted({topic for policy in POLICIES.values() for topic in policy.observes} | {*FORMS}))},
    optional={
        "subject": names | anything,
        "data": st.dictionaries(st.sampled_from(DATA), anything | waits, max_size=3) | anything,
    },
)
requests = (
    st.tuples(st.sampled_from(VERBS), st.dictionaries(st.sampled_from(KEYS), anything | names, max_size=4))
    | st.tuples(st.just("observe"), observed)
    | st.tuples(anything, anything)
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(requests, min_size=5, max_size=15))
def test_supervisor_goes_on_whatever_it_is_asked(asked: list[tuple[Any, Any]]) -> None:
    shell = Shell()
    for verb, args in asked:
        shell.asked(verb, args)
        for child, inc in list(shell.living.items()):
            shell.feed(m.ChildMeasured(child, inc.gen, 10.0))
        shell.time_passes(1.5)
    shell.time_passes(1000.0)
    assert shell.asked("ping", {}).value == {"pong": True}
    assert shell.asked("call", {"op": "count_children"}).value["result"] == "ok"
