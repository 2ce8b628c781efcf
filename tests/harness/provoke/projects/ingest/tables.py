"""Tables of comma-separated values."""

import csv
import io
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import StatisticsError, mean, stdev


class BadTable(ValueError):
    """The table cannot be used; says which line."""


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def amounts(text):
    return [amount_of(row) for row in rows(text)]


def amount_of(row):
    return int(row["amount"])


def amounts_by_line(text):
    found = []
    for number, row in enumerate(rows(text), start=2):
        try:
            found.append(amount_of(row))
        except ValueError as error:
            raise BadTable(f"line {number}: {error}") from error
    return found


def strict(text):
    return list(csv.reader(io.StringIO(text), strict=True))


def long_field(text, limit):
    before = csv.field_size_limit(limit)
    try:
        return list(csv.reader([text]))
    finally:
        csv.field_size_limit(before)


def from_file(path):
    with Path(path).open(encoding="utf-8") as file:
        return header_of(csv.reader(file))


def header_of(reader):
    return next(reader)


def written(row):
    out = csv.DictWriter(io.StringIO(), fieldnames=["name", "amount"])
    out.writerow(row)


def dialect(text):
    return csv.Sniffer().sniff(text)


def named_dialect(name):
    return csv.reader([], dialect=name)


def average(text):
    return mean(amounts(text))


def spread(text):
    try:
        return stdev(amounts(text))
    except StatisticsError:
        return spread_of_one(text)


def spread_of_one(text):
    first, second = rows(text)[:2]
    return amount_of(second) - amount_of(first)


def steps(text):
    return [later / earlier for earlier, later in pairwise(amounts(text))]


def grouped(text, key):
    groups = defaultdict(list)
    for row in rows(text):
        groups[row[key]].append(row)
    return groups


def joined(text, key):
    return ",".join(row.get(key) for row in rows(text))


def column(text, number):
    return [line.split(";")[number] for line in text.splitlines()]


def year_of(text):
    return [int(row["day"][:4]) for row in rows(text)]
