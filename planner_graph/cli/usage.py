"""Says in words what a run used of language models."""

from collections.abc import Mapping
from typing import Any

from planner_graph.cli.figures import compact, dollars


def usage_text(usage: Mapping[str, Any] | None) -> str:
    """Say what language models were used for; nothing if none was.

    >>> tokens = {"total_tokens": 12_345, "input_tokens": 12_000, "output_tokens": 345}
    >>> usage_text({**tokens, "calls": 3, "cost_usd": 0.021})
    'used 12.3k tokens (12.0k in, 345 out) in 3 model calls, $0.021'
    >>> usage_text({**tokens, "calls": 1, "cost_usd": None})
    'used 12.3k tokens (12.0k in, 345 out) in 1 model call, cost not known'
    """
    if not usage:
        return ""
    total, read, written = (compact(usage[f"{key}_tokens"]) for key in ("total", "input", "output"))
    calls = f"{usage['calls']} model call{'' if usage['calls'] == 1 else 's'}"
    return (
        f"used {total} tokens ({read} in, {written} out) in {calls}, {dollars(usage['cost_usd']) or 'cost not known'}"
    )
