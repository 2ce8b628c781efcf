"""A tree in which the fault of every pack can be made, and the kernels that it takes: the built-in tree and a shop.

It knows which settings of the built-in tree are changed for a test and nothing of what a playbook does. For tests only.
Invariant: a kernel here misbehaves only when it is told to, and until it is started again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from grace_actors.console.errors import Interrupted, RemoteFailed
from grace_actors.kernel import Data, Kernel, Request, need
from grace_actors.kernels.api_answers import as_json
from grace_actors.kernels.api_server import ApiServer, Query
from grace_actors.kernels.health_monitor import HealthMonitor
from grace_actors.kernels.http_wire import Respond
from grace_actors.kernels.immutable_log import ImmutableLog
from tests.harness.instance import DEADLINE_S, ROOT, Running, wait_for

BUSY_S = 1.5
LOOK_S = 0.5
HERE = "tests.harness.packs"
CALM: Data = {"cpu_percent": 100, "memory_percent": 100, "load": 10_000, "latency_ms": 600_000}
"""How busy the machine is that runs the tests is nobody's incident."""
PATIENT: Data = {"interval": "60s", "misses": 10}
"""A heartbeat that leaves the silence of a child to trigger_mesh."""
ENDED = ("succeeded", "failed", "timed_out", "canceled", "abandoned")


# ---- kernels --------------------------------------------------------------------------------------------------------


class EagerMonitor(HealthMonitor):
    """A health_monitor that looks several times a second."""

    def setup(self) -> None:
        super().setup()
        self.ctx.every(LOOK_S, self._look)


class EagerLog(ImmutableLog):
    """An audit log that checks itself several times a second."""

    def setup(self) -> None:
        super().setup()
        self.ctx.every(LOOK_S, self._check_some)


class MoodyApi(ApiServer):
    """An API that loses a field (`forget`) or becomes slow (`dawdle`)."""

    forgets = False

    def do_forget(self, request: Request) -> None:
        """Leave the status out of /health."""
        self.forgets = True

    def do_dawdle(self, request: Request) -> None:
        """Be busy nearly all the time."""
        self.ctx.every(0.01, lambda: time.sleep(BUSY_S))

    def _health(self, query: Query, respond: Respond) -> None:
        if self.forgets:
            respond(as_json({"uptime_s": 1.0}))
        else:
            super()._health(query, respond)


class Till(Kernel):
    """Cannot start with a price that is no number, and keeps its price."""

    price = "1.50"

    def setup(self) -> None:
        float(self.price)

    def snapshot(self) -> Data:
        return {"price": self.price}

    def restore(self, state: Data) -> None:
        self.price = state["price"]

    def do_price(self, request: Request) -> str:
        """The price, after it was changed if there is a new one."""
        self.price = str(request.args.get("price", self.price))
        self.ctx.save()
        return self.price


class Baker(Kernel):
    """Takes its time for every loaf."""

    loaves = 0

    def do_bake(self, request: Request) -> int:
        """Another loaf, after so many seconds of work."""
        end = time.monotonic() + need(request, "seconds", float)
        while time.monotonic() < end:
            pass
        self.loaves += 1
        return self.loaves

    def do_loaves(self, request: Request) -> int:
        return self.loaves


class Customer(Kernel):
    """Orders more and more loaves of somebody."""

    def do_order(self, request: Request) -> None:
        """So many loaves of so many seconds each, one in so many seconds."""
        args = request.args
        self._left = int(args["loaves"])
        self._timer = self.ctx.every(float(args["every_s"]), lambda: self._one(str(args["of"]), float(args["seconds"])))

    def _one(self, baker: str, seconds: float) -> None:
        self._left -= 1
        self.ctx.tell(baker, "bake", {"seconds": seconds})
        if self._left <= 0:
            self._timer.cancel()

    def do_shout(self, request: Request) -> None:
        """Publish to a topic so many times."""
        for number in range(need(request, "times", int)):
            self.ctx.ask("message_bus", "publish", {"topic": need(request, "topic", str), "payload": number}, _unheard)


def _unheard(answer: Any) -> None:
    """That it is refused is for message_bus to tell."""


# ---- the tree -------------------------------------------------------------------------------------------------------


def tree(folder: Path, children: Mapping[str, Data], *more: Data) -> Path:
    """The built-in tree as a file in `folder`, with the named children changed and more of them at the end. Its API
    takes any free port."""
    known = yaml.safe_load((ROOT / "supervisors" / "grace.yaml").read_text(encoding="utf-8"))
    found: dict[str, Data] = {}
    for branch in known["children"]:
        found[branch["supervisor"]] = branch
        found |= {child.get("id") or child.get("actor"): child for child in branch["children"]}
    found["api_server"]["with"] = {"port": 0}
    for name, changes in children.items():
        found[name].update(changes)
    known["children"] += more
    path = folder / "tree.yaml"
    path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return path


# ---- looking --------------------------------------------------------------------------------------------------------


