"""Chaos Kong: everything at once and again, and the judgement of what is left standing.

`plan` says what is broken and when, `judge` what came of it, `compare` what became of acknowledged messages. All pure:
nothing here breaks anything or looks at a clock.
"""

from chaos.kong.ledgers import compare
from chaos.kong.plan import KINDS, Blast, Kind, plan
from chaos.kong.verdict import GATES, LIMIT_S, METRICS, PATIENCE_S, judge

__all__ = ["GATES", "KINDS", "LIMIT_S", "METRICS", "PATIENCE_S", "Blast", "Kind", "compare", "judge", "plan"]
