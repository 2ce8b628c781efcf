"""The traces of Erlang/OTP 25's own supervisor are reproduced step by step."""

import json
from pathlib import Path

import pytest

from supervisors import parse_scenario, play, play_many

FOLDER = Path(__file__).parents[2] / "fixtures" / "golden"
RANDOM = json.loads((FOLDER / "otp25.json").read_text())
ADVERSARIAL = json.loads((FOLDER / "otp25_adversarial.json").read_text())
"""Written by hand to be awkward, played on Erlang/OTP 25 with the same player."""
GOLDEN = RANDOM + ADVERSARIAL


def test_there_are_golden_traces_to_compare_with():
    assert (len(RANDOM), len(ADVERSARIAL)) == (419, 113)


@pytest.mark.parametrize("pair", GOLDEN, ids=[pair["scenario"]["id"] for pair in GOLDEN])
def test_trace_equals_that_of_otp(pair):
    assert play(pair["scenario"]) == pair["trace"]


def test_every_golden_scenario_is_recognised_as_otp_only():
    assert all(parse_scenario(pair["scenario"]).is_otp for pair in GOLDEN)


def test_many_scenarios_are_played_in_order_with_their_ids():
    scenarios = [pair["scenario"] for pair in GOLDEN[:5]]
    assert play_many(scenarios) == [{"id": pair["scenario"]["id"], "trace": pair["trace"]} for pair in GOLDEN[:5]]
