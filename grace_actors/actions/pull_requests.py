"""Actions that propose a change of code as a branch, and as a pull request where a remote and `gh` exist.

The branch is made beside the user's: neither the current branch nor the index nor any file of the work tree is
touched. Invariant: a branch that exists is never moved; one of the same content is the same proposal.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from grace_actors.actions.action import Call, Result, Steps, acts, given, needed, run
from grace_actors.actions.git import DIRECTORY, author, change, commit_of, git, output, work_tree
from grace_actors.actions.requirements import raised
from grace_actors.errors import NotFound, Refused, WorldFailed
from grace_actors.kernel import Completed, Data
from grace_actors.programs import last_line
from playbooks.spec import ParamType, Severity

PUSH_S = 120.0
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+]*")


@acts(
    title=needed("the title, also of the commit"),
    description=given("", "what it is for"),
    branch=needed("the name of the new branch"),
    files=needed("the changed files that belong to it, relative to the work tree", ParamType.ARRAY),
    directory=DIRECTORY,
    risk=Severity.HIGH,
    timeout_s=300.0,
)
def create_pr(call: Call) -> Steps:
    """Makes a branch with a commit of changed files, pushes it and opens a pull request. Without a remote or `gh` only
    the branch is made, and the message says so. Nothing that is checked out is touched."""
    where: Path = yield from work_tree(call)
    files = [str(file) for file in call["files"]]
    if not files:
        raise Refused("files is empty", hint="name the changed files")
    for file in files:
        if file.startswith(("-", "/", ":")) or ".." in Path(file).parts:
            raise Refused(f"{file!r:.80} is no file of the work tree", hint=f"paths are relative to {where}")
    states = yield from output(where, "status", "--porcelain", "--", *files)
    known: Completed = yield from git(where, "rev-parse", "--verify", "--quiet", f"refs/heads/{call['branch']}")
    if not states and known.returncode:
        raise Refused(f"{', '.join(files[:5])}: nothing is changed", hint="name files that differ from the last commit")

    def stage(env: dict[str, str]) -> Steps:
        yield from change(where, "add", "--all", "--", *files, env=env)

    return (yield from _propose(call, where, call["branch"], call["title"], call["description"], stage))


@acts(
    package=needed("the name of the package"),
    version=needed("the version it must have at least"),
    file=given("pyproject.toml", "the file with the requirement, relative to the work tree"),
    directory=DIRECTORY,
    risk=Severity.HIGH,
    timeout_s=300.0,
)
def create_upgrade_pr(call: Call) -> Steps:
    """Raises the requirement of a package in pyproject.toml or a requirements file, as a branch `upgrade/...` and a
    pull request like create_pr. The file that is checked out stays as it is."""
    package, version, file = call["package"], call["version"], call["file"]
    if not _PACKAGE.fullmatch(package) or not _VERSION.fullmatch(version):
        raise Refused(f"{package!r:.60} {version!r:.60}", hint="a name as on an index, and a version such as 2.1")
    where: Path = yield from work_tree(call)
    before: Completed = yield from git(where, "cat-file", "blob", f"HEAD:{file}")
    if before.returncode:
        raise NotFound(f"the last commit has no {file}", hint="name pyproject.toml or a requirements file of it")
    after, lines = raised(before.stdout.decode(), package, version, is_toml=file.endswith(".toml"))
    if after == before.stdout.decode():
        return Result(True, message=f"{file} wants {package} {version} already", data={"value": "", "lines": lines})
    title = f"Require {package} {version}"
    text = f"{file}:\n" + "\n".join(f"  {line}" for line in lines)

    def stage(env: dict[str, str]) -> Steps:
        blob = yield from change(where, "hash-object", "-w", "--stdin", input=after.encode())
        mode = (yield from output(where, "ls-tree", "HEAD", "--", file)).split()[0]
        yield from change(where, "update-index", "--cacheinfo", f"{mode},{blob},{file}", env=env)

    return (yield from _propose(call, where, f"upgrade/{package}-{version}", title, text, stage))


def _propose(call: Call, where: Path, branch: str, title: str, text: str, stage: object) -> Steps:
    """The branch with its commit, and the pull request of it."""
    fine: Completed = yield from git(where, "check-ref-format", "--branch", branch)
    if fine.returncode:
        raise Refused(f"{branch!r:.80} is no name of a branch", hint="letters, digits, `-` and `/`")
    if call.check:
        return Result(True, changed=True, message=f"the branch {branch} would be made in {where}")
    head = yield from commit_of(where, "HEAD")
    index = call.ctx.data / f".{os.getpid()}.index"
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        yield from change(where, "read-tree", head, env=env)
        yield from stage(env)  # type: ignore[operator]
        tree = yield from change(where, "write-tree", env=env)
    finally:
        index.unlink(missing_ok=True)
    known: Completed = yield from git(where, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
    is_new = known.returncode != 0
    if is_new:
        if tree == (yield from output(where, "rev-parse", f"{head}^{{tree}}")):
            raise Refused("nothing differs from the last commit", hint="a proposal changes something")
        who = yield from author(where)
        message = f"{title}\n\n{text}\n".encode()
        commit = yield from change(where, *who, "commit-tree", tree, "-p", head, "-F", "-", input=message)
        yield from change(where, "update-ref", f"refs/heads/{branch}", commit, "0" * 40)
    else:
        commit = known.stdout.decode().strip()
        if tree != (yield from output(where, "rev-parse", f"{commit}^{{tree}}")):
            raise Refused(f"the branch {branch} exists with another content", hint="give another name, or delete it")
    data: Data = {"value": branch, "commit": commit, "pushed": False, "url": None}
    said = yield from _publish(where, branch, title, text, data)
    made = "was made" if is_new else "exists already"
    return Result(True, changed=is_new or data["pushed"], message=f"the branch {branch} {made}; {said}", data=data)


def _publish(where: Path, branch: str, title: str, text: str, data: Data) -> Steps:
    """Push the branch and open the pull request, as far as that can be done here; what came of it in words."""
    remotes = (yield from output(where, "remote")).split()
    if not remotes or shutil.which("gh") is None:
        lacking = "no remote" if not remotes else "no `gh`"
        return f"only the branch: there is {lacking} to open a pull request with"
    remote = "origin" if "origin" in remotes else remotes[0]
    env = {**os.environ, "GH_PROMPT_DISABLED": "1", "GIT_TERMINAL_PROMPT": "0"}
    known: Completed = yield from run(
        ["gh", "pr", "view", branch, "--json", "url", "--jq", ".url"], timeout_s=PUSH_S, cwd=where, env=env
    )
    if known.returncode == 0:
        data["url"] = known.stdout.decode().strip()
        return f"its pull request is {data['url']}"
    ref = f"refs/heads/{branch}"
    pushed: Completed = yield from run(
        ["git", "push", remote, f"{ref}:{ref}"], timeout_s=PUSH_S, cwd=where, env=env, acts=True
    )
    if pushed.returncode:
        raise WorldFailed(f"the branch {branch} could not be pushed: {last_line(pushed)}", hint="push it by hand")
    data["pushed"] = True
    opened: Completed = yield from run(
        ["gh", "pr", "create", "--head", branch, "--title", title, "--body", text or title],
        timeout_s=PUSH_S,
        cwd=where,
        env=env,
        acts=True,
    )
    if opened.returncode:
        hint = "open the pull request by hand"
        raise WorldFailed(f"{branch} is pushed, but gh says: {last_line(opened)}", hint=hint)
    data["url"] = opened.stdout.decode().strip().rpartition("\n")[2]
    return f"its pull request is {data['url']}"
