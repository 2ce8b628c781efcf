"""Runs one command isolated from the host; started as a program of its own by the sandbox kernel.

Order: new user, mount, network, IPC, host-name and process namespaces; directories with sockets and secrets hidden
under empty file systems; a fork, so that the command's whole process tree dies with it; resource limits; Landlock;
exec. Standard library only: it runs under `python -I -S`, where the project cannot be imported.
Invariant: the command starts only if every required isolation is in force; what is in force is written to the report.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

REFUSED_STATUS = 126
NOT_FOUND_STATUS = 127
INNER_ID = 1000

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
"""System call numbers; the same on every architecture since Linux 5.13."""
LANDLOCK_VERSION = 1
FS_EXECUTE, FS_WRITE_FILE, FS_READ_FILE, FS_READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
FS_REFER, FS_TRUNCATE = 1 << 13, 1 << 14

SYSTEM_READABLE = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin"),
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/ssl", "/etc/alternatives"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types"),
    *("/dev/zero", "/dev/urandom", "/dev/random"),
)


def libc() -> Any:
    """The C library with errno kept for each call."""
    return ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """The Landlock version of this kernel; 0 where it is missing or switched off."""
    version = libc().syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(LANDLOCK_VERSION))
    return max(0, int(version))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def missing_primitives() -> dict[str, str]:
    """What this host lacks for an isolation, by its name; empty if nothing. Cheap: it looks, it does not try."""
    lacking = {}
    absent = [
        name for name in ("user", "mnt", "net", "ipc", "uts", "pid") if not Path(f"/proc/self/ns/{name}").exists()
    ]
    if absent:
        lacking["network"] = f"no {', '.join(absent)} namespaces"
    if landlock_abi() == 0:
        lacking["filesystem"] = "no Landlock"
    return lacking


def enter_namespaces() -> None:
    """Leave the host's network, mounts, processes and IPC. Raises OSError where the kernel does not allow it."""
    uid, gid = os.getuid(), os.getgid()
    kinds = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID
    _check(libc().unshare(kinds), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INNER_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{INNER_ID} {gid} 1")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    def as_bytes(value: str | None) -> bytes | None:
        return None if value is None else value.encode()

    _check(
        libc().mount(as_bytes(source), target.encode(), as_bytes(kind), ctypes.c_ulong(flags), None), f"mount {target}"
    )


def hide(directory: Path, keep: list[Path]) -> None:
    """Cover a directory with an empty file system in which only the kept paths below it exist, at their places."""
    inside = [path for path in keep if path != directory and path.is_relative_to(directory)]
    handles = [(path, path.is_dir(), os.open(path, os.O_PATH)) for path in inside]
    _mount("tmpfs", str(directory), "tmpfs", MS_NOSUID | MS_NODEV)
    for path, is_directory, handle in handles:
        if is_directory:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        _mount(f"/proc/self/fd/{handle}", str(path), None, MS_BIND | MS_REC)
        os.close(handle)


def restrict_files(writable: list[Path], readable: list[Path]) -> None:
    """Landlock: read below `readable`, anything below `writable`, nothing elsewhere. Raises OSError without it."""
    abi = landlock_abi()
    if abi == 0:
        raise OSError("Landlock is not available")
    rights = (1 << 13) - 1 | (FS_REFER if abi >= 2 else 0) | (FS_TRUNCATE if abi >= 3 else 0)
    fields = (rights, 0, 0)[: 1 if abi < 4 else 2 if abi < 6 else 3]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _check(
        libc().syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)), "landlock"
    )
    for path in readable:
        _allow(ruleset, path, FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
    for path in writable:
        _allow(ruleset, path, rights)
    _check(libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(libc().syscall(LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)), "landlock_restrict_self")
    os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """A path that does not exist is left out: it cannot be reached either."""
    try:
        handle = os.open(path, os.O_PATH)
    except OSError:
        return
    if not path.is_dir():
        rights &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE
    rule = struct.pack("=Qi", rights, handle)
    _check(libc().syscall(LANDLOCK_ADD, ruleset, ctypes.c_int(1), rule, ctypes.c_uint32(0)), f"landlock {path}")
    os.close(handle)


def set_limits(limits: dict[str, int]) -> list[str]:
    """Set the resource limits and answer the names of those in force.

    The number of processes is not limited for the host's root: Linux exempts it.
    """
    table = {
        "cpu_s": resource.RLIMIT_CPU,
        "memory_bytes": resource.RLIMIT_AS,
        "file_bytes": resource.RLIMIT_FSIZE,
        "open_files": resource.RLIMIT_NOFILE,
        "processes": resource.RLIMIT_NPROC,
    }
    for name, kind in table.items():
        _, hard = resource.getrlimit(kind)
        value = limits[name] if hard == resource.RLIM_INFINITY else min(limits[name], hard)
        resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return [name for name in table if name != "processes" or _host_uid() != 0]


def _host_uid() -> int:
    """The user outside the namespace."""
    try:
        _, outer, _ = Path("/proc/self/uid_map").read_text().split()[:3]
        return int(outer) if os.getuid() == INNER_ID else os.getuid()
    except (OSError, ValueError):
        return os.getuid()


def isolate(spec: dict[str, Any]) -> dict[str, Any]:
    """Namespaces and hidden directories. Answers what is in force so far; `why` says what is not."""
    report: dict[str, Any] = {"network": "none", "filesystem": "none", "processes": "group", "limits": [], "why": []}
    try:
        enter_namespaces()
    except OSError as error:
        report["why"].append(f"namespaces: {error}")
        return report
    report |= {"network": "namespace", "processes": "namespace"}
    keep = [Path(path) for path in (spec["run_dir"], *spec["read"], *spec["prefixes"])]
    for directory in map(Path, spec["hide"]):
        if not directory.is_dir() or directory in keep:
            continue
        try:
            hide(directory, keep)
        except OSError as error:
            report["why"].append(f"hide {directory}: {error}")
    return report


def become(spec: dict[str, Any], report: dict[str, Any], report_to: int) -> None:
    """In the innermost process: the rest of the isolation, the report, then the command. Does not return."""
    readable = [Path(path) for path in (*SYSTEM_READABLE, *spec["prefixes"], *spec["read"])]
    if report["processes"] == "namespace":
        try:
            _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
            readable.append(Path("/proc"))
        except OSError as error:  # inside a container that masks /proc; the command then sees none
            report["why"].append(str(error))
    os.chdir(spec["run_dir"])
    report["limits"] = set_limits(spec["limits"])
    try:
        restrict_files([Path(spec["run_dir"]), Path("/dev/null")], readable)
        report["filesystem"] = "landlock"
    except OSError as error:
        report["why"].append(f"files: {error}")
    report["missing"] = [name for name in spec["require"] if report[name] in ("none", [])]
    os.write(report_to, json.dumps(report).encode())
    os.closerange(3, 1024)
    if report["missing"]:
        os._exit(REFUSED_STATUS)
    try:
        os.execvp(spec["argv"][0], spec["argv"])  # noqa: S606
    except OSError as error:
        print(f"{spec['argv'][0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(NOT_FOUND_STATUS)


def run_as_init(spec: dict[str, Any], report: dict[str, Any], report_to: int, status_to: int) -> None:
    """The first process of the namespace: collect every orphan, pass on the command's status. Does not return."""
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    command = os.fork()
    if command == 0:
        become(spec, report, report_to)
    while True:
        pid, status = os.wait()
        if pid == command:
            os.write(status_to, struct.pack("=i", status))
            os._exit(0)


def main() -> int:
    """Run the command of the specification in argv[1]; exit as it exits."""
    spec = json.loads(sys.argv[1])
    os.umask(0o077)
    # Opened before the directories are hidden: the report lies outside what the command may reach.
    report_to = os.open(spec["report"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    report = isolate(spec)
    # A change of credentials may have cleared it: the run must not outlive the kernel that started it.
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    status_from, status_to = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(status_from)
        run_as_init(spec, report, report_to, status_to)
    os.close(status_to)
    raw = os.read(status_from, 4)
    os.waitpid(child, 0)
    if len(raw) < 4:
        return REFUSED_STATUS
    code = os.waitstatus_to_exitcode(struct.unpack("=i", raw)[0])
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
