"""Faults of the ledger: sqlite3, sqlite-utils, cryptography, msgpack, struct, pickle."""

from __future__ import annotations

from tests.harness.provoke.fault import Values, faults_of

fault = faults_of("ledger")
SQL = {"library": "sqlite3"}
UTILS = {"library": "sqlite_utils"}
CRYPTO = {"library": "cryptography"}
PACKED = {"library": "msgpack"}


def old_pickle(v: Values) -> bytes:
    """A pickle of a class that was there once."""
    return b"cledger.sealed\nOld" + v.word.title().encode() + b"\n."


FAULTS = [
    fault("book.open_account", "name_taken", lambda v: {"names": [v.user, v.user]}, **SQL),
    fault("book.book_entry", "no_account", lambda v: {"account": v.user, "cents": v.number}, **SQL),
    fault("book.withdraw", "below_zero", lambda v: {"name": v.user, "cents": v.number}, **SQL),
    fault("book.balance", "no_account", lambda v: {"name": v.user}),
    fault("book.report", "no_column", lambda v: {"column": v.word}, **SQL),
    fault("book.searched", "syntax", lambda v: {"condition": f"cents > {v.number}"}, **SQL),
    fault("book.closed_too_early", "closed", lambda v: {"name": v.user}, **SQL),
    fault("book.two_at_once", "two_statements", lambda v: {"names": [v.user]}, **SQL),
    fault("book.with_object", "no_adapter", lambda v: {"value": {v.word: 1}}, **SQL),
    fault("book.with_object", "too_large", lambda v: {"value": v.number * 10**18}, **SQL),
    fault("book.with_named", "one_missing", lambda v: {"account": v.user}, **SQL),
    fault("book.read_only", "write", lambda v: {"path": v.file(".db", b"")}, **SQL),
    fault("book.damaged", "not_a_database", lambda v: {"path": v.file(".db", b"garbage " * 99)}, **SQL),
    fault("book.checked", "raised_from", lambda v: {"path": v.file(".book", v.word.encode() * 99)}, **SQL),
    fault("book.elsewhere", "no_table", lambda v: {"path": v.no_file(".sqlite")}, **SQL),
    fault("book.unopenable", "no_directory", lambda v: {"path": v.no_file("/books.db")}, **SQL),
    fault("book.locked", "locked", lambda v: {"path": v.no_file("-lock.db")}, **SQL),
    fault("book.own_function", "raises", lambda v: {"value": v.number}, **SQL),
    fault("book.full", "disk_full", lambda v: {"text": v.word}, **SQL),
    fault("book.named_column", "no_column", lambda v: {"name": v.word}, **SQL),
    fault("tables.person", "not_found", lambda v: {"id": v.number}, **UTILS),
    fault("tables.added", "no_column", lambda v: {"row": {"id": v.number, v.word: 1}}, **UTILS),
    fault("tables.added_twice", "same_id", lambda v: {"row": {"id": v.number, "name": v.user}}, **UTILS),
    fault("tables.indexed", "no_table", lambda v: {"name": v.word}, **UTILS),
    fault("tables.related", "no_column", lambda v: {"column": v.word}, **UTILS),
    fault("tables.searched", "no_index", lambda v: {"words": v.word}, **UTILS),
    fault("tables.enabled_search", "bad_question", lambda v: {"words": f'"{v.word}'}, **UTILS),
    fault("tables.updated", "not_found", lambda v: {"id": v.number, "changes": {"name": v.user}}, **UTILS),
    fault("tables.dropped", "no_table", lambda v: {"name": v.word}, **UTILS),
    fault("tables.made", "no_columns", lambda v: {"name": v.word}, **UTILS),
    fault("sealed.opened", "other_key", lambda v: {"token": b"gAAAA" + v.hex.encode()}, **CRYPTO),
    fault("sealed.cipher_of", "bad_key", lambda v: {"key": v.hex.encode()[: 4 * v.between(1, 3)]}, **CRYPTO),
    fault("sealed.aged", "too_old", lambda v: {"text": v.word.encode()}, **CRYPTO),
    fault("sealed.decrypted", "changed", lambda v: {"data": v.hex.encode() * 2}, **CRYPTO),
    fault("sealed.decrypted_or_told", "changed", lambda v: {"data": v.hex.encode() * v.between(2, 9)}, **CRYPTO),
    fault("sealed.with_key", "short_key", lambda v: {"key": v.word.encode()[: v.between(3, 6)]}, **CRYPTO),
    fault("sealed.verified", "forged", lambda v: {"data": v.id.encode(), "signature": v.hex.encode() * 4}, **CRYPTO),
    fault(
        "sealed.verified_or_told", "forged", lambda v: {"data": v.id.encode(), "signature": v.hex.encode()}, **CRYPTO
    ),
    fault("sealed.public_key", "short", lambda v: {"data": v.word.encode()}, **CRYPTO),
    fault("sealed.private_key", "no_pem", lambda v: {"data": v.word.encode()}, **CRYPTO),
    fault("sealed.certificate", "no_pem", lambda v: {"data": v.hex.encode()}, **CRYPTO),
    fault("sealed.derived", "used_twice", lambda v: {"password": v.word.encode()}, **CRYPTO),
    fault("sealed.decoded", "no_base64", lambda v: {"text": f"{v.word} {v.user}"}, library="base64"),
    fault("sealed.from_hex", "no_hex", lambda v: {"text": v.id * 2}, library="binascii"),
    fault("sealed.hashed", "unknown", lambda v: {"name": f"sha{v.number}"}, library="hashlib"),
    fault("sealed.keyed", "text", lambda v: {"text": v.word}, library="hmac"),
    fault("sealed.same", "text_and_bytes", lambda v: {"left": v.word, "right": v.hex.encode()}, library="hmac"),
    fault("sealed.identity", "short", lambda v: {"text": v.hex}, library="uuid"),
    fault("sealed.records", "odd_length", lambda v: {"data": b"x" * (17 + v.between(1, 9))}, library="struct"),
    fault("sealed.packed", "too_large", lambda v: {"number": v.number * 10**9}, library="struct"),
    fault("sealed.first_record", "short", lambda v: {"data": b"x" * v.between(9, 20)}, library="struct"),
    fault("sealed.entry", "no_pickle", lambda v: {"data": v.word.encode()}, library="pickle"),
    fault("sealed.entry", "class_is_gone", lambda v: {"data": old_pickle(v)}, library="pickle"),
    fault("sealed.old_entry", "other_state", lambda v: {"account": v.user, "cents": v.number}, library="pickle"),
    fault("sealed.saved", "a_lambda", lambda v: {"value": v.number}, library="pickle"),
    fault("sealed.from_msgpack", "cut_off", lambda v: {"data": b"\x92" + bytes([v.between(0, 99)])}, **PACKED),
    fault("sealed.from_msgpack", "more_behind", lambda v: {"data": b"\x01" * v.between(2, 9)}, **PACKED),
    fault("sealed.to_msgpack", "a_date", lambda v: {"value": v.day}, **PACKED),
    fault("sealed.streamed", "too_much", lambda v: {"data": b"x" * v.number, "limit": v.between(10, 99)}, **PACKED),
]
