"""Topic names and patterns: `*` stands for one level, `#` for any number of levels, also none.

Pure. Decides whether a name is well formed and whether a pattern matches; knows no subscriber.
Invariant: a topic is a pattern that matches itself alone.
"""

from __future__ import annotations

import re
from functools import lru_cache

from grace_actors.errors import Refused

MAX_CHARS = 200
_TOPIC = re.compile(r"[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*")
_PATTERN = re.compile(r"([A-Za-z0-9_\-]+|\*|#)(\.([A-Za-z0-9_\-]+|\*|#))*")


def checked_topic(topic: str) -> str:
    """The topic itself. Raises Refused when it is no topic name."""
    if len(topic) > MAX_CHARS or not _TOPIC.fullmatch(topic):
        raise Refused(f"{topic[:MAX_CHARS]!r} is no topic", hint="levels of letters, digits, _ and - joined by dots")
    return topic


def checked_pattern(pattern: str) -> str:
    """The pattern itself. Raises Refused when it is no topic pattern."""
    if len(pattern) > MAX_CHARS or not _PATTERN.fullmatch(pattern):
        raise Refused(f"{pattern[:MAX_CHARS]!r} is no topic pattern", hint="like task.done, error.* or error.#")
    return pattern


@lru_cache(maxsize=8192)
def matches(pattern: str, topic: str) -> bool:
    """Whether the pattern covers the topic."""
    if "*" not in pattern and "#" not in pattern:
        return pattern == topic
    levels = topic.split(".")
    # reached[i]: the pattern read so far covers the first i levels
    reached = [True] + [False] * len(levels)
    for part in pattern.split("."):
        if part == "#":
            first = reached.index(True) if True in reached else len(reached)
            reached = [at >= first for at in range(len(reached))]
        else:
            reached = [False] + [
                before and part in ("*", level) for before, level in zip(reached, levels, strict=False)
            ]
    return reached[-1]
