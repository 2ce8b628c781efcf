"""What a supervision tree is made of: child specs, supervisor specs, limits.

Plain frozen data. Nothing here knows files, clocks or actors; `supervisors.loader` reads the YAML,
`supervisors.validate` judges the values, `supervisors.core` acts on them.
Invariant: every duration is in seconds and carries the suffix `_s`.
Sources: OTP `supervisor:child_spec()` and `sup_flags()` for the fields both have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Restart(StrEnum):
    """When a child that exited is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    """Who is restarted with a child. `dynamic` is OTP's simple_one_for_one with a spec for each child."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    DYNAMIC = "dynamic"


class AutoShutdown(StrEnum):
    """Whether the exit of significant children ends the supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class ChildType(StrEnum):
    """A supervisor child is counted apart and is given unlimited time to stop."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


class OnExhausted(StrEnum):
    """What follows when a child's own budget is spent."""

    ESCALATE = "escalate"
    QUARANTINE = "quarantine"
    REPAIR = "repair"


class Startup(StrEnum):
    """`ordered`: each child waits for the one before it (OTP). `parallel`: it waits for its `depends_on` only."""

    ORDERED = "ordered"
    PARALLEL = "parallel"


MOST = 1e12
"""No number of a spec is above this: seconds of thirty thousand years."""
BRUTAL_KILL = "brutal_kill"
INFINITY = "infinity"
Shutdown = float | str  # seconds >= 0, BRUTAL_KILL or INFINITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delay before the n-th restart in a row: min(max, min*2**n) * (1 + U*jitter), U in [0, 1)."""

    min_s: float
    max_s: float
    jitter: float = 0.0
    reset_after_s: float | None = None
    """A run this long sets n back to 0; None means (min_s + max_s) / 2, as Akka does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """More than `intensity` restarts within `period_s` exhaust it."""

    intensity: int
    period_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A ping every `interval_s`; after `misses` unanswered ones the child is `hung` and is killed."""

    interval_s: float
    misses: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelStart:
    """A kernel: `path` is `package.module:Class`, `config` the mapping under `with:`."""

    path: str
    config: Mapping[str, Any] = field(default_factory=dict)

    def behind(self, extra: Mapping[str, Any]) -> KernelStart:
        """The same kernel with `extra` before its own configuration."""
        return replace(self, config={**extra, **self.config})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How an OS process shows that it is ready: exactly one field is set, or none (ready once it runs)."""

    tcp: str | None = None  # "host:port" or "port"
    http: str | None = None  # URL answering 2xx or 3xx
    log_line: str | None = None  # regular expression found in a line of its output
    sd_notify: bool = False  # READY=1 on $NOTIFY_SOCKET


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStart:
    """An ordinary OS process, started in a session and process group of its own."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    stop_signal: str = "SIGTERM"
    ready: Readiness = field(default_factory=Readiness)
    log_max_bytes: int = 10_000_000
    log_keep: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One child of a supervisor. `start` is opaque to the core: a KernelStart, ProcessStart, SupervisorSpec
    or whatever the shell understands; the core only hands it back in `StartChild`."""

    id: str
    start: Any
    restart: Restart = Restart.PERMANENT
    shutdown_s: Shutdown | None = None
    """None means the default: 5 s for a worker, infinity for a supervisor (OTP)."""
    type: ChildType = ChildType.WORKER
    significant: bool = False
    start_timeout_s: float | None = None
    heartbeat: Heartbeat | None = None
    backoff: Backoff | None = None
    budget: Budget | None = None
    on_exhausted: OnExhausted = OnExhausted.ESCALATE
    permanent_failure: tuple[str, ...] = ()
    """Exit reasons (`ValueError`, `SIGSEGV`, `exit 78`) that are never restarted: the slot becomes failed."""
    clean_exits: tuple[str, ...] = ()
    """Exit reasons treated like `normal`."""
    depends_on: tuple[str, ...] = ()
    apart: bool = False
    """A group restart leaves it alone, and its own restart is no group's (not in OTP)."""
    critical: bool = False
    tier: str = ""

    @property
    def shutdown(self) -> Shutdown:
        """The shutdown limit with the default of the type filled in."""
        if self.shutdown_s is not None:
            return self.shutdown_s
        return INFINITY if self.type is ChildType.SUPERVISOR else 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """A policy attached to a supervisor: its name in `supervisors.policies` and its parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSpec:
    """A supervisor: strategy, restart limit, children in start order."""

    name: str
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period_s: float = 5.0
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    startup: Startup = Startup.ORDERED
    max_children: int | None = None
    children: tuple[ChildSpec, ...] = ()
    policies: tuple[PolicySpec, ...] = ()
    extra_config: Mapping[str, Any] = field(default_factory=dict)
    """Configuration put before that of every kernel of a dynamic supervisor, on each start and restart; what
    the child says itself wins (Elixir's `extra_arguments`)."""
