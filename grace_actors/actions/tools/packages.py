"""Compares installed packages with what Grace declares, a baseline, and each other. A command: JSON in, JSON out.

A process of its own sees what is installed now, not what its parent has loaded. Invariant: it changes nothing, and pip
that is missing is a problem it names.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from grace_actors.kernels import known_good
from grace_actors.preflight import declared_packages, needed_packages, package_problem, plain_name

PIP_S = 90.0
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def conflicts(names: Sequence[str]) -> list[str]:
    """What `pip check` finds about these packages; what others of the environment lack is not Grace's."""
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PIP_S, check=False)
    except subprocess.TimeoutExpired:
        return [f"pip check did not end within {PIP_S:g} s"]
    if done.returncode == 0:
        return []
    if not done.stdout.strip():
        return [(done.stderr.strip() or f"pip check ended with the status {done.returncode}").splitlines()[-1]]
    ours = {plain_name(name) for name in ("grace", *names)}
    return [line for line in done.stdout.splitlines() if not ours.isdisjoint(map(plain_name, _NAME.findall(line)))][:50]


def main() -> None:
    """Obey the order on standard input."""
    order = json.load(sys.stdin)
    baseline = known_good.load(Path(order["baseline"]))
    good = dict(baseline.packages) if baseline else {}
    declared, names = declared_packages(), needed_packages()
    problems = [problem for text in declared or () if (problem := package_problem(text))]
    if declared is None:
        problems = ["the list of needed packages was not found"]
    answer = {
        "packages": len(names),
        "declared": problems,
        "conflicts": conflicts(names) if order["conflicts"] else [],
        "changed": known_good.differences(good, known_good.package_versions(list(good))),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
