"""What is taken from a process, in a process of its own, and that it gets all of it back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.sources import REPOSITORY

DESCRIPTORS = """
def count():
    files = []
    try:
        while True:
            files.append(open(os.devnull))
    except OSError as error:
        assert error.errno == errno.EMFILE
    found = len(files)
    for file in files:
        file.close()
    return found
high = os.open(os.devnull, os.O_RDONLY)
os.dup2(high, 40)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
before = count()
for leave in (0, 3):
    undo = limits.few_descriptors(leave)
    assert count() == leave, (leave, count())
    undo()
    assert count() == before
"""
QUOTA = """
file = open(folder / "big", "wb", buffering=0)
undo = limits.small_files(1)
file.write(bytes(900_000))
try:
    file.write(bytes(900_000)), file.write(b"x")
except OSError as error:
    assert error.errno == errno.EFBIG
else:
    raise SystemExit("it grew")
assert file.tell() == 1_000_000
undo()
file.write(bytes(900_000))
"""
HIDE = """
for name in ("here", "there"):
    (folder / name).mkdir()
    for program in ("tool", "other"):
        (folder / name / program).write_text("#!/bin/sh\\necho " + name)
        (folder / name / program).chmod(0o755)
(folder / "there/tool").unlink()
before = os.environ["PATH"] = f"{folder}/here:{folder}/there:/usr/bin:/bin"
def run(program):
    return subprocess.run([program], capture_output=True, text=True).stdout.strip()
limits.forget(folder / "stand-ins")
undo = limits.without_program("tool", folder / "stand-ins")
assert shutil.which("tool") is None and run("other") == "here"
undo()
assert run("tool") == "here" and os.environ["PATH"] == before and not (folder / "stand-ins").exists()
os.environ["PATH"] = f"{folder}/here:{folder}/here/../here:/usr/bin"
limits.without_program("tool", folder / "stand-ins")
assert os.environ["PATH"] == f"{folder}/stand-ins/0:{Path('/usr/bin').resolve()}"
"""
HEAD = "import errno, os, resource, shutil, subprocess, sys\nfrom pathlib import Path\n"
HEAD += "from grace_actors.meddling import limits\nfolder = Path(sys.argv[1])\n"


@pytest.mark.parametrize("script", [DESCRIPTORS, QUOTA, HIDE], ids=["descriptors", "quota", "hide"])
def test_a_process_has_less_and_then_all_of_it_again(script: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HEAD + script, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
