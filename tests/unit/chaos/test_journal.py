"""The journal of a drill has the form that the Chaos Toolkit's own runner writes."""

from __future__ import annotations

import json

from chaoslib.experiment import run_experiment as run_by_toolkit
from chaoslib.run import initialize_run_journal

from chaos.drill import messages as m
from chaos.drill.journal import journal
from chaos.loader import load_card
from tests.unit.chaos.driver import Host, card
from tests.unit.chaos.test_drill import healthy_restart
from tests.unit.chaos.test_loader import GOOD

EXPERIMENT = {
    "title": "nothing",
    "description": "nothing happens",
    "steady-state-hypothesis": {
        "title": "the machine has a name",
        "probes": [
            {
                "type": "probe",
                "name": "named",
                "tolerance": {"type": "regex", "pattern": "."},
                "provider": {"type": "python", "module": "platform", "func": "machine"},
            }
        ],
    },
    "method": [
        {
            "type": "action",
            "name": "look",
            "provider": {"type": "python", "module": "platform", "func": "system"},
        }
    ],
    "rollbacks": [
        {"type": "action", "name": "back", "provider": {"type": "python", "module": "platform", "func": "release"}}
    ],
}


def test_a_journal_has_every_key_of_the_toolkits_own() -> None:
    theirs = run_by_toolkit(EXPERIMENT, settings={"runtime": {"rollbacks": {"strategy": "always"}}})
    ours = journal(_passed(), platform="here", node="n")
    assert set(theirs) <= set(ours)
    assert set(initialize_run_journal(EXPERIMENT)) <= set(ours)
    for key in ("start", "end", "status", "duration"):
        assert type(ours[key]) is type(theirs[key]), key
    for part in ("run", "rollbacks"):
        assert set(theirs[part][0]) <= set(ours[part][0])
    for when in ("before", "after"):
        assert set(theirs["steady_states"][when]) == set(ours["steady_states"][when])
        assert set(theirs["steady_states"][when]["probes"][0]) <= set(ours["steady_states"][when]["probes"][0])


def _passed():
    host = healthy_restart()
    assert host.to_the_end().passed
    return host.drill


def test_a_journal_is_json_with_the_gates_and_the_times_beside_it() -> None:
    told = json.loads(json.dumps(journal(_passed())))
    assert (told["status"], told["deviated"], told["passed"], told["card"]) == ("completed", False, True, "KH002")
    assert told["gates"] == {"trigger": True, "playbook": True, "work_order": True, "slo": True}
    assert (told["detect_s"], told["heal_s"]) == (0.0, 3.0)
    assert told["start"] == "1970-01-01T00:16:40+00:00"
    assert told["grace"] == {"run": "r1", "by": "tester"}
    assert told["timeline"][0]["what"] == "injected"


def test_a_journal_tells_what_was_out_of_tolerance() -> None:
    host = Host(card())
    host.answers["runs"] = "stopped"
    host.begin().to_the_end()
    told = journal(host.drill)
    assert told["status"] == "failed"
    assert told["steady_states"]["before"]["steady_state_met"] is False
    probe = told["steady_states"]["before"]["probes"][0]
    assert (probe["output"], probe["status"], probe["tolerance_met"]) == ("stopped", "succeeded", False)
    assert told["steady_states"]["after"] is None
    assert (told["run"], told["rollbacks"]) == ([], [])


def test_a_journal_tells_what_failed_and_why() -> None:
    host = Host(card())
    host.answers["kill"] = False
    host.begin().to_the_end()
    run = journal(host.drill)["run"][0]
    assert (run["status"], run["exception"]) == ("failed", ["refused"])


def test_an_interrupted_drill_has_a_journal_with_the_toolkits_status() -> None:
    host = Host(card()).begin().settle()
    host.feed(m.Halt("anna"))
    host.to_the_end()
    told = journal(host.drill)
    assert (told["status"], told["passed"], told["reason"]) == ("interrupted", None, "halted by anna")


def test_the_activities_of_a_journal_are_those_of_the_file(tmp_path) -> None:
    path = tmp_path / "kh002.yaml"
    path.write_text(GOOD, encoding="utf-8")
    host = Host(load_card(path)).begin().settle()
    host.restarts()
    host.heals()
    host.to_the_end()
    told = journal(host.drill)
    assert told["run"][0]["activity"] == told["experiment"]["method"][0]
