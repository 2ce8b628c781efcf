"""The book: accounts and entries in a SQLite database."""

import sqlite3
from contextlib import closing, contextmanager

SCHEMA = """
CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0));
CREATE TABLE entries (id INTEGER PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (name), cents INTEGER);
"""


class BookDamaged(Exception):
    """The file of the book cannot be read."""


@contextmanager
def opened(path=":memory:"):
    with closing(sqlite3.connect(path, timeout=0.05)) as db:
        db.executescript(SCHEMA)
        db.execute("PRAGMA foreign_keys = ON")
        yield db


def open_account(names, cents=0):
    with opened() as db:
        for name in names:
            add_account(db, name, cents)


def add_account(db, name, cents):
    db.execute("INSERT INTO accounts VALUES (?, ?)", (name, cents))


def book_entry(account, cents):
    with opened() as db:
        db.execute("INSERT INTO entries (account, cents) VALUES (?, ?)", (account, cents))
        db.commit()


def withdraw(name, cents):
    with opened() as db:
        add_account(db, name, 100)
        move(db, name, -cents)


def move(db, name, cents):
    db.execute("UPDATE accounts SET cents = cents + ? WHERE name = ?", (cents, name))


def balance(name):
    with opened() as db:
        row = db.execute("SELECT cents FROM accounts WHERE name = ?", (name,)).fetchone()
        return row[0]


def report(column):
    with opened() as db:
        return rows(db, f"SELECT {column} FROM accounts")


def history(table):
    with opened() as db:
        return rows(db, f"SELECT * FROM history_of_{table}")


def rows(db, question):
    return db.execute(question).fetchall()


def searched(condition):
    with opened() as db:
        return db.execute(f"SELECT * FROM entries WHERE {condition} ORDER").fetchall()


def closed_too_early(name):
    with opened() as db:
        cursor = db.execute("SELECT * FROM accounts")
    return cursor.execute("SELECT * FROM entries WHERE account = ?", (name,))


def two_at_once(names):
    with opened() as db:
        db.execute("INSERT INTO accounts VALUES (?, 0); DELETE FROM entries", names)


def with_values(*values):
    with opened() as db:
        return db.execute("SELECT ?, ?", values).fetchone()


def with_object(value):
    with opened() as db:
        return db.execute("SELECT ?", (value,)).fetchone()


def with_named(**values):
    with opened() as db:
        return db.execute("SELECT :account, :cents", values).fetchone()


def read_only(path):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.execute("CREATE TABLE more (id INTEGER)")


def damaged(path):
    with closing(sqlite3.connect(path)) as db:
        return names_in(db)


def names_in(db):
    return [row[0] for row in db.execute("SELECT name FROM accounts")]


def checked(path):
    try:
        return damaged(path)
    except sqlite3.DatabaseError as error:
        raise BookDamaged(f"{path} is no book") from error


def elsewhere(path):
    with closing(sqlite3.connect(path)) as db:
        return names_in(db)


def unopenable(path):
    return sqlite3.connect(path).execute("SELECT 1")


def locked(path):
    with closing(sqlite3.connect(path)) as first:
        first.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
        first.commit()
        first.execute("BEGIN EXCLUSIVE")
        write_beside(path)


def write_beside(path):
    with closing(sqlite3.connect(path, timeout=0.01)) as second:
        second.execute("INSERT INTO notes VALUES ('beside')")


def own_function(value):
    with opened() as db:
        db.create_function("fee", 1, lambda cents: cents / 0)
        return db.execute("SELECT fee(?)", (value,)).fetchone()


def full(text):
    with opened() as db:
        db.execute("PRAGMA max_page_count = 8")
        for number in range(1000):
            add_account(db, f"{text}-{number}" * 50, number)


def named_column(name):
    with opened() as db:
        db.row_factory = sqlite3.Row
        return db.execute("SELECT 1 AS one").fetchone()[name]
