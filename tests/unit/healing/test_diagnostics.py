"""What is collected about a failure, from whom, within which time and size."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from grace_actors.errors import Refused
from grace_actors.healing.config_history import ConfigHistory
from grace_actors.healing.diagnostics import MOST_BYTES, Diagnostics
from grace_actors.kernel import LATER, Data
from tests.harness.kernels import Bench, BenchContext
from tests.unit.kernels_mind.stubs import Fixed

DETAIL = """Traceback (most recent call last):
  File "/srv/shop/store.py", line 12, in load
    return cache[key]
KeyError: 'orders'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/kernel.py", line 40, in do_sell
    self.load()
  File "/srv/shop/store.py", line 15, in load
    raise StoreBroken(key) from error
shop.StoreBroken: orders
while handling: Ask(id=3, verb='sell', args={'item': 7}, sender='console')"""
PING = {"at": 1_700_000_990.0, "answer_ms": 1.5}


def node(name: str, state: str = "running", *children: Data, **more: Any) -> Data:
    return {
        "name": name,
        "kind": "supervisor" if children else "kernel",
        "state": state,
        "pid": None,
        "generation": 1,
        "restarts": 0,
        "last_exit": None,
        "degraded": [],
        "mailbox": 3,
        "does": "sells",
        "children": list(children),
        "strategy": "one_for_all" if children else None,
        **more,
    }


def tree() -> Data:
    branch = node("sales", "running", node("shop", "restarting", generation=4, restarts=3), node("till", "stopped"))
    done = node("setup", "stopped", last_exit={"reason": "normal"})
    return node("root", "running", branch, done, node("health_monitor"), node("status"), strategy="rest_for_one")


class Desk:
    """A bench with the two who are asked, and diagnostics in a kernel of their own."""

    def __init__(self, home: Path) -> None:
        (home / "logs").mkdir(parents=True)
        (home / "data" / "self_healing").mkdir(parents=True)
        self.bench, self.home = Bench(home), home
        self.ctx = BenchContext(self.bench, "self_healing", home, home / "data" / "self_healing", {})
        self.config = ConfigHistory(home, self.ctx.data / "config")
        self.diagnostics = Diagnostics(self.ctx, self.config)
        self.done: list[Data] = []

    def peer(self, name: str, **answers: Any) -> None:
        self.bench.add(name, Fixed, **answers)

    def peers(self) -> Desk:
        self.peer("status", status={"state": "degraded", "tree": tree()})
        incarnations = [
            {"generation": 4, "ended_at": None, "level": 0.1, "suspected": False, "misses": 0, "pings": [PING]},
            {"generation": 3, "ended_at": 5.0, "level": 9.5, "suspected": True, "misses": 2, "pings": [PING] * 30},
        ]
        self.peer("health_monitor", history={"name": "shop", "incarnations": incarnations})
        return self

    def log(self, text: str | bytes, name: str = "shop.log") -> None:
        (self.home / "logs" / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def collect(self, **failure: Any) -> Data:
        """The diagnostics, after the second they may take."""
        given = {"incident": "inc_1", "kernel": "shop", "kind": "crash", "reason": "shop.StoreBroken: orders"}
        self.diagnostics.collect({**given, "detail": "", "at": 1.0, "generation": 3, "event": {}} | failure, self.take)
        self.bench.advance(1.0)
        assert len(self.done) == 1
        self.bench.advance(60.0)
        assert len(self.done) == 1
        return self.done[0]

    def take(self, found: Data) -> None:
        assert len(json.dumps(found, allow_nan=False)) <= MOST_BYTES
        self.done.append(found)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "home")


# ---- the traceback ------------------------------------------------------------------------------------


def test_a_traceback_is_told_with_its_causes_and_the_message_that_was_handled(desk: Desk) -> None:
    found = desk.peers().collect(detail=DETAIL)
    chain = found["traceback"]["chain"]
    assert [(one["type"], one["message"], one["relation"]) for one in chain] == [
        ("KeyError", "'orders'", "direct cause"),
        ("shop.StoreBroken", "orders", "raised"),
    ]
    assert chain[1]["where"] == "/srv/shop/store.py:15 in load"
    assert found["handling"] == "Ask(id=3, verb='sell', args={'item': 7}, sender='console')"
    assert found["traceback"]["text"].endswith("shop.StoreBroken: orders")


def test_a_detail_without_a_traceback_is_kept_as_it_is(desk: Desk) -> None:
    found = desk.peers().collect(detail="listening\nbind: address in use", kind="killed")
    assert found["traceback"] == {"text": "listening\nbind: address in use", "chain": [], "left_out": 0}
    assert found["handling"] is None


def test_a_message_that_was_cut_keeps_whole_words_alone(desk: Desk) -> None:
    message = f"Ask(verb='put', args={'x' * 460!r}, word='{'y' * 30}"[:500]
    assert len(message) == 500
    found = desk.peers().collect(detail=f"KeyError: 1\nwhile handling: {message}")
    assert "yyy" not in found["handling"]


def test_what_the_secret_manager_was_given_is_withheld(desk: Desk) -> None:
    ask = "Ask(id=3, verb='put', args={'name': 'db', 'value': 'correct horse'}, sender='shop')"
    found = desk.peers().collect(kernel="secret_manager", detail=f"KeyError: 1\nwhile handling: {ask}")
    assert found["handling"] == "put (its content is withheld)"
    assert "correct" not in json.dumps(found)


def test_a_chain_without_end_and_a_long_text_are_bounded(desk: Desk) -> None:
    one = 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n    g()\nValueError: ' + "word " * 200
    join = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    found = desk.peers().collect(detail=join.join([one] * 300))
    assert 1 < len(found["traceback"]["chain"]) <= 20
    assert found["traceback"]["left_out"] == 300 - len(found["traceback"]["chain"])
    assert "lines are left out)" in found["traceback"]["text"]


# ---- the log ------------------------------------------------------------------------------------------


def test_the_last_hundred_lines_are_told(desk: Desk) -> None:
    desk.log("".join(f"line {n}\n" for n in range(500)))
    found = desk.peers().collect()
    assert found["log"] == [f"line {n}" for n in range(400, 500)]
    assert (found["log_file"]["is_whole"], found["log_file"]["file"]) == (False, "logs/shop.log")


def test_lines_before_a_rotation_are_told_too(desk: Desk) -> None:
    desk.log("old 1\nold 2\n", "shop.log.1")
    desk.log("new\n")
    found = desk.peers().collect()
    assert (found["log"], found["log_file"]["is_whole"]) == (["old 1", "old 2", "new"], True)


def test_an_empty_log_has_no_lines(desk: Desk) -> None:
    desk.log("")
    assert desk.peers().collect()["log"] == []


def test_only_the_end_of_a_log_of_gigabytes_is_read(desk: Desk) -> None:
    path = desk.home / "logs" / "shop.log"
    with path.open("wb") as file:
        file.seek(3_000_000_000)
        file.write(b"\nthe end\n")
    found = desk.peers().collect()
    assert found["log"][-1] == "the end"
    assert found["log_file"]["size_bytes"] == 3_000_000_009


def test_a_binary_log_is_bounded_text_without_control_characters(desk: Desk) -> None:
    desk.log(bytes(range(256)) * 2_000)
    text = "\n".join(desk.peers().collect()["log"])
    assert not any(ord(each) < 32 and each not in "\t\n" for each in text)


def test_a_line_that_is_too_long_keeps_whole_words_alone(desk: Desk) -> None:
    desk.log("begin " + "a" * 1_980 + " secretword" + "b" * 30 + "\n")
    text = "\n".join(desk.peers().collect()["log"])
    assert text.startswith("begin aaa")
    assert "secretw" not in text


def test_the_end_of_a_private_key_is_left_out_where_the_log_was_cut(desk: Desk) -> None:
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *["MIIEvQIBADANBgkqh"] * 95, "-----END RSA PRIVATE KEY-----"])
    desk.log("start\n" * 50 + key + "\nafter 1\nafter 2\nafter 3\nafter 4\nafter 5\nafter 6\n")
    text = "\n".join(desk.peers().collect()["log"])
    assert "MIIE" not in text
    assert text.endswith("after 5\nafter 6")


@pytest.mark.parametrize("odd", ["fifo", "folder", "none"])
def test_what_is_no_log_file_is_not_waited_for(desk: Desk, odd: str) -> None:
    path = desk.home / "logs" / "shop.log"
    if odd == "fifo":
        os.mkfifo(path)
    elif odd == "folder":
        path.mkdir()
    found = desk.peers().collect()
    assert found["log"] is None
    assert found["missing"]["log"].startswith("the log of shop cannot be read")


def test_a_subject_that_is_no_file_name_has_no_log(desk: Desk) -> None:
    found = desk.peers().collect(kernel="../../etc/passwd")
    assert "cannot name a file" in found["missing"]["log"]


# ---- heartbeat, tree, resources -------------------------------------------------------------------------


def test_the_pings_of_the_incarnation_that_failed_are_told(desk: Desk) -> None:
    beat = desk.peers().collect(kind="hung", generation=3, event={"misses": 3, "interval_s": 5.0})["heartbeat"]
    (failed,) = beat["incarnations"]
    assert (failed["generation"], failed["level"], len(failed["pings"])) == (3, 9.5, 20)
    assert (beat["hung"], beat["misses"], beat["interval_s"]) == (True, 3, 5.0)


def test_without_a_known_generation_all_incarnations_are_told(desk: Desk) -> None:
    beat = desk.peers().collect(generation=None)["heartbeat"]
    assert [each["generation"] for each in beat["incarnations"]] == [4, 3]


def test_the_tree_is_told_by_what_does_not_run_and_by_the_way_to_the_actor(desk: Desk) -> None:
    found = desk.peers().collect()["tree"]
    assert found["counts"] == {"running": 4, "stopped": 2, "restarting": 1}
    assert [(each["name"], each["state"]) for each in found["not_running"]] == [
        ("shop", "restarting"),
        ("till", "stopped"),
    ]
    assert found["path"] == [
        {"name": "root", "strategy": "rest_for_one"},
        {"name": "sales", "strategy": "one_for_all"},
    ]


def test_a_tree_of_thousands_that_is_down_is_bounded(desk: Desk) -> None:
    children = [node(f"kernel_{n}", "failed") for n in range(5_000)]
    desk.peer("status", status={"tree": node("root", "running", *children, node("health_monitor"))})
    found = desk.collect()["tree"]
    assert found["counts"]["failed"] == 5_000
    assert len(found["not_running"]) + found["left_out"] == 5_000


def test_host_and_running_process_are_measured(desk: Desk) -> None:
    shop = node("shop", "running", pid=os.getpid(), generation=4, memory_mb=12.5)
    desk.peer("status", status={"tree": node("root", "running", shop, node("health_monitor"))})
    resources = desk.collect()["resources"]
    assert 0 < resources["host"]["memory_percent"] <= 100
    assert resources["host"]["limits"]["open_files"] > 0
    assert (resources["actor"]["memory_mb"], resources["actor"]["mailbox"]) == (12.5, 3)
    process = resources["process"]
    assert process["generation"] == 4
    assert process["descriptors"] > 0 and process["threads"] >= 1 and process["memory_mb"] > 1


def test_a_process_that_is_gone_meanwhile_is_no_error(desk: Desk) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    desk.peer("status", status={"tree": node("root", "running", node("shop", pid=pid), node("health_monitor"))})
    found = desk.collect()
    assert found["resources"]["process"] is None
    assert "is gone meanwhile" in found["missing"]["process"]


def test_what_the_configuration_lacks_since_the_last_good_start_is_told(desk: Desk) -> None:
    (desk.home / "config").mkdir()
    (desk.home / "config" / "shop.yaml").write_text("port: 80\n")
    desk.config.started("shop")
    (desk.home / "config" / "shop.yaml").write_text("port: eighty\n")
    (change,) = desk.peers().collect()["config"]
    assert (change["file"], change["change"]) == ("config/shop.yaml", "changed")
    assert "-port: 80\n+port: eighty" in change["diff"]


# ---- who does not answer ----------------------------------------------------------------------------------


def test_with_nobody_there_it_is_done_within_a_second_and_says_what_is_missing(desk: Desk) -> None:
    found = desk.collect(detail=DETAIL)
    assert set(found["missing"]) == {"tree", "heartbeat", "log", "config"}
    assert "status did not answer" in found["missing"]["tree"]
    assert found["tree"] is None and found["heartbeat"]["incarnations"] == []
    assert found["traceback"]["chain"] and found["resources"]["host"]
    assert found["took_s"] <= 1.0


def test_two_who_are_silent_are_named(desk: Desk) -> None:
    desk.peer("status", status=lambda request: LATER)
    desk.peer("health_monitor", history=lambda request: LATER)
    found = desk.collect()
    assert set(found["missing"]) >= {"tree", "heartbeat"}


def test_an_ask_that_never_comes_back_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.ctx, "ask", lambda *_, **__: None)
    found = desk.collect()
    assert found["missing"]["tree"] == "status did not answer in time"


def test_a_health_monitor_that_does_not_run_is_not_waited_for(desk: Desk) -> None:
    desk.peer("status", status={"tree": node("root", "running", node("shop", "restarting"))})
    desk.peer("health_monitor", history=lambda request: LATER)
    desk.diagnostics.collect({"kernel": "shop", "detail": ""}, desk.take)
    assert desk.done[0]["missing"]["heartbeat"] == "health_monitor is not in the tree"
    assert desk.done[0]["took_s"] == 0.0
    monitor = desk.bench.kernels["health_monitor"]
    monitor.ctx.answer(monitor.asked[0], error=Refused("late"))  # type: ignore[attr-defined]
    assert len(desk.done) == 1
    assert desk.done[0]["missing"]["heartbeat"] == "health_monitor is not in the tree"


def test_a_refusal_is_told_in_its_own_words(desk: Desk) -> None:
    desk.peer("health_monitor")
    desk.peer("status", status={"tree": tree()})
    assert desk.collect()["missing"]["heartbeat"] == "health_monitor: no answer for history"


@pytest.mark.parametrize("odd", [None, 7, [], {}, {"tree": 7}, {"tree": {"name": 3}}, {"tree": {"name": "x"}}])
def test_an_answer_of_an_odd_form_is_no_error(desk: Desk, odd: Any) -> None:
    desk.peer("status", status=odd)
    desk.peer("health_monitor", history=odd)
    assert desk.collect()["heartbeat"]["incarnations"] == []


@pytest.mark.parametrize("odd", [{}, {"kernel": None, "event": 7, "detail": None, "generation": "x"}])
def test_a_failure_that_says_nothing_is_no_error(desk: Desk, odd: Data) -> None:
    desk.peers().diagnostics.collect(odd, desk.take)
    desk.bench.advance(1.0)
    assert len(desk.done) == 1


def test_the_worst_of_everything_together_still_fits(desk: Desk) -> None:
    nasty = "é\x00\ud800" * 300 + " "
    desk.log(f"{nasty}\n".encode("utf-8", "replace") * 300)
    (desk.home / "config").mkdir()
    for n in range(60):
        (desk.home / "config" / f"{n}.yaml").write_text("a: b\n")
    desk.config.started("shop")
    for n in range(60):
        (desk.home / "config" / f"{n}.yaml").write_text(f"ü: {'ö ' * 300}\n" * 50)
    many = [node(f"{'ü' * 290}{n}", "failed", does=nasty) for n in range(300)]
    shop = node("shop", "failed", does=nasty, degraded=[nasty] * 50)
    desk.peer("status", status={"tree": node("root", "running", *many, shop, node("health_monitor"))})
    ping = {"at": nasty, "answer_ms": nasty}
    desk.peer("health_monitor", history={"incarnations": [{"generation": nasty, "pings": [ping] * 50}] * 9})
    detail = f"Traceback (most recent call last):\n{'é x' * 300}\nValueError: {nasty}\n" * 20
    found = desk.collect(detail=f"{detail}while handling: {nasty}", event={"misses": nasty}, incident=nasty)
    assert found["traceback"] and found["resources"]["host"]


def test_what_does_not_fit_is_left_out_and_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_actors.healing.diagnostics.MOST_BYTES", 6_000)
    desk.log("a line of the log\n" * 100)
    found = desk.peers().collect(detail=DETAIL * 5)
    assert found["log"] is None and found["missing"]["log"].startswith("left out")
    assert found["traceback"]["chain"]
    assert len(json.dumps(found)) <= 6_000
