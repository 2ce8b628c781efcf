"""How an action runs: a generator that wishes for answers, commands and time, and ends with a Result.

The generator is driven by callbacks of a Context, so that it reads from top to bottom and never blocks the mailbox.
It must not know any concrete action. Invariant: `done` is called exactly once, after `perform` has returned, whatever
kernels, commands and disks do; with `check` no wish that acts is granted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace_actors.errors import GraceError, Refused, WorldFailed
from grace_actors.kernel import Answer, Completed, Context, Data
from playbooks.params import bind
from playbooks.spec import ActionKind, ActionSpec, Param, ParamType, Severity

ASK_S = 10.0
POLL_S = 0.1
_TYPES: Mapping[type, ParamType] = {
    str: ParamType.STRING,
    int: ParamType.INTEGER,
    float: ParamType.NUMBER,
    bool: ParamType.BOOLEAN,
    list: ParamType.ARRAY,
    dict: ParamType.OBJECT,
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. `ok` only if the effect was seen; `message` says what was seen and, of a failure, what to do."""

    ok: bool
    changed: bool = False
    message: str = ""
    data: Any = None
    code: str = ""
    """Of a failure, whose it is: the code of the error that ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask an actor; the generator is sent the Answer."""

    to: str
    verb: str
    args: Data = field(default_factory=dict)
    timeout_s: float = ASK_S
    acts: bool = False

    def begin(self, ctx: Context, go_on: Callable[[Any], None]) -> None:
        ctx.ask(self.to, self.verb, self.args, go_on, timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run an OS command; the generator is sent the Completed."""

    argv: Sequence[str]
    timeout_s: float
    input: bytes = b""
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    acts: bool = False

    def begin(self, ctx: Context, go_on: Callable[[Any], None]) -> None:
        ctx.run(self.argv, go_on, input=self.input, cwd=self.cwd, env=self.env, timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Let so much time pass; 0 lets others have the mailbox."""

    delay_s: float = 0.0
    acts: bool = False

    def begin(self, ctx: Context, go_on: Callable[[Any], None]) -> None:
        ctx.after(self.delay_s, lambda: go_on(None))


Wish = Ask | Run | Wait
Steps = Generator[Wish, Any, Any]
"""What yields wishes; `yield from` gives its value."""


@dataclass(slots=True)
class Call:
    """One performance of an action. `params` are complete and of the declared types; whoever changes a file by hand
    sets `changed`, so that a failure halfway says so."""

    ctx: Context
    params: Mapping[str, Any]
    check: bool
    changed: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.params[name]


@dataclass(frozen=True, slots=True)
class Action:
    """A catalogued action: what it declares, and the generator function that does it."""

    spec: ActionSpec
    steps: Callable[[Call], Steps]

    def perform(self, ctx: Context, params: Mapping[str, Any], check: bool, done: Callable[[Result], None]) -> None:
        """Begin; `done` gets the result later. With `check` predict it without any effect; what only reads runs as
        it is."""
        values, problems = bind(self.spec.params, params)
        if problems:
            message = f"{self.spec.name}: {'; '.join(problems)}; {self.takes()}"
            result = Result(False, message=message, code=Refused.code)
            ctx.after(0.0, lambda: done(result))
            return
        call = Call(ctx, values, check and self.spec.kind is ActionKind.ACTS)
        _Performance(self.spec.name, call, self.steps(call), done).go_on(None)

    def takes(self) -> str:
        """Its parameters in words."""
        return f"it takes: {', '.join(self.spec.params)}" if self.spec.params else "it takes no parameters"


class _Performance:
    """Drives one generator to its end."""

    def __init__(self, name: str, call: Call, steps: Steps, done: Callable[[Result], None]) -> None:
        self._name, self._call, self._steps, self._done = name, call, steps, done

    def go_on(self, value: Any) -> None:
        try:
            wish = self._steps.send(value)
        except StopIteration as end:
            self._finish(end.value)
        except GraceError as error:
            self._fail(error.message, error.hint, error.code)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self._fail(f"{where}{error.strerror or error}", "look at the disk and the permissions of the home")
        else:
            if wish.acts and self._call.check:
                self._fail("it would have acted although only a prediction was wanted", "report this mistake of ours")
                return
            self._call.changed |= wish.acts
            wish.begin(self._call.ctx, self.go_on)

    def _fail(self, what: str, hint: str, code: str = WorldFailed.code) -> None:
        text = f"{self._name}: {what}"
        text = f"{text}; {hint}" if hint else text
        self._finish(Result(False, changed=self._call.changed, message=text, code=code))

    def _finish(self, result: Result) -> None:
        self._steps.close()
        self._call.ctx.after(0.0, lambda: self._done(result))


# ---- declaring ------------------------------------------------------------------------------------------------------


def reads(*, timeout_s: float = 60.0, **params: Param) -> Callable[[Callable[[Call], Steps]], Action]:
    """An action that changes nothing. Its name and description are those of the function."""
    return _declared(ActionKind.READS, True, Severity.LOW, timeout_s, params)


def acts(
    *, idempotent: bool = True, risk: Severity = Severity.LOW, timeout_s: float = 60.0, **params: Param
) -> Callable[[Callable[[Call], Steps]], Action]:
    """An action that changes something. Its name and description are those of the function."""
    return _declared(ActionKind.ACTS, idempotent, risk, timeout_s, params)


def _declared(
    kind: ActionKind, idempotent: bool, risk: Severity, timeout_s: float, params: Mapping[str, Param]
) -> Callable[[Callable[[Call], Steps]], Action]:
    def declare(steps: Callable[[Call], Steps]) -> Action:
        spec = ActionSpec(
            name=steps.__name__,
            kind=kind,
            idempotent=idempotent,
            risk=risk,
            params=dict(params),
            timeout_s=timeout_s,
            description=" ".join((steps.__doc__ or "").split()),
        )
        return Action(spec, steps)

    return declare


def needed(description: str, type: ParamType = ParamType.STRING, enum: tuple[Any, ...] = ()) -> Param:
    """A parameter without which the action means nothing."""
    return Param(type=type, required=True, description=description, enum=enum)


def given(default: Any, description: str, enum: tuple[Any, ...] = ()) -> Param:
    """A parameter with a default, whose type is that of the default."""
    kind = _TYPES[type(default)]
    return Param(type=kind, default=default, description=description, enum=enum)


# ---- wishing --------------------------------------------------------------------------------------------------------


def ask(to: str, verb: str, args: Data | None = None, *, timeout_s: float = ASK_S, acts: bool = False) -> Steps:
    """The value an actor answers. Raises WorldFailed with its words when it does not, or does so with an error."""
    answer: Answer = yield Ask(to=to, verb=verb, args=args or {}, timeout_s=timeout_s, acts=acts)
    if answer.ok:
        return answer.value
    error = answer.error or {}
    hint = error.get("hint") or f"see: status {to}"
    failed = WorldFailed(f"{to}: {verb} failed: {error.get('message') or error.get('code') or 'no reason'}", hint=hint)
    failed.code = error.get("code") or failed.code  # also through us it is told whose mistake it was
    raise failed


def fields(value: Any, of: str, *names: str) -> Data:
    """A mapping that has these keys. Raises WorldFailed: what answers otherwise cannot be relied on."""
    if isinstance(value, dict) and all(name in value for name in names):
        return value
    raise WorldFailed(f"{of} answered without {', '.join(names)}: {value!r:.200}", hint="it is not the kernel expected")


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    input: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    acts: bool = False,
) -> Steps:
    """The Completed of a command that ended by itself. Raises WorldFailed when it did not start or took too long."""
    done: Completed = yield Run(argv=argv, timeout_s=timeout_s, input=input, cwd=cwd, env=env, acts=acts)
    if done.timed_out:
        raise WorldFailed(f"{argv[0]} did not end within {timeout_s:g} s", hint="give it more time with timeout_s")
    if done.returncode is None:
        raise WorldFailed(f"{argv[0]} could not be started: {done.error}", hint="see whether it is installed")
    return done


def positive(call: Call, *names: str) -> None:
    """Raises Refused for a number that is not above 0."""
    for name in names:
        if not 0 < call[name] < 1e9:
            raise Refused(f"{name} is {call[name]!r}", hint="a number above 0 is allowed")
