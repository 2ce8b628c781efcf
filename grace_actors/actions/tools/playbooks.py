"""Loads the playbook files of a folder against the catalogue of actions. A command: JSON in, JSON out."""

from __future__ import annotations

import json
import sys

from grace_actors.actions.catalogue import specs
from playbooks.loader import load_directory


def main() -> None:
    """Obey the order on standard input."""
    pack = load_directory(json.load(sys.stdin)["directory"], specs())
    print(json.dumps({"playbooks": sorted(pack.playbooks), "faults": [str(fault) for fault in pack.faults]}))


if __name__ == "__main__":
    main()
