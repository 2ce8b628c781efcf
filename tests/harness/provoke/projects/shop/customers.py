"""Customers: names, addresses, ages, what they may do."""

import json
import re
from collections import deque, namedtuple
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

Address = namedtuple("Address", "street city zip_code")


class Customer:
    def __init__(self, name, born=None):
        self.name = name
        self.born = born

    @property
    def age(self):
        return years_since(self.born)

    def greeting(self):
        return f"{self.title} {self.name}"

    def orders_of(self, year):
        return [order for order in self.orders if order["year"] == year]


def years_since(day):
    return (date(2026, 12, 31) - day).days // 365


def from_json(text):
    return Customer(**json.loads(text))


def age_of(text, name):
    customer = Customer(name, born=born_on(text))
    return customer.age


def born_on(text):
    return date.fromisoformat(text)


def age_of_unknown(name):
    return Customer(name).age


def greeted(name):
    return Customer(name).greeting()


def orders(name, year):
    return Customer(name).orders_of(year)


def delivered(text, pattern):
    return datetime.strptime(text, pattern)


def due(day, days):
    return parse_day(day) + timedelta(days=days)


def parse_day(day):
    year, month, number = day.split("-")
    return date(int(year), int(month), int(number))


def waited(since, zone):
    return datetime(2026, 12, 31, tzinfo=ZoneInfo(zone)) - datetime.fromisoformat(since)


def zip_of(address):
    return re.search(r"\b\d{5}\b", address).group()


def house_number(address):
    return re.match(r"(?P<street>\D+)(?P<number>\d+)", address).group("letter")


def matching(names, pattern):
    wanted = re.compile(pattern)
    return [name for name in names if wanted.match(name)]


def replaced(text, template):
    return re.sub(r"(\w+) (\w+)", template, text)


def address(parts):
    return Address(*parts)


def moved(parts, **changes):
    return Address(*parts)._replace(**changes)


def to_json(customer):
    return json.dumps({"customer": customer, "saved": date(2026, 1, 1)})


def waiting_line(names, limit):
    line = deque(names, maxlen=limit)
    return line.popleft() + line[limit]


def greeting_of(template, **fields):
    return template.format(**fields)


def signature_of(name):
    return "%s, %d years" % (name, "many")  # noqa: UP031


def spoken(name, encoding):
    return name.encode(encoding)


def loaded(path):
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return json.load(file)
