"""Performs what coding_agent does for self_healing: mends playbook files, and checks and repairs what was restarted.

What is done is decided in `care` and `mechanical`; the acts are actions that playbooks use, and files. Invariant: one
repair is under way at a time; every act is told with what was seen, and a repair that was begun is ended with one
event; the only files it writes itself are the user's playbooks, their copies, and what goes to quarantine.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from grace_actors.actions.action import Result
from grace_actors.actions.catalogue import CATALOGUE, specs
from grace_actors.errors import Refused, StoreFailed
from grace_actors.folder_watch import FolderWatch
from grace_actors.healing.config_history import ConfigHistory
from grace_actors.healing.diagnostics import Diagnostics
from grace_actors.healing.dossier import Dossiers
from grace_actors.healing.redaction import masked_data
from grace_actors.kernel import Answer, Context, Data, Timer
from grace_actors.kernels.tree_events import TreeEvent
from grace_actors.mending import care
from grace_actors.mending.care import HEALER, KNOWLEDGE, Act, Repair, Seen, Wanted, Why
from grace_actors.mending.playbook_files import How, Outcome, PlaybookFiles

STARTED, ACTED, ENDED = "coding_agent.repair_started", "coding_agent.repair_acted", "coding_agent.repair_ended"
EVENTS = (STARTED, ACTED, ENDED)
LISTENS = (
    "playbook.broken",
    *("mutual_repair.requested", "mutual_repair.both_unwell", "mutual_repair.exhausted"),
    *("emergency.declared", "child.quarantined", "store.restored", "store.recreated"),
)
LOOK_S, UNWATCHED_S = 30.0, 2.0
"""How often the files are looked at anyway; the second where the OS would not watch them."""
SETTLE_S = 3.0
"""A file that changes is looked at once it has been still for so long: whoever writes it may not be done."""
LATE_S = 120.0
"""What was asked for so long ago is past."""
ASK_S = 5.0
ANSWERS_S = 2.0
PLAYBOOK = "playbook"
Order = Callable[[Wanted, str], str]
"""Makes a work order, once for each key; its id."""


class Mending:
    """All repairs. `start` once, `heard` for each event, `close` at the end."""

    def __init__(self, ctx: Context, order: Order, *, settle_s: float = SETTLE_S) -> None:
        self._ctx, self._order, self._settle_s = ctx, order, settle_s
        self.files = PlaybookFiles(ctx.home, specs(), ctx.wall)
        self._dossiers = Dossiers(ctx, Diagnostics(ctx, ConfigHistory(ctx.home, ctx.data / "config")))
        self._watch = FolderWatch(ctx, self.files.folder, self._changed)
        self._quiet: Timer | None = None
        self._queue: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._left: dict[Path, str] = {}
        """Files that only a person can correct, each with the digest of what it is."""
        self.did = ""
        self.problem = ""

    def start(self) -> None:
        """Watch from now on, and look at what there is."""
        self._watch.start()
        self._ctx.after(0.0, self._look)
        self._ctx.every(UNWATCHED_S if self._watch.problem else LOOK_S, self._look)

    def close(self) -> None:
        """Watch no more."""
        self._watch.close()

    # ---- what happens -----------------------------------------------------------------------------------

    def heard(self, event: TreeEvent) -> None:
        """An event of the log that may be a reason to repair."""
        if self._ctx.wall() - event.at > LATE_S:
            return
        match event.type:
            case "playbook.broken" if still := self._still([Path(str(event.data.get("file", "")))]):
                self._line_up(lambda: self._mend(still))
            case "mutual_repair.requested" if event.subject == HEALER and event.data.get("by") == self._ctx.name:
                why = care.why_of(str(event.data.get("criterion", "")))
                self._repair(Repair(why, event.data, is_safe=event.data.get("repair") != "none"), event)
            case "mutual_repair.both_unwell" if HEALER in (event.data.get("unwell") or ()):
                self._repair(Repair(Why.DOWN, event.data), event)
            case "mutual_repair.exhausted" if event.subject == HEALER:
                self._line_up(lambda: self._give_up(event))
            case "emergency.declared" if HEALER in (event.data.get("down") or ()):
                self._repair(Repair(Why.DOWN, event.data), event)
            case "child.quarantined" if event.subject == HEALER:
                self._dossiers.take(event)  # of all others it makes the dossier itself
            case "store.restored" | "store.recreated" if event.subject == KNOWLEDGE:
                self._line_up(lambda: self._knowledge(event))

    def _changed(self) -> None:
        """Something in the folder of the playbooks changed: look once it is still."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = self._ctx.after(self._settle_s, self._look)

    def _look(self) -> None:
        """Keep good copies of what is sound; mend what is not."""
        self._quiet = None
        self._left = {path: digest for path, digest in self._left.items() if path.exists()}
        self._dossiers.redaction.again()
        try:
            faulty = [path for path in self.files.look() if self._left.get(path) != _digest(path)]
            self.problem = ""
        except StoreFailed as error:
            self.problem = error.message
            return
        if still := self._still(faulty):
            self._line_up(lambda: self._mend(still))

    def _still(self, paths: Iterable[Path]) -> list[Path]:
        """Those that nobody is writing. The others are looked at once they are still."""
        found = list(paths)
        still = [path for path in found if not 0.0 <= self._ctx.wall() - _written_at(path) < self._settle_s]
        if len(still) < len(found):
            self._changed()
        return still

    # ---- one after the other ------------------------------------------------------------------------------

    def _line_up(self, begin: Callable[[], None]) -> None:
        self._queue.append(begin)
        self._go_on()

    def _go_on(self) -> None:
        if not self._is_busy and self._queue:
            self._is_busy = True
            self._queue.popleft()()

    def _free(self) -> None:
        self._is_busy = False
        self._go_on()

    # ---- playbook files -----------------------------------------------------------------------------------

    def _mend(self, paths: Iterable[Path]) -> None:
        """Mend these files; then self_healing reads them, and says what it thinks of them."""
        began = self._ctx.now()
        outcomes = self._all_mended(paths)
        if not any(each.ok for each in outcomes):
            self._concluded(outcomes, None, began)
            self._free()
            return

        def read(answer: Answer) -> None:
            self._concluded(outcomes, answer, began)
            self._free()

        self._ctx.ask(HEALER, "reload_playbooks", {}, read, timeout_s=ASK_S)

    def _all_mended(self, paths: Iterable[Path]) -> list[Outcome]:
        """What became of the files that had a mistake."""
        found = [self._mended(path) for path in paths]
        return [each for each in found if each is not None and each.how is not How.SOUND]

    def _concluded(self, outcomes: Iterable[Outcome], answer: Answer | None, began: float) -> None:
        """Tell the end of each, with what self_healing said when it read them."""
        for each in outcomes:
            if each.ok and answer is not None:
                self._read_again(each, answer, began)
            else:
                order = self._left_order(each)
                self._ended(PLAYBOOK, each.file.stem, began, ok=False, message=each.fault, order=order)

    def _mended(self, path: Path) -> Outcome | None:
        """Mend one file and tell of it; None for what nothing is told of."""
        try:
            if self._left.get(path) == _digest(path):
                return None
            outcome = self.files.repair(path)
        except Refused:
            return None  # one of the packs, which are part of the program
        except StoreFailed as error:
            self.problem = error.message
            return None
        if outcome.how is not How.SOUND:
            told = {"of": HEALER, "why": PLAYBOOK, "seen": outcome.fault, "asked": str(path)}
            self._ctx.emit(STARTED, path.stem, masked_data(told))
            self._acted(path.stem, "mend", outcome.ok, outcome.how.value, outcome.as_data())
        return outcome

    def _read_again(self, outcome: Outcome, answer: Answer, began: float) -> None:
        """The file was replaced: it is good if self_healing says so, or will read it when it is up again."""
        name = outcome.file.stem
        if answer.ok:
            faults = [each for each in answer.value["faults"] if each["file"] == str(outcome.file)]
            ok, said = not faults, faults[0]["text"] if faults else f"{answer.value['count']} playbooks are read"
        else:
            ok, said = True, f"{HEALER} does not answer; it reads the file when it starts"
        self._acted(name, "reload_playbooks", answer.ok and ok, said, {})
        message = f"{outcome.file.name} is {outcome.how.value}: {'; '.join(outcome.edits) or outcome.copy}"
        self._ended(PLAYBOOK, name, began, ok=ok, message=message if ok else said, order="")

    def _left_order(self, outcome: Outcome) -> str:
        """Nobody but a person can tell what was meant: order it, once for what the file is now."""
        digest = _digest(outcome.file)
        self._left[outcome.file] = digest
        context = {"file": str(outcome.file), "fault": outcome.fault}
        text = f"the playbook {outcome.file.name} has mistakes, and there is no good copy of it: {outcome.fault}"
        wanted = Wanted(type="self_healing_patch", description=text, priority="high", context=context)
        return self._ordered(wanted, f"{outcome.file} {digest}")

    # ---- self_healing itself ------------------------------------------------------------------------------

    def _repair(self, repair: Repair, event: TreeEvent) -> None:
        def begin() -> None:
            told = {"of": HEALER, "why": repair.why.value, "seen": dict(repair.cause), "asked": event.type}
            self._ctx.emit(STARTED, HEALER, masked_data(told))
            self._step(repair, f"{event.type} {event.seq} {event.at}", self._ctx.now())

        self._line_up(begin)

    def _step(self, repair: Repair, key: str, began: float) -> None:
        act = repair.next()
        if act is None:
            wanted = repair.wanted()
            order = self._ordered(wanted, key) if wanted is not None else ""
            step = care.next_step(repair, order)
            message = repair.failure or f"{len(repair.done)} acts, all that had to succeed did"
            self._ended(repair.why.value, HEALER, began, ok=repair.ok, message=message, order=order, next_step=step)
            self._free()
            return

        def done(ok: bool, message: str, data: Any = None) -> None:
            self._acted(HEALER, act.id, ok, message, {"does": act.does})
            repair.acted(Seen(ok=ok, message=message, data=data if isinstance(data, Mapping) else {}))
            self._step(repair, key, began)

        self._perform(act, done)

    def _perform(self, act: Act, done: Callable[..., None]) -> None:
        match act.does:
            case care.MEND:
                self._mend_all(done)
            case care.RUNS:
                args = {"limit": 50}
                self._ctx.ask(HEALER, "runs", args, lambda answer: done(*_runs(answer)), timeout_s=ASK_S)
            case action:
                performed = CATALOGUE[action].perform
                performed(self._ctx, act.params, False, lambda result: done(*_result(result)))

    def _mend_all(self, done: Callable[..., None]) -> None:
        """Every faulty file, and then what self_healing says."""
        began = self._ctx.now()
        try:
            outcomes = self._all_mended(self._still(self.files.look()))
        except StoreFailed as error:
            done(False, error.message)
            return

        def read(answer: Answer) -> None:
            self._concluded(outcomes, answer, began)
            if not answer.ok:
                done(False, f"{HEALER} does not read its playbooks: {_why(answer)}")
                return
            left = [each.file.name for each in outcomes if not each.ok]
            said = f"{answer.value['count']} playbooks are read, {len(answer.value['faults'])} mistakes are left"
            done(True, said + (f"; for a person: {', '.join(left)}" if left else ""))

        self._ctx.ask(HEALER, "reload_playbooks", {}, read, timeout_s=ASK_S)

    def _knowledge(self, event: TreeEvent) -> None:
        """The store of known repairs was replaced: self_healing's own playbook sees to it, if it is there to."""

        def answered(answer: Answer) -> None:
            self._is_busy = False
            if not answer.ok:
                self._repair(Repair(Why.KNOWLEDGE, event.data), event)
            self._go_on()

        self._ctx.ask(HEALER, "ready", {}, answered, timeout_s=ANSWERS_S)

    def _give_up(self, event: TreeEvent) -> None:
        """It was repaired as often as is allowed: a person is told."""
        began, step = self._ctx.now(), str(event.data.get("next_step") or f"see why {HEALER}; then: restart {HEALER}")
        text = f"{HEALER} was repaired {event.data.get('attempts', 'too many')} times in vain; {step}"
        context = {"kernel": HEALER, "asked": dict(event.data)}
        order = self._ordered(
            Wanted(type="fix_bug", description=text, priority="critical", context=context), f"exhausted {event.seq}"
        )

        def told(result: Result) -> None:
            self._acted(HEALER, "alert", result.ok, result.message, {})
            self._ended("exhausted", HEALER, began, ok=False, message=text, order=order, next_step=step)
            self._free()

        params = {"message": text, "severity": "critical", "subject": HEALER}
        CATALOGUE["alert"].perform(self._ctx, params, False, told)

    # ---- telling ------------------------------------------------------------------------------------------

    def _ordered(self, wanted: Wanted, key: str) -> str:
        try:
            return self._order(wanted, f"mending {hashlib.sha256(key.encode()).hexdigest()}")
        except StoreFailed as error:
            self.problem = error.message
            return ""

    def _acted(self, subject: str, act: str, ok: bool, seen: str, data: Data) -> None:
        self._ctx.emit(ACTED, subject, masked_data({"of": HEALER, "act": act, "ok": ok, "seen": seen, "data": data}))

    def _ended(
        self, why: str, subject: str, began: float, *, ok: bool, message: str, order: str, next_step: str = ""
    ) -> None:
        self.did = f"{'repaired' if ok else 'could not repair'} {subject}: {message:.80}"
        step = next_step or (f"work-order show {order}" if order else "")
        told = {"of": HEALER, "why": why, "ok": ok, "message": message, "work_order": order, "next_step": step}
        self._ctx.emit(ENDED, subject, masked_data(told | {"seconds": round(self._ctx.now() - began, 3)}))


def _digest(path: Path) -> str:
    """What a file is now; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _written_at(path: Path) -> float:
    """When a file was written last; 0 when it cannot be seen."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _result(result: Result) -> tuple[bool, str, Any]:
    return result.ok, result.message, result.data


def _why(answer: Answer) -> str:
    return str((answer.error or {}).get("message", "it gave no reason"))


def _runs(answer: Answer) -> tuple[bool, str, Any]:
    """Which playbooks failed in its last runs, and which runs have not ended."""
    if not answer.ok:
        return False, _why(answer), None
    failed: dict[str, int] = {}
    going: list[str] = []
    for run in answer.value["runs"]:
        if run["status"] in ("failed", "timed_out"):
            failed[run["playbook"]] = failed.get(run["playbook"], 0) + 1
        elif run["ended_at"] is None:
            going.append(run["id"])
    said = f"{sum(failed.values())} of the last {answer.value['count']} runs failed, {len(going)} have not ended"
    return True, said, {"failed": failed, "going_on": going}
