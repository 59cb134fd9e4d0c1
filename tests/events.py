"""Events of runs as the node wrapper tells them, for whatever writes them down; times are seconds past a noon."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ERROR = {"type": "TimeoutError", "message": "slow"}


def at(seconds):
    return (NOON + timedelta(seconds=seconds)).isoformat()


def started(agent, seconds, attempt=1):
    return {"event": "agent_started", "agent": agent, "attempt": attempt, "at": at(seconds)}


def attempt_failed(agent, seconds, attempt=1, retry=None):
    return {
        "event": "attempt_failed",
        "agent": agent,
        "attempt": attempt,
        "at": at(seconds),
        "error": ERROR,
        "retry_in_seconds": retry,
    }


def ended(agent, seconds, status="completed", *, attempts=1, since=0, **others):
    record = {
        "status": status,
        "output": {agent: "done"} if status == "completed" else None,
        "error": None,
        "reason": None,
        "attempts": attempts,
        "started_at": at(since) if attempts else None,
        "ended_at": at(seconds),
        "usage": None,
    } | others
    return {"event": "agent_ended", "agent": agent, "at": at(seconds), "record": record}


def interrupted(agent, seconds, attempt=1, reason="asks a human", usage=None):
    return {
        "event": "agent_interrupted",
        "agent": agent,
        "attempt": attempt,
        "at": at(seconds),
        "reason": reason,
        "usage": usage,
    }


def warned(agent, seconds, attempt=1):
    return {
        "event": "agent_warning",
        "agent": agent,
        "attempt": attempt,
        "at": at(seconds),
        "code": "extra_outputs",
        "message": "key 'age' is not declared",
    }
