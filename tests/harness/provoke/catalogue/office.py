"""Faults of the office: each mistake is made in two modules, in functions of the same name."""

from __future__ import annotations

from tests.harness.provoke.fault import Fault, faults_of

fault = faults_of("office")


def twins(module: str) -> list[Fault]:
    """The same mistakes in either module."""
    return [
        fault(f"{module}.parsed", "no_json", lambda v: {"text": f"<p>{v.word}"}, library="json"),
        fault(
            f"{module}.settings", "bad_indent", lambda v: {"text": f"{v.user}:\n  a: 1\n b: {v.number}"}, library="yaml"
        ),
        fault(f"{module}.limits", "no_value", lambda v: {"text": f"{v.word} = \n"}, library="tomllib"),
        fault(f"{module}.dated", "other_form", lambda v: {"text": f"{v.day:%d.%m.%Y}"}, library="datetime"),
        fault(f"{module}.loaded", "not_there", lambda v: {"path": v.no_file(".txt")}, library="pathlib"),
        fault(f"{module}.loaded", "a_directory", lambda v: {"path": str(v.folder())}, library="pathlib"),
        fault(
            f"{module}.loaded",
            "not_utf8",
            lambda v: {"path": v.file(".txt", v.id.encode() + b"\xff")},
            library="codecs",
        ),
        fault(f"{module}.filled", "no_value", lambda v: {"text": f"Dear ${v.word}", v.other: 1}, library="string"),
        fault(f"{module}.printed", "ended_badly", lambda v: {"code": v.id}, library="subprocess"),
        fault(f"{module}.counted", "by_zero", lambda v: {"text": f"{v.word} {v.user}"}, library="concurrent.futures"),
        fault(f"{module}.chosen", "no_key", lambda v: {"table": {v.other: 1}, "name": v.word}),
        fault(f"{module}.chosen", "no_index", lambda v: {"table": [v.word], "name": v.number}),
    ]


FAULTS = [*twins("letters"), *twins("bills")]
