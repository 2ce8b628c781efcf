"""The transport under load for minutes: twenty actors, random kills and floods, and every message accounted for.

`python -m benchmarks soak --seconds 600`, not part of `all`. Between two actors that both lived on every
message was delivered once, in order, and acknowledged; none was ever delivered twice; those to the dead
came back or were lost with the kill. Memory and descriptors of the actors that are never killed stay flat.
Invariant: it ends by itself, and nothing of it is left, also after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from thespian.actors import ActorSystemException

from benchmarks import soak_messages as say
from benchmarks.soak_actors import BOSS, HUGE, LETTERS, WORKERS, board
from benchmarks.soak_boss import Boss
from benchmarks.soak_gauge import JUDGED_S, Gauge
from benchmarks.soak_ledger import Count, Report, compare
from grace_actors import lifeline
from grace_actors.transport.base import start as start_actor_system

SECONDS = 600.0
EXEMPT = 5  # the first so many are never killed
_STEP_S = 0.02
_UP_S, _DRAIN_S, _END_S = 30.0, 60.0, 20.0
_TOLD = 30
_M_MMAP_THRESHOLD, _BIG_BYTES = -3, 256 * 1024  # else glibc keeps room for the largest message ever seen
_FLOODS = (5_000, 10_000, 20_000)
_TOGETHER = 3
_PEERS = WORKERS + 3  # and the boss, the dead letters, the admin
_CALM = 2_000  # no new flood while more is unacknowledged
NEVER = (
    Count.DUPLICATES,
    Count.LATE,
    Count.SKIPPED,
    Count.ACK_FAULTS,
    Count.FORGOTTEN,
    Count.STRAYS,
    Count.CORRUPT,
    Count.UNSETTLED,
)


def run(seconds: float = SECONDS, seed: int | None = None) -> dict[str, Any]:
    """Soak for so many seconds, and a little longer to warm up and to settle."""
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    lifeline.install()
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _BIG_BYTES)
    try:
        sockets = folder / "s"
        sockets.mkdir(mode=0o700)
        system = start_actor_system(str(sockets))
        soak = Soak(system, folder, seconds, seed)
        soak.run()
        system.shutdown()
        soak.gone()
        return soak.result()
    finally:  # an interrupted soak asks nobody: actors may sleep, or be starting
        _end_all(patience_s=0)
        shutil.rmtree(folder)


def _end_all(patience_s: float) -> int:
    """Wait for the processes below this one, then kill them; how many. Orphans are adopted, so they are below."""
    now = time.monotonic()
    patient, end = now + patience_s, now + patience_s + _END_S
    killed: set[int] = set()
    while now < end:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        below = psutil.Process().children(recursive=True)
        if not below:
            break
        for process in below if now >= patient else ():
            killed.add(process.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(_STEP_S)
        now = time.monotonic()
    return len(killed)


class Soak:
    """One run: the driver of kills and floods, and the judge."""

    def __init__(self, system: Any, folder: Path, seconds: float, seed: int) -> None:
        self.seconds, self.seed, self.failed = seconds, seed, list[str]()
        self.kills = self.floods = self.naps = 0
        self._system, self._sockets, self._faults = system, folder / "s", folder / "faults"
        self._random = random.Random(seed)
        self._killed: set[tuple[int, int]] = set()
        self._reports: list[Report] = []
        self._sockets_left = self._sockets_after = 0
        self._boss = system.createActor(Boss)
        self._tell(say.Start(str(self._faults), seed))
        if not self._within(_UP_S, self._all_up):
            raise RuntimeError(f"the actors did not start within {_UP_S:g} s: {self._told()}")
        pids = {f"worker {n}": self._cell(n, Count.PID) for n in range(EXEMPT)}
        pids |= {"boss": self._cell(BOSS, Count.PID), "dead letters": self._cell(LETTERS, Count.PID)}
        self.gauge = Gauge({"admin": psutil.Process(pids["boss"]).ppid(), **pids}, _PEERS)

    # ---- the course -----------------------------------------------------------------------------

    def run(self) -> None:
        """All of it. An actor system that broke is a failed soak, not an error of the measuring process."""
        try:
            self.warm_up()
            if not self.failed:
                self.storm()
            self.settle()
        except (ActorSystemException, psutil.NoSuchProcess) as error:
            self.failed.append(f"a process that must live is gone: {type(error).__name__}: {error}")

    def warm_up(self) -> None:
        """The first look, once one has died and everybody has met everything; then the others die once."""
        self._kill(EXEMPT)
        self._calm_down("at the start")
        self.gauge.count_descriptors()
        self._relay(say.Quiet(False))
        for first in range(EXEMPT, WORKERS, _TOGETHER):
            for place in range(first, first + _TOGETHER):
                self._kill(place)
            self._within(_UP_S, self._all_up)
        if self.seconds >= JUDGED_S:
            self._fill_heaps()

    def _fill_heaps(self) -> None:
        """The worst at once: an allocator keeps its high-water mark, and what comes later shall not exceed it."""
        for place in range(EXEMPT):
            self._relay(say.Flood((place + 1) % EXEMPT, max(_FLOODS)), place)
        self._within(_DRAIN_S, self._is_drained)
        due = board.total(Count.FLOODED) + max(_FLOODS) + 4
        self._relay(say.Sleep(_UP_S), EXEMPT)
        self._relay(say.Flood(EXEMPT, max(_FLOODS)), 0)
        for place in (1, 2):
            self._relay(say.Flood(EXEMPT, 2, HUGE), place)
        self._within(_UP_S, lambda: board.total(Count.FLOODED) >= due)
        self._kill(EXEMPT)  # all of it comes back as dead letters

    def storm(self) -> None:
        """Kills, floods and naps at random until the time is over."""
        now = kill_at = flood_at = nap_at = sample_at = time.monotonic()
        end = now + self.seconds
        while now < end:
            if now >= kill_at:
                self._kill_some()
                kill_at = now + self._random.uniform(0.5, 1.5)
            if now >= flood_at and board.total(Count.OUTSTANDING) < _CALM:
                self._flood()
                flood_at = now + self._random.uniform(1.0, 4.0)
            if now >= nap_at:
                self._relay(say.Sleep(self._random.uniform(0.1, 0.6)), self._any())
                nap_at = now + self._random.uniform(1.0, 4.0)
                self.naps += 1
            if now >= sample_at:
                self.gauge.weigh()
                sample_at = now + min(2.0, self.seconds / 60)
            time.sleep(_STEP_S)
            now = time.monotonic()

    def settle(self) -> None:
        """Quiet, everybody meets everybody once more, the second look, and everybody's last word."""
        self._calm_down("at the end")
        self.gauge.count_descriptors()
        self._reports = self._collect()
        if not self._within(_END_S, lambda: not board.total(Count.UNSETTLED)):
            self._relay(say.Collect(), LETTERS)  # it writes down which; judged by the count
        owners = [path.name.partition(".")[0] for path in self._sockets.iterdir() if path.name != "admin"]
        self._sockets_left = sum(not Path(f"/proc/{pid}").exists() for pid in owners)

    def gone(self) -> None:
        """After the shutdown: no process is left."""
        left = _end_all(patience_s=_END_S)
        self._expect(not left, f"{left} processes outlived the actor system")
        self._sockets_after = len(list(self._sockets.iterdir()))

    # ---- what is done to the actors -------------------------------------------------------------

    def _kill_some(self) -> None:
        """One, now and then some at once. Not while many are starting: then the boss is behind."""
        if self._cell(BOSS, Count.STARTING) > 3:
            return
        for place in self._random.sample(range(EXEMPT, WORKERS), _TOGETHER if self._random.random() < 0.1 else 1):
            self._kill(place)

    def _kill(self, place: int) -> None:
        pid, gen = self._cell(place, Count.PID), self._cell(place, Count.GEN)
        if (place, gen) in self._killed or not self._is_worker(pid):
            return
        self._killed.add((place, gen))
        self.kills += 1
        os.kill(pid, signal.SIGKILL)

    def _is_worker(self, pid: int) -> bool:
        """A child of the boss: nobody else's process is ever killed."""
        try:
            return psutil.Process(pid).ppid() == self._cell(BOSS, Count.PID)
        except psutil.NoSuchProcess:
            return False

    def _flood(self) -> None:
        self.floods += 1
        sender, target = self._random.sample(range(self._random.choice((EXEMPT, WORKERS))), 2)
        count = self._random.choice(_FLOODS)
        match self._random.choice(("one", "asleep", "all", "gather", "duel")):
            case "one":
                self._relay(say.Flood(target, count), sender)
            case "asleep":
                self._relay(say.Sleep(1.5), target)
                self._relay(say.Flood(target, count), sender)
            case "all":
                self._relay(say.Flood(None, count), sender)
            case "gather":
                for place in set(range(WORKERS)) - {target}:
                    self._relay(say.Flood(target, count // WORKERS), place)
            case "duel":
                self._relay(say.Flood(target, count // 2), sender)
                self._relay(say.Flood(sender, count // 2), target)

    def _calm_down(self, when: str) -> None:
        """Quiet until everything is acknowledged, then one message from each to each."""
        self._relay(say.Quiet(True))
        drained = self._within(_DRAIN_S, self._is_drained)
        if drained:
            due = board.total(Count.SENT) + WORKERS * WORKERS
            self._tell(say.DoMesh())
            drained = self._within(_DRAIN_S, lambda: board.total(Count.SENT) >= due and self._is_drained())
        if not drained:
            self.failed.append(f"{when}: {board.total(Count.OUTSTANDING)} not acknowledged within {_DRAIN_S:g} s")

    def _collect(self) -> list[Report]:
        reports = self._system.ask(self._boss, say.Collect(), timedelta(seconds=_END_S))
        if not isinstance(reports, list):
            self.failed.append(f"the actors did not report within {_END_S:g} s")
            return []
        return reports

    # ---- what is known of them ------------------------------------------------------------------

    def _all_up(self) -> bool:
        boss = board.row(BOSS)
        return bool(boss[Count.STARTS]) and not boss[Count.STARTING] and boss[Count.DEATHS] == self.kills

    def _is_drained(self) -> bool:
        return self._all_up() and not board.total(Count.OUTSTANDING)

    def _cell(self, row: int, count: Count) -> int:
        return board.row(row)[count]

    def _any(self) -> int:
        return self._random.randrange(WORKERS)

    def _tell(self, message: Any) -> None:
        self._system.tell(self._boss, message)

    def _relay(self, message: Any, place: int | None = None) -> None:
        self._tell(say.Relay(place, message))

    def _within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_STEP_S)
        return True

    # ---- the verdict ----------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        """Everything counted, and what failed."""
        total = {count.name.lower(): board.total(count) for count in Count if count > Count.GEN}
        lost = total["sent"] - total["delivered"] - total["returned"]
        between, unequal = compare(self._reports)
        memory, grown = self.gauge.memory(self.seconds)
        descriptors, leaked = self.gauge.descriptors()
        never = {count.name.lower(): total[count.name.lower()] for count in NEVER}
        self.failed += [*unequal[:10], *grown, *leaked, *(f"{many} {what}" for what, many in never.items() if many)]
        self._expect(len(self._reports) == WORKERS, f"{len(self._reports)} of {WORKERS} actors reported")
        self._expect(total["deaths"] == self.kills, f"{self.kills} were killed, {total['deaths']} died")
        self._expect(lost >= 0, f"{-lost} more were delivered and returned than sent")
        self._expect(not self._sockets_left, f"{self._sockets_left} socket files of dead actors are left")
        self.failed += self._told()
        return {
            "name": "soak",
            "seconds": self.seconds,
            "seed": self.seed,
            "actors": WORKERS,
            "messages": {
                "sent": total["sent"],
                "delivered": total["delivered"],
                "acknowledged": total["acked"],
                "dead_letters": total["returned"],
                "lost_with_a_kill": lost,
                "fate_unknown_to_a_living_sender": total["lost"],
                "among_them_after_others_came_back": total["lost_in_between"],
                "mb": round(total["sent_bytes"] / 1e6),
            },
            "between_the_living": between,
            "never": never,
            "returned_acknowledgements": total["returned_acks"],
            "kills": {"kills": self.kills, "starts": total["starts"], "exit_notices": total["notices"]},
            "floods": {"floods": self.floods, "messages": total["flooded"], "naps": self.naps},
            "memory_mb": memory,
            "descriptors": descriptors,
            "socket_files": {
                "of_the_dead_at_the_end": self._sockets_left,
                "after_the_shutdown": self._sockets_after,
            },
            "failed": self.failed,
            "ok": not self.failed,
        }

    def _told(self) -> list[str]:
        """The first faults that the actors wrote down."""
        return self._faults.read_text(errors="replace").splitlines()[:_TOLD] if self._faults.exists() else []

    def _expect(self, true: bool, else_failed: str) -> None:
        if not true:
            self.failed.append(else_failed)
