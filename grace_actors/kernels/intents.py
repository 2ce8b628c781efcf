"""What a question in plain language is about: an intent from a table of patterns, and the name it mentions.

No language model: the first row whose pattern is found in the question wins, so the table goes from special to
general. Pure. Invariant: every question has an intent, if only `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

MAX_QUESTION_CHARS = 500


class Intent(StrEnum):
    """What can be asked."""

    DEPENDENTS = "dependents"
    WHY_ENDED = "why_ended"
    RESTARTS = "restarts"
    RISK = "risk"
    HOST = "host"
    NEXT = "next"
    NEEDS_ME = "needs_me"
    WORK = "work"
    LOG = "log"
    DID = "did"
    DOWN = "down"
    HELP = "help"
    UNKNOWN = "unknown"


TABLE: tuple[tuple[Intent, str], ...] = (
    (Intent.DEPENDENTS, r"\bdepend|\bwho needs\b|\bwhat needs\b|\brel(y|ies) on\b"),
    (
        Intent.WHY_ENDED,
        r"\bwhy\b.*\b(restart|crash|die|dead|exit|end|fail|stop|down|kill|hang|hung)|what happened (to|with)",
    ),
    (Intent.RESTARTS, r"\bhow (many|often)\b.*\b(restart|crash|fail)|\brestart (count|s)\b|\brestarts\b|\bflap"),
    (Intent.RISK, r"\brisk|\blikely to fail|\bfail (soon|next)|\bweakest\b|\bfragile\b"),
    (Intent.HOST, r"\b(cpu|memory|ram|disk|load|host|machine|resources?|descriptors?)\b"),
    (
        Intent.NEEDS_ME,
        r"\bneeds? (me|attention|approval|a decision)|\bapprovals?\b|\bpending\b|\bwait(s|ing)? for me\b",
    ),
    (Intent.NEXT, r"\bnext\b|\bpriorit|\bmost (important|urgent)|\bincidents?\b"),
    (Intent.WORK, r"\bwork orders?\b|\bcoding\b|\bpatch(es)?\b|\bqueue\b"),
    (Intent.LOG, r"\b(audit|immutable)?[ _]?log\b"),
    (Intent.DID, r"\bwhat (did|does|is|has|do|are)\b.*\b(do|doing|done|did)\b|\btell me about\b|\bbusy with\b"),
    (
        Intent.DOWN,
        r"\b(down|broken|dead|failed|failing|wrong|degraded|unhealthy|not running|quarantined?)\b"
        r"|\b(is|are) (everything|all|it|you|things)\b|\bhow are (you|things)\b|\b(health|status|okay|ok)\b",
    ),
    (Intent.HELP, r"\bhelp\b|\bwhat can (i|you)\b|\bhow do i\b|^\s*\?*\s*$"),
)
_ROWS = tuple((intent, re.compile(pattern, re.IGNORECASE)) for intent, pattern in TABLE)

EXAMPLES: dict[Intent, str] = {
    Intent.DOWN: "what is down?",
    Intent.WHY_ENDED: "why did librarian restart?",
    Intent.RESTARTS: "how many restarts were there?",
    Intent.DEPENDENTS: "who depends on governance?",
    Intent.DID: "what did the scheduler do?",
    Intent.NEXT: "what should be done next?",
    Intent.NEEDS_ME: "does anything need me?",
    Intent.RISK: "what is likely to fail soon?",
    Intent.HOST: "how much memory is used?",
    Intent.WORK: "which work orders are open?",
    Intent.LOG: "how large is the log?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A question understood: `subject` is a name of the tree, or empty."""

    intent: Intent
    subject: str = ""


def understand(question: str, names: Iterable[str]) -> Understood:
    """The intent of a question and which of the names it mentions. A name alone asks what it does."""
    subject = mentioned(question, names)
    # A name such as immutable_log must not be taken for a question about the log.
    without = question.replace(subject, "it").replace(subject.replace("_", " "), "it") if subject else question
    for intent, pattern in _ROWS:
        if pattern.search(without):
            return Understood(intent=intent, subject=subject)
    return Understood(intent=Intent.DID if subject else Intent.UNKNOWN, subject=subject)


def mentioned(question: str, names: Iterable[str]) -> str:
    """The longest name in the question, written with blanks or underscores; else one that differs by a typo."""
    flat = re.sub(r"[^a-z0-9]+", " ", question.lower()).strip()
    ordered = sorted(names, key=lambda name: (-len(name), name))
    for name in ordered:
        if re.search(rf"\b{re.escape(name.lower().replace('_', ' '))}\b", flat):
            return name
    for word in question.lower().split():
        cleaned = word.strip("?!.,;:'\"()")
        near = get_close_matches(cleaned, ordered, 1, cutoff=0.84) if len(cleaned) > 4 else []
        if near:
            return near[0]
    return ""
