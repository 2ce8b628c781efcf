"""`python -m tests.thespian_suite`: run the suite on TCP and on our base, and compare.

Each base is tested by a pytest of its own, one after the other: the tests measure time. Invariant: every test
that passes on TCP here passes on our base, or the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import thespian.test

from grace_actors import lifeline
from tests.thespian_suite import leftovers
from tests.thespian_suite.base import OURS, TCP
from tests.thespian_suite.compare import Cases, judge

REPOSITORY = Path(__file__).parents[2]
SUITE = Path(thespian.test.__file__).parent


def main() -> int:
    """Run, print, and say with the status whether our base falls short."""
    options = _options()
    lifeline.adopt_orphans()
    place = Path("/tmp") / f"tsb-{secrets.token_hex(4)}"  # short: a socket's path has 107 bytes
    place.mkdir(mode=0o700)
    try:
        tcp = _run(TCP, place, options) if options.tcp else None
        ours = _run(OURS, place, options)
    finally:
        shutil.rmtree(place)
    verdict = judge(ours, tcp)
    print("\n".join(verdict.lines))
    return int(verdict.failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.thespian_suite", description="Thespian's tests on our base")
    parser.add_argument("--tcp", action=argparse.BooleanOptionalAction, default=True, help="run them on TCP too")
    parser.add_argument("--host", default="", help="our base listens on TCP ports of this address, not on Unix sockets")
    parser.add_argument("--only", metavar="WORDS", default="", help="only tests whose names match, as for pytest -k")
    parser.add_argument("--test-s", type=float, default=60.0, help="seconds that one test may take (default: 60)")
    parser.add_argument("--run-s", type=float, default=1500.0, help="seconds that one base may take (default: 1500)")
    parser.add_argument("--verbose", action="store_true", help="show what pytest prints, not only its last lines")
    return parser.parse_args()


def _run(base: str, place: Path, options: argparse.Namespace) -> Cases:
    """The outcomes on one base. SystemExit when the run itself did not come to an end."""
    results = place / f"{base}.json"
    command = [sys.executable, "-m", "pytest", str(SUITE), "-c", str(REPOSITORY / "pyproject.toml"), "-o", "addopts="]
    command += ["-p", "no:cacheprovider", "-p", "tests.thespian_suite.plugin", f"--timeout={options.test_s}"]
    command += ["--suite-base", base, "--suite-results", str(results), "--tb=short", "-k", options.only]
    command += ["--suite-host", options.host]
    # Output that a test's program holds back in its buffer must not depend on the caller's environment.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    print(f"{base}: running Thespian's tests", flush=True)
    out = None if options.verbose else subprocess.PIPE
    run = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=out,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        text = run.communicate(timeout=options.run_s)[0] or ""
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{base}: not done after {options.run_s:g} s") from None
    finally:
        if run.poll() is None:
            run.kill()  # what it started becomes ours
        leftovers.clear([], wait_s=0.0)
    if run.returncode not in (0, 1) or not results.exists():
        raise SystemExit(f"{text}\n{base}: the run did not come to an end, pytest says {run.returncode}")
    if text:
        print(text.rstrip().splitlines()[-1])
    cases: Cases = json.loads(results.read_text(encoding="utf-8"))
    return cases


if __name__ == "__main__":
    sys.exit(main())