class Patient:
    """An instance that is made ill, with what a test wants to see of it."""

    def __init__(self, running: Running) -> None:
        self.running, self.home = running, running.home.root

    def ask(self, name: str, verb: str, /, **args: Any) -> Any:
        """The answer of an actor, which may be on its way back."""

        def answer() -> Any:
            try:
                return [self.running.client.call("ask", {"name": name, "verb": verb, "args": args})]
            except (RemoteFailed, Interrupted) as error:
                why[:] = [str(error)]
                return None

        why: list[str] = []
        try:
            return wait_for(answer, f"an answer of {name} to {verb}")[0]
        except AssertionError as error:
            raise AssertionError(f"{error}: {why}") from None

    def begin(self, playbook: str, /, **inputs: Any) -> str:
        """Run a playbook by hand; the id of its run."""
        return str(self.ask("self_healing", "run_playbook", name=playbook, inputs=inputs)["id"])

    def run(self, id: str) -> Data:
        found: Data = self.ask("self_healing", "run", id=id)
        return found

    def ended(self, id: str, status: str = "succeeded") -> Data:
        """The run once it is over, which must be with this status."""

        def over() -> Data | None:
            found = self.run(id)
            return found if found["status"] in ENDED else None

        found: Data = wait_for(over, f"the end of {id}: {self.run(id)}", step_s=0.1)
        assert found["status"] == status, steps(found)
        return found

    def runs(self, playbook: str) -> list[Data]:
        """Its runs, the newest first."""
        return list(self.ask("self_healing", "runs", playbook=playbook)["runs"])

    def incident(self, kernel: str, repair: str, *states: str, timeout_s: float = DEADLINE_S) -> Data:
        """The incident of a kernel for which this playbook was taken, once it is in one of these states."""

        def there() -> Data | None:
            rows = self.ask("self_healing", "incidents", kernel=kernel)["incidents"]
            mine = {run["incident"] for run in self.runs(repair)}
            return next((row for row in rows if row["id"] in mine and row["state"] in states), None)

        def told() -> Any:
            rows = self.ask("self_healing", "incidents", kernel=kernel)["incidents"]
            keys = ("id", "state", "kind", "reason", "repair", "cause")
            runs = [steps(self.run(run["id"])) for run in self.runs(repair)]
            return [{key: row[key] for key in keys} for row in rows], runs

        try:
            found: Data = wait_for(there, f"{kernel} to be {' or '.join(states)} by {repair}", timeout_s, 0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {told()}") from None
        return found

    def healed(self, kernel: str, repair: str, timeout_s: float = DEADLINE_S) -> Data:
        """Its incident, which this playbook has healed; the run."""
        found = self.incident(kernel, repair, "healed", "failed", "quarantined", timeout_s=timeout_s)
        run = self.run(found["run"])
        assert (found["state"], found["repair"]) == ("healed", repair), (found["cause"], steps(run))
        assert (run["status"], run["playbook"]) == ("succeeded", repair)
        return run

    def orders(self, run: Data | str) -> list[Data]:
        """The work orders of a run."""
        id = run if isinstance(run, str) else run["id"]
        return list(self.ask("coding_agent", "list", self_healing_run_id=id)["work_orders"])

    def order(self, run: str) -> Data:
        """The work order that a run waits for."""
        found: Data = wait_for(lambda: self.orders(run), f"the work order of {run}", step_s=0.1)[0]
        return found

    def complete(self, order: Data) -> None:
        self.ask("coding_agent", "complete", id=order["id"], tests_passed=True, files_changed=1)

    def approve(self, playbook: str) -> None:
        """Agree to the run of a playbook, once it asks."""

        def waiting() -> list[Data]:
            rows = self.ask("governance", "approvals", state="pending")["approvals"]
            return [row for row in rows if row["action"] == f"playbook.{playbook}"]

        found = wait_for(waiting, f"{playbook} to ask", step_s=0.1)
        self.ask("governance", "respond", id=found[0]["id"], response="approve", by="ada")

    def crash(self, name: str, message: str, times: int) -> None:
        """Let it crash alike so many times, each time when it runs."""
        for _ in range(times):
            self._crash(name, message, self.wait_up(name)["generation"])

    def _crash(self, name: str, message: str, generation: int) -> None:
        """Over when it is seen to be down or to be another incarnation."""

        def is_over() -> bool:
            node = self.running.node(name)
            return bool(node["generation"] != generation or node["state"] != "running")

        self.running.call("inject", fault="crash", target=name, params={"message": message})
        wait_for(is_over, f"{name} crashes")

    def _up(self, name: str) -> Data | None:
        node = self.running.nodes().get(name)
        return node if node and node["state"] == "running" else None

    def wait_up(self, name: str) -> Data:
        found: Data = wait_for(lambda: self._up(name), f"{name} runs", step_s=0.05)
        return found


def steps(run: Data) -> list[tuple[str, str, str]]:
    """What each step of a run came to, for the words of a failed assertion."""
    return [(step["id"], step["status"], step["message"]) for step in run["steps"]]
