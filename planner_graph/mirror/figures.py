"""Figures of past runs as plain values, for programs; durations are in seconds, times are ISO 8601 in UTC."""

from dataclasses import asdict
from typing import Any

from planner_graph.mirror.history import AgentPerformance, PastExecution, PastUsage, Spread


def performance_json(performance: AgentPerformance) -> dict[str, Any]:
    """Give the figures of one agent."""
    last, failure = performance.last_run_at, performance.latest_failure
    attempts = {"mean": performance.mean_attempts, "most": performance.most_attempts}
    return {
        "agent": performance.agent,
        "runs": performance.runs,
        "succeeded": performance.succeeded,
        "success_rate": performance.success_rate,
        "skipped": performance.skipped,
        "attempts": attempts if performance.runs else None,
        "duration_seconds": _spread_json(performance.duration),
        "queue_seconds": _spread_json(performance.queue_wait),
        "usage": _usage_json(performance.usage),
        "last_run_at": last.isoformat() if last else None,
        "latest_error": failure and _error_json(failure),
        "work": performance.work,
    }


def execution_json(execution: PastExecution) -> dict[str, Any]:
    """Give an agent's part in one run."""
    return {
        "workflow_execution_id": execution.run_id,
        "status": execution.status.value,
        "attempts": execution.attempts,
        "started_at": execution.started_at.isoformat(),
        "ended_at": execution.ended_at.isoformat(),
        "duration_seconds": execution.seconds,
        "queue_seconds": execution.queue_seconds,
        "error": execution.error,
        "usage": execution.usage,
        "work": execution.work,
    }


def _spread_json(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else {"median": spread.median, "p90": spread.p90}


def _usage_json(usage: PastUsage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {**asdict(usage), "mean_tokens": usage.mean_tokens, "mean_cost_usd": usage.mean_cost_usd}


def _error_json(failure: PastExecution) -> dict[str, Any]:
    return {**(failure.error or {}), "workflow_execution_id": failure.run_id, "at": failure.ended_at.isoformat()}
