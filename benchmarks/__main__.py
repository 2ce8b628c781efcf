"""`python -m benchmarks [NAME ...] [--json]`: measure, print, fail when a limit is missed."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import sys

NAMES = ("core", "restart", "group", "boot", "idle", "transport", "signature", "learning", "healing")
SOAK = "soak"  # takes minutes: only when it is named


def main() -> int:
    """Run the named benchmarks (all when none is named); 1 when one misses its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all or some of: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=600.0, help=f"how long `{SOAK}` lasts (not part of all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a benchmark")
    args = parser.parse_args()
    names = NAMES if args.names in ([], ["all"]) else args.names
    unknown = [name for name in names if name not in (*NAMES, SOAK)]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join((*NAMES, SOAK))}")
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names]
    gc.collect()
    gc.freeze()
    missed = 0
    for name, module in zip(names, modules, strict=True):
        result = module.run(args.seconds) if name == SOAK else module.run()
        missed += not result.get("ok", True)
        print(json.dumps(result) if args.json else _lines(result), flush=True)
    return 1 if missed else 0


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
