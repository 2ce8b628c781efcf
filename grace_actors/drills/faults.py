"""Performs faults so that each can be taken back: noted, injected, undone when asked or when its time is over.

The only door to what breaks things from outside an actor. Knows records, plans and crews; decides nothing of drills.
Invariants: nothing is injected before its record is on the disk; every fault that lasts has a timer that undoes it;
what goes wrong in the world is an outcome, not an exception.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from chaos.faults.table import FAULTS, FaultError, checked
from grace_actors.drills import burners, file_faults, front, toxic_front, tree_faults, undoing
from grace_actors.drills.crews import Crew
from grace_actors.drills.file_faults import FILE_FAULTS, Plan
from grace_actors.drills.flood import Flood
from grace_actors.drills.records import Record, Records, State, new_id
from grace_actors.drills.taking_back import Injection, OnInjected, OnUndone, TakingBack, Undone
from grace_actors.errors import GraceError, Refused
from grace_actors.kernel import Context, Data
from grace_actors.stores.files import failed

SPARE_S = 5.0
"""A process of a fault ends by itself that much after its fault is over, should nobody have ended it."""
TOLD_CHARS = 300


class Faults:
    """The faults of one home. Whoever owns it calls `recover` once, in its setup."""

    emits = ("fault.injected", "fault.undone", "fault.undo_failed")

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._records = Records(ctx.home)
        self._back = TakingBack(ctx, self._records)

    def recover(self) -> None:
        """Undo what a former life left: what needs no tree at once, the rest when its supervisor answers."""
        self._back.recover()

    def end(self) -> None:
        """Undo what can be undone before this life ends, as a life that was not killed does."""
        self._back.end()

    def records(self, states: Sequence[str] = ()) -> list[Data]:
        """The records as data, the oldest first, of these states or of all."""
        found = (record.as_data() for record in self._records.all())
        return [data for data in found if not states or data["state"] in states]

    def undo(self, record: str, done: OnUndone) -> None:
        """Take a fault back; again, too, when that failed before. Raises NotFound."""
        self._back.undo(record, done)

    def undo_all(self, by: str | None, done: Callable[[list[Undone]], None]) -> None:
        """Take back everything that is active, or what this one injected; `done` gets them all at once."""
        self._back.undo_all(by, done)

    # ---- injecting ----------------------------------------------------------------------------------

    def inject(self, fault: str, target: str, params: Data, *, by: str, done: OnInjected) -> None:
        """Break something; `done` is called once it is broken, or with the reason why not. Raises Refused for a fault,
        a target or a parameter that is wrong."""
        try:
            given = checked(fault, params)
        except FaultError as error:
            raise Refused(error.message, hint=error.hint) from None
        if fault not in FAULTS:
            raise Refused(f"{fault} is no fault", hint="what was injected is taken back by: undo")
        record = self._record(fault, FAULTS[fault].whole or target, given, by)
        if FAULTS[fault].where != "runner":
            self._ask_tree(record, done)
        elif fault in FILE_FAULTS:
            self._do_plan(record, self._free(file_faults.plan(self._ctx.home, fault, given, record.id)), done)
        elif fault == "flood":
            self._flood(record, done)
        elif fault == "toxic":
            self._toxic(record, done)
        else:
            self._start_crew(record, done)

    def _free(self, plan: Plan) -> Plan:
        """A plan for files that no active fault has in hand: two could not be taken back in any order. Raises
        Refused."""
        wanted = {step["path"]: step["do"] for step in plan.undo}
        for record in self._records.active():
            for step in record.undo:
                what = wanted.get(step.get("path"))
                if what is not None and (what, step["do"]) != ("mask_secret", "mask_secret"):
                    raise Refused(f"{step['path']} has the fault {record.id} already", hint=f"undo {record.id} first")
        return plan

    def _record(self, fault: str, target: str, params: Data, by: str) -> Record:
        now = round(self._ctx.wall(), 3)
        until = now + float(params.get("seconds", 0.0))
        return Record(id=new_id(fault), fault=fault, target=target, params=params, by=by, at=now, until=until)

    def _prepare(self, record: Record, done: OnInjected, plan: Plan | None = None) -> bool:
        """Keep the good copy and put the record on the disk; False when the disk refuses, which `done` is told."""
        try:
            room = self._records.make_room(record.id)
            if plan is not None:
                try:
                    plan.keep(room)
                except OSError as error:
                    raise failed(room, error) from error
            self._records.write(record)
        except GraceError as error:
            self._records.forget(record.id)
            why = f"nothing was injected, for it could not be noted: {error.message}; {error.hint}"
            self._later(lambda: done(Injection(ok=False, message=why)))
            return False
        self._back.pending[record.id] = done
        return True

    def _injected(self, record: Record, message: str, data: Data, *, tell: bool = True) -> None:
        """It is broken: note that, tell it, and see to its end."""
        done = self._back.pending.pop(record.id, None)
        if done is None:
            return
        now = replace(record, state=State.INJECTED, all_injected=True)
        try:
            self._records.write(now)
        except GraceError as error:  # the older record undoes it as well
            message = f"{message}; not noted as injected: {error.message}"
        if tell:
            params = {k: v[:TOLD_CHARS] if isinstance(v, str) else v for k, v in record.params.items()}
            told = {"fault": record.fault, "params": params, "record": record.id, "by": record.by}
            self._ctx.emit("fault.injected", record.target, told)
        if record.until > record.at:
            over = lambda: self._back.take_back(record.id, "its time is over", lambda undone: None)  # noqa: E731
            self._back.timers[record.id] = self._ctx.after(record.until - record.at, over)
        else:
            undoing.note(self._records, now, ["it struck once and is over"], "")
            self._records.tidy()
        self._later(lambda: done(Injection(ok=True, record=record.id, message=message, data=data)))

    def _failed(self, record: Record, why: str) -> None:
        """It could not be broken as a whole: take back what was."""
        done = self._back.pending.pop(record.id, None)
        if done is None:
            return

        def undone(found: Undone) -> None:
            message = why if found.ok else f"{why}; taking it back failed, too: {found.message}"
            done(Injection(ok=False, record=record.id, message=message))

        self._back.take_back(record.id, "it could not be injected", undone)

    def _do_plan(self, record: Record, plan: Plan, done: OnInjected) -> None:
        record = replace(record, undo=plan.undo)
        if not self._prepare(record, done, plan):
            return
        try:
            message = plan.perform(self._records.kept(record.id))
        except OSError as error:
            self._failed(record, f"{record.fault}: {error}")
        else:
            self._injected(record, message, plan.data)

    def _flood(self, record: Record, done: OnInjected) -> None:
        def over(said: str) -> None:
            self._back.take_back(record.id, said, lambda undone: None)

        flood = Flood(self._ctx, record.target, record.params, over)
        record = replace(record, until=record.at + flood.lasts_s)
        if self._prepare(record, done):
            self._back.floods[record.id] = flood
            flood.start()
            self._injected(record, flood.said(), {})

    def _start_crew(self, record: Record, done: OnInjected) -> None:
        given = record.params
        lasts_s = given["seconds"] + SPARE_S
        if record.fault == "burn":
            commands = burners.burners(given["cores"], lasts_s)
        else:
            commands = burners.ballast(given["mb"], lasts_s)
        record = replace(record, undo=({"do": "end"},))
        if self._prepare(record, done):
            starts = [lambda command=command: burners.start(command, record.id) for command in commands]
            says = burners.says_ready(commands[0])
            words = f"{len(commands)} process{'' if len(commands) == 1 else 'es'} of {record.fault}"
            self._man(record, starts, says, lambda: (words, {"processes": len(commands)}))

    def _toxic(self, record: Record, done: OnInjected) -> None:
        at, toxic = toxic_front.upstream(self._ctx.home, record.target), toxic_front.toxic_of(record.params)
        try:
            listener = front.listener()
        except OSError as error:
            why = f"toxic: no port is free: {error.strerror}"
            self._later(lambda: done(Injection(ok=False, message=why)))
            return
        try:
            plan = self._free(toxic_front.redirect(self._ctx.home, listener.getsockname()[1]))
        except GraceError:
            listener.close()
            raise
        record = replace(record, undo=({"do": "end"}, *plan.undo))
        if not self._prepare(record, done, plan):
            listener.close()
            return

        def begun() -> tuple[str, Data]:
            plan.perform(self._records.kept(record.id))
            return f"connections to {record.target} pass a proxy with {record.params['toxic']}", plan.data

        self._man(record, [lambda: front.start(listener, at, [toxic], record.id)], True, begun)

    def _man(
        self,
        record: Record,
        starts: Sequence[Callable[[], subprocess.Popen[bytes]]],
        says_ready: bool,
        begun: Callable[[], tuple[str, Data]],
    ) -> None:
        """Start processes; once all of them have begun, the fault is injected."""

        def ready() -> None:
            try:
                message, data = begun()
            except OSError as error:
                self._failed(record, f"{record.fault}: {error}")
            else:
                self._injected(record, message, data)

        def over() -> None:
            self._back.take_back(record.id, "its processes have ended", lambda undone: None)

        crew = Crew(self._ctx, ready, lambda why: self._failed(record, f"{record.fault}: {why}"), over)
        self._back.crews[record.id] = crew
        try:
            for start in starts:
                crew.add(start(), says_ready=says_ready)
        except (OSError, subprocess.SubprocessError) as error:
            self._failed(record, f"{record.fault}: no process could be started: {error}")
        else:
            crew.listen()

    def _ask_tree(self, record: Record, done: OnInjected) -> None:
        def found(node: Data | None, problem: str) -> None:
            if node is None:
                done(Injection(ok=False, message=problem))
                return
            steps = tree_faults.steps(record.fault, record.target, node, lasts="seconds" in record.params)
            noted = replace(record, undo=steps)
            if not self._prepare(noted, done):
                return
            room = self._records.kept(record.id)

            def told(said: str, problem: str) -> None:
                if problem:
                    self._failed(noted, problem)
                else:
                    self._injected(noted, said, {"gen": node.get("gen")}, tell=False)

            tree_faults.inject(self._ctx, record.fault, record.target, record.params, node, room, told)

        tree_faults.find(self._ctx, record.target, found)

    def _later(self, call: Callable[[], Any]) -> None:
        """From the mailbox: who asks is never called before its request has returned."""
        self._ctx.after(0.0, call)
