"""Faults of the fleet: subprocess, psutil, os, signal, ctypes, threading, concurrent.futures, multiprocessing."""

from __future__ import annotations

from tests.harness.provoke.fault import Values, faults_of

fault = faults_of("fleet")
RUN, PSUTIL, OS, C = {"library": "subprocess"}, {"library": "psutil"}, {"library": "os"}, {"library": "ctypes"}
THREAD, POOL = {"library": "threading"}, {"library": "concurrent.futures"}
MANY, SIGNAL, QUEUE = {"library": "multiprocessing"}, {"library": "signal"}, {"library": "queue"}


def no_pid(v: Values) -> int:
    """A process id above every limit the kernel allows."""
    return 2**22 + v.number


FAULTS = [
    fault("programs.python", "ended_badly", lambda v: {"code": f"raise SystemExit({v.number % 99 + 1})"}, **RUN),
    fault("programs.first_word", "no_output", lambda v: {"code": f"{v.word} = {v.number}"}),
    fault("programs.told", "raised_from", lambda v: {"code": f"raise SystemExit({v.between(1, 99)})"}, **RUN),
    fault("programs.in_time", "timeout", lambda v: {"seconds": v.number}, **RUN),
    fault("programs.in_folder", "not_there", lambda v: {"path": v.no_file("")}, **RUN),
    fault("programs.with_bytes", "bytes", lambda v: {"data": v.word.encode()}, **RUN),
    fault("programs.with_environment", "a_number", lambda v: {"value": v.number}, **RUN),
    fault("programs.with_zero", "zero_byte", lambda v: {"name": v.word}, **RUN),
    fault("programs.read_text", "not_utf8", lambda v: {"code": f"import os; os.write(1, b'{v.word}\\xff')"}, **RUN),
    fault("programs.words_of", "quote_left_open", lambda v: {"line": f"{v.word} '{v.user}"}, library="shlex"),
    fault("programs.process", "not_there", lambda v: {"pid": no_pid(v)}, **PSUTIL),
    fault("programs.process", "below_zero", lambda v: {"pid": -v.number}, **PSUTIL),
    fault("programs.process", "text", lambda v: {"pid": v.word}, **PSUTIL),
    fault("programs.gone", "ended", lambda v: {"code": f"{v.word} = 1"}, **PSUTIL),
    fault("programs.waited", "timeout", lambda v: {"seconds": v.number}, **PSUTIL),
    fault("programs.priority_of", "no_class", lambda v: {"pid": None, "value": v.number}, **PSUTIL),
    fault("programs.usage_of", "not_there", lambda v: {"path": v.no_file("")}, **PSUTIL),
    fault("programs.core", "too_large", lambda v: {"number": v.number}),
    fault("programs.signalled", "not_there", lambda v: {"pid": no_pid(v), "number": 15}, **SIGNAL),
    fault("programs.handled", "no_signal", lambda v: {"name": f"SIG{v.word.upper()}"}, **SIGNAL),
    fault("programs.handler", "too_large", lambda v: {"number": v.number}, **SIGNAL),
    fault("programs.interrupted", "by_hand", lambda v: {"name": v.word}, **SIGNAL),
    fault("programs.alarmed", "handler_raises", lambda v: {"name": v.word}, **SIGNAL),
    fault("programs.user", "unknown", lambda v: {"name": f"{v.word}{v.number}"}, library="pwd"),
    fault("programs.variable", "not_set", lambda v: {"name": f"{v.word}_{v.user}".upper()}, **OS),
    fault("programs.limit", "soft_above_hard", lambda v: {"soft": v.number}, library="resource"),
    fault("programs.library", "not_there", lambda v: {"name": f"lib{v.word}.so.{v.between(1, 9)}"}, **C),
    fault("programs.function", "not_there", lambda v: {"name": f"{v.word}_{v.user}"}, **C),
    fault("programs.argument", "text", lambda v: {"value": v.word}, **C),
    fault("programs.structure", "too_many", lambda v: {"value": v.number}, **C),
    fault("programs.null_pointer", "too_small", lambda v: {"kind": f"c_int{(8, 16, 32)[v.number % 3]}"}, **C),
    fault("programs.mapped", "empty_file", lambda v: {"path": v.file(".map", "")}, library="mmap"),
    fault("programs.written", "bad_descriptor", lambda v: {"descriptor": v.number + 10**6, "text": b"x"}, **OS),
    fault("programs.listed", "a_file", lambda v: {"path": v.file(".txt", v.word)}, **OS),
    fault("programs.linked", "no_link", lambda v: {"path": v.file(".link", v.word)}, **OS),
    fault("programs.without_permission", "in_proc", lambda v: {"path": f"/proc/{v.word}"}, **OS),
    fault("programs.read_from_written", "write_only", lambda v: {"path": v.no_file(".out")}, library="io"),
    fault("programs.after_close", "closed", lambda v: {"path": v.file(".in", v.word)}, library="io"),
    fault("workers.mapped", "by_zero", lambda v: {"counts": [1, v.between(1, 9), 0]}, **POOL),
    fault("workers.looked_up", "no_key", lambda v: {"name": v.word}, **POOL),
    fault("workers.told", "raised_from", lambda v: {"name": v.word}, **POOL),
    fault("workers.first_of", "one_fails", lambda v: {"names": [v.user]}, **POOL),
    fault("workers.too_late", "timeout", lambda v: {"name": v.user}, **POOL),
    fault("workers.after_end", "shut_down", lambda v: {"name": v.user}, **POOL),
    fault("workers.cancelled", "cancelled", lambda v: {"name": v.user}, **POOL),
    fault("workers.all_failed", "a_group", lambda v: {"names": [v.user] * v.between(2, 5)}, **POOL),
    fault("workers.in_process", "by_zero", lambda v: {"amount": v.number}, **POOL),
    fault("workers.process_gone", "ended", lambda v: {"code": v.between(1, 99)}, **POOL),
    fault("workers.not_sendable", "a_lambda", lambda v: {"name": v.user}, **POOL),
    fault("workers.pooled", "no_key", lambda v: {"names": [v.user, v.word]}, **MANY),
    fault("workers.pooled_pairs", "a_text", lambda v: {"pairs": [(v.word, v.number)]}, **MANY),
    fault("workers.closed_pipe", "closed", lambda v: {"text": v.word}, **MANY),
    fault("workers.ended_pipe", "end_of_file", lambda v: {"text": v.word}, **MANY),
    fault("workers.started_twice", "twice", lambda v: {"name": v.word}, **THREAD),
    fault("workers.joined_before", "not_started", lambda v: {"name": v.word}, **THREAD),
    fault("workers.released", "not_held", lambda v: {"name": v.word}, **THREAD),
    fault("workers.notified", "not_held", lambda v: {"count": v.number}, **THREAD),
    fault("workers.broken_barrier", "timeout", lambda v: {"parties": v.between(2, 99)}, **THREAD),
    fault("workers.too_often", "over_limit", lambda v: {"count": v.number}, **THREAD),
    fault("workers.local_value", "not_set", lambda v: {"name": v.word}, **THREAD),
    fault("workers.taken", "empty", lambda v: {"seconds": v.number}, **QUEUE),
    fault("workers.filled", "full", lambda v: {"items": [v.user, v.word]}, **QUEUE),
    fault("workers.done_too_often", "too_often", lambda v: {"items": v.user}, **QUEUE),
    fault("workers.thread_failed", "raised_again", lambda v: {"name": v.user}, **THREAD),
]
