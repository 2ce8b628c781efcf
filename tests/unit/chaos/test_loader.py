"""A card file becomes a card, or every mistake in it is told with its place; and the Chaos Toolkit reads it too."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from chaoslib.experiment import ensure_experiment_is_valid
from hypothesis import given
from hypothesis import strategies as st

from chaos.card import Cure, Expect, Kind, TriggerRule
from chaos.loader import BUILT_IN, CardFileError, Known, load_card, load_cards, read_card
from chaos.loader.event_types import nearest, problem_of
from chaos.loader.functions import known_functions
from grace_actors.actions.catalogue import specs
from playbooks.loader import load_directory
from playbooks.spec import Tolerance
from tests.contract.sources import REPOSITORY

FIXTURES = REPOSITORY / "tests" / "fixtures" / "cards"
MESSAGES = (FIXTURES / "messages.txt").read_text(encoding="utf-8").splitlines()
FEW = {
    module: {name: arguments for name, arguments in functions.items() if name in ("ask", "kernel_state")}
    if module == "chaos.probes"
    else functions
    for module, functions in known_functions().items()
    if module in ("chaos.faults.process", "chaos.faults.resources", "chaos.steps", "chaos.probes")
}
KNOWN = Known(playbooks={"kernel_heartbeat_gap"}, actions={"restart_kernel"}, functions=FEW)
"""Few, so that the messages of the gallery do not change with every new probe."""
GOOD = """\
title: KH002 - librarian is killed
description: A SIGKILL must be healed within a minute.
tags: [kernel_health, process]
extensions:
  - name: grace
    card: KH002
    weight: 2.5
    micro: true
    radius: [library*]
    expect:
      trigger: {type: child.exited, subject: librarian, where: {kind: killed}}
      playbook: kernel_heartbeat_gap
      work_orders: 1
      detect_within: 5s
      heal_within: 1m
    approve: true
    cure: undo
    timeout: 3m
steady-state-hypothesis:
  title: librarian answers
  probes:
    - type: probe
      name: runs
      tolerance: running
      provider: {type: python, module: chaos.probes, func: kernel_state, arguments: {kernel: librarian}}
method:
  - type: action
    name: kill
    provider: {type: python, module: chaos.faults.process, func: kill, arguments: {kernel: librarian}}
    pauses: {before: 1, after: 2.5}
    timeout: 20
rollbacks:
  - type: action
    name: ensure
    provider: {type: python, module: chaos.steps, func: ensure_running, arguments: {kernel: librarian}}
