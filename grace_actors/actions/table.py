"""The catalogue as the tables of docs/actions.md: `python -m grace_actors.actions.table` prints them.

Invariant: everything an action declares is in its row.
"""

from __future__ import annotations

from grace_actors.actions.catalogue import CATALOGUE
from playbooks.spec import ActionKind, ActionSpec, Param

HEADER = "| action | risk | timeout | parameters | what it does |\n|---|---|---|---|---|"
TITLES = {ActionKind.READS: "Actions that read", ActionKind.ACTS: "Actions that act"}


def markdown() -> str:
    """Both tables with their headings."""
    parts = []
    for kind, title in TITLES.items():
        rows = [row(action.spec) for _, action in sorted(CATALOGUE.items()) if action.spec.kind is kind]
        parts.append("\n".join([f"## {title}", "", HEADER, *rows]))
    return "\n\n".join(parts) + "\n"


def row(spec: ActionSpec) -> str:
    """One action in a line. One that may not be repeated blindly is marked."""
    params = "<br>".join(_described(name, param) for name, param in spec.params.items())
    once = "" if spec.idempotent else " *Not idempotent.*"
    return f"| `{spec.name}` | {spec.risk} | {spec.timeout_s:g} s | {params} | {spec.description}{once} |"


def _described(name: str, param: Param) -> str:
    default = "" if param.required or param.default in ("", [], {}) else f"={param.default}"
    choice = f" ({', '.join(map(str, param.enum))})" if param.enum else ""
    shown = f"`{name}`" if param.required else f"[`{name}`{default}]"
    return f"{shown} {param.type}{choice}: {param.description}"


if __name__ == "__main__":
    print(markdown(), end="")
