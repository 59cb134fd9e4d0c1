"""Events that a running plan tells: agent started, attempt failed, agent warning, agent interrupted, agent ended.

They travel as LangGraph custom stream events (``stream_mode="custom"``), so that anyone who streams the graph sees who
really runs; observers of the plan are told the same ones.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, TypedDict, cast

from planner_graph.compiler.state import AgentRecord, ErrorInfo


class AgentStarted(TypedDict):
    """An attempt of an agent begins; attempts count from 1."""

    event: Literal["agent_started"]
    agent: str
    attempt: int
    at: str


class AttemptFailed(TypedDict):
    """An attempt failed; the next one follows after ``retry_in_seconds``, or none if that is ``None``."""

    event: Literal["attempt_failed"]
    agent: str
    attempt: int
    at: str
    error: ErrorInfo
    retry_in_seconds: float | None


class WarningCode(StrEnum):
    """What a warning is about."""

    EXTRA_OUTPUTS = "extra_outputs"


class AgentWarning(TypedDict):
    """Something about an attempt that a person should look at, though the attempt does not fail because of it.

    ``code`` is a :class:`WarningCode`, for programs; ``message`` says it in words.
    """

    event: Literal["agent_warning"]
    agent: str
    attempt: int
    at: str
    code: str
    message: str


ASKS = "it waits for an answer"
"""Reason of the interruption of an agent that asks a person."""


WAITING = "waiting for an answer to: "
"""Beginning of the reason of a pause in which agents ask; their names follow."""


def pause_reason(asking: Iterable[str]) -> str:
    """Say why a run pauses in which these agents ask; each is named once.

    >>> pause_reason(["editor", "editor", "seo"])
    'waiting for an answer to: editor, seo'
    """
    return WAITING + ", ".join(dict.fromkeys(asking))


class AgentInterrupted(TypedDict):
    """An agent left without a record: it asks a person, or was asked to pause; it runs anew when the run is resumed.

    ``usage`` is what it has used in vain, or ``None``.
    """

    event: Literal["agent_interrupted"]
    agent: str
    attempt: int
    at: str
    reason: str
    usage: dict[str, Any] | None


class AgentEnded(TypedDict):
    """An agent has its record."""

    event: Literal["agent_ended"]
    agent: str
    at: str
    record: AgentRecord


Event = AgentStarted | AttemptFailed | AgentWarning | AgentInterrupted | AgentEnded

_KINDS = {"agent_started", "attempt_failed", "agent_warning", "agent_interrupted", "agent_ended"}


def timestamp(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC, to the microsecond."""
    return time.isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """Read what :func:`timestamp` wrote; a time without an offset is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def own_event(told: Any) -> Event | None:
    """Give the event that a custom stream item is, unless it is one that an agent streams itself."""
    return cast("Event", told) if isinstance(told, dict) and told.get("event") in _KINDS else None
