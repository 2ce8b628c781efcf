"""What can be set, and that the page says so."""

from __future__ import annotations

import re

from grace_actors.kernels.triggers import TRIGGERS
from grace_actors.kernels.watch.checks import Limits
from grace_actors.kernels.watch.logs import UNWATCHED
from grace_actors.kernels.watch.rules import BUILT_IN
from grace_actors.kernels.watch.settings import DURATIONS, KEYS, NUMBERS, settings
from tests.contract.pages import page

SECTION = page("docs/kernels.md").section("trigger_mesh")


def test_without_configuration_the_limits_are_the_defaults_of_the_table() -> None:
    assert settings({}).limits == Limits()


def test_durations_are_read_as_in_the_tree_file() -> None:
    found = settings({"interval": "1m", "silent": 12, "log_fold": "500ms", "log_ignore": ["shop"]})
    assert (found.interval_s, found.limits.silent_s, found.log_fold_s) == (60.0, 12.0, 0.5)
    assert found.log_ignore == {"shop"}


def test_the_page_names_every_setting_with_its_default() -> None:
    assert [key for key in KEYS if f"`{key}`" not in SECTION] == []
    assert [key for key, (default, *_) in DURATIONS.items() if f"`{key}`={default}" not in SECTION] == []
    assert [key for key, (default, *_) in NUMBERS.items() if f"`{key}`={default:g}" not in SECTION] == []


def test_the_page_names_every_trigger_and_every_event_of_a_line_with_its_pattern() -> None:
    assert re.findall(r"^\| (\d+) \| `(\w+)`", SECTION, re.MULTILINE) == [
        (str(number), trigger.name) for number, trigger in enumerate(TRIGGERS, 1)
    ]
    listed = dict(re.findall(r"\| `?([\w.]+)`?[^|]* \| `(\w+)` \|$", SECTION, re.MULTILINE))
    assert {rule.event or "none": rule.pattern for rule in BUILT_IN} == listed
    assert [name for name in UNWATCHED if name not in SECTION] == []
