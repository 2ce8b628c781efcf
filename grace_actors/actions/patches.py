"""Actions on patches of code: apply one, take commits back, find the one that is at fault, put one aside.

Everything happens in a git work tree, where it can be undone. Invariant: a patch is applied whole or not at all, and a
commit is taken back by another commit, never by rewriting.
"""

from __future__ import annotations

import re
from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, acts, given, needed, positive, reads
from grace_actors.actions.git import (
    DIRECTORY,
    author,
    change,
    commit_of,
    git,
    output,
    refuse_when_busy,
    said,
    work_tree,
)
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Completed, Data
from grace_actors.stores.files import stamp, sync_directory
from playbooks.spec import ParamType, Severity

ASIDE = "quarantine/patches"
SUFFIXES = (".patch", ".diff")
MOST_BYTES = 10_000_000
MOST_BACK = 10_000
_NAMED = re.compile(r"File \"([^\"\n]+)\", line \d+|([\w./-]+\.\w+):\d+")


@acts(
    patch_file=given("", "the patch as a file, relative to the home or absolute"),
    patch=given("", "or its text"),
    directory=DIRECTORY,
    risk=Severity.HIGH,
)
def apply_patch(call: Call) -> Steps:
    """Applies a patch to a git work tree, whole or not at all; one that is applied already changes nothing."""
    content = _content(call)
    where: Path = yield from work_tree(call)
    fits: Completed = yield from git(where, "apply", "--check", "-", input=content)
    data: Data = {"value": "applied", "directory": str(where)}
    if fits.returncode:
        undone: Completed = yield from git(where, "apply", "--check", "--reverse", "-", input=content)
        if undone.returncode == 0:
            return Result(True, message="the patch is applied already", data=data)
        hint = "nothing was changed; make it anew from the present files"
        raise WorldFailed(f"the patch does not fit: {said(fits)}", hint=hint)
    numbers = yield from output(where, "apply", "--numstat", "-", input=content)
    data["files"] = [line.split("\t", 2)[2] for line in numbers.splitlines()]
    text = f"{len(data['files'])} files in {where}: {', '.join(data['files'][:5])}"
    if call.check:
        return Result(True, changed=True, message=f"the patch would change {text}", data=data)
    yield from change(where, "apply", "-", input=content)
    seen: Completed = yield from git(where, "apply", "--check", "--reverse", "-", input=content)
    if seen.returncode:
        raise WorldFailed(f"the patch is not in the files: {said(seen)}", hint="look at git diff")
    return Result(True, changed=True, message=f"the patch changed {text}", data=data)


@acts(
    commits=needed("names of commits", ParamType.ARRAY),
    directory=DIRECTORY,
    idempotent=False,
    risk=Severity.HIGH,
    timeout_s=120.0,
)
def revert_commits(call: Call) -> Steps:
    """Takes commits back by new commits, the newest first. If one of them does not come off cleanly, everything is as
    before and the result a failure."""
    if not call["commits"]:
        raise Refused("commits is empty", hint="name at least one")
    where: Path = yield from work_tree(call)
    yield from refuse_when_busy(where)
    wanted: list[str] = []
    for name in call["commits"]:
        wanted += [(yield from commit_of(where, str(name)))]
    before = yield from commit_of(where, "HEAD")
    history = (yield from output(where, "rev-list", "--topo-order", f"--max-count={MOST_BACK}", before)).split()
    inside = [name for name in history if name in wanted]
    if gone := set(wanted) - set(inside):
        raise Refused(f"{min(gone)[:12]} is not among the last {MOST_BACK} commits of HEAD", hint="see: git log")
    data: Data = {"value": before, "commits": inside}
    if call.check:
        return Result(True, changed=True, message=f"{len(inside)} commits would be taken back in {where}", data=data)
    who = yield from author(where)
    done: Completed = yield from git(where, *who, "revert", "--no-edit", *inside, acts=True)
    if done.returncode:
        why = said(done)
        aborted: Completed = yield from git(where, "revert", "--abort", acts=True)
        call.changed = (yield from commit_of(where, "HEAD")) != before
        state = "nothing was changed" if not call.changed else f"git revert --abort: {said(aborted)}"
        return Result(
            False,
            changed=call.changed,
            message=f"revert_commits: it does not come off cleanly: {why}; {state}, do it by hand",
        )
    made = (yield from output(where, "rev-list", f"{before}..HEAD")).split()
    if len(made) != len(inside):
        raise WorldFailed(f"{len(made)} commits were made for {len(inside)}", hint="look at git log")
    data["value"] = made[0]
    return Result(True, changed=True, message=f"{len(inside)} commits were taken back by {made[0][:12]}", data=data)


