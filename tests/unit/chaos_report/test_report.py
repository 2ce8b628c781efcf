"""The report page: whole, self-contained, everything on it, nothing believed, marks where the time says."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from chaos.report import render
from chaos.report.timeline import LEFT, PLOT, ticks

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m</svg></style>\ud800"
GATES = {"trigger": True, "playbook": True, "work_order": True, "slo": True}


class Tree(HTMLParser):
    """The elements of a page as (name, attributes, depth), its text, and whether it nests as it should."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(f"{text}\n" for text in self.texts).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(value in attributes.get(key, "").split() for key, value in wanted.items())
        ]


def mark(at_s: float, what: str, subject: str = "librarian", text: str = "") -> dict[str, Any]:
    return {"at_s": at_s, "what": what, "subject": subject, "text": text}


def run(**more: Any) -> dict[str, Any]:
    found = {
        "run": "drill_0001",
        "id": "KH002",
        "title": "KH002 - librarian is killed",
        "by": "alice",
        "status": "completed",
        "started_at": 1_795_000_000.0,
        "ended_at": 1_795_000_020.0,
        "gates": GATES,
        "said": {"slo": "healed within 60 s"},
        "detect_s": 0.2,
        "heal_s": 4.0,
        "passed": True,
        "reason": "",
        "journal": "chaos/journals/drill_0001.json",
        "timeline": [mark(2.0, "injected"), mark(5.0, "detected"), mark(10.0, "recovered")],
    }
    return found | more


def data(*runs: dict[str, Any], **more: Any) -> dict[str, Any]:
    coverage = {
        "total": 4,
        "drilled_recently": 3,
        "never": ["SEC001"],
        "overdue": [],
        "high_risk_pending": ["SEC001"],
        "by_category": {"kernel_health": {"total": 2, "drilled": 1}},
        "kernels": {
            "librarian": {"cards": ["KH002"], "last": 1_795_000_000.0, "passed": True},
            "governance": {"cards": [], "last": None, "passed": None},
        },
        "deviated": [{"id": "RE003", "run": "drill_0009", "at": 1.0, "reason": "too slow"}],
    }
    return {"made_at": 1_795_000_100.0, "runs": list(runs), "coverage": coverage, "kong": []} | more


def marks(tree: Tree) -> list[tuple[str, float]]:
    return [
        (attributes["class"].split()[-1], float(attributes["data-at"]))
        for attributes in tree.all("g", **{"class": "mark"})
    ]


def test_the_page_is_whole_and_needs_nothing_but_itself() -> None:
    page = render(data(run()))
    tree = Tree(page)
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert tree.open == []
    assert not {name for name, _ in tree.elements} & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"url\(|@import|https?://", page)
    links = [attributes["href"] for attributes in tree.all("a")]
    ids = {attributes["id"] for _, attributes in tree.elements if "id" in attributes}
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    assert "prefers-color-scheme: dark" in page


def test_the_summary_counts_what_passed_what_is_covered_and_the_slowest() -> None:
    slow = run(run="drill_0002", id="RE003", passed=False, detect_s=31.5, heal_s=140.0)
    aborted = run(run="drill_0003", status="aborted", passed=None, detect_s=None, heal_s=None)
    going = run(run="drill_0004", status="running", passed=None, detect_s=None, heal_s=None)
    text = Tree(render(data(run(), slow, aborted, going))).text
    assert "Runs that passed 1 of 3 2 did not" in text
    assert "Cards drilled in time 3 of 4" in text
    assert "Slowest to notice 31.5 s RE003" in text
    assert "Slowest to heal 2 min 20 s RE003" in text
    assert "2026-11-18" in text  # when it was made, by the clock of the data


