"""sandbox: real runs, isolated as far as the host allows."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from grace_actors.errors import GraceError
from grace_actors.kernels import jail
from grace_actors.kernels.sandbox import Sandbox
from tests.harness.kernels import Bench

pytestmark = pytest.mark.skipif(bool(jail.missing_primitives()), reason=f"this host lacks {jail.missing_primitives()}")


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.add("sandbox", Sandbox)
    return bench


def run(bench, code=None, **more):
    return bench.ask("sandbox", "run", **({"code": code} if code is not None else {}), **more)


def test_a_snippet_runs_and_its_output_is_answered_with_the_isolation_in_force(bench):
    result = run(bench, "print(1 + 1)")
    assert (result["ok"], result["stdout"], result["end"]) == (True, "2\n", "exit 0")
    assert (result["isolation"]["network"], result["isolation"]["filesystem"]) == ("namespace", "landlock")
    assert {"cpu_s", "memory_bytes", "file_bytes", "open_files"} <= set(result["isolation"]["limits"])


def test_there_is_no_network(bench):
    result = run(bench, "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)")
    assert not result["ok"]
    assert "OSError" in result["stderr"]
    interfaces = run(bench, "import socket; print([name for _, name in socket.if_nameindex()])")
    assert "eth" not in interfaces["stdout"]


def test_files_can_be_written_in_the_run_directory_only(bench, tmp_path):
    outside = tmp_path / "outside"
    result = run(bench, f"open('inside', 'w').write('x'); open({str(outside)!r}, 'w')")
    assert "Error" in result["stderr"]
    assert result["files"] == [{"name": "inside", "bytes": 1}]
    assert not outside.exists()


def test_the_home_of_the_instance_is_hidden(bench):
    (bench.home / "secrets.db").write_text("hunter2")
    assert not run(bench, f"print(open({str(bench.home / 'secrets.db')!r}).read())")["ok"]
    assert not run(bench, f"import os; print(os.listdir({str(bench.home)!r}))")["ok"]


def test_the_environment_of_the_runtime_is_not_passed_on(bench, monkeypatch):
    monkeypatch.setenv("GRACE_TOKEN", "hunter2")
    assert "hunter2" not in run(bench, "import os; print(dict(os.environ))")["stdout"]


def test_memory_and_file_size_are_limited(bench):
    assert "MemoryError" in run(bench, "bytearray(2**30)")["stderr"]
    assert "too large" in run(bench, "open('big', 'wb').write(bytes(2**21))")["stderr"]


def test_processes_of_the_host_are_invisible(bench):
    seen = run(bench, "import os; print([p for p in os.listdir('/proc') if p.isdigit()])")["stdout"]
    assert str(os.getpid()) not in seen


def test_a_run_that_takes_too_long_is_killed_with_all_it_started(bench):
    marker = f"sleep_{os.getpid()}"
    code = f"import os, time\nif os.fork() == 0: os.setsid()\nos.execvp('sleep', ['{marker}', '300'])"
    result = run(bench, code, timeout_s=0.5)
    assert (result["timed_out"], result["end"]) == (True, "timed out")
    assert _ends(marker)


def test_what_a_run_leaves_in_the_background_dies_with_it(bench):
    marker = f"sleep_bg_{os.getpid()}"
    code = f"import os\nif os.fork() == 0:\n  os.setsid()\n  os.execvp('sleep', ['{marker}', '300'])"
    assert run(bench, code)["ok"]
    assert _ends(marker)


def test_a_run_does_not_outlive_the_process_that_started_it(bench, tmp_path):
    marker = f"sleep_orphan_{os.getpid()}"
    kernel = bench.kernels["sandbox"]
    started = []
    kernel.ctx.run = lambda argv, on_done, **options: started.append((argv, options))
    bench.post("test", "sandbox", "run", {"code": f"import os; os.execvp('sleep', ['{marker}', '300'])"}, None)
    argv, options = started[0]
    starter = os.fork()
    if starter == 0:
        subprocess.Popen(argv, cwd=options["cwd"], env=options["env"])
        while not any(line.startswith(marker) for line in _command_lines()):
            os.sched_yield()
        os._exit(0)
    os.waitpid(starter, 0)
    assert _ends(marker)


def test_a_command_runs_and_an_unknown_one_says_so(bench):
    assert run(bench, argv=["echo", "a", ""])["stdout"] == "a \n"
    missing = run(bench, argv=["no_such_program"])
    assert (missing["returncode"], missing["ok"]) == (127, False)


def test_a_death_by_signal_is_named(bench):
    assert run(bench, "import os; os.kill(os.getpid(), 11)")["end"] == "SIGSEGV"


def test_input_reaches_the_run(bench):
    assert run(bench, "print(input()[::-1])", input="abc")["stdout"] == "cba\n"


def test_a_path_to_read_is_readable_and_one_inside_the_home_is_refused(bench, tmp_path_factory):
    given = tmp_path_factory.mktemp("given")
    (given / "data.txt").write_text("hello")
    assert run(bench, f"print(open({str(given / 'data.txt')!r}).read())", read=[str(given)])["stdout"] == "hello\n"
    for path in (bench.home / "data", bench.home.parent):
        with pytest.raises(GraceError, match="overlaps"):
            run(bench, "pass", read=[str(path)])


def test_a_run_is_refused_when_a_required_isolation_is_missing(bench, monkeypatch, tmp_path):
    broken = tmp_path / "jail.py"
    source = (
        Path(jail.__file__)
        .read_text()
        .replace("def landlock_abi() -> int:", "def landlock_abi() -> int:\n    return 0\n\ndef _abi() -> int:")
    )
    broken.write_text(source)
    monkeypatch.setattr(jail, "__file__", str(broken))
    with pytest.raises(GraceError, match="sandbox_unavailable"):
        run(bench, "open('ran', 'w')")
    assert list((bench.home / "data/sandbox/runs").glob("*/ran")) == []
    assert "cannot isolate filesystem" in bench.kernels["sandbox"].degraded[0]


def test_a_relaxed_policy_runs_without_and_says_so(tmp_path, monkeypatch):
    broken = tmp_path / "jail.py"
    source = (
        Path(jail.__file__)
        .read_text()
        .replace("def landlock_abi() -> int:", "def landlock_abi() -> int:\n    return 0\n\ndef _abi() -> int:")
    )
    broken.write_text(source)
    bench = Bench(tmp_path / "home")
    bench.add("sandbox", Sandbox, require=["network", "limits"])
    monkeypatch.setattr(jail, "__file__", str(broken))
    result = run(bench, "print('ran')")
    assert (result["stdout"], result["isolation"]["filesystem"]) == ("ran\n", "none")


def test_the_isolation_is_measured_after_the_start(bench):
    bench.advance(4)
    stats = bench.ask("sandbox", "stats")
    assert (stats["isolation"]["network"], stats["runs"]) == ("namespace", 0)


def test_the_last_runs_are_listed_newest_first_and_survive_a_crash(bench):
    ids = [run(bench, "pass")["id"] for _ in range(2)]
    bench.kernels["sandbox"].ctx.save()
    bench.crash("sandbox")
    bench.add("sandbox", Sandbox)
    assert [entry["id"] for entry in bench.ask("sandbox", "runs")["runs"]] == ids[::-1]
    assert bench.ask("sandbox", "runs", id=ids[0])["end"] == "exit 0"


def test_an_unknown_isolation_in_the_tree_file_is_a_failed_start(tmp_path):
    with pytest.raises(ValueError, match="network, filesystem, limits"):
        Bench(tmp_path).add("sandbox", Sandbox, require=["magic"])


def test_bad_input_is_refused_and_leaves_no_directory(bench):
    for args in (
        {},
        {"code": "pass", "argv": ["true"]},
        {"argv": []},
        {"argv": "ls"},
        {"argv": ["a\0b"]},
        {"code": 3},
        {"code": "pass", "timeout_s": 0},
        {"code": "pass", "memory_mb": 100_000},
        {"code": "pass", "read": ["/no/such"]},
    ):
        with pytest.raises(GraceError):
            bench.ask("sandbox", "run", **args)
    assert list((bench.home / "data/sandbox/runs").iterdir()) == []
    assert bench.kernels["sandbox"].running == {}


def _ends(marker: str) -> bool:
    """Whether no process carries the marker any more; a kill takes the system some milliseconds."""
    deadline = time.monotonic() + 5
    while any(marker in line for line in _command_lines()):
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def _command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text())
        except OSError:
            continue
    return lines