@reads(
    text=needed("the traceback, or a text that names files with lines"),
    within_s=given(86400.0, "how long ago the change may be, in seconds"),
    directory=DIRECTORY,
)
def identify_faulty_patch(call: Call) -> Steps:
    """Finds the commit that changed the files of a traceback last. `value` is its name; it is a suspicion, no proof."""
    positive(call, "within_s")
    where: Path = yield from work_tree(call)
    files = _files_in(call["text"], where)
    if not files:
        raise NotFound(f"the text names no file of {where}", hint="give a traceback whose files are of the work tree")
    since = f"--since={int(call.ctx.wall() - call['within_s'])}"
    line = yield from output(where, "log", "-1", since, "--format=%H%x09%ct%x09%an%x09%s", "--", *files)
    if not line:
        text = f"no commit of the last {call['within_s']:g} s changed {', '.join(files[:5])}"
        hint = "look further back with within_s, or for changes that are not committed"
        return Result(False, message=f"identify_faulty_patch: {text}; {hint}", data={"files": files})
    name, at, who, title = line.split("\t", 3)
    changed = (yield from output(where, "show", "--format=", "--name-only", name)).splitlines()
    data = {"value": name, "at": int(at), "author": who, "title": title, "files": [f for f in files if f in changed]}
    return Result(True, message=f"{name[:12]} ({title}) changed {', '.join(data['files'][:5])} last", data=data)


@acts(patch_file=needed("a .patch or .diff file, relative to the home or absolute"), risk=Severity.MEDIUM)
def quarantine_patch(call: Call) -> Steps:
    """Moves the file of a patch to quarantine/patches of the home, where nobody applies it again."""
    yield from ()
    file, aside = call.ctx.home / call["patch_file"], call.ctx.home / ASIDE
    if file.suffix not in SUFFIXES or file.is_symlink():
        raise Refused(f"{file} is no file of a patch", hint=f"regular files called {' or '.join(SUFFIXES)} are allowed")
    target = aside / file.name
    if not file.is_file():
        if target.is_file():
            return Result(True, message=f"{file.name} is in {aside} already", data={"value": str(target)})
        raise NotFound(f"there is no patch {file}", hint="paths are relative to the home")
    if target.exists():
        target = aside / f"{file.stem}-{stamp(call.ctx.wall())}{file.suffix}"
    if call.check:
        return Result(True, changed=True, message=f"{file} would be moved to {target}")
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.replace(target)
    call.changed = True
    sync_directory(aside)
    return Result(True, changed=True, message=f"{file} is now {target}", data={"value": str(target)})


def _content(call: Call) -> bytes:
    """The patch. Raises Refused for none, two or too large a one; NotFound."""
    if bool(call["patch_file"]) == bool(call["patch"]):
        raise Refused("patch_file and patch are both given or both missing", hint="give one of them")
    if call["patch"]:
        text: str = call["patch"]
        return (text if text.endswith("\n") else text + "\n").encode(errors="surrogateescape")
    file: Path = call.ctx.home / call["patch_file"]
    if not file.is_file():
        raise NotFound(f"there is no patch {file}", hint="paths are relative to the home")
    if file.stat().st_size > MOST_BYTES:
        raise Refused(f"{file} has {file.stat().st_size} bytes", hint=f"at most {MOST_BYTES}")
    return file.read_bytes()


def _files_in(text: str, where: Path) -> list[str]:
    """The files of the work tree that a text names, the last one (where it was raised) first."""
    found: dict[str, None] = {}
    for match in reversed(list(_NAMED.finditer(text[-100_000:]))):
        path = where / (match[1] or match[2])
        if path.is_file() and path.resolve().is_relative_to(where.resolve()):
            found[str(path.resolve().relative_to(where.resolve()))] = None
    return list(found)[:50]