runtime: {hypothesis: {strategy: default}, rollbacks: {strategy: always}}
"""
FILE = Path("kh002.yaml")
TOLERANCE = "tolerance: running"
KILL = "func: kill, arguments: {kernel: librarian}"


def read(*changes: tuple[str, str], known: Known = KNOWN):
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return read_card(text, FILE, known)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_card_is_refused_with_the_message_that_helps(path: Path) -> None:
    expected = [line.partition(": ")[2] for line in MESSAGES if line.startswith(f"{path.stem}: ")]
    assert expected, f"messages.txt says nothing about {path.stem}"
    with pytest.raises(CardFileError) as caught:
        load_card(path, KNOWN)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == expected


def test_every_message_is_of_a_file() -> None:
    assert {line.partition(": ")[0] for line in MESSAGES} == {path.stem for path in FIXTURES.glob("*.yaml")}


def test_every_key_of_a_card_is_read() -> None:
    card = read()
    assert (card.id, card.category, card.weight, card.is_micro) == ("KH002", "kernel_health", 2.5, True)
    assert card.expect == Expect(
        trigger=TriggerRule(type="child.exited", subject="librarian", where={"kind": "killed"}),
        playbook="kernel_heartbeat_gap",
        work_orders=1,
        detect_within_s=5.0,
        heal_within_s=60.0,
    )
    assert (card.approves, card.cure, card.timeout_s) == (True, Cure.UNDO, 180.0)
    assert (card.radius, card.targets, card.kernels) == (("library*",), ("librarian",), ("librarian",))
    assert [(each.name, each.kind) for each in card.activities()] == [
        ("runs", Kind.PROBE),
        ("kill", Kind.FAULT),
        ("ensure", Kind.STEP),
    ]
    kill = card.method[0]
    assert (kill.pause_before_s, kill.pause_after_s, kill.timeout_s) == (1.0, 2.5, 20.0)
    assert card.probes[0].tolerance == Tolerance(values=("running",))
    assert card.experiment == yaml.safe_load(GOOD)
    assert card.place == "kh002.yaml"


def test_the_chaos_toolkit_accepts_what_the_loader_accepts() -> None:
    ensure_experiment_is_valid(yaml.safe_load(GOOD))


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ("3", Tolerance(values=(3,))),
        ("true", Tolerance(values=(True,))),
        ("[1, 5]", Tolerance(least=1, most=5)),
        ("[a, b, c]", Tolerance(values=("a", "b", "c"))),
        ("[running]", Tolerance(values=("running",))),
        ("{type: range, range: [0.5, 2]}", Tolerance(least=0.5, most=2)),
        ("{type: regex, pattern: ^run}", Tolerance(pattern="^run")),
    ],
)
def test_a_tolerance_means_what_it_means_to_the_chaos_toolkit(text: str, tolerance: Tolerance) -> None:
    assert read((TOLERANCE, f"tolerance: {text}")).probes[0].tolerance == tolerance
    ensure_experiment_is_valid(yaml.safe_load(GOOD.replace(TOLERANCE, f"tolerance: {text}")))


def test_a_fault_of_the_host_has_the_host_as_its_target() -> None:
    card = read(("chaos.faults.process, " + KILL, "chaos.faults.resources, func: burn, arguments: {cores: 1}"))
    assert card.targets == ("host",)
    assert card.touches("host")
    assert card.touches("library_index")
    assert not card.touches("message_bus")


@pytest.mark.parametrize("type", ['"*"', "fault.*", "fault.injected", "drill.injected"])
def test_a_drill_that_took_its_own_injection_for_the_trigger_always_passed(type: str) -> None:
    with pytest.raises(CardFileError) as wrong:
        read(("type: child.exited", f"type: {type}"))
    assert [fault.message for fault in wrong.value.faults] == [
        f"the trigger {type.strip(chr(34))!r} is an event of the drill itself"
    ]


def test_names_are_judged_only_where_they_are_known() -> None:
    assert read(("kernel_heartbeat_gap", "whatever"), known=Known(functions=FEW)).expect.playbook == "whatever"


def test_what_an_answer_may_take_follows_from_what_is_asked() -> None:
    wait = "chaos.steps, func: wait_for_event, arguments: {type: child.started, within_s: 90}"
    card = read(
        (
            "chaos.faults.process, " + KILL,
            "chaos.steps, func: ask, arguments: {kernel: a, verb: b, times: 20, every_s: 2}",
        ),
        ("    timeout: 20\n", ""),
        ("chaos.steps, func: ensure_running, arguments: {kernel: librarian}", wait),
    )
    assert [each.timeout_s for each in card.activities()] == [60.0, 100.0, 150.0]


def test_of_two_cards_with_one_id_the_first_counts_and_the_other_is_told(tmp_path: Path) -> None:
    for folder, title in (("built_in", "first"), ("drills", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kh002.yaml").write_text(GOOD.replace("librarian is killed", title), encoding="utf-8")
    (tmp_path / "drills" / "bad.yaml").write_text("title: x", encoding="utf-8")
    (tmp_path / "drills" / "notes.txt").write_text("no card", encoding="utf-8")
    deck = load_cards(tmp_path / "built_in", tmp_path / "drills", tmp_path / "absent", known=KNOWN)
    assert [card.title for card in deck.cards.values()] == ["KH002 - first"]
    told = [str(fault).removeprefix(f"{tmp_path}/drills/") for fault in deck.faults]
    assert told[-1].startswith("kh002.yaml:1:1: the card KH002 for the second time, first in ")
    assert {text.partition(":")[0] for text in told} == {"bad.yaml", "kh002.yaml"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"title: \xff")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "nowhere")
    assert [fault.message for fault in load_cards(tmp_path).faults] == [
        "the byte 0xff is not UTF-8",
        "cannot be read: No such file or directory",
    ]


@given(st.data())
def test_whatever_is_cut_out_of_a_card_gives_a_card_or_faults_with_places(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    length = data.draw(st.integers(0, 40))
    put = data.draw(st.sampled_from(["", "\n", "- ", "{}", "[]", "null", ": ", "7"]))
    try:
        card = read_card(GOOD[:start] + put + GOOD[start + length :], FILE, KNOWN)
    except CardFileError as error:
        assert error.faults
        assert all(fault.place.file == "kh002.yaml" for fault in error.faults)
    else:
        assert list(card.activities())


# ---- the cards that come with Grace ------------------------------------------------------------------------

CARDS = sorted(BUILT_IN.glob("*.yaml"))
ALL = Known(
    playbooks=frozenset(load_directory(REPOSITORY / "playbooks" / "packs", specs()).playbooks),
    actions=frozenset(specs()),
)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_built_in_card_is_sound(path: Path) -> None:
    load_card(path, ALL)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_built_in_card_is_an_experiment_of_the_chaos_toolkit(path: Path) -> None:
    ensure_experiment_is_valid(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_no_two_built_in_cards_have_one_id() -> None:
    assert [str(fault) for fault in load_cards(BUILT_IN, known=ALL).faults] == []


def test_a_misspelt_event_was_waited_for_until_the_time_was_over_and_those_of_users_still_are() -> None:
    wanted = {"child.exitd": "child.exited", "clild.hung": "child.hung", "incident.*d": None, "till.emptied": None}
    assert {type: nearest(type) for type in wanted if problem_of(type)} == {
        "child.exitd": "child.exited",
        "clild.hung": "child.hung",
    }
    assert problem_of("job.sold") and not problem_of("job.sold", own=["job"])


def test_a_trigger_without_a_subject_is_about_what_the_card_breaks() -> None:
    card = read(("subject: librarian, ", ""))
    assert (card.expect.trigger.subject, card.expect.trigger.of) == ("", ("librarian",))
