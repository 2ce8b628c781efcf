"""What healing comes to in figures, all computed from what is kept: how often, how fast, how much of it unasked.

Invariant: a figure for which there is no case is None, never 0.
"""

from __future__ import annotations

from typing import Any

from grace_actors.kernel import Data
from grace_actors.kernels.rows import rows
from grace_actors.stores.sqlite import Store
from playbooks.incidents import ITSELF

ENDED = "state in ('healed', 'failed', 'quarantined')"
OURS = f"repair != '{ITSELF}'"
"""What was over by itself says nothing of how well it is healed, in no rate and no mean."""
_HEALED = f"state = 'healed' and {OURS}"
_TOTALS = f"""
select count(*) incidents, sum(count) failures, avg(detected_s) mean_time_to_detect_s,
    avg(case when {_HEALED} and (was_known or repair = 'restart') then heal_s end) mean_time_to_heal_known_s,
    avg(case when {_HEALED} and not was_known and repair != 'restart' then heal_s end) mean_time_to_heal_new_s,
    avg(case when {_HEALED} then heal_s end) mean_time_to_heal_s,
    max(case when {_HEALED} then heal_s end) longest_heal_s,
    avg(action_at - failed_at) mean_time_to_act_s,
    sum({ENDED} and {OURS}) ended, sum({_HEALED}) healed,
    sum({_HEALED} and auto) healed_unasked,
    sum(state = 'healed' and repair = 'restart') healed_by_restart,
    sum({_HEALED} and not escalated) healed_without_patch,
    sum(not ({OURS})) over_by_itself,
    sum(escalated and {OURS}) escalated, sum(repair = 'restart') restarted
from incidents"""  # noqa: S608 - own text
_BY_SIGNATURE = f"""
select signature signature_id, kernel, count(*) incidents, sum(count) failures, sum({_HEALED}) healed,
    sum({_HEALED} and auto) unasked, avg(case when {_HEALED} then heal_s end) mean_time_to_heal_s,
    max(last_at) last_at
from incidents group by signature, kernel order by incidents desc, last_at desc limit 50"""  # noqa: S608 - own text
_BY_PLAYBOOK = """
select playbook, count(*) runs, sum(status = 'succeeded') succeeded, sum(status in ('failed', 'timed_out')) failed,
    avg(case when status = 'succeeded' then ended_at - started_at end) mean_time_s, max(requested_at) last_at
from runs where is_check = 0 group by playbook order by runs desc, playbook"""
_VERIFIED = "select playbook, sum(status = 'healed') healed, sum(status = 'failed') in_vain from attempts group by 1"


def figures(store: Store) -> Data:
    """Totals, rates, and the figures of each signature and playbook."""
    with store.read() as db:
        totals = rows(db, _TOTALS)[0]
        states = {row["k"]: row["n"] for row in rows(db, "select state k, count(*) n from incidents group by 1")}
        by_signature, by_playbook = rows(db, _BY_SIGNATURE), rows(db, _BY_PLAYBOOK)
        verified = {row["playbook"]: row for row in rows(db, _VERIFIED)}
        by_kernel = rows(db, "select kernel, sum(count) failures from incidents group by 1 order by 2 desc")
    for row in by_playbook:
        found = verified.get(row["playbook"], {})
        row |= {"healed": found.get("healed") or 0, "in_vain": found.get("in_vain") or 0}
    ended, healed = totals["ended"] or 0, totals["healed"] or 0
    repaired = ended - (totals["restarted"] or 0)
    return {
        "incidents": totals["incidents"],
        "failures": totals["failures"] or 0,
        "by_state": states,
        "by_kernel": {row["kernel"]: row["failures"] for row in by_kernel},
        **{key: value for key, value in totals.items() if key.startswith(("mean_", "longest_"))},
        "healed_rate": _share(healed, ended),
        "zero_touch_rate": _share(totals["healed_unasked"], ended),
        "auto_fix_rate": _share(totals["healed_without_patch"], ended),
        "escalation_rate": _share(totals["escalated"], repaired),
        "healed_by_restart": totals["healed_by_restart"] or 0,
        "over_by_itself": totals["over_by_itself"] or 0,
        "per_signature": by_signature,
        "per_playbook": by_playbook,
    }


def _share(part: Any, whole: int) -> float | None:
    return round((part or 0) / whole, 4) if whole > 0 else None
