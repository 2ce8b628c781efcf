"""Screens and schedules: rich, prompt_toolkit, click, argparse, croniter, dateutil, hypothesis, thespian."""

import argparse
import io
import logging
import logging.config
from datetime import datetime

import click
from croniter import croniter
from dateutil import parser, relativedelta, rrule
from hypothesis import find, given, settings
from hypothesis import strategies as st
from prompt_toolkit.formatted_text import HTML, to_formatted_text
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.styles import Style
from prompt_toolkit.validation import ValidationError, Validator
from rich.color import Color
from rich.columns import Columns
from rich.console import Console
from rich.markup import render
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from thespian.actors import Actor, ActorSystem, ActorSystemMessage

QUICK = settings(database=None, derandomize=True, max_examples=20, deadline=None)


class NoScreen(Exception):
    """Nothing can be shown."""


class ShortName(Validator):
    def validate(self, document):
        if len(document.text) < 20:
            raise ValidationError(message=f"{document.text} is too short", cursor_position=len(document.text))


class Greeter(Actor):
    """Greets; never asked."""

    def receiveMessage(self, message, sender):
        self.send(sender, message)


def console():
    return Console(file=io.StringIO(), width=60)


def marked(text):
    return render(text)


def shown(text):
    console().print(text)


def styled(text, style):
    console().print(text, style=style)


def colour(name):
    return Color.parse(name)


def row(cells):
    table = Table("name", "amount")
    table.add_row(*cells)
    return table


def assembled(parts):
    return Text.assemble("name", parts)


def progress(task):
    with Progress(console=console()) as bar:
        bar.update(task, advance=1)


def rendered(value):
    console().print(Columns([value]))
    console().print(Columns(value))


def shown_or_told(text):
    try:
        shown(text)
    except Exception as error:
        raise NoScreen(f"cannot show {len(text)} characters") from error


def formatted(text):
    return to_formatted_text(HTML(text))


def not_formatted(value):
    return to_formatted_text(value)


def bound(key):
    return KeyBindings().add(key)(print)


def style(text):
    return Style.from_dict({"prompt": text})


def validated(text):
    from prompt_toolkit.document import Document

    ShortName().validate(Document(text))


@click.command()
@click.option("--count", type=click.IntRange(1, 9))
@click.argument("name")
def greet(count, name):
    print(greeting(name) * (count or 1))


def greeting(name):
    return {"world": "hello"}[name]


def command(words):
    greet.main(words, standalone_mode=False)


def arguments(words):
    found = argparse.ArgumentParser(exit_on_error=False)
    found.add_argument("--count", type=int)
    return found.parse_args(words)


def options(name):
    found = argparse.ArgumentParser()
    found.add_argument(name)
    found.add_argument(name, required=True)


def next_time(text):
    return croniter(text, datetime(2026, 1, 1)).get_next(datetime)


def next_never(text):
    return next_time(text)


def times_between(text, start):
    schedule = croniter(text, start)
    return [schedule.get_next(datetime) for _ in range(3)]


def day_of(text):
    return parser.parse(text)


def iso_day(text):
    return parser.isoparse(text)


def later(months):
    return datetime(2026, 1, 1) + relativedelta.relativedelta(months=months, years=2.5)


def rule(text):
    return list(rrule.rrulestr(text))


def logging_from(settings_of):
    logging.config.dictConfig(settings_of)


def level(name):
    logging.getLogger("desk").setLevel(name)


def property_of_sums(limit):
    @QUICK
    @given(st.integers())
    def sums_stay_small(number):
        assert number < limit, f"{number} is not below {limit}"

    sums_stay_small()


def property_that_raises(limit):
    @QUICK
    @given(st.lists(st.integers(0, 9), min_size=1))
    def shares(numbers):
        assert [limit // number for number in numbers]

    shares()


def example_of(limit):
    return find(st.integers(0, 9), lambda number: number > limit, settings=QUICK)


def strategy(low, high):
    @QUICK
    @given(st.integers(low, high))
    def between(number):
        print(number)

    between()


def filtered(limit):
    @QUICK
    @given(st.integers(0, 9).filter(lambda number: number > limit))
    def never(number):
        print(number)

    never()


def actor_system(name):
    return ActorSystem(name)


def actor(name):
    system = ActorSystem("simpleSystemBase")
    try:
        return system.createActor(name)
    finally:
        system.shutdown()


def told(message):
    system = ActorSystem("simpleSystemBase")
    try:
        return system.tell(message, ActorSystemMessage())
    finally:
        system.shutdown()


def not_created(message):
    return Greeter().receiveMessage(message, None)