def test_every_run_every_kernel_and_every_card_is_on_the_page() -> None:
    runs = [run(run=f"drill_{n:04d}", timeline=[mark(1.0, "injected", f"kernel_{n}")]) for n in range(12)]
    tree = Tree(render(data(*runs)))
    assert [attributes["id"] for attributes in tree.all("article")] == [f"run-{n}" for n in range(1, 13)]
    for n in range(12):
        assert f"drill_{n:04d}" in tree.text
        assert f"kernel_{n}" in tree.text
    for name in ("librarian", "governance", "SEC001", "RE003", "drill_0009", "too slow", "kernel_health"):
        assert name in tree.text


def test_gates_are_told_with_sign_word_and_reason() -> None:
    judged = {"trigger": True, "playbook": False, "work_order": None, "slo": False}
    said = {"playbook": "no run of held_kernel_recovery succeeded", "slo": "healed after 70 s, the limit is 60 s"}
    text = Tree(render(data(run(gates=judged, said=said, passed=False, reason="two gates")))).text
    assert "the failure was noticed ✓ passed" in text
    assert "the repair ran ✖ failed no run of held_kernel_recovery succeeded" in text
    assert "\N{EN DASH} not judged" in text
    assert "✖ failed healed after 70 s, the limit is 60 s" in text
    assert "not playbook, slo" in text
    assert "two gates" in text


def test_marks_are_in_proportion_to_the_time_and_lanes_are_kernels() -> None:
    timeline = [
        mark(0.0, "injected"),
        mark(5.0, "detected"),
        mark(5.0, "exited"),
        mark(8.0, "started"),
        mark(10.0, "recovered"),
        mark(15.0, "undone", "host"),
        mark(20.0, "probe", ""),
    ]
    tree = Tree(render(data(run(timeline=timeline))))
    assert marks(tree) == [
        *(("injected", 0), ("detected", 5), ("other", 5), ("other", 8)),
        *(("recovered", 10), ("undone", 15), ("other", 20)),
    ]
    (healed,) = [float(circle["cx"]) for circle in tree.all("circle") if circle["r"] == "5.5" and circle["cx"] != "8"]
    (undone,) = [
        float(shape["x"]) + 5 for shape in tree.all("rect") if shape.get("width") == "10" and shape["x"] != "3"
    ]
    assert healed == pytest.approx(LEFT + PLOT * 10 / 20, abs=0.01)
    assert undone == pytest.approx(LEFT + PLOT * 15 / 20, abs=0.01)
    assert len(tree.all("rect", **{"class": "band"})) == 3  # librarian, host, the drill itself
    (down,) = tree.all("rect", **{"class": "down"})
    assert float(down["x"]) == pytest.approx(LEFT + PLOT / 4, abs=0.01)
    assert float(down["width"]) == pytest.approx(PLOT * 3 / 20, abs=0.01)


def test_marks_that_would_cover_each_other_are_below_each_other_not_aside() -> None:
    timeline = [mark(10.0 + n / 100, "detected") for n in range(4)]
    page = render(data(run(timeline=timeline)))
    places = [
        re.match(r"M([\d.]+) ([\d.]+)", d)
        for d in re.findall(r'mark detected"[^>]*><title>[^<]*</title><path d="([^"]+)"', page)
    ]
    found = [(float(each[1]), float(each[2])) for each in places if each]
    assert [x for x, _ in found] == pytest.approx([LEFT + PLOT * (10 + n / 100) / 20 for n in range(4)], abs=0.01)
    assert len({y for _, y in found}) == 4


def test_a_kernel_that_was_started_again_or_was_never_down_was_shown_as_down_to_the_end() -> None:
    timeline = [mark(1.0, "injected"), mark(1.1, "exited"), mark(1.1, "detected"), mark(1.4, "started")]
    timeline += [mark(2.0, "injected", "host"), mark(4.0, "detected", "host")]
    timeline += [mark(9.0, "recovered", "KH002"), mark(10.0, "undone", "KH002")]
    (down,) = Tree(render(data(run(timeline=timeline)))).all("rect", **{"class": "down"})
    assert float(down["x"]) == pytest.approx(LEFT + PLOT * 1.1 / 20, abs=0.01)
    assert float(down["width"]) == pytest.approx(PLOT * 0.3 / 20, abs=0.01)


