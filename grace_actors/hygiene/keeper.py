"""The part of snapshot hygiene that lives in a kernel: when sets are taken, one command at a time, and who is told.

Uses its host's context and nothing of other kernels but `status`; must not touch the files of a set. Invariant:
whoever asked is answered once, and while one command runs the others wait.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from grace_actors.errors import GraceError, Refused, WorldFailed
from grace_actors.hygiene import plan
from grace_actors.hygiene.commands import Commands, Done
from grace_actors.hygiene.plan import Limits, Since
from grace_actors.kernel import LATER, Answer, Context, Data, Later, Request
from grace_actors.kernels.arguments import flag, text
from grace_actors.kernels.tree_nodes import tree_nodes

EVENTS = (
    "snapshot_set.taken",
    "snapshot_set.failed",
    "snapshot_set.pruned",
    "snapshot_set.found_damaged",
    "hygiene.part_damaged",
    "hygiene.part_restored",
)
BOOTED = ("boot.completed", "system.recovered")
INTERVAL_S = 3600.0
LOOK_S = 30.0
RENEW_S = 60.0
SETTLE_S = 120.0
"""Who missed the end of the boot, as after a restart of the kernel, takes a set that is due after this long."""
RETRY_S = 300.0
AT_REST = frozenset({"stopped", "failed", "quarantined", "awaiting_repair", "waiting"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What `with:` of the tree file may say."""

    interval_s: float
    limits: Limits

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Raises ValueError for what is no number, or none that means anything."""

        def number(key: str, default: float, low: float) -> float:
            value = config.get(key, default)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < float("inf"):
                raise ValueError(f"{key} is {value!r}: a number of at least {low:g} is allowed")
            return float(value)

        return cls(
            interval_s=number("snapshot_interval", INTERVAL_S, 1.0),
            limits=Limits(
                keep=int(number("snapshot_keep", Limits().keep, 1)),
                max_age_s=number("snapshot_max_age", Limits().max_age_s, 1.0),
                floor_bytes=int(number("snapshot_min_free_mb", Limits().floor_bytes / 1e6, 0) * 1e6),
            ),
        )


class Keeper:
    """`changed` is called when `degraded` or the figures may have changed."""

    def __init__(self, ctx: Context, changed: Callable[[], None]) -> None:
        self._ctx, self._changed = ctx, changed
        self._settings = Settings.of(ctx.config)
        self._started = ctx.now()
        self._taken: float | None = None
        self._failed: float | None = None
        self._lacked_space = False
        self._newest_at = self._newest_on_disk()
        self._sets: list[Data] | None = None
        self._checked_at = 0.0
        self._commands = Commands(ctx, self._begins)
        self._takers: list[Done] = []
        self._accepted: tuple[float, int] | None = None
        self._told_damaged: set[str] = set()
        self.failures = 0
        self.degraded: list[str] = []
        self._subscribe()
        ctx.every(RENEW_S, self._subscribe)
        ctx.every(LOOK_S, self._look)

    def metrics(self) -> dict[str, float]:
        """How many sets, how old and how large, and how often none could be taken."""
        figures = {"snapshot_set_failures": float(self.failures)}
        if self._newest_at is not None:
            figures["snapshot_set_newest_age_s"] = round(max(0.0, self._ctx.wall() - self._newest_at), 1)
        if self._sets is not None:
            figures["snapshot_sets"] = float(len(self._sets))
            figures["snapshot_set_bytes"] = float(self._sets[0]["bytes"]) if self._sets else 0.0
        return figures

    # ---- when ---------------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        self._ctx.ask("status", "subscribe", {"types": list(BOOTED)}, lambda _: None)

    def event(self, type: str) -> None:
        """An event of the log: the boot is over."""
        if type in BOOTED:
            self._take(type)

    def _look(self) -> None:
        """What is due: a set, or good copies after somebody accepted another configuration."""
        now = self._ctx.now()
        since = Since(
            start_s=now - self._started,
            taken_s=None if self._taken is None else now - self._taken,
            failed_s=None if self._failed is None else now - self._failed,
            newest_age_s=None if self._newest_at is None else self._ctx.wall() - self._newest_at,
        )
        retry_s = 0.0 if self._lacked_space and self._has_space() else RETRY_S
        if plan.is_due(since, interval_s=self._settings.interval_s, settle_s=SETTLE_S, retry_s=retry_s):
            self._take("interval")
        elif self._acceptance() != self._accepted and not any(self._commands.orders()):
            self._order({"do": "sync"}, self._was_synced)

    def _has_space(self) -> bool:
        return shutil.disk_usage(self._ctx.home).free >= self._settings.limits.floor_bytes

    def _acceptance(self) -> tuple[float, int] | None:
        """When trigger_mesh last wrote down what is good."""
        try:
            info = (self._ctx.home / "data" / "trigger_mesh" / "known_good.json").stat()
        except OSError:
            return None
        return info.st_mtime, info.st_ino

    def _newest_on_disk(self) -> float | None:
        """When the newest set was taken, as its name says."""
        directory = self._ctx.home / "snapshots" / "sets"
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
        return max((at for at in map(plan.taken_at, names) if at is not None), default=None)

    # ---- verbs --------------------------------------------------------------------------------------

    def list_sets(self, request: Request) -> Data | Later:
        """The sets as they were last found; before the first look of this life they are verified now."""
        if self._sets is not None:
            return self._listing()

        def done(answer: Data | GraceError, _: Data) -> None:
            if isinstance(answer, GraceError):
                self._ctx.answer(request, error=answer)
                return
            self._found(answer["sets"])
            self._ctx.answer(request, self._listing())

        self._order({"do": "list"}, done)
        return LATER

    def take(self, request: Request) -> Later:
        """Take a set now; who asks while one is taken gets that one."""
        return self._take(f"asked by {request.sender or 'nobody'}", self._answering(request, "taken"))

    def verify(self, request: Request) -> Later:
        """Read a set back, every byte."""
        id = text(request, "id", max_chars=100)

        def done(answer: Data | GraceError, _: Data) -> None:
            if isinstance(answer, GraceError):
                self._ctx.answer(request, error=answer)
                return
            self._sets = [
                {**one, "valid": answer["valid"], "problems": answer["problems"]} if one["id"] == id else one
                for one in self._sets or []
            ] or None
            self._tell_damaged({"id": id, **answer})
            self._ctx.answer(request, answer)

        return self._order({"do": "verify", "id": id}, done)

    def restore(self, request: Request) -> Later:
        """Put a part back; one that a kernel writes only while that kernel stands still."""
        id, part = text(request, "set", max_chars=100), text(request, "part", max_chars=300)
        order = {"do": "restore", "id": id, "part": part, "force": flag(request, "force", False)}
        owner = plan.owner_of(part)
        answering = self._answering(request)

        def done(answer: Data | GraceError, told: Data) -> None:
            if not isinstance(answer, GraceError) and answer["restored"]:
                data = {key: answer[key] for key in ("set", "restored", "quarantine")}
                self._ctx.emit("hygiene.part_restored", part, data | {"by": request.sender})
            answering(answer, told)

        def stands_still(answer: Answer) -> None:
            try:
                _check_at_rest(owner, part, answer)
                self._order(order, done)
            except GraceError as error:
                self._ctx.answer(request, error=error)

        if not owner:
            return self._order(order, done)
        self._ctx.ask("status", "status", {}, stands_still)
        return LATER

    def accept(self, request: Request) -> Later:
        """Write the manifest of the artefacts as they are."""
        return self._order({"do": "accept"}, self._answering(request))

    def _answering(self, request: Request, key: str = "") -> Done:
        def done(answer: Data | GraceError, _: Data) -> None:
            if isinstance(answer, GraceError):
                self._ctx.answer(request, error=answer)
            else:
                self._ctx.answer(request, answer[key] if key else answer)

        return done

    def _listing(self) -> Data:
        sets = [{**one, "age_s": round(self._ctx.wall() - one["at"], 1)} for one in self._sets or []]
        directory = str(self._ctx.home / "snapshots" / "sets")
        limits = asdict(self._settings.limits) | {"interval_s": self._settings.interval_s}
        return {"sets": sets, "count": len(sets), "directory": directory, "checked_at": self._checked_at} | limits

    # ---- commands -----------------------------------------------------------------------------------

    def _take(self, reason: str, done: Done | None = None) -> Later:
        """Order a set, unless one is on its way: then its answer is everybody's. Raises Refused."""
        is_under_way = any(order["do"] == "take" for order in self._commands.orders())
        if done is not None:
            self._takers.append(done)
        try:
            if not is_under_way:
                self._order({"do": "take", "reason": reason}, self._was_taken)
        except Refused:
            self._takers.clear()
            raise
        return LATER

    def _order(self, order: Data, done: Done) -> Later:
        self._commands.order({**order, "limits": asdict(self._settings.limits)}, done)
        return LATER

    def _begins(self, order: Data) -> None:
        """Every change of files looks at good copies, too."""
        if order["do"] in ("take", "sync", "accept"):
            self._accepted = self._acceptance()

    # ---- what came of it ----------------------------------------------------------------------------

    def _was_taken(self, answer: Data | GraceError, told: Data) -> None:
        for id in told.get("pruned", []):
            self._ctx.emit("snapshot_set.pruned", id, {"kept": self._settings.limits.keep})
        if isinstance(answer, GraceError):
            self._failed, self._lacked_space = self._ctx.now(), not self._has_space()
            self.failures += 1
            self.degraded = [f"no snapshot set was taken: {answer.message}"]
            self._ctx.emit("snapshot_set.failed", self._ctx.name, {"reason": answer.message, "hint": answer.hint})
        else:
            self._failed, self._taken = None, self._ctx.now()
            self.degraded = []
            self._found(answer["sets"])
            taken = answer["taken"]
            self._tell(taken, answer)
        takers, self._takers = self._takers, []
        for one in takers:
            one(answer, told)
        self._changed()

    def _tell(self, taken: Data, answer: Data) -> None:
        damaged = sorted({path for part in taken["parts"] for path in part["damaged"]})
        files = sum(part["files"] for part in taken["parts"])
        data = {"files": files, "bytes": taken["bytes"], "reason": taken["reason"], "damaged": damaged[:20]}
        self._ctx.emit("snapshot_set.taken", taken["id"], data)
        for one in answer["damaged"]:
            owner = plan.owner_of(plan.part_of(one["path"])) or None
            data = {"problem": one["problem"], "copy": one["copy"], "set": taken["id"], "kernel": owner}
            self._ctx.emit("hygiene.part_damaged", one["path"], data)

    def _was_synced(self, answer: Data | GraceError, _: Data) -> None:
        """Good copies were brought up to date, or not: the next set tries again."""
        if isinstance(answer, GraceError):
            self.degraded = [f"good copies are not up to date: {answer.message}"]
            self._changed()

    def _found(self, sets: list[Data]) -> None:
        self._sets, self._checked_at = sets, self._ctx.wall()
        self._newest_at = max((one["at"] for one in sets if one["valid"]), default=None)
        for one in sets:
            self._tell_damaged(one)

    def _tell_damaged(self, one: Data) -> None:
        """Once for each set."""
        if not one["valid"] and one["id"] not in self._told_damaged:
            self._told_damaged.add(one["id"])
            self._ctx.emit("snapshot_set.found_damaged", one["id"], {"problems": one["problems"][:20]})


def _check_at_rest(owner: str, part: str, answer: Answer) -> None:
    """Raises Refused while the owner of a part runs, WorldFailed when that is not known."""
    if not answer.ok:
        raise WorldFailed(f"it is not known whether {owner} stands still: status does not answer", hint="try again")
    node = next((one for one in tree_nodes(answer.value) if one.name == owner), None)
    if node is not None and node.state not in AT_REST:
        hint = f"stop {owner} first"
        if part.startswith("stores/"):
            hint += ", or use the action restore_from_snapshot, which stops and starts it"
        raise Refused(f"{owner} is {node.state} and writes {part}", hint=hint)
