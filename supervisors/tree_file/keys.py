"""The vocabulary of a tree file: every key, where it may stand, what it takes and what it means.

Data only. The reader refuses what is not listed here and `docs/tree-file.md` must describe all of it; a
contract test compares the two. Invariant: a key that is not in these tables cannot appear in a tree file.
"""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA = "grace.tree/1"

ACTORS: Mapping[str, str] = {
    "registry": "grace_actors.registry:Registry",
    "signature": "grace_actors.stores.signature:SignatureStore",
    "status": "grace_actors.status.actor:Status",
}
"""The built-in actors of `actor:`; the runtime cannot work without any of them."""

STARTS = ("kernel", "command", "actor", "supervisor")
"""Exactly one of these says what an entry under `children:` is."""

_SUPERVISION = {
    "strategy": "who is restarted with a child that failed",
    "intensity": "how many restarts are allowed",
    "period": "... within this time; one more and the supervisor gives up",
    "startup": "`ordered`: one after the other; `parallel`: as soon as `depends_on` allows",
    "auto_shutdown": "whether the supervisor ends when significant children have exited",
    "max_children": "limit of a dynamic supervisor",
    "with": "configuration for every kernel of a dynamic supervisor, before its own",
    "defaults": "values for every child below that does not say otherwise",
    "policies": "a list of policies with their parameters",
    "children": "the list of children, in start order",
}
_PLACE_IN_TREE = {
    "restart": "when a child that exited is started again",
    "shutdown": "how long it may take to stop",
    "significant": "whether its exit counts for `auto_shutdown`",
    "start_timeout": "how long it may take to become ready",
    "heartbeat": "how often it must show that it is alive; for a command the actor that runs it does",
    "backoff": "the delay before each restart",
    "budget": "its own restart limit",
    "on_exhausted": "what follows when its own budget is spent",
    "permanent_failure": "exit reasons after which it is not restarted",
    "clean_exits": "exit reasons that count as normal",
    "depends_on": "names that must be ready before it starts",
    "apart": "whether a group restart leaves it alone, and its own restart the group",
    "critical": "whether the system is down without it",
    "tier": "the group it is shown and watched in",
}
_KERNEL = {
    "id": "its name, unique in the whole tree",
    "kernel": "package.module:Class",
    "with": "its configuration, handed over as it stands",
}
_ACTOR = {
    "id": "its name; the name of the actor if left out",
    "actor": "one of the built-in actors",
    "with": "its configuration, handed over as it stands",
}
_COMMAND = {
    "id": "its name, unique in the whole tree",
    "command": "program and arguments, a list",
    "env": "variables added to the environment",
    "cwd": "working directory, relative to the tree file",
    "stop_signal": "the signal that asks it to stop",
    "ready": "how it shows that it is ready",
    "log": "rotation of its output",
}

ROOT = {"schema": "the version of this format", "name": "the name of the root supervisor"} | _SUPERVISION
SUPERVISOR = (
    {"supervisor": "its name, unique in the whole tree"}
    | _SUPERVISION
    | {key: meaning for key, meaning in _PLACE_IN_TREE.items() if key not in ("permanent_failure", "clean_exits")}
)
KERNEL = _KERNEL | _PLACE_IN_TREE
ACTOR = _ACTOR | _PLACE_IN_TREE
COMMAND = _COMMAND | _PLACE_IN_TREE

HEARTBEAT = {"interval": "time between two pings", "misses": "unanswered pings after which it is killed"}
BACKOFF = {
    "min": "delay before the first restart",
    "max": "longest delay",
    "jitter": "random share added to each delay, 0 to 1",
    "reset_after": "a run this long starts again at `min`",
}
BUDGET = {"intensity": "how many restarts are allowed", "period": "... within this time"}
READY = {
    "tcp": "a port, or host:port, that accepts connections",
    "http": "a URL that answers 2xx or 3xx",
    "log_line": "a regular expression found in a line of its output",
    "sd_notify": "it sends READY=1 to $NOTIFY_SOCKET",
}
LOG = {"max_size": "size at which its log is rotated", "keep": "how many rotated files stay"}

DEFAULTS = (
    "restart",
    "shutdown",
    "start_timeout",
    "heartbeat",
    "backoff",
    "budget",
    "on_exhausted",
    "permanent_failure",
    "clean_exits",
    "tier",
    "stop_signal",
    "log",
)
INHERITED_BY_SUPERVISORS = ("heartbeat", "tier")
"""A supervisor takes only these of the defaults: how long it starts and stops depends on its children."""

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "root": ROOT,
    "supervisor": SUPERVISOR,
    "kernel": KERNEL,
    "actor": ACTOR,
    "command": COMMAND,
    "heartbeat": HEARTBEAT,
    "backoff": BACKOFF,
    "budget": BUDGET,
    "ready": READY,
    "log": LOG,
}

POLICIES: Mapping[str, Mapping[str, str]] = {
    "watchdog": {"interval": "duration", "misses": "count", "except": "names"},
    "repair": {
        "window": "duration",
        "starts": "count",
        "crashes": "count",
        "deadline": "duration",
        "except": "names",
    },
    "recycle": {"max_age": "duration", "max_memory_mb": "number", "jitter": "number", "except": "names"},
    "mutual_repair": {
        "pair": "names",
        "criteria": "criteria",
        "cooldown": "duration",
        "attempts": "count",
        "window": "duration",
        "deadline": "duration",
    },
    "load_shed": {
        "cpu_percent": "number",
        "memory_percent": "number",
        "own_percent": "number",
        "samples": "count",
        "relief": "number",
        "step": "count",
        "order": "names",
        "except": "names",
    },
    "quarantine": {
        "failures": "count",
        "window": "duration",
        "release_after": "duration",
        "releases": "count",
        "except": "names",
    },
    "staggered_restart": {
        "group": "names",
        "after": "duration",
        "stagger": "duration",
        "safe": "flag",
        "calm": "duration",
        "attempts": "count",
        "cooldown": "duration",
        "criteria": "criteria",
    },
    "emergency": {"set": "names", "down": "count", "for": "duration", "playbook": "text", "deadline": "duration"},
    "micro_chaos": {
        "every": "duration",
        "jitter": "number",
        "windows": "names",
        "min_gap": "duration",
        "failures": "count",
        "failures_within": "duration",
    },
}
"""Every policy with its parameters and what each takes: duration (`x` in the file is `x_s` for the policy), count,
number, flag, text, names (of children, or other words) or criteria (of health)."""
CRITERION: Mapping[str, str] = {
    "down": "duration",
    "measure": "text",
    "above": "number",
    "times": "count",
    "child": "text",
    "mode": "text",
}
"""What an entry of `criteria` takes: `down`, or a `measure` with its limit. `supervisors.policies.health` judges it."""

RUNTIME = "runtime"
RESERVED_NAMES = ("all", RUNTIME)
"""`all` stands for every child on the command line; `runtime` holds the built-in actors of a user's tree."""

SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGKILL")
