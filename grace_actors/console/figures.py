"""The verb metrics: how well healing works, and with --all the figures of every kernel.

Whatever figures come are shown; which there are is the kernels' business. Invariant: a figure that nobody has measured
is shown as "no data", never as 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grace_actors.console.client import Client
from grace_actors.console.errors import ExitCode, RemoteFailed
from grace_actors.console.lines import clock, compact, heading, is_number, table
from grace_actors.console.model import read_node
from grace_actors.console.out import Out
from grace_actors.console.records import ask, show
from grace_actors.console.table import Args, Kind, Option, Verb
from grace_actors.console.words import duration, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHARES = ("_share", "_rate")
_UNITS = {"_minutes": "min", "_mb": "MB", "_percent": "%", "_ms": "ms", "_bytes": "bytes"}
_KERNELS = "kernels"


def metrics(client: Client, args: Args, out: Out) -> ExitCode:
    """Print the figures of healing, and of every kernel if that is wanted."""
    value = dict(ask(client, "self_healing", "healing"))
    if args["all"]:
        value[_KERNELS] = dict(_of_kernels(client))
    return show(out, value, lambda: view(value, width=out.console.width))


def _of_kernels(client: Client) -> Iterator[tuple[str, Any]]:
    """Name and figures of each kernel; one that does not answer is told with its error."""
    root = read_node(client.call("status").get("tree"))
    for node in root.walk():
        if node.kind == "supervisor":
            continue
        try:
            yield node.name, client.call("status", {"name": node.name}).get("metrics") or {}
        except RemoteFailed as error:
            yield node.name, {"error": error.message}


# ---- for people -----------------------------------------------------------------------------------------------------


def view(value: Mapping[str, Any], *, width: int) -> Iterator[RenderableType]:
    """Single figures first, then each group, then each list as a table."""
    single = {key: found for key, found in value.items() if not isinstance(found, Mapping | list)}
    groups = {key: found for key, found in value.items() if isinstance(found, Mapping) and key != _KERNELS}
    lists = {key: found for key, found in value.items() if isinstance(found, list)}
    if single:
        yield from _group("healing", single)
    for name, figures in groups.items():
        yield from _group(name, figures)
    for name, found in lists.items():
        yield from _list(name, found, width)
    for name, figures in (value.get(_KERNELS) or {}).items():
        yield from _group(name, figures)


def _group(name: str, figures: Mapping[str, Any]) -> Iterator[RenderableType]:
    from rich.table import Table

    yield heading(_words(name))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, found in _flat(figures):
        grid.add_row(f"  {_words(key)}", _figure(key, found))
    if not figures:
        grid.add_row("  no figures", "")
    yield grid


def _flat(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure, those of groups within groups by their whole name."""
    for key, found in figures.items():
        name = f"{before}{key}"
        if isinstance(found, Mapping) and found:
            yield from _flat(found, f"{name} ")
        else:
            yield name, found


def _list(name: str, found: Sequence[Any], width: int) -> Iterator[RenderableType]:
    """A list of mappings as a table; of anything else, as a line."""
    from rich.text import Text

    yield heading(_words(name))
    rows = [each for each in found if isinstance(each, Mapping)]
    if not rows:
        yield Text(f"  {compact(list(found)) if found else 'no data'}")
        return
    first, *rest = dict.fromkeys(str(key) for row in rows for key in row)
    keys = [*rest, first]  # what a row is about comes last: it is the longest, and may be cut
    cells = [[_figure(key, row[key]) if key in row else "-" for key in keys] for row in rows]
    titles = [_words(key) for key in keys]
    yield table(titles, cells, width=width, may_go=titles[-2::-1])


def _words(key: str) -> str:
    for end in ("_s", *_UNITS):  # the figure says it
        key = key.removesuffix(end)
    return one_line(key.replace("_", " "))


def _figure(key: str, value: Any) -> str:
    """A figure with the unit that its name ends with."""
    if not is_number(value):
        return compact(value)
    if key.endswith("_at"):
        return clock(value)
    if key.endswith("_s"):
        return duration(value) if value >= 0.1 or value == 0 else f"{value * 1000:.3g} ms"
    if key.endswith(_SHARES) and 0 <= value <= 1:
        return f"{value:.1%}"
    for end, unit in _UNITS.items():
        if key.endswith(end):
            return f"{value:g} {unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)


VERBS = (
    Verb(
        name="metrics",
        summary="show how well healing works, in figures",
        help=(
            "How many signatures are known and what share of failures is repaired without a person, how long failures "
            "take to be noticed and healed, and how each signature and each playbook has done. A figure for which "
            "there is nothing to count yet is `no data` (null with --json), not 0. With --all also the figures of "
            "every kernel, as `status NAME` shows them."
        ),
        example="metrics --all --json",
        kind=Kind.REMOTE,
        run=metrics,
        options=(Option(name="all", help="also the figures of every kernel"),),
    ),
)
