"""A home with one of everything that belongs into a set, made by the code that makes it in an instance."""

from __future__ import annotations

import itertools
import json
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grace_actors import snapshots
from grace_actors.hygiene import __main__ as command
from grace_actors.hygiene.plan import Limits
from grace_actors.hygiene.sets import Sets
from grace_actors.kernels import known_good
from grace_actors.programs import command_of
from grace_actors.status.eventlog import EventLog
from grace_actors.status.eventlog import Limits as LogLimits
from grace_actors.stores import backups
from grace_actors.stores.chain.log import ChainLog, Places

START = 1_700_000_000.0


@dataclass
class House:
    """Takes and restores without processes; `told` is what the last command told."""

    home: Path
    wall: float = START
    limits: dict[str, Any] = field(default_factory=lambda: {"keep": 5, "max_age_s": 86_400.0, "floor_bytes": 0})
    told: dict[str, Any] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    # ---- what there is ------------------------------------------------------------------------------

    def furnish(self) -> House:
        """One of everything."""
        self.store("librarian", "library.db", 3)
        snapshots.save(self.home / "snapshots", "sandbox", {"runs": 7})
        self.events(40)
        self.audit(40)
        self.file("config/governance.yaml", "rules: [a, b]\n")
        self.file("config/limits.json", '{"most": 3}\n')
        self.file("playbooks/own/heal.yaml", "name: heal\n")
        self.file("artefacts/models/small.bin", "weights " * 100)
        self.file("artefacts/notes.txt", "reference\n")
        self.file("elsewhere/tree.yaml", "schema: grace.tree/1\nname: mine\n")
        instance = {"pid": 1, "started_at": 1.0, "version": "0", "home": str(self.home)}
        self.file("instance.json", json.dumps({**instance, "tree": str(self.home / "elsewhere/tree.yaml")}))
        self.do("accept")
        self.accept_config()
        return self

    def file(self, path: str, text: str) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def store(self, kernel: str, name: str, rows: int) -> Path:
        """A store as it is in use: with a write-ahead log that holds the last rows."""
        file = self.home / "data" / kernel / name
        file.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(file, isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("create table if not exists notes (n integer primary key, text text)")
        db.executemany("insert into notes (text) values (?)", [(f"note {n} " * 50,) for n in range(rows)])
        db.close()
        return file

    def own_snapshot(self, kernel: str, name: str) -> Path:
        """A snapshot that the store itself takes."""
        db = sqlite3.connect(self.home / "data" / kernel / name)
        taken = backups.take(db, self.home / "snapshots" / "stores" / kernel, self.wall)
        db.close()
        return taken

    def events(self, count: int) -> None:
        log = EventLog(self.home / "data/status/events", lambda: self.wall, LogLimits(segment_bytes=2000))
        for n in range(count):
            log.append("2026-01-01T00:00:00.000Z", "thing.happened", f"thing {n}", {"n": n})
            log.flush()
        log.close()

    def audit(self, count: int, *, pack: bool = False) -> None:
        places = Places(
            self.home / "data/immutable_log", self.home / "snapshots/immutable_log", self.home, "immutable_log"
        )
        log = ChainLog(places, segment_bytes=500, wall=lambda: self.wall)
        for _ in range(count):
            log.append([b"record %d" % next(self._numbers)])
        if pack:
            log.pack(0)
        log.close()

    def accept_config(self) -> None:
        """What trigger_mesh does when somebody accepts the configuration."""
        (self.home / "data/trigger_mesh").mkdir(parents=True, exist_ok=True)
        config = known_good.config_digests(self.home / "config")
        known_good.save(self.home / "data/trigger_mesh/known_good.json", known_good.Baseline(config=config))

    # ---- commands -----------------------------------------------------------------------------------

    def order(self, do: str, **more: Any) -> dict[str, Any]:
        return {"do": do, "home": str(self.home), "wall": self.wall, "limits": self.limits, "reason": "test", **more}

    def do(self, do: str, **more: Any) -> dict[str, Any]:
        """One command, in this process; raises what it raises."""
        self.wall += 1.0
        self.told = {}
        store = Sets(self.home, self.limits["floor_bytes"])
        with command._alone(store):
            command.DOES[do](store, self.order(do, **more), self.told)
        return self.told

    def take(self) -> str:
        """A new set; its id."""
        id: str = self.do("take")["taken"]["id"]
        return id

    def restore(self, id: str, part: str, *, force: bool = False) -> dict[str, Any]:
        return self.do("restore", id=id, part=part, force=force)

    def process(self, do: str, **more: Any) -> subprocess.Popen[bytes]:
        """One command as a process of its own."""
        argv, env = command_of("grace_actors.hygiene")
        process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr)
        assert process.stdin is not None
        process.stdin.write(json.dumps(self.order(do, **more)).encode())
        process.stdin.close()
        return process

    # ---- looking ------------------------------------------------------------------------------------

    @property
    def sets(self) -> Path:
        return self.home / "snapshots" / "sets"

    def copy(self, id: str, path: str) -> Path:
        return self.sets / id / path

    def how(self, id: str) -> dict[str, str]:
        """Path -> how the copy got there."""
        return {item.path: item.how for item in Sets(self.home).load(id).items}

    def problems(self, id: str) -> dict[str, str]:
        return dict(Sets(self.home).load(id).problems)

    def contents(self, *folders: str) -> dict[str, bytes]:
        """Every file of the folders, but not what SQLite keeps beside a database."""
        return {
            str(file.relative_to(self.home)): file.read_bytes()
            for folder in folders
            for file in sorted((self.home / folder).rglob("*"))
            if file.is_file() and not file.name.endswith(("-wal", "-shm"))
        }


def rows(file: Path) -> int:
    """How many notes a store has; it must be sound."""
    db = sqlite3.connect(file)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return int(db.execute("select count(*) from notes").fetchone()[0])
    finally:
        db.close()


def rot(file: Path, at: int = -20) -> None:
    """Change bytes of a file in place."""
    data = bytearray(file.read_bytes())
    start = at % len(data)
    data[start : start + 8] = bytes(byte ^ 0x5A for byte in data[start : start + 8])
    with file.open("r+b") as stream:
        stream.write(data)


def same_file(one: Path, other: Path) -> bool:
    return one.samefile(other)


DEFAULTS = Limits()
