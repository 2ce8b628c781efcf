"""The recipe against real tracebacks: faults that were provoked, each in several variants.

A variant is the same fault on another host, in another checkout, with moved lines and other values. This judges the
recipe as a whole; no fault is an exception to it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from itertools import combinations
from pathlib import Path

from playbooks.recognition import Failure, Signature, signature_of

FOLDER = Path(__file__).parents[2] / "fixtures" / "tracebacks"
LEAST_SHARE = 0.98


@cache
def signatures() -> dict[str, list[Signature]]:
    """Fault -> the signatures of its variants."""
    found: dict[str, list[Signature]] = defaultdict(list)
    for file in sorted(FOLDER.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[row["fault"]].append(signature_of(Failure(kernel=row["kernel"], detail=row["text"])))
    return dict(found)


def has_project_code(signature: Signature) -> bool:
    return not any("no project code" in component.hint for component in signature.components)


def is_grouped(one: Signature, other: Signature) -> bool:
    if has_project_code(one) or has_project_code(other):
        return one.specific == other.specific
    return one.broad == other.broad


def test_the_corpus_is_large_enough_to_judge_by() -> None:
    assert len(signatures()) >= 200
    assert sum(map(len, signatures().values())) >= 600


def test_variants_of_one_fault_have_one_signature() -> None:
    pairs = [pair for variants in signatures().values() for pair in combinations(variants, 2)]
    grouped = sum(is_grouped(*pair) for pair in pairs)
    assert grouped / len(pairs) >= LEAST_SHARE


def test_no_two_faults_share_a_specific_or_a_full_hash() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for fault, variants in signatures().items():
        for signature in variants:
            owners[signature.specific].add(fault)
            owners[signature.full].add(fault)
    assert [sorted(faults) for faults in owners.values() if len(faults) > 1] == []


def test_every_traceback_is_read_to_its_type() -> None:
    assert [s.id for variants in signatures().values() for s in variants if s.error == "unknown"] == []
