"""Watches the logs of processes and kernels and says which of their lines are events.

Joins following, reading, matching and folding; its owner tells the events and drives it by `look`. It must not watch
those who write because of what it tells: the kernel it belongs to, self_healing, and the actors that keep events and
names. Invariant: a line is told at most once, in the round in which it was read, and every line that is not told is
counted under the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace_actors.kernel import Answer, Context, Data
from grace_actors.kernels.storm import Spell
from grace_actors.kernels.watch.folding import Echoes, Folds, Rate
from grace_actors.kernels.watch.lines import KINDS, Reader, clean, fingerprint, leaked
from grace_actors.kernels.watch.rules import LogRules, Match
from grace_actors.kernels.watch.tail import LogTail, Piece

UNWATCHED = frozenset({"trigger_mesh", "self_healing", "status", "registry", "signature", "system", "thespian"})
ALREADY_TOLD = {"librarian": frozenset({"ingestion.failed"})}
"""Who emits an event itself: its log raises no second one."""
ACCOUNTS = ("trigger.fired", "log_lines.skipped")
"""A line with one of these words, or with the type of an event of a rule, tells of an event and is none itself."""
SCANNED_CHARS = 100_000
SCAN_LINE_CHARS = 4_000
SKIPPED_AGAIN_S = 60.0


@dataclass(slots=True)
class Log:
    """What became of the lines of one log."""

    reader: Reader
    counts: Counter[str] = field(default_factory=Counter)
    rate: Rate = field(default_factory=Rate)
    spell: Spell = field(default_factory=Spell)
    skipped: int = 0
    skipped_told_at: float = float("-inf")


class LogWatch:
    """`leak` is called with the name of the actor and the kinds of secrets that stand in its log."""

    def __init__(
        self,
        ctx: Context,
        rules: LogRules,
        *,
        fold_s: float,
        ignored: Collection[str],
        leak: Callable[[str, tuple[str, ...]], None],
    ) -> None:
        self._ctx, self._rules, self._leak = ctx, rules, leak
        self._accounts = (*rules.events, *ACCOUNTS)
        self._ignored = UNWATCHED | {ctx.name} | set(ignored)
        self.tail = LogTail(ctx.home / "logs", lambda name: name not in self._ignored)
        self._folds = Folds(fold_s)
        self._echoes = Echoes()
        self._logs: dict[str, Log] = {}
        self._scan: list[tuple[str, str]] = []
        self._scan_chars = 0
        self._is_reading = False
        self._has_news = False
        self.secrets_problem = ""
        """Why stored secrets are not looked for; empty when they are. Shapes always are."""
        self.events = 0

    # ---- a round ----------------------------------------------------------------------------------

    def look(self) -> None:
        """One round: read what is new, a piece at a time, so that the mailbox is never held up for long."""
        self._end_storms()
        if not self._is_reading and self.tail.look():
            self._is_reading = True
            self._ctx.after(0.0, self._step)

    def _step(self) -> None:
        piece = self.tail.read()
        if piece is None:
            self._is_reading = False
            self._look_for_stored_secrets()
            if self._has_news:  # what was told or counted must not be so again after a crash
                self._has_news = False
                self._ctx.save()
            return
        self._take(piece)
        self._ctx.after(0.0, self._step)

    def _take(self, piece: Piece) -> None:
        log = self._log(piece.name)
        if piece.skipped:
            log.skipped += piece.skipped
            log.counts["skipped_bytes"] += piece.skipped
        self._tell_skipped(piece.name, log)
        log.counts["lines"] += len(piece.lines)
        for line in piece.lines:
            if log.reader.is_news(line):
                self._line(piece.name, log, line)
            else:
                log.counts["known"] += 1

    def _line(self, name: str, log: Log, line: str) -> None:
        kinds = leaked(line[:SCAN_LINE_CHARS])
        if kinds:
            log.counts["leaks"] += 1
            self._has_news = True
            self._leak(name, kinds)
        elif self._scan_chars < SCANNED_CHARS:
            self._scan.append((name, line[:SCAN_LINE_CHARS]))
            self._scan_chars += len(self._scan[-1][1])
        else:
            log.counts["not_scanned"] += 1
        match = self._rules.match(line)
        if match is not None:
            log.counts[match.pattern] += 1
            self._has_news = True
            self._matched(name, log, match, line)

    def _matched(self, name: str, log: Log, match: Match, line: str) -> None:
        """Tell the line, or count why it is not told."""
        now = self._ctx.now()
        if match.event is None:
            return
        if match.event in ALREADY_TOLD.get(name, ()) or any(word in line for word in self._accounts):
            log.counts["accounts"] += 1
            return
        key = (name, match.event, match.file, fingerprint(line))
        count = self._folds.take(key, now)
        if count is None:
            log.counts["folded"] += 1
            return
        if not log.rate.take(now):
            self._folds.give_back(key, count)
            log.counts["refused"] += 1
            if log.spell.refuse(match.pattern, now):
                self._ctx.emit("storm.began", name, {"of": "log_lines"})
            return
        told = clean(line)
        if self._echoes.is_one(told):
            log.counts["accounts"] += 1
        else:
            self._tell(name, match, told, count)

    def _tell(self, name: str, match: Match, line: str, count: int) -> None:
        assert match.event is not None
        data: Data = {"pattern": match.pattern, "line": line, "source": f"{name}.log", "count": count}
        data |= {"file": clean(match.file)} if match.file else {}
        data |= {"reason": clean(match.reason)} if match.reason else {}
        self._ctx.emit(match.event, name, data)
        self._echoes.told(line)
        self.events += 1

    # ---- storms and gaps --------------------------------------------------------------------------

    def _end_storms(self) -> None:
        for name, log in self._logs.items():
            if (ended := log.spell.ended(self._ctx.now())) is not None:
                self._ctx.emit("storm.ended", name, {"of": "log_lines", **ended})
            self._tell_skipped(name, log)

    def _tell_skipped(self, name: str, log: Log) -> None:
        """Once a minute at most."""
        now = self._ctx.now()
        if log.skipped and now - log.skipped_told_at >= SKIPPED_AGAIN_S:
            self._ctx.emit("log_lines.skipped", name, {"source": f"{name}.log", "bytes": log.skipped})
            log.skipped, log.skipped_told_at = 0, now

    # ---- stored secrets ---------------------------------------------------------------------------

    def _look_for_stored_secrets(self) -> None:
        """Ask who knows them whether the new lines hold one. It answers places and names, never values."""
        lines, self._scan, self._scan_chars = self._scan, [], 0
        if not lines:
            return

        def on_answer(answer: Answer) -> None:
            findings = answer.value.get("findings") if answer.ok and isinstance(answer.value, dict) else None
            self.secrets_problem = "" if findings is not None else (answer.error or {}).get("message", "no answer")
            names: dict[str, set[str]] = {}
            for place in findings or ():
                if place["kind"] not in KINDS and 0 < place["line"] <= len(lines):
                    names.setdefault(lines[place["line"] - 1][0], set()).add(f"the secret {place['kind']}")
            for name, kinds in names.items():
                self._log(name).counts["leaks"] += 1
                self._leak(name, tuple(sorted(kinds)))

        text = "\n".join(line.replace("\n", " ") for _, line in lines)
        self._ctx.ask("secret_manager", "scan", {"text": text}, on_answer)

    # ---- what is known ----------------------------------------------------------------------------

    def _log(self, name: str) -> Log:
        if name not in self._logs:
            self._logs = {known: log for known, log in self._logs.items() if self._is_kept(known, log)}
            self._logs[name] = Log(Reader(name))
        return self._logs[name]

    def _is_kept(self, name: str, log: Log) -> bool:
        """A log that is gone is forgotten once its storm is over."""
        return name in self.tail.places or log.spell.began_at is not None

    def counts(self) -> dict[str, dict[str, int]]:
        """For each log what became of its lines."""
        return {name: dict(log.counts) for name, log in sorted(self._logs.items())}

    def totals(self) -> Counter[str]:
        """The same for all together."""
        return sum((log.counts for log in self._logs.values()), Counter())

    def as_data(self) -> dict[str, list[Any]]:
        return self.tail.as_data()

    @property
    def directory(self) -> Path:
        return self.tail.directory
