"""Keeps secrets encrypted on disk, gives them to those they are for, and takes them out of texts.

Values live in memory for redaction and in `get` answers, nowhere else: never in events, errors, logs or `does`. It
must not decide who deserves access beyond the list given with each secret.
Invariant: with a damaged key file nothing stored is changed, and redaction by shape goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.fernet import InvalidToken

from grace_actors.errors import GraceError, NotFound, Refused, StoreFailed
from grace_actors.kernel import LATER, Check, Kernel, Request, need
from grace_actors.kernels.arguments import text, texts_or_empty
from grace_actors.kernels.rows import count, rows, schema
from grace_actors.kernels.secrets.keys import Keys, KeysUnusable
from grace_actors.kernels.secrets.patterns import PATTERNS
from grace_actors.kernels.secrets.redaction import Redactor
from grace_actors.kernels.secrets.scan import Report, located, roots, scanning
from grace_actors.stores.sqlite import EVENTS, Store

NAME_CHARS = 200
VALUE_CHARS = 64 * 1024
TEXT_CHARS = 500_000
TEXTS = 10_000
OPERATORS = ("console",)
BACKUP_S = 300.0
PROBE = "a text that is encrypted and decrypted in the self-test"

MIGRATIONS = schema(
    "secrets",
    {
        "secrets": (
            """create table secrets (
                name text primary key, token blob not null, allowed text not null, owner text not null,
                created_at real not null, updated_at real not null, version integer not null
            )""",
        )
    },
)


class SecretManager(Kernel):
    """Verbs: put, get, delete, list, rotate, redact, scan, patterns. Config: operators, scan_roots."""

    emits = (
        "secret.stored",
        "secret.read",
        "secret.denied",
        "secret.deleted",
        "secret.rotated",
        "secret.leaked",
        "secret.keys_unusable",
        "secret.keys_recovered",
        *EVENTS,
    )

    def setup(self) -> None:
        self._operators = frozenset(self.ctx.config.get("operators", OPERATORS))
        self._roots = [self.ctx.home.resolve(), *(Path(r).resolve() for r in self.ctx.config.get("scan_roots", ()))]
        self.store = Store(
            self.ctx.data / "secrets.db", MIGRATIONS, emit=self.ctx.emit, name=self.ctx.name, home=self.ctx.home
        )
        self._redacted = self._denied = self._leaks = 0
        self._keys: Keys | None = None
        self._values: dict[str, str] = {}
        self._redactor = Redactor({})
        try:
            self._load_keys()
        except KeysUnusable as error:
            self.degraded = [error.message]
            self.ctx.emit("secret.keys_unusable", self.ctx.name, {"problem": error.message, "hint": error.hint})
        self.ctx.every(BACKUP_S, self._back_up)

    def _load_keys(self) -> None:
        """Read the key file; make one only where nothing is encrypted yet. Raises KeysUnusable, StoreFailed."""
        path = self.ctx.data / "secrets.key"
        if not path.exists() and not self._count():
            self._keys = Keys.create(path)
        else:
            self._keys = Keys.read(path)
        self._learn()

    def _usable(self) -> Keys:
        """The keys; tries the file again when it was unusable. Raises KeysUnusable."""
        if self._keys is None:
            self._load_keys()
            self.degraded = []
            self.ctx.emit("secret.keys_recovered", self.ctx.name)
        assert self._keys is not None
        return self._keys

    def _learn(self) -> None:
        """Decrypt all values for redaction. A token no key opens is named in `degraded`; it stays as it is."""
        assert self._keys is not None
        fernet, values, closed = self._keys.fernet, {}, []
        with self.store.read() as db:
            found = rows(db, "select name, token from secrets")
        for row in found:
            try:
                values[row["name"]] = fernet.decrypt(row["token"]).decode()
            except InvalidToken:
                closed.append(row["name"])
        if found and not values:
            self._keys = None
            raise KeysUnusable(
                f"the key file of {self.ctx.name} opens none of {len(found)} secrets",
                hint="put the right key file back; the secrets are untouched",
            )
        self.degraded = [f"no key opens {', '.join(sorted(closed))}"] if closed else []
        self._values = values
        self._redactor = Redactor(values)

    def _remember(self, name: str, value: str | None) -> None:
        """One secret is new, or gone when `value` is None."""
        self._values.pop(name, None)
        if value is not None:
            self._values[name] = value
        self._redactor = Redactor(self._values)

    def ready(self) -> list[Check]:
        """Unusable keys degrade and do not fail: a restart would not mend them, and redaction works."""
        checks = [self.store.writable(), self._redaction_works()]
        if self._keys is not None:
            fernet = self._keys.fernet
            ok = fernet.decrypt(fernet.encrypt(PROBE.encode())).decode() == PROBE
            checks.append(Check(name="encryption_works", ok=ok, detail=f"{self._count()} secrets"))
        return checks

    # ---- secrets ------------------------------------------------------------------------------------

    def do_put(self, request: Request) -> Any:
        """Store `value` under `name` for the callers in `allowed`. Replacing needs the owner, someone allowed or an
        operator."""
        name, keys = text(request, "name", max_chars=NAME_CHARS), self._usable()
        value = need(request, "value", str)
        if not value or len(value) > VALUE_CHARS:
            raise Refused(f"put: the value has {len(value)} characters", hint=f"1 to {VALUE_CHARS} are allowed")
        allowed = sorted(set(texts_or_empty(request, "allowed")))
        if not allowed:
            raise Refused("put: `allowed` is empty", hint="name the callers that may read the secret")
        known = self._row(name)
        if known is not None:
            self._check_access(request, name, known, "put")
        token, now = keys.fernet.encrypt(value.encode()), self.ctx.wall()
        row = [name, token, "\n".join(allowed), request.sender, now, now]
        with self.store.write() as db:
            db.execute(
                "insert into secrets values (?, ?, ?, ?, ?, ?, 1) on conflict (name) do update set token ="
                " excluded.token, allowed = excluded.allowed, updated_at = excluded.updated_at, version = version + 1",
                row,
            )
        self._remember(name, value)
        self.did = f"stored {name} for {len(allowed)} callers"
        self.ctx.emit("secret.stored", name, {"by": request.sender, "allowed": allowed})
        return {"name": name, "allowed": allowed, "version": (known or {}).get("version", 0) + 1}

    def do_get(self, request: Request) -> Any:
        """The value of `name`, for a caller on its list."""
        name, keys = text(request, "name", max_chars=NAME_CHARS), self._usable()
        row = self._row(name)
        if row is None:
            raise NotFound(f"there is no secret {name!r}", hint="`list` names those that are stored")
        if request.sender not in row["allowed"].split("\n"):
            self._deny(request, name, "get")
        try:
            value = keys.fernet.decrypt(row["token"]).decode()
        except InvalidToken:
            raise KeysUnusable(
                f"no key opens the secret {name!r}", hint="put the key file back it was made with"
            ) from None
        self.did = f"gave {name} to {request.sender}"
        self.ctx.emit("secret.read", name, {"by": request.sender})
        return {"name": name, "value": value, "version": row["version"]}

    def do_delete(self, request: Request) -> Any:
        """Delete a secret; for its owner, those allowed and operators."""
        name = text(request, "name", max_chars=NAME_CHARS)
        row = self._row(name)
        if row is None:
            raise NotFound(f"there is no secret {name!r}", hint="`list` names those that are stored")
        self._check_access(request, name, row, "delete")
        self._usable()
        with self.store.write() as db:
            db.execute("delete from secrets where name = ?", [name])
        self._remember(name, None)
        self.did = f"deleted {name}"
        self.ctx.emit("secret.deleted", name, {"by": request.sender})
        return {"name": name, "deleted": True}

    def do_list(self, request: Request) -> Any:
        """The names of all secrets."""
        with self.store.read() as db:
            names = [row["name"] for row in rows(db, "select name from secrets order by name")]
        return {"count": len(names), "names": names}

    def do_rotate(self, request: Request) -> Any:
        """Make a new key and encrypt everything with it; the old key is dropped only after that is stored."""
        if request.sender not in self._operators and request.sender not in ("scheduler", "governance", "self_healing"):
            self._deny(request, "*", "rotate")
        keys = self._usable()
        if self.degraded:
            raise StoreFailed(f"rotate: {self.degraded[0]}", hint="delete what cannot be opened, or put its key back")
        self._keys = keys = keys.with_new()
        fernet = keys.fernet
        with self.store.write() as db:
            found = rows(db, "select name, token from secrets")
            for row in found:
                db.execute("update secrets set token = ? where name = ?", [fernet.rotate(row["token"]), row["name"]])
        # A snapshot made with the old key would come back unreadable, or readable by whom the old key leaked to.
        self.store.backup()
        self.store.drop_older_backups()
        self._keys = keys.keep_newest()
        self.did = f"rotated the key of {len(found)} secrets"
        self.ctx.emit("secret.rotated", self.ctx.name, {"secrets": len(found), "by": request.sender})
        return {"secrets": len(found)}

    def _row(self, name: str) -> dict[str, Any] | None:
        with self.store.read() as db:
            found = rows(db, "select * from secrets where name = ?", [name])
        return found[0] if found else None

    def _check_access(self, request: Request, name: str, row: dict[str, Any], verb: str) -> None:
        if request.sender not in {row["owner"], *row["allowed"].split("\n"), *self._operators}:
            self._deny(request, name, verb)

    def _deny(self, request: Request, name: str, verb: str) -> None:
        self._denied += 1
        self.did = f"denied {verb} of {name} to {request.sender or 'an unnamed sender'}"
        self.ctx.emit("secret.denied", name, {"by": request.sender, "verb": verb})
        raise Refused(f"{request.sender or 'an unnamed sender'} may not {verb} {name}", hint="ask its owner")

    def _count(self) -> int:
        with self.store.read() as db:
            return count(db, "select count(*) from secrets")

    # ---- texts --------------------------------------------------------------------------------------

    def do_redact(self, request: Request) -> Any:
        """`text` or `texts` without known values and without what looks like a secret; `redacted` counts them by
        kind. For `texts`, `complete` says whether every value that is stored was known."""
        if "texts" in request.args:
            complete = self._knows_all()
            clean, counts = self._redact(request, need(request, "texts", list))
            return {"texts": clean, "complete": complete, **counts}
        clean, counts = self._redact(request, [need(request, "text", str)])
        return {"text": clean[0], **counts}

    def _redact(self, request: Request, given: list[Any]) -> tuple[list[str], dict[str, Any]]:
        if not all(isinstance(each, str) for each in given):
            raise Refused("redact: texts must be a list of texts")
        chars = sum(map(len, given))
        if chars > TEXT_CHARS or len(given) > TEXTS:
            what = f"{len(given)} texts have" if len(given) != 1 else "the text has"
            raise Refused(
                f"redact: {what} {chars} characters",
                hint=f"at most {TEXT_CHARS} characters in {TEXTS} texts; send parts",
            )
        clean, kinds = [], Counter[str]()
        for each in given:
            redacted, found = self._redactor.redact(each)
            clean.append(redacted)
            kinds.update(one.kind for one in found)
        count = kinds.total()
        self._redacted += count
        if count:
            self.did = f"redacted {count} secrets from a text of {request.sender or 'an unnamed sender'}"
        return clean, {"count": count, "redacted": dict(kinds)}

    def _knows_all(self) -> bool:
        """Whether every stored value is known; unusable keys are tried again, they may be back."""
        try:
            self._usable()
        except KeysUnusable as error:
            self.did = f"redacted by shape alone: {error.message}"
        return not self.degraded

    def do_scan(self, request: Request) -> Any:
        """Where secrets are in `text`, or in the files of `paths` (relative to the home): path, line, column, kind."""
        if "text" in request.args:
            given = str(need(request, "text", str))[:TEXT_CHARS]
            found = located("", given, self._redactor.findings(given))
            return {"clean": not found, "findings": found}
        paths, report = texts_or_empty(request, "paths") or ["logs"], Report()
        steps = scanning(roots(paths, self._roots), self._roots, self._redactor, report)

        def step() -> None:
            for _ in steps:
                self.ctx.after(0.0, step)
                return
            self.ctx.answer(request, self._scanned(report))

        self.ctx.after(0.0, step)
        return LATER

    def _scanned(self, report: Report) -> dict[str, Any]:
        self._leaks += len(report.findings)
        self.did = f"scanned {report.files} files: {len(report.findings)} findings"
        for path in sorted({place["path"] for place in report.findings})[:20]:
            kinds = sorted({place["kind"] for place in report.findings if place["path"] == path})
            self.ctx.emit("secret.leaked", path, {"kinds": kinds})
        return report.as_data()

    def do_patterns(self, request: Request) -> Any:
        """The kinds of secrets that are recognised by shape."""
        return {"patterns": [{"kind": pattern.kind, "what": pattern.what} for pattern in PATTERNS]}

    def _redaction_works(self) -> Check:
        sample = "AKIA" + "Q" * 16
        clean, _ = self._redactor.redact(f"id {sample} end")
        return Check(name="redaction_works", ok=sample not in clean, detail=f"{len(PATTERNS)} patterns")

    # ---- itself -------------------------------------------------------------------------------------

    def metrics(self) -> dict[str, float]:
        return {
            "secrets_count": float(self._count()),
            "redacted_count": float(self._redacted),
            "denied_count": float(self._denied),
            "leaks_found_count": float(self._leaks),
        }

    def _back_up(self) -> None:
        self._quietly(self.store.backup_if_changed)

    def _quietly(self, call: Callable[[], object]) -> None:
        try:
            call()
        except GraceError as error:
            self.did = f"no snapshot of the secrets: {error.message}"

    def stop(self, reason: str) -> None:
        self._quietly(self.store.backup_if_changed)
        self.store.close()
