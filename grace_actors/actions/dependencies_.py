"""Actions on the packages Grace needs: are they as declared and as accepted, back to what was accepted, known holes.

What was accepted is the baseline of trigger_mesh. Invariant: what could not be asked is a failure, never "nothing
found"; packages are installed for the interpreter that runs this, through its own pip.
"""

from __future__ import annotations

import json
from typing import Any

from grace_actors.actions.action import Call, Result, Steps, acts, fields, given, needed, reads
from grace_actors.actions.code import LONG_S
from grace_actors.actions.commands import module, tool
from grace_actors.actions.tree import UP, find, nodes
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Completed, Data
from grace_actors.kernels import known_good
from grace_actors.kernels.dependencies import dependencies, tree_file
from grace_actors.kernels.tree_nodes import TreeNode
from grace_actors.preflight import needed_packages, plain_name
from grace_actors.programs import PROGRAM, last_line
from playbooks.spec import ParamType, Severity

BASELINE = "data/trigger_mesh/known_good.json"


@reads(kernel=given("", "a kernel; what it depends on in the tree must run, too"), timeout_s=120.0)
def check_dependencies(call: Call) -> Steps:
    """Checks the installed packages against what Grace declares, what was accepted as good, and each other (pip check).
    `value` is how many problems there are; data names them."""
    found: Data = yield from _state(call, conflicts=True)
    problems = [*found["declared"], *found["conflicts"]]
    problems += [f"{name} is not as accepted: {change}" for name, change in found["changed"].items()]
    down: dict[str, str] = {}
    if call["kernel"]:
        down = yield from _down(call)
        problems += [f"{name} is {state}" for name, state in down.items()]
    data = {"value": len(problems), "problems": problems, "changed": found["changed"], "down": down}
    if not problems:
        return Result(True, message=f"{found['packages']} packages are as declared and as accepted", data=data)
    text = f"{len(problems)} problems, first {problems[0]}; rollback_dependencies brings accepted versions back"
    return Result(False, message=f"check_dependencies: {text}", data=data)


@acts(
    packages=needed("names of packages; empty: all that are not as accepted", ParamType.ARRAY),
    risk=Severity.CRITICAL,
    timeout_s=LONG_S,
)
def rollback_dependencies(call: Call) -> Steps:
    """Installs the versions of packages that were accepted as good, with pip for the running interpreter. Processes
    that run keep what they have loaded: data.restart_needed."""
    baseline = known_good.load(call.ctx.home / BASELINE)
    if baseline is None:
        raise NotFound(f"there is no {call.ctx.home / BASELINE}", hint="trigger_mesh writes it at its first start")
    changed: Data = (yield from _state(call))["changed"]
    names = [str(name) for name in call["packages"]] or list(changed)
    for name in names:
        if baseline.packages.get(name, "missing") == "missing":
            raise Refused(f"{name} has no accepted version", hint=f"accepted are: {', '.join(baseline.packages)}")
    wanted = [f"{name}=={baseline.packages[name]}" for name in names if name in changed]
    data: Data = {"value": len(wanted), "installed": wanted, "restart_needed": bool(wanted)}
    if not wanted:
        return Result(True, message=f"{', '.join(names) or 'every package'}: as accepted already", data=data)
    if call.check:
        return Result(True, changed=True, message=f"pip would install {' '.join(wanted)}", data=data)
    words = ["install", "--no-input", "--disable-pip-version-check", "--upgrade", *wanted]
    done: Completed = yield from module("pip", words, directory=call.ctx.data, timeout_s=LONG_S, acts=True)
    if done.returncode:
        raise WorldFailed(f"pip: {last_line(done)}", hint="look at the network and the index; see: pip check")
    left: Data = (yield from _state(call))["changed"]
    if still := [name for name in names if name in left]:
        raise WorldFailed(f"pip installed, but not as accepted: {', '.join(still)}", hint="see: pip list")
    text = f"{' '.join(wanted)} installed; Grace has to be restarted to load them"
    return Result(True, changed=True, message=text, data=data)


@reads(timeout_s=LONG_S)
def scan_vulnerabilities(call: Call) -> Steps:
    """Looks up known vulnerabilities of the installed packages with pip-audit, which asks an index on the network. ok
    if it finds none; `value` is how many, data.first the first for which there is a fixed version."""
    words = ["--format=json", "--progress-spinner=off", "--skip-editable"]
    try:
        done: Completed = yield from module("pip_audit", words, directory=PROGRAM, timeout_s=LONG_S)
    except NotFound as error:
        raise NotFound(error.message, hint="install it: pip install 'grace[audit]'") from None
    rows = _rows(done)
    found = [
        {"package": row["name"], "version": row["version"], "id": one["id"], "fixed_in": one.get("fix_versions") or []}
        for row in rows
        for one in row.get("vulns", ())
    ]
    skipped = {plain_name(row["name"]): str(row["skip_reason"]) for row in rows if "skip_reason" in row}
    first = next((one for one in found if one["fixed_in"]), None)
    data = {"value": len(found), "vulnerabilities": found[:100], "first": first, "skipped": sorted(skipped)}
    if found:
        text = f"{len(found)} known, first {found[0]['package']} {found[0]['version']}: {found[0]['id']}"
        return Result(False, message=f"scan_vulnerabilities: {text}; use create_upgrade_pr", data=data)
    seen = {plain_name(row["name"]) for row in rows} - skipped.keys()
    if unseen := sorted({plain_name(name) for name in needed_packages()} - seen):
        # it ends well also when the index knew nothing of a package
        why = skipped.get(unseen[0], "it is not installed where pip-audit looks")
        text = f"pip-audit found nothing, but did not look at {len(unseen)} needed packages: {unseen[0]}: {why}"
        raise WorldFailed(text, hint="it needs the network and the public index")
    return Result(True, message=f"no known vulnerability in {len(seen)} packages", data=data)


def _rows(done: Completed) -> list[Data]:
    """What pip-audit says of each package. It ends with 1 when it found something, and when it could not ask."""
    try:
        value: Any = json.loads(done.stdout)
        return [dict(row) for row in value["dependencies"] if row["name"]]
    except (ValueError, KeyError, TypeError):
        said = last_line(done) or f"it ended with the status {done.returncode}"
        raise WorldFailed(f"pip-audit: {said}", hint="it needs the network") from None


def _state(call: Call, *, conflicts: bool = False) -> Steps:
    """Of a fresh process: `declared` problems, what `changed` since it was accepted, and if wanted, for pip takes its
    time, `conflicts`."""
    order = {"baseline": str(call.ctx.home / BASELINE), "conflicts": conflicts}
    value = yield from tool("packages", order, timeout_s=100.0)
    return fields(value, "packages", "declared", "conflicts", "changed", "packages")


def _down(call: Call) -> Steps:
    """What a kernel depends on and does not run, with its state."""
    yield from find(call, call["kernel"])
    known = dependencies(tree_file(call.ctx.home))
    if known is None:
        raise WorldFailed("the tree file cannot be read", hint="see: validate")
    found: list[TreeNode] = yield from nodes(call)
    states = {node.name: node.state for node in found}
    wanted = known.get(call["kernel"], ())
    return {name: states.get(name, "not in the tree") for name in wanted if states.get(name) not in UP}
