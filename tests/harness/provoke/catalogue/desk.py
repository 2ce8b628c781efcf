"""Faults of the desk: rich, prompt_toolkit, click, argparse, croniter, dateutil, logging, hypothesis, thespian."""

from __future__ import annotations

from tests.harness.provoke.fault import faults_of

fault = faults_of("desk")
RICH, PROMPT, CLICK, ARGS = (
    {"library": "rich"},
    {"library": "prompt_toolkit"},
    {"library": "click"},
    {"library": "argparse"},
)
CRON, DATE, LOG = {"library": "croniter"}, {"library": "dateutil"}, {"library": "logging"}
HYPOTHESIS, THESPIAN = {"library": "hypothesis"}, {"library": "thespian"}

FAULTS = [
    fault("screens.marked", "nothing_open", lambda v: {"text": f"{v.word}[/{v.user}]"}, **RICH),
    fault("screens.shown", "closing_tag", lambda v: {"text": f"[bold]{v.user}[/{v.word}]"}, **RICH),
    fault("screens.styled", "unknown", lambda v: {"text": v.user, "style": f"{v.id} on {v.other}"}, **RICH),
    fault("screens.colour", "unknown", lambda v: {"name": v.id}, **RICH),
    fault("screens.row", "a_number", lambda v: {"cells": [v.user, v.number]}, **RICH),
    fault("screens.assembled", "three_parts", lambda v: {"parts": (v.word, "red", v.user)}, **RICH),
    fault("screens.progress", "no_task", lambda v: {"task": v.number}, **RICH),
    fault("screens.rendered", "a_number", lambda v: {"value": v.number}, **RICH),
    fault("screens.shown_or_told", "raised_from", lambda v: {"text": f"{v.user}[/{v.word}]"}, **RICH),
    fault("screens.formatted", "not_closed", lambda v: {"text": f"<b>{v.word}"}, **PROMPT),
    fault("screens.formatted", "a_space", lambda v: {"text": f'<style fg="{v.word} {v.user}">a</style>'}, **PROMPT),
    fault("screens.not_formatted", "a_number", lambda v: {"value": v.number}, **PROMPT),
    fault("screens.bound", "unknown_key", lambda v: {"key": f"c-{v.word}"}, **PROMPT),
    fault("screens.style", "unknown_colour", lambda v: {"text": f"fg:{v.id}"}, **PROMPT),
    fault("screens.validated", "too_short", lambda v: {"text": v.word}, **PROMPT),
    fault("screens.command", "no_argument", lambda v: {"words": ["--count", str(v.between(1, 9))]}, **CLICK),
    fault("screens.command", "no_option", lambda v: {"words": [f"--{v.word}"]}, **CLICK),
    fault("screens.command", "too_large", lambda v: {"words": [f"--count={v.number}", v.user]}, **CLICK),
    fault("screens.command", "unknown_name", lambda v: {"words": [v.user]}, **CLICK),
    fault("screens.arguments", "no_number", lambda v: {"words": ["--count", v.word]}, **ARGS),
    fault("screens.options", "twice", lambda v: {"name": f"--{v.word}"}, **ARGS),
    fault("screens.next_time", "too_large", lambda v: {"text": f"{v.between(60, 99)} 1 * * *"}, **CRON),
    fault("screens.next_time", "a_word", lambda v: {"text": f"1 {v.word} * * *"}, **CRON),
    fault("screens.next_never", "no_such_day", lambda v: {"text": f"{v.between(0, 59)} 1 31 2 *"}, **CRON),
    fault("screens.times_between", "start_is_text", lambda v: {"text": "* * * * *", "start": f"{v.day}"}, **CRON),
    fault("screens.day_of", "no_day", lambda v: {"text": f"{v.word} {v.user}"}, **DATE),
    fault("screens.day_of", "out_of_range", lambda v: {"text": f"{v.day.year}-02-31"}, **DATE),
    fault("screens.iso_day", "no_iso", lambda v: {"text": f"{v.day:%d.%m.%Y}"}, **DATE),
    fault("screens.later", "half_years", lambda v: {"months": v.between(1, 99)}, **DATE),
    fault("screens.rule", "unknown_frequency", lambda v: {"text": f"FREQ={v.word.upper()}"}, **DATE),
    fault("screens.logging_from", "no_version", lambda v: {"settings_of": {"loggers": {v.word: {}}}}, **LOG),
    fault(
        "screens.logging_from",
        "no_handler",
        lambda v: {"settings_of": {"version": 1, "root": {"handlers": [v.word]}}},
        **LOG,
    ),
    fault("screens.level", "unknown", lambda v: {"name": v.word.upper()}, **LOG),
    fault("screens.property_of_sums", "falsified", lambda v: {"limit": v.between(1, 50)}, **HYPOTHESIS),
    fault("screens.property_that_raises", "by_zero", lambda v: {"limit": v.number}, **HYPOTHESIS),
    fault("screens.example_of", "none", lambda v: {"limit": v.number}, **HYPOTHESIS),
    fault("screens.strategy", "empty_range", lambda v: {"low": v.number, "high": 1}, **HYPOTHESIS),
    fault("screens.filtered", "nothing_left", lambda v: {"limit": v.number}, **HYPOTHESIS),
    fault("screens.actor_system", "unknown", lambda v: {"name": f"{v.word}Base"}, **THESPIAN),
    fault("screens.actor", "no_class", lambda v: {"name": f"desk.screens.{v.word.title()}"}, **THESPIAN),
    fault("screens.told", "no_address", lambda v: {"message": v.word}, **THESPIAN),
    fault("screens.not_created", "no_system", lambda v: {"message": v.word}, **THESPIAN),
]