def test_in_kong_what_was_detected_is_down_until_it_has_recovered() -> None:
    timeline = [mark(1.0, "injected"), mark(2.0, "detected"), mark(4.0, "recovered"), mark(5.0, "injected", "host")]
    (down,) = Tree(render(data(run(id="KONG", timeline=timeline)))).all("rect", **{"class": "down"})
    assert float(down["x"]) == pytest.approx(LEFT + PLOT * 2 / 20, abs=0.01)
    assert float(down["width"]) == pytest.approx(PLOT * 2 / 20, abs=0.01)


def test_what_never_came_up_again_is_down_to_the_end_of_the_picture() -> None:
    tree = Tree(render(data(run(timeline=[mark(5.0, "injected"), mark(10.0, "hung")]))))
    (down,) = tree.all("rect", **{"class": "down"})
    assert float(down["x"]) + float(down["width"]) == pytest.approx(LEFT + PLOT, abs=0.01)


@pytest.mark.parametrize("total", [0.004, 0.9, 1, 7.3, 20, 61, 300, 3600, 100_000])
def test_the_axis_has_a_few_round_times_within_the_picture(total: float) -> None:
    found = ticks(total)
    assert 2 <= len(found) <= 9
    assert found[0] == 0
    assert found[-1] <= total
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert f"{steps[0]:.3e}".partition("e")[0] in ("1.000", "2.000", "5.000")


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    evil = run(
        **dict.fromkeys(("run", "id", "title", "by", "reason", "journal", "status"), HOSTILE),
        gates=GATES | {"trigger": HOSTILE},
        said=dict.fromkeys(GATES, HOSTILE),
        passed=False,
        timeline=[mark(1.0, HOSTILE, HOSTILE, HOSTILE)],
        **{HOSTILE: {HOSTILE: [HOSTILE]}},
    )
    coverage = {
        "total": HOSTILE,
        "never": [HOSTILE],
        "by_category": {HOSTILE: {"total": 1, "drilled": 1}},
        "kernels": {HOSTILE: {"cards": [HOSTILE], "last": HOSTILE, "passed": HOSTILE}},
        "deviated": [{"id": HOSTILE, "run": HOSTILE, "at": HOSTILE, "reason": HOSTILE}],
    }
    page = render(data(evil, coverage=coverage, kong=[evil]))
    page.encode("utf-8")
    tree = Tree(page)
    assert tree.open == []
    assert tree.all("script") == []
    assert len(tree.all("style")) == 1
    assert "\x1b" not in page
    assert "<script>alert(1)</script>" in tree.text  # as a person reads it
    assert not any(key.startswith("on") for _, attributes in tree.elements for key in attributes)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"runs": None, "coverage": None, "kong": None, "made_at": "x"},
        {"runs": [1, {}, {"timeline": "x", "gates": 1}], "coverage": {"kernels": {"a": 1}, "by_category": {"b": 2}}},
        {
            "runs": [run(started_at=float("nan"), timeline=[{"at_s": None}, {"at_s": float("inf")}, {}])],
            "made_at": 1e300,
        },
        {"runs": [run(timeline=[mark(0.0, "injected")], started_at=None)]},
    ],
)
def test_what_is_missing_is_told_as_missing(found: dict[str, Any]) -> None:
    page = render(found)
    assert Tree(page).open == []
    assert "nan" not in page.replace("governance", "")
    assert "None" not in page


def test_nothing_run_yet_is_a_page_that_says_so() -> None:
    text = Tree(render(data())).text
    assert "No drill has been run yet." in text
    assert "Runs that passed 0 of 0 none was run" in text
    assert "It has not been run yet." in text


def test_chaos_kong_has_its_runs_with_their_figures() -> None:
    kong = run(run="kong_0001", id="KONG", title="Chaos Kong", figures={"acknowledged": 150_000, "lost": 0}, load=500)
    tree = Tree(render(data(kong=[kong])))
    assert [attributes["id"] for attributes in tree.all("article")] == ["kong-1"]
    assert "KONG Chaos Kong ✓ passed kong_0001" in tree.text
    assert "figures acknowledged 150000, lost 0" in tree.text
    assert "load 500" in tree.text


