"""Adds up what agents used of chat models."""

from collections.abc import Iterable, Mapping
from typing import Any

COUNTS = ("input_tokens", "output_tokens", "total_tokens", "calls")


def total_usage(usages: Iterable[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Add up usages as records hold them; ``None`` if nobody used a model.

    ``cost_usd`` is ``None`` as soon as one of them has no price: a sum without it would look like the whole.
    """
    used = [usage for usage in usages if usage]
    if not used:
        return None
    models: dict[str, dict[str, Any]] = {}
    for usage in used:
        for name, counts in usage.get("models", {}).items():
            models[name] = _counts([models.get(name, {}), counts])
    costs = [usage.get("cost_usd") for usage in used]
    cost = None if None in costs else round(sum(float(cost) for cost in costs if cost is not None), 9)
    return {**_counts(used), "cost_usd": cost, "models": dict(sorted(models.items()))}


def _counts(usages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    listed = list(usages)
    return {key: sum(int(usage.get(key) or 0) for usage in listed) for key in COUNTS}
