"""Medians, percentiles and the one form in which every benchmark reports."""

from __future__ import annotations

import statistics
from typing import Any


def spread(seconds: list[float]) -> dict[str, float]:
    """n, median and p99 in milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
    return {"n": len(ordered), "median_ms": _ms(statistics.median(ordered)), "p99_ms": _ms(p99)}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def beside(name: str, grace: list[float], floor: list[float], limit: float, **more: Any) -> dict[str, Any]:
    """Grace and the floor of the same run, and how many times the floor Grace takes."""
    ratio = statistics.median(grace) / statistics.median(floor)
    return {
        "name": name,
        "grace": spread(grace),
        "floor": spread(floor),
        "ratio": round(ratio, 2),
        "limit": limit,
        "ok": ratio <= limit,
        **more,
    }
