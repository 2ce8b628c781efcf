"""One SQLite file with one writer: durable transactions, schema migrations, self-repair at open.

A damaged file is moved to quarantine and the newest valid snapshot takes its place; the world's refusals (disk
full, read-only, locked) become StoreFailed, and so does a damaged full-text index, for which no file is replaced. Must
not know any table: schemas arrive as `Migrations`. Invariant: what `write` committed is on the disk, and after any
failure the store can be used again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlite_utils import Database, Migrations

from grace_actors.errors import StoreFailed
from grace_actors.kernel import Check
from grace_actors.stores import backups, search_index
from grace_actors.stores.files import failed, quarantine

Emit = Callable[[str, str, dict[str, Any]], None]
OPEN_TIMEOUT_S, BUSY_TIMEOUT_S = 2.0, 0.25
"""Only a reader that checkpoints or a stray second process can hold the lock: one writer per file is the rule. A kernel
that waits for it answers nobody, and one call may write several times: it has to be heard of before it is taken for
hung."""

INDEX_CHECK_MOST_BYTES = 64_000_000
"""Larger files are not searched for damaged indexes at the start. 10,000 chunks of text (14 MB) take about 0.1 s, ten
times what the check of the file itself takes."""

EVENTS = ("store.restored", "store.recreated", "store.replaced")
"""What a store emits; a kernel that owns one lists them in its `emits`."""

_HEADER = b"SQLite format 3\0"
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = {
    sqlite3.SQLITE_FULL: "the disk is full: free space; nothing stored before is lost and writing goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk refused: look at its space and health; nothing stored before is lost",
    sqlite3.SQLITE_READONLY: "the file or its directory is read-only: make it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check permissions and open files of the process",
    sqlite3.SQLITE_BUSY: "another process holds the database: one writer per file is allowed; try again",
    sqlite3.SQLITE_LOCKED: "another connection holds the table: try again",
    sqlite3.SQLITE_PERM: "permission denied: make the file writable for this user",
    sqlite3.SQLITE_NOMEM: "out of memory: try again when there is some",
}


class Store:
    """`name` names the store in events, snapshots and quarantine. `home` defaults to the instance's home when
    the path is `home/data/<owner>/<file>`, else to the file's directory. Raises StoreFailed when the file can be
    neither opened nor replaced."""

    def __init__(
        self,
        path: Path,
        migrations: Migrations,
        *,
        emit: Callable[..., None],
        name: str,
        home: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path, self.name = path, name
        self.home = home or _home_of(path)
        self._migrations, self._emit, self._wall = migrations, emit, wall
        self._backed_up_changes = 0
        self._inode = 0
        self._open_again = False
        self._index_problem: str | None = None
        """What is wrong with a full-text index; None while nobody has looked since the file was opened."""
        self.restored_from: Path | None = None
        """The snapshot that replaced a damaged file at the last open, if one did."""
        self.db = self._open()

    # ---- use ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def write(self) -> Iterator[Database]:
        """One transaction: all of it is on the disk afterwards, or nothing. Raises StoreFailed when the world
        refuses; what the block raises itself is passed on. Do not nest."""
        with self._guarded():
            self._follow_file()
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.conn.execute("COMMIT")
            except BaseException:
                # A full disk may already have rolled back; a second failure would hide the first.
                with contextlib.suppress(sqlite3.Error):
                    self.db.rollback()
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[Database]:
        """The database for queries, with the same translation of failures as `write`."""
        with self._guarded():
            yield self.db

    def check(self) -> Check:
        """A full integrity check of the file, and that the next write has a chance."""
        try:
            found = search_index.file_problem(self.db.conn, "integrity_check")
            self.db.execute("BEGIN IMMEDIATE")
            self.db.rollback()
        except sqlite3.Error as error:
            found = str(error)
        return Check(name=f"store_{self.name}", ok=not found, detail=found or f"{self.path.name} is intact")

    def writable(self) -> Check:
        """The quick self-test for `ready`: takes the write lock and lets it go; leaves no trace."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.rollback()
        except sqlite3.Error as error:
            return Check(name=f"store_{self.name}", ok=False, detail=str(error))
        return Check(name=f"store_{self.name}", ok=True, detail=f"{self.path.name} takes writes")

    def index_works(self) -> Check:
        """The self-test of the full-text indexes: all of each once after opening, unless the file is very large; from
        then on what requests met."""
        try:
            if self._index_problem is None:
                self._index_problem = self._examine_indexes()
            problem = self._index_problem
        except sqlite3.Error as error:
            problem = str(error)
        return Check(name="index_works", ok=not problem, detail=problem or "searches find what is stored")

    def backup(self) -> Path:
        """Take a checksummed snapshot by online backup and keep the newest few. Raises StoreFailed."""
        with self._guarded():
            path = backups.take(self.db.conn, self.snapshots, self._wall())
        self._backed_up_changes = self.db.conn.total_changes
        return path

    def drop_older_backups(self) -> None:
        """Keep the newest snapshot only, where an older one must not come back."""
        backups.prune(self.snapshots, keep=1)

    def backup_if_changed(self) -> Path | None:
        """Like `backup`, unless nothing changed since the last one."""
        return self.backup() if self.changed else None

    @property
    def changed(self) -> bool:
        """Rows were changed since the last snapshot, or it is not known whether: the file is from an earlier life."""
        return bool(self.db.conn.total_changes != self._backed_up_changes)

    @property
    def snapshots(self) -> Path:
        """The directory of this store's snapshots."""
        return self.home / "snapshots" / "stores" / self.name

    def close(self) -> None:
        """Release the file; idempotent. A checkpoint the disk refuses is left to the next open."""
        with contextlib.suppress(sqlite3.Error):
            self.db.conn.close()

    # ---- failures -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._open_again:
            self._reopen()
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = _primary(error)
            if search_index.is_index_damage(error) and (self._index_problem or not self._file_problem()):
                raise self._index_damaged(str(error)) from error
            if code in _DAMAGE:
                raise self._repair(str(error)) from error
            if code not in _REFUSED:
                raise
            raise StoreFailed(f"store {self.name} ({self.path}): {error}", hint=_REFUSED[code]) from error

    def _repair(self, problem: str) -> StoreFailed:
        """Replace a file that turned out damaged while in use; the error for the request that met it."""
        self.close()
        self._open_again = True
        self._replace_damaged(problem)
        self._reopen()
        return StoreFailed(
            f"store {self.name} was damaged ({problem}) and has been replaced",
            hint="try again; writes since the last snapshot must be repeated, the damaged file is in quarantine",
        )

    def _file_problem(self) -> str:
        try:
            return search_index.file_problem(self.db.conn)
        except sqlite3.DatabaseError as error:
            return str(error)

    def _index_damaged(self, problem: str) -> StoreFailed:
        """The file is sound: an older one in its place would lose rows and heal nothing."""
        names = ", ".join(search_index.indexes(self.db.conn))
        text = f"the search index {names} of store {self.name} ({self.path}) is damaged ({problem}); its rows are sound"
        self._index_problem = text
        return StoreFailed(text, hint=self._rebuild_it)

    @property
    def _rebuild_it(self) -> str:
        return f"rebuild it: `playbook run search_index_repair kernel={self.name}`, or the action rebuild_search_index"

    def _examine_indexes(self) -> str:
        """What is wrong with the full-text indexes of a file that was just opened."""
        if self.path.stat().st_size > INDEX_CHECK_MOST_BYTES:
            return ""
        connection, was_changed = self.db.conn, self.changed
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = search_index.problems(connection)
        finally:
            connection.rollback()
        if not was_changed:  # the check counts as a change
            self._backed_up_changes = connection.total_changes
        return self._index_damaged("; ".join(found.values())).message if found else ""

    def _follow_file(self) -> None:
        """Somebody removed or exchanged the file: writing on into the nameless old one would lose everything at
        the next start. What the connection still holds becomes a snapshot, then the file is opened anew."""
        try:
            inode = self.path.stat().st_ino
        except OSError:
            inode = 0
        if inode == self._inode:
            return
        rescued = backups.take(self.db.conn, self.snapshots, self._wall())
        self.close()
        self._reopen()
        if inode:
            self._emit("store.replaced", self.name, {"path": str(self.path), "snapshot": rescued.name})

    def _reopen(self) -> None:
        self._open_again = True
        self.db = self._open()
        self._index_problem = None
        self._open_again = False

    # ---- opening ------------------------------------------------------------------------------------

    def _open(self) -> Database:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise failed(self.path.parent, error) from error
        if found := self._plain_damage():
            self._replace_damaged(found)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if search_index.is_index_damage(error):  # met by a migration
                raise StoreFailed(f"a search index of store {self.name} is damaged", hint=self._rebuild_it) from error
            if _primary(error) not in _DAMAGE:
                hint = _REFUSED.get(_primary(error), "check permissions and space of the home")
                raise StoreFailed(f"store {self.name} cannot be opened: {error}", hint=hint) from error
            self._replace_damaged(str(error))
        return self._connect()

    def _plain_damage(self) -> str:
        """Damage that shows without SQLite, which would remove the write-ahead files of what it cannot read.
        A first start has neither a file nor a snapshot."""
        try:
            with self.path.open("rb") as file:
                head = file.read(len(_HEADER))
        except FileNotFoundError:
            return "the file is missing" if backups.newest(self.snapshots) else ""
        except OSError as error:
            raise failed(self.path, error) from error
        if head == _HEADER:
            return ""
        return "the file is not a database" if head else "the file is empty"

    def _connect(self) -> Database:
        connection = sqlite3.connect(self.path, timeout=OPEN_TIMEOUT_S)
        try:
            fresh = self.path.stat().st_size == 0
            problem = "" if fresh else search_index.file_problem(connection)
            if problem:
                raise _damaged(problem)
            db = Database(connection, execute_plugins=False)
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            if self._migrations.pending(db):
                self._migrations.apply(db)
            self._backed_up_changes = connection.total_changes if fresh else -1
            self._inode = self.path.stat().st_ino
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
        except BaseException:
            connection.close()
            raise
        return db

    def _replace_damaged(self, problem: str) -> None:
        """Move the file aside and put the newest valid snapshot in its place. Raises StoreFailed."""
        files = [self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm", "-journal"))]
        kept = quarantine(self.home, self.name, files, self._wall())
        data = {"path": str(self.path), "problem": problem, "quarantine": str(kept)}
        snapshot = backups.newest(self.snapshots)
        self.restored_from = snapshot.file if snapshot else None
        if snapshot is None:
            self._emit("store.recreated", self.name, data)
            return
        backups.restore(snapshot, self.path)
        at = {"snapshot": snapshot.file.name, "snapshot_at": snapshot.at}
        self._emit("store.restored", self.name, data | at)


def _home_of(path: Path) -> Path:
    return path.parents[2] if len(path.parents) > 2 and path.parents[1].name == "data" else path.parent


def _primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code; the extended codes carry it in the low byte."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _damaged(problem: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(problem)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
