"""`python -m benchmarks [NAME ...] [--json]`: measure, print, fail when a limit is missed."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import sys
from typing import Any

NAMES = ("core", "restart", "group", "boot", "idle", "transport", "signature", "learning", "healing")
SOAK, DRILLS = "soak", "drills"  # take long: only when they are named


def main() -> int:
    """Run the named benchmarks (all when none is named); 1 when one misses its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all or some of: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=600.0, help=f"how long `{SOAK}` lasts (not part of all)")
    parser.add_argument("--rounds", type=int, default=5, help=f"how often `{DRILLS}` runs each card (not part of all)")
    parser.add_argument(
        "--card", action="append", default=[], help=f"only this card of `{DRILLS}`, several times if wanted"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a benchmark")
    args = parser.parse_args()
    names = NAMES if args.names in ([], ["all"]) else args.names
    unknown = [name for name in names if name not in (*NAMES, SOAK, DRILLS)]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join((*NAMES, SOAK, DRILLS))}")
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names]
    gc.collect()
    gc.freeze()
    missed = 0
    for name, module in zip(names, modules, strict=True):
        result = module.run(*_given(name, args))
        missed += not result.get("ok", True)
        print(json.dumps(result) if args.json else _lines(result), flush=True)
    return 1 if missed else 0


def _given(name: str, args: argparse.Namespace) -> tuple[Any, ...]:
    """What a benchmark that takes long is told."""
    return {SOAK: (args.seconds,), DRILLS: (args.rounds, tuple(args.card))}.get(name, ())


def _lines(result: dict[str, object], indent: str = "") -> str:
    lines = []
    for key, value in result.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", _lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