def test_chaos_kong_is_judged_by_its_own_gates() -> None:
    kong = run(run="kong_0001", id="KONG", gates={"nothing_lost": False}, said={"nothing_lost": "3 never came"})
    text = Tree(render(data(kong=[kong]))).text
    assert "nothing lost ✖ failed 3 never came" in text
    assert "the repair ran" not in text


def test_a_storm_of_marks_stays_within_a_lane_of_bounded_height() -> None:
    storm = run(timeline=[mark(10.0 + n / 1000, "detected") for n in range(200)])
    (picture,) = Tree(render(data(storm))).all("svg", **{"class": "timeline"})
    assert float(picture["viewbox"].split()[3]) < 250


def test_the_same_data_gives_the_same_page() -> None:
    assert render(data(run())) == render(data(run()))


def test_what_is_about_the_drill_had_a_lane_of_its_own_beside_that_of_the_drill() -> None:
    timeline = [mark(1.0, "injected", ""), mark(5.0, "recovered", "KH002"), mark(6.0, "undone", "KH002")]
    tree = Tree(render(data(run(timeline=timeline))))
    assert len(tree.all("rect", **{"class": "band"})) == 1
    assert "the drill" in tree.text


def test_every_second_band_hid_the_lines_of_the_axis() -> None:
    page = render(data(run(timeline=[mark(1.0, "injected"), mark(2.0, "detected", "host")])))
    picture = page[page.index('class="timeline"') :]
    assert picture.rindex('class="band') < picture.index('class="grid"')
    assert picture.rindex('class="grid"') < picture.index('class="mark')


def test_the_bar_of_a_kernel_that_is_down_was_not_explained() -> None:
    tree = Tree(render(data(run())))
    assert tree.all("svg", **{"class": "key"})[-1]["class"] == "key down"
    assert "fault undone other down" in tree.text


def test_a_picture_says_how_much_is_on_it_and_where_the_same_stands_in_words() -> None:
    page = render(data(run(timeline=[mark(2.0, "injected"), mark(5.0, "undone", "host")])))
    assert "<desc>2 marks on 2 lanes in 20.0 s; the same stands in words below the picture.</desc>" in page


def test_what_the_head_of_a_run_says_was_repeated_in_a_table_of_figures() -> None:
    text = Tree(render(data(run(card="KH002", started_by="alice")))).text
    assert text.count("alice") == 1
    assert "figure value" not in text


def test_a_time_that_nobody_measured_was_told_as_after_a_dash() -> None:
    kong = run(id="KONG", detect_s=None, heal_s=48.0)
    text = Tree(render(data(run(detect_s=None), run(detect_s=None, heal_s=None), kong=[kong]))).text
    assert "after \N{EN DASH}" not in text
    assert "healed after 4.00 s, no time known of when it was noticed" in text
    assert "no time known of when it was noticed or healed" in text
    assert "alice healed after 48.0 s The picture" in text  # Kong breaks many things: none is the one to notice


def test_the_head_of_the_page_counts_the_runs_of_chaos_kong() -> None:
    assert "the newest 2 runs, and 1 of Chaos Kong" in Tree(render(data(run(), run(), kong=[run(id="KONG")]))).text
    assert "UTC, no run yet" in Tree(render(data())).text


def test_a_narrow_screen_broke_the_words_of_tables_between_any_two_letters() -> None:
    page = render(data(run()))
    (cells,) = re.findall(r"^th, td \{[^}]*\}", page, re.MULTILINE)
    assert "overflow-wrap: break-word" in cells
    assert ".state, .number { white-space: nowrap; }" in page
    assert {"class": "state good"} in Tree(page).all("span")
    assert all("tabindex" in box for box in Tree(page).all("div", **{"class": "wide"}))  # reached without a mouse
