"""Recognition: gives a failure the same signature whenever it comes again, and another failure another.

Pure: text in, hashes out; nothing here reads a clock, a file or a store.
Invariant: what is listed in `__all__` is the public surface; the rest may change without notice.
"""

from __future__ import annotations

from playbooks.recognition.exits import failure_of_exit
from playbooks.recognition.masking import masked, outline
from playbooks.recognition.recipe import ALGO, signature_of
from playbooks.recognition.rules import NO_RULES, Rule, Rules, RulesRefused, parse_rules
from playbooks.recognition.signature import Component, Failure, FailureKind, Hash, Signature
from playbooks.recognition.traceback_text import Frame, Raised, Relation, parse

__all__ = [
    "ALGO",
    "NO_RULES",
    "Component",
    "Failure",
    "FailureKind",
    "Frame",
    "Hash",
    "Raised",
    "Relation",
    "Rule",
    "Rules",
    "RulesRefused",
    "Signature",
    "failure_of_exit",
    "masked",
    "outline",
    "parse",
    "parse_rules",
    "signature_of",
]
