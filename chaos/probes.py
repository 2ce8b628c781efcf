"""Probes: what a card reads to judge. The reading actions of docs/actions.md, for cards and for a stock Chaos Toolkit.

Invariant: one function for each action that only reads, with its parameters, and `ask`.
"""

from __future__ import annotations

from typing import Any

from chaos.provider import probe


@probe
def ask(kernel: str, verb: str, args: dict[str, Any] | None = None, field: str = "") -> Any:
    """What a kernel answers, or a field of it, as in a.b."""


@probe
def capture_memory_profile(kernel: str, types: int = 20) -> Any:
    """Measures the memory of a running actor: resident, unshared and proportional, with its threads and descriptors,
    and, if it answers, its most frequent types of objects. `value` is the unshared memory in MB."""


@probe
def capture_run_log(run: str = "", playbook: str = "", limit: int = 10) -> Any:
    """Reads past runs with their steps: what each did, and what was said."""


@probe
def capture_stack_trace(kernel: str) -> Any:
    """Has a running actor write the Python stacks of all its threads, also one that is stuck."""


@probe
def check_dependencies(kernel: str = "") -> Any:
    """Checks the installed packages against what Grace declares, what was accepted as good, and each other (pip
    check). `value` is how many problems there are; data names them."""


@probe
def check_disk_space(min_free_mb: float = 1000.0, path: str = "") -> Any:
    """Checks how much of a disk is free. `value` is that, in MB."""


@probe
def check_resources(resource: str = "") -> Any:
    """Measures CPU, memory and disk now; ok if none is above its limit, or the one that is named is not."""


@probe
def detect_deadlock(kernels: list[Any] | None = None, longer_than_s: float = 5.0) -> Any:
    """Asks kernels whose answers they wait for."""


@probe
def drain_queue(wait_s: float = 30.0) -> Any:
    """Waits until the message bus has delivered everything that waits. `value` is what still does."""


@probe
def event_position() -> Any:
    """Reads the number of the newest event, for `after` of wait_for_event. `value` is that number."""


@probe
def identify_failing_step(playbook: str, limit: int = 10) -> Any:
    """Which step or check of a playbook failed most often in its newest runs, and what it said last."""


@probe
def identify_faulty_patch(text: str, within_s: float = 86400.0, directory: str = "") -> Any:
    """Finds the commit that changed the files of a traceback last. `value` is its name; it is a suspicion, no proof."""


@probe
def kernel_state(kernel: str) -> Any:
    """Reads what the tree shows of one node. `value` is its state; ok says only that it was read."""


@probe
def read_rejection(file: str) -> Any:
    """Reads why librarian rejected a document. `value` is the cause: data (the file itself), code (a schema or a
    parser of ours) or unknown."""


@probe
def read_setting(kernel: str, key: str) -> Any:
    """Reads what a kernel runs with. `value` is the setting, with the kernel's own default where nothing sets it."""


@probe
def run_lint(paths: list[Any], directory: str = "", within_s: float = 600.0) -> Any:
    """Checks Python files with ruff."""


@probe
def run_smoke_tests(paths: list[Any] | None = None, url: str = "") -> Any:
    """Asks HTTP paths; ok if each answers with the status 200."""


@probe
def run_tests(paths: list[Any], directory: str = "", within_s: float = 600.0) -> Any:
    """Runs tests with pytest."""


@probe
def run_type_check(paths: list[Any], directory: str = "", within_s: float = 600.0) -> Any:
    """Checks types with mypy."""


@probe
def scan_logs_for_secrets(actor: str = "") -> Any:
    """Looks for secrets in the logs of the home. `value` is how many there are; data names file, line and kind,
    never the text."""


@probe
def scan_vulnerabilities() -> Any:
    """Looks up known vulnerabilities of the installed packages with pip-audit, which asks an index on the network.
    ok if it finds none; `value` is how many, data.first the first for which there is a fixed version."""


@probe
def validate_acl_rules() -> Any:
    """Checks that the message bus has its access rules and that they keep strangers out."""


@probe
def validate_endpoint(path: str, fields: dict[str, Any] | None = None, url: str = "") -> Any:
    """Asks an HTTP path and checks the fields of its JSON answer."""


@probe
def validate_playbook_files(directory: str) -> Any:
    """Loads every playbook file below a folder."""


@probe
def verify_files(manifest: str) -> Any:
    """Checks the SHA-256 of every file that a manifest names."""


@probe
def verify_ingestion(file: str) -> Any:
    """Looks where a document of the inbox is now. `value` is done, rejected or waiting; ok if it is done."""


@probe
def verify_kernel_snapshots(kernel: str = "") -> Any:
    """Has memory_fusion check the checksums of kernel snapshots; none at all is a failure."""


@probe
def verify_kernel_store(kernel: str) -> Any:
    """Runs SQLite's full integrity check on every store of a kernel, and that of its search indexes; data names what
    is wrong in `damaged` (files) and `indexes`."""


@probe
def verify_kernels_running(kernels: list[Any] | None = None, wait_s: float = 10.0) -> Any:
    """Checks that kernels run; data names those that do not, with their states."""


@probe
def verify_log_integrity() -> Any:
    """Checks the hash chain of the audit log from its first entry to its last."""


@probe
def verify_no_acl_violations(window_s: float = 30.0) -> Any:
    """Looks for a while whether anybody publishes where it may not."""


@probe
def verify_queue_health(max_waiting: int = 1000) -> Any:
    """Checks how many messages wait for each subscriber of the message bus. `value` is the longest queue."""


@probe
def verify_slo(
    kernel: str = "",
    endpoint: str = "/health",
    url: str = "",
    threshold_ms: float = 500.0,
    percentile: float = 95.0,
    samples: int = 5,
) -> Any:
    """Measures the latency of an HTTP endpoint or of a kernel's ping. `value` is the percentile in ms; a sample that
    got no answer is a failure."""


@probe
def verify_store_schema(kernel: str) -> Any:
    """Compares tables, columns, indexes and triggers of a kernel's stores with those its migrations make (without
    migrations: with its newest good snapshot)."""


@probe
def wait(wait_s: float) -> Any:
    """Lets some time pass, for example between two attempts."""


@probe
def wait_for_event(type: str, subject: str = "", after: int = -1, within_s: float = 30.0) -> Any:
    """Waits until there is such an event. data is the event; `value` is its number."""


@probe
def wait_until_ready(kernel: str, wait_s: float = 60.0) -> Any:
    """Waits until it runs and its self-test passes."""


@probe
def wait_until_rested(
    trigger: str = "", subject: str = "", playbook: str = "", rest_s: float = 60.0, within_s: float = 400.0
) -> Any:
    """Waits until a trigger tells a finding anew should it come back (a minute after the last time), and until the
    rest of a playbook after its last run is over. `value` is how long that took, in seconds."""
