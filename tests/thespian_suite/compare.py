"""What the runs on two bases say together. Pure: outcomes in, lines out.

Invariant: a test that passes on TCP counts against our base unless it passes there too, or is left out by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.thespian_suite.base import OURS, TCP

Cases = Mapping[str, Mapping[str, Any]]
"""For each test, by its name with parameters: `outcome`, and `why` if it is not `passed`."""

_OUTCOMES = ("passed", "failed", "skipped", "left out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The summary, and whether the run is to be called a failure."""

    lines: list[str]
    failed: bool


def judge(ours: Cases, tcp: Cases | None) -> Verdict:
    """The summary of one or both runs. Without the run on TCP every failure counts."""
    lines = [f"{'base':<18}" + "".join(f"{outcome:>10}" for outcome in _OUTCOMES)]
    for base, cases in ((TCP, tcp), (OURS, ours)):
        if cases is not None:
            count = Counter(case["outcome"] for case in cases.values())
            lines.append(f"{base:<18}" + "".join(f"{count[outcome]:>10}" for outcome in _OUTCOMES))
    if tcp is None:
        failed = [name for name, case in ours.items() if case["outcome"] == "failed"]
        nothing = not any(case["outcome"] == "passed" for case in ours.values())
        return Verdict(lines=lines + _section("fail on ours", failed, ours), failed=bool(failed) or nothing)
    passed_there = {as_ours(name) for name, case in tcp.items() if case["outcome"] == "passed"}
    missing = sorted(name for name in passed_there if ours.get(name, _NOT_RUN)["outcome"] not in ("passed", "left out"))
    elsewhere = [n for n, c in ours.items() if c["outcome"] == "failed" and n not in passed_there]
    lines += _section("pass on TCP and not on ours", missing, ours)
    lines += _section("pass on neither", elsewhere, ours)
    return Verdict(lines=lines, failed=bool(missing) or not passed_there)


def as_ours(name: str) -> str:
    """The name a test of the TCP run has in ours."""
    return name.replace(TCP, OURS)


_NOT_RUN = {"outcome": "not run", "why": "it was not run"}


def _section(title: str, names: list[str], cases: Cases) -> list[str]:
    lines = ["", f"{len(names)} {title}{':' if names else ''}"]
    for name in names:
        case = cases.get(name, _NOT_RUN)
        last = case["why"].strip().splitlines()[-1:] or [""]
        lines.append(f"  {name}  {case['outcome']}: {last[0][:160]}")
    return lines
