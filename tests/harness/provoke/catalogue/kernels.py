"""Faults of Grace's own kernels: refused requests, damaged files and stores, snapshots of another kind."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.harness.provoke.fault import Call, Fault, Payload, Values

KERNELS = "grace_actors.kernels"


def _found(path: str) -> Any:
    module, name = path.split(":")
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _running(v: Values, name: str, path: str) -> Any:
    from tests.harness.kernels import Bench

    return Bench(v.folder()).add(name, _found(path))


def asked(
    name: str,
    path: str,
    verb: str,
    case: str,
    args: Payload,
    before: Callable[[Any], None] | None = None,
    **config: Any,
) -> Fault:
    """A request that the kernel does not survive, or refuses; `before` spoils the running kernel."""

    def prepare(v: Values) -> Call:
        kernel = _running(v, name, path)
        if before is not None:
            before(kernel)
        request = _found("grace_actors.kernel:Request")(verb=verb, args=dict(args(v)), sender=v.user, id=v.number)
        return Call(kernel.handle, (request,))

    return Fault(f"{name}.{verb}.{case}", name, "grace", prepare)


def called(name: str, path: str, case: str, args: Callable[[Values], tuple[Any, ...]], library: str = "grace") -> Fault:
    """A function of the kernel's own, called with what it cannot take."""
    return Fault(f"{name}.{path.split(':')[1].lower()}.{case}", name, library, lambda v: Call(_found(path), args(v)))


def without_tables(kernel: Any) -> None:
    """Takes the tables away from under the kernel."""
    db = kernel.store.db
    for table in db.table_names():
        if not table.startswith("sqlite_"):
            db.execute(f"DROP TABLE IF EXISTS [{table}]")


def closed(kernel: Any) -> None:
    kernel.store.db.close()


LIBRARIAN, SCHEDULER = f"{KERNELS}.librarian:Librarian", f"{KERNELS}.scheduler:Scheduler"
SIGNATURE, SECRETS = "grace_actors.stores.signature:SignatureStore", f"{KERNELS}.secret_manager:SecretManager"
GOVERNANCE, BUS = f"{KERNELS}.governance:Governance", f"{KERNELS}.message_bus:MessageBus"
LOG, MEMORY = f"{KERNELS}.immutable_log:ImmutableLog", f"{KERNELS}.memory_fusion:MemoryFusion"
REPAIR = {"playbook": "restart_kernel", "params": {}}

