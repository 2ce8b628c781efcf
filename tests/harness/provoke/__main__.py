"""`python -m tests.harness.provoke --out DIR` writes the corpus, one file per kernel."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tests.harness.provoke.run import Raised, provoke


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.harness.provoke", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory of the .jsonl files; they are replaced")
    parser.add_argument("faults", nargs="*", help="ids of faults; none means all")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Raised]] = {}
    for raised in provoke(given.faults):
        files.setdefault(raised.kernel, []).append(raised)
    for kernel, found in sorted(files.items()):
        lines = [json.dumps(asdict(raised), ensure_ascii=False) for raised in sorted(found, key=lambda r: r.fault)]
        (given.out / f"{kernel}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        print(f"{kernel}: {len({raised.fault for raised in found})} faults, {len(found)} tracebacks")


if __name__ == "__main__":
    main()
