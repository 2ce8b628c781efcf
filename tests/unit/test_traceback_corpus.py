"""The corpus of tracebacks: large and varied enough to judge a grouping by, and still what Python prints."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.harness.provoke.catalogue import FAULTS
from tests.harness.provoke.run import Raised, provoke
from tests.harness.provoke.site import Site, site_of
from tests.harness.provoke.variants import VARIANTS

DIRECTORY = Path(__file__).parents[1] / "fixtures" / "tracebacks"
MAX_BYTES = 3_000_000
ABSOLUTE = re.compile(r"(?<![\w.:/*}\]~<-])/(?:[\w.@+-]+/)+[\w.@+-]+")
ELSEWHERE = ("/proc/", "/a/")
"""Roots of paths that are values of a fault."""
SAMPLE = (
    "shop.cart.total.unknown_item",
    "shop.prices.listed_price.raised_from",
    "ledger.book.open_account.name_taken",
    "ledger.sealed.opened.other_key",
    "ingest.settings.from_yaml.bad_indent",
    "ingest.pages.decoded_ascii.umlaut",
    "gateway.wires.greeted.refused",
    "gateway.loops.grouped.some_fail",
    "fleet.workers.in_process.by_zero",
    "desk.screens.next_time.too_large",
    "lab.plugins.plugin.no_colon",
    "lab.depths.countdown.no_end",
    "librarian.search.no_words",
    "signature.list.tables_gone",
)


@pytest.fixture(scope="module")
def corpus() -> list[Raised]:
    lines = [line for file in sorted(DIRECTORY.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    return [Raised(**json.loads(line)) for line in lines]


@pytest.fixture(scope="module")
def sites(corpus: list[Raised]) -> dict[str, dict[str, Site]]:
    """By fault and variant."""
    found: dict[str, dict[str, Site]] = defaultdict(dict)
    for raised in corpus:
        found[raised.fault][raised.variant] = site_of(raised.text, raised.variant)
    return found


def test_the_corpus_holds_every_fault_of_the_catalogue_in_every_variant_once(corpus: list[Raised]) -> None:
    expected = [(fault.id, variant.name) for fault in FAULTS for variant in VARIANTS]
    assert Counter((raised.fault, raised.variant) for raised in corpus) == Counter(expected)


def test_there_are_at_least_two_hundred_faults_of_thirty_libraries(corpus: list[Raised]) -> None:
    assert len({raised.fault for raised in corpus}) >= 200
    assert len({raised.library for raised in corpus}) >= 30
    assert len(VARIANTS) >= 3


def test_the_corpus_stays_small_and_each_file_holds_one_kernel(corpus: list[Raised]) -> None:
    assert sum(file.stat().st_size for file in DIRECTORY.iterdir()) < MAX_BYTES
    assert {file.stem for file in DIRECTORY.glob("*.jsonl")} == {raised.kernel for raised in corpus}


def test_two_faults_of_a_kernel_differ_in_type_or_place(
    corpus: list[Raised], sites: dict[str, dict[str, Site]]
) -> None:
    kernels = {raised.fault: raised.kernel for raised in corpus}
    places = defaultdict(list)
    for fault, found in sites.items():
        site = found["as_written"]
        places[kernels[fault], site.type, site.inner].append(fault)
    assert [faults for faults in places.values() if len(faults) > 1] == []


def test_the_variants_of_a_fault_are_the_same_mistake(sites: dict[str, dict[str, Site]]) -> None:
    def mistake(site: Site) -> tuple[str, frozenset[tuple[str, str]]]:
        return site.type, frozenset((frame.file, frame.function) for frame in site.frames)

    differing = [fault for fault, found in sites.items() if len({mistake(site) for site in found.values()}) > 1]
    assert differing == []


def test_lines_moved_and_values_changed(corpus: list[Raised], sites: dict[str, dict[str, Site]]) -> None:
    assert [fault for fault, found in sites.items() if found["as_written"].lines == found["lines_moved"].lines] == []
    texts = {(raised.fault, raised.variant): raised.text for raised in corpus}
    last = {key: text.splitlines()[-1] for key, text in texts.items()}
    changed = [fault for fault in sites if last[fault, "as_written"] != last[fault, "another_checkout"]]
    assert len(changed) > len(sites) // 3


def test_hard_pairs_are_there(sites: dict[str, dict[str, Site]]) -> None:
    """The same type at two functions, two types at one function, the same frames of a library below two callers."""
    types, functions, below = defaultdict(set), defaultdict(set), defaultdict(set)
    for found in sites.values():
        site = found["as_written"]
        own, *library = site.inner
        types[site.type].add((own.file, own.function))
        functions[own.file, own.function].add(site.type)
        if library:
            below[site.type, tuple(library)].add((own.file, own.function))
    for pairs, least in ((types, 30), (functions, 20), (below, 10)):
        assert sum(len(members) > 1 for members in pairs.values()) >= least


def test_chains_groups_and_recursion_are_there(corpus: list[Raised]) -> None:
    marks = (
        "The above exception was the direct cause",
        "During handling of the above exception",
        "Exception Group Traceback",
        "[Previous line repeated",
        "RemoteTraceback",
        "SyntaxError: ",
    )
    for mark in marks:
        assert len({raised.fault for raised in corpus if mark in raised.text}) >= 3, mark


def test_no_path_of_the_machine_is_in_the_corpus(corpus: list[Raised]) -> None:
    roots = {variant.name: (variant.app, variant.venv, variant.python, *ELSEWHERE) for variant in VARIANTS}
    strange = {
        (raised.fault, path)
        for raised in corpus
        for path in ABSOLUTE.findall(raised.text)
        if not path.startswith(roots[raised.variant])
    }
    assert strange == set()


@pytest.mark.system
def test_the_generator_still_provokes_what_is_stored(sites: dict[str, dict[str, Site]]) -> None:
    again = list(provoke(SAMPLE, (VARIANTS[0], VARIANTS[-1])))
    assert len(again) == 2 * len(SAMPLE)
    for raised in again:
        now, stored = site_of(raised.text, raised.variant), sites[raised.fault][raised.variant]
        assert (raised.fault, now.type) == (raised.fault, stored.type)
