"""Adds up what agents used of language models."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from planner_graph.compiler.usage import COUNTS, DIGITS


def total_usage(usages: Iterable[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Add up usages as records hold them; ``None`` if nobody used a model.

    ``cost_usd`` is ``None`` as soon as one of them has no price: a sum without it would look like the whole.
    """
    used = [usage for usage in usages if usage]
    if not used:
        return None
    models: dict[str, dict[str, Any]] = {}
    for usage in used:
        for name, part in usage.get("models", {}).items():
            models[name] = counts([models.get(name, {}), part])
    costs = [float(usage["cost_usd"]) for usage in used if usage.get("cost_usd") is not None]
    cost = round(math.fsum(costs), DIGITS) if len(costs) == len(used) else None
    return {**counts(used), "cost_usd": cost, "models": dict(sorted(models.items()))}


def counts(usages: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Add up what usages count; what one of them does not say counts nothing."""
    listed = list(usages)
    return {key: sum(int(usage.get(key) or 0) for usage in listed) for key in COUNTS}