FAULTS = [
    asked("librarian", LIBRARIAN, "search", "no_words", lambda v: {"limit": v.between(1, 9)}),
    asked("librarian", LIBRARIAN, "search", "words_are_a_number", lambda v: {"words": v.number}),
    asked("librarian", LIBRARIAN, "search", "limit_too_large", lambda v: {"words": v.word, "limit": v.number}),
    asked("librarian", LIBRARIAN, "search", "tables_gone", lambda v: {"words": v.word}, without_tables),
    asked("librarian", LIBRARIAN, "ingest", "not_there", lambda v: {"path": f"{v.word}.txt"}),
    asked("librarian", LIBRARIAN, "ingest", "outside", lambda v: {"path": f"../../{v.word}.txt"}),
    asked("librarian", LIBRARIAN, "forget", "unknown", lambda v: {"document": v.word}),
    asked("librarian", LIBRARIAN, "shelve", "unknown_verb", lambda v: {"name": v.word}),
    called("librarian", f"{KERNELS}.library.inbox:decode", "not_utf8", lambda v: (v.id, v.word.encode() + b"\xff")),
    called("librarian", f"{KERNELS}.library.inbox:decode", "zero_character", lambda v: (v.id, v.word.encode() + b"\0")),
    called("librarian", f"{KERNELS}.library.inbox:check", "extension", lambda v: (Path(v.file(".exe", "x")), v.number)),
    called("librarian", f"{KERNELS}.library.inbox:check", "empty", lambda v: (Path(v.file(".txt", "")), v.number)),
    called("librarian", f"{KERNELS}.library.inbox:check", "too_large", lambda v: (Path(v.file(".md", v.hex)), 2)),
    called("librarian", f"{KERNELS}.library.inbox:check", "not_there", lambda v: (Path(v.no_file(".csv")), 2)),
    asked("scheduler", SCHEDULER, "add", "bad_cron", lambda v: {"name": v.word, "schedule": f"{v.number} * * * *"}),
    asked("scheduler", SCHEDULER, "add", "no_schedule", lambda v: {"name": v.word}),
    asked("scheduler", SCHEDULER, "remove", "unknown", lambda v: {"name": v.word}),
    called("scheduler", f"{KERNELS}.schedule:parse", "six_fields", lambda v: (f"{v.between(1, 59)} * * * * *",)),
    called("scheduler", f"{KERNELS}.schedule:parse", "no_duration", lambda v: (v.word,)),
    called("scheduler", f"{KERNELS}.schedule:parse", "random", lambda v: (f"R {v.between(1, 12)} * * *",)),
    asked("signature", SIGNATURE, "lookup", "nothing_given", lambda v: {"name": v.word}),
    asked("signature", SIGNATURE, "get", "unknown", lambda v: {"signature": v.id}),
    asked("signature", SIGNATURE, "list", "tables_gone", lambda v: {"limit": v.between(1, 99)}, without_tables),
    asked("signature", SIGNATURE, "stats", "closed", lambda v: {}, closed),
    asked(
        "signature", SIGNATURE, "record_outcome", "no_repair", lambda v: {"signature": v.id, "repair": {"a": v.word}}
    ),
    asked(
        "signature",
        SIGNATURE,
        "record_outcome",
        "ok_is_text",
        lambda v: {"signature": v.id, "repair": REPAIR, "ok": v.word},
    ),
    asked("secret_manager", SECRETS, "get", "unknown", lambda v: {"name": v.word}),
    asked("secret_manager", SECRETS, "put", "no_value", lambda v: {"name": v.word}),
    asked("secret_manager", SECRETS, "redact", "no_text", lambda v: {"text": v.number}),
    called("secret_manager", f"{KERNELS}.secrets.keys:Keys.read", "damaged", lambda v: (Path(v.file(".keys", v.hex)),)),
    called("secret_manager", f"{KERNELS}.secrets.keys:Keys.read", "not_there", lambda v: (Path(v.no_file(".keys")),)),
    asked("governance", GOVERNANCE, "evaluate", "no_action", lambda v: {"actor": v.user}),
    asked("governance", GOVERNANCE, "approval", "unknown", lambda v: {"id": v.id}),
    asked("governance", GOVERNANCE, "respond", "no_response", lambda v: {"id": v.id, "response": v.word}),
    asked("message_bus", BUS, "publish", "no_topic", lambda v: {"payload": v.number}),
    asked("message_bus", BUS, "publish", "bad_topic", lambda v: {"topic": f"{v.word}..{v.user}", "payload": 1}),
    asked("message_bus", BUS, "subscribe", "bad_pattern", lambda v: {"topic": f"*{v.word}*", "pattern": f"*{v.word}*"}),
    called("message_bus", f"{KERNELS}.bus.durable:unpack", "cut_off", lambda v: (b"\x98" + v.word.encode(), 1)),
    called("message_bus", f"{KERNELS}.bus.durable:unpack", "three_fields", lambda v: (b"\x93\x01\x02\x03", v.number)),
    asked("immutable_log", LOG, "append", "no_action", lambda v: {"actor": v.user}),
    asked("immutable_log", LOG, "append", "too_large", lambda v: {"action": v.word, "payload": {"a": v.hex * 20000}}),
    asked("immutable_log", LOG, "append", "not_plain", lambda v: {"action": v.word, "result": {1, v.number}}),
    called("immutable_log", f"{KERNELS}.log.record:unpack", "cut_off", lambda v: (b"\x92" + v.word.encode()[:1],)),
    called("immutable_log", f"{KERNELS}.log.record:unpack", "no_fields", lambda v: (b"\x01",)),
    asked("memory_fusion", MEMORY, "get", "unknown", lambda v: {"key": v.word}),
    asked("memory_fusion", MEMORY, "put", "no_value", lambda v: {"key": v.word}),
    asked("memory_fusion", MEMORY, "fuse", "keys_are_text", lambda v: {"into": v.id, "keys": v.word}),
    called(
        "memory_fusion",
        f"{KERNELS}.memory.fusing:fuse",
        "differ",
        lambda v: ([{v.word: {"a": 1}}, {v.word: {"a": v.number}}], [1.0, 2.0], _rule("strict")),
    ),
    called("memory_fusion", f"{KERNELS}.memory.fusing:fuse", "no_times", lambda v: ([v.id, 1], [], _rule("newest"))),
    called("learning_integration", f"{KERNELS}.trust:trust_of", "no_score", lambda v: ({"component": v.word},)),
    called("coding_agent", f"{KERNELS}.failure_risk:record_of", "no_time", lambda v: ({"name": v.word},)),
    called(
        "meta_loop",
        f"{KERNELS}.overrides:read_overrides",
        "no_list",
        lambda v: (Path(v.file(".yaml", f"{v.word}: {v.number}")),),
    ),
    called(
        "meta_loop", f"{KERNELS}.overrides:read_overrides", "no_yaml", lambda v: (Path(v.file(".yml", f"[{v.word}")),)
    ),
    called("agentic_spine", f"{KERNELS}.impact:impact_of", "no_kind", lambda v: ({"kernel": v.word}, [], 1.0)),
    called(
        "agentic_spine",
        f"{KERNELS}.impact:impact_of",
        "count_is_text",
        lambda v: ({"kernel": v.word, "kind": "crash", "count": v.user}, [], 1.0),
    ),
    called("self_healing", f"{KERNELS}.rows:unpacked", "no_json", lambda v: ({"data": "{" + v.word}, "data")),
    called("self_healing", f"{KERNELS}.rows:as_json", "not_plain", lambda v: ({v.word: b"x"}, v.id)),
    called("self_healing", f"{KERNELS}.rows:moment", "too_far", lambda v: (v.number * 10**10,)),
    called("voice_conversation", f"{KERNELS}.intents:understand", "no_text", lambda v: (v.number, [v.word])),
]


def _rule(word: str) -> Any:
    return _found(f"{KERNELS}.memory.fusing:Rule")(word)
