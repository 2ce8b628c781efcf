"""Orders and what they cost."""

from dataclasses import dataclass

from shop.prices import Tariff, discounted, price_of


@dataclass(frozen=True)
class Line:
    item: str
    count: int


def total(order):
    return sum(line_total(line) for line in order["lines"])


def line_total(line):
    price = price_of(line["item"], line.get("tariff"))
    count = line["count"]
    if count < 0:
        raise ValueError(f"count {count} of {line['item']!r} is below zero")
    return price * count


def average(orders):
    amounts = [total(order) for order in orders]
    return mean(amounts)


def mean(amounts):
    return sum(amounts) / len(amounts)


def cheapest(orders):
    return min(total(order) for order in orders)


def reduced(order, percent):
    return discounted(total(order), percent)


def first_item(order):
    return order["lines"][0]["item"]


def second_item(order):
    items = [line["item"] for line in order["lines"]]
    return items[1]


def packed(order):
    return [Line(**line) for line in order["lines"]]


def marked_as_paid(line):
    kept = Line(**line)
    kept.count = 0
    return kept


def invoice(order):
    lines = packed(order)
    return "\n".join(line.item + ": " + line.count for line in lines)


def tariff_name(order):
    return Tariff(order["tariff"]).name.title()


def refund(order):
    paid = order.get("payment")
    return paid.amount - total(order)


def merged(first, second):
    return {**first, **second}["lines"] + first["note"]


def unpacked(order):
    for item, count in order["pairs"]:
        order[item] = count
    return order


def without_empty(order):
    for item in order["stock"]:
        if not order["stock"][item]:
            del order["stock"][item]
    return order


def next_line(order):
    return next(iter(order["lines"]))


def shared(order, count):
    for part in range(order["parts"], 0, -1):
        count -= part
    return share(count, order["parts"] - order["taken"])


def share(count, parts):
    return divmod(count, parts)
