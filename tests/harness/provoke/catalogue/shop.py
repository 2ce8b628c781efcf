"""Faults of the shop: plain Python, json, re, datetime, decimal, enum, dataclasses."""

from __future__ import annotations

from decimal import Decimal

from tests.harness.provoke.fault import Values, faults_of

fault = faults_of("shop")


def order(v: Values, **changes: object) -> dict[str, object]:
    line = {"item": "apple", "count": v.between(1, 9)} | changes
    return {"lines": [{"item": "plum", "count": 1}, line], "user": v.user}


FAULTS = [
    fault("cart.total", "unknown_item", lambda v: {"order": order(v, item=v.word + "s")}),
    fault("cart.total", "no_lines", lambda v: {"order": {"user": v.user}}),
    fault("cart.total", "count_is_text", lambda v: {"order": order(v, count=str(v.number))}),
    fault("cart.total", "count_below_zero", lambda v: {"order": order(v, count=-v.number)}),
    fault("cart.total", "unknown_tariff", lambda v: {"order": order(v, tariff=v.word)}),
    fault("cart.total", "tariff_divides_by_zero", lambda v: {"order": order(v, tariff="staff")}),
    fault("cart.total", "order_is_none", lambda v: {"order": None}),
    fault("cart.total", "line_is_text", lambda v: {"order": {"lines": [v.word]}}),
    fault("cart.average", "no_orders", lambda v: {"orders": []}),
    fault("cart.cheapest", "no_orders", lambda v: {"orders": []}),
    fault("cart.reduced", "percent_is_word", lambda v: {"order": order(v), "percent": v.word}, library="decimal"),
    fault("cart.first_item", "no_lines", lambda v: {"order": {"lines": [], "id": v.id}}),
    fault("cart.second_item", "one_line", lambda v: {"order": {"lines": order(v)["lines"][:1]}}),  # type: ignore[index]
    fault("cart.packed", "extra_field", lambda v: {"order": order(v, **{v.word: 1})}, library="dataclasses"),
    fault("cart.marked_as_paid", "frozen", lambda v: {"line": {"item": v.word, "count": 2}}, library="dataclasses"),
    fault("cart.invoice", "text_plus_number", lambda v: {"order": order(v)}),
    fault("cart.tariff_name", "no_member", lambda v: {"order": {"tariff": v.word}}, library="enum"),
    fault("cart.refund", "not_paid", lambda v: {"order": order(v)}),
    fault("cart.merged", "list_plus_text", lambda v: {"first": {"note": v.word}, "second": order(v)}),
    fault("cart.unpacked", "three_values", lambda v: {"order": {"pairs": [(v.word, 1, v.number)]}}),
    fault("cart.without_empty", "changed_in_loop", lambda v: {"order": {"stock": {v.word: 0, v.other: 1}}}),
    fault("cart.next_line", "no_lines", lambda v: {"order": {"lines": []}}),
    fault("cart.shared", "nobody_left", lambda v: {"order": {"parts": 3, "taken": 3}, "count": v.number}),
    fault("prices.listed_price", "raised_from", lambda v: {"item": v.word}),
    fault("prices.price_or_guess", "during_handling", lambda v: {"item": "x" + v.word}),
    fault("prices.round_cents", "whole_number", lambda v: {"amount": v.number}),
    fault("prices.big_sum", "too_precise", lambda v: {"amounts": [Decimal(v.number * 10**6)]}),
    fault("prices.per_piece", "by_zero", lambda v: {"amount": str(v.number), "pieces": 0}, library="decimal"),
    fault("prices.per_piece", "not_a_number", lambda v: {"amount": v.word, "pieces": 2}, library="decimal"),
    fault("prices.ratio", "not_a_ratio", lambda v: {"text": v.id}, library="fractions"),
    fault("prices.parsed", "not_whole", lambda v: {"text": f"{v.number}.50 EUR"}),
    fault("prices.weighed", "no_number", lambda v: {"text": f"{v.number} {v.word}"}),
    fault("prices.as_index", "float", lambda v: {"weight": v.number / 3}),
    fault("prices.compared", "text_and_number", lambda v: {"left": v.word, "right": v.number}),
    fault("prices.scale", "overflow", lambda v: {"amount": v.number, "power": 900 + v.between(1, 99)}),
    fault("customers.from_json", "half", lambda v: {"text": '{"name": "' + v.user}, library="json"),
    fault("customers.from_json", "extra_field", lambda v: {"text": f'{{"name": "{v.user}", "{v.word}": 1}}'}),
    fault("customers.age_of", "not_a_day", lambda v: {"text": v.word, "name": v.user}, library="datetime"),
    fault("customers.age_of_unknown", "no_birthday", lambda v: {"name": v.user}),
    fault("customers.greeted", "no_title", lambda v: {"name": v.user}),
    fault("customers.orders", "no_orders", lambda v: {"name": v.user, "year": v.day.year}),
    fault(
        "customers.delivered",
        "other_form",
        lambda v: {"text": v.day.isoformat(), "pattern": "%d.%m.%Y"},
        library="datetime",
    ),
    fault("customers.due", "too_far", lambda v: {"day": str(v.day), "days": 10**8 + v.number}, library="datetime"),
    fault("customers.due", "no_such_day", lambda v: {"day": f"2026-02-{v.between(29, 31)}", "days": 1}),
    fault("customers.due", "two_parts", lambda v: {"day": f"{v.day:%Y-%m}", "days": 1}),
    fault("customers.waited", "naive", lambda v: {"since": f"{v.day}T10:00", "zone": "UTC"}, library="datetime"),
    fault("customers.waited", "no_zone", lambda v: {"since": str(v.day), "zone": f"Mars/{v.word}"}, library="zoneinfo"),
    fault("customers.zip_of", "no_match", lambda v: {"address": f"{v.word} street {v.between(1, 99)}"}, library="re"),
    fault("customers.house_number", "no_group", lambda v: {"address": f"{v.word} {v.number}"}, library="re"),
    fault("customers.matching", "bad_pattern", lambda v: {"names": [], "pattern": f"({v.word}"}, library="re"),
    fault("customers.replaced", "bad_template", lambda v: {"text": "a b", "template": r"\7" + v.word}, library="re"),
    fault("customers.address", "four_parts", lambda v: {"parts": [v.word, v.other, "12345", v.user]}),
    fault("customers.moved", "no_field", lambda v: {"parts": [v.word, v.other, "1"], v.user: v.word}),
    fault("customers.to_json", "not_plain", lambda v: {"customer": v.user}, library="json"),
    fault("customers.waiting_line", "too_short", lambda v: {"names": [v.user, v.word], "limit": v.between(2, 9)}),
    fault("customers.greeting_of", "no_field", lambda v: {"template": f"Dear {{{v.word}}}", "name": v.user}),
    fault("customers.signature_of", "number_wanted", lambda v: {"name": v.user}),
    fault("customers.spoken", "not_ascii", lambda v: {"name": f"{v.user} Çelik", "encoding": "ascii"}),
    fault("customers.spoken", "no_encoding", lambda v: {"name": v.user, "encoding": f"utf-{v.number}"}),
    fault("customers.loaded", "no_file", lambda v: {"path": v.no_file(".json")}),
    fault("customers.loaded", "empty_file", lambda v: {"path": v.file(".json", "")}, library="json"),
    fault(
        "customers.loaded", "latin1_file", lambda v: {"path": v.file(".json", b'{"a": "\xe9' + v.word.encode() + b'"}')}
    ),
    fault("customers.loaded", "a_directory", lambda v: {"path": str(v.folder())}),
]
