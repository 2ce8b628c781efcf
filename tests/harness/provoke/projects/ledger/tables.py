"""Tables through sqlite-utils."""

import sqlite_utils


def database():
    db = sqlite_utils.Database(memory=True)
    db["people"].insert({"id": 1, "name": "first"}, pk="id")
    return db


def person(id):
    return database()["people"].get(id)


def added(row):
    database()["people"].insert(row)


def added_twice(row):
    people = database()["people"]
    people.insert(row)
    people.insert(row)


def indexed(name):
    database()[name].create_index(["name"])


def related(column):
    database()["people"].add_foreign_key(column, "people", "id")


def searched(words):
    return list(database()["people"].search(words))


def enabled_search(words):
    people = database()["people"]
    people.enable_fts(["name"])
    return list(people.search(words))


def updated(id, changes):
    database()["people"].update(id, changes)


def dropped(name):
    database()[name].drop()


def made(name):
    database().create_table(name, {})


def renamed(column, new):
    database()["people"].transform(rename={column: new}, pk="nothing", drop={"id", "name"})
