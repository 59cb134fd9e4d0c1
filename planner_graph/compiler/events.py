"""Events that a running plan tells: agent started, attempt failed, agent ended.

They travel as LangGraph custom stream events (``stream_mode="custom"``), so that anyone who streams the graph sees who
really runs; the mirror reads the same ones.
"""

from datetime import datetime
from typing import Literal, TypedDict

from langgraph.config import get_stream_writer

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


class AgentEnded(TypedDict):
    """An agent has its record."""

    event: Literal["agent_ended"]
    agent: str
    at: str
    record: AgentRecord


Event = AgentStarted | AttemptFailed | AgentEnded


def emit(event: Event) -> None:
    """Tell whoever streams the running graph."""
    get_stream_writer()(event)


def timestamp(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC, to the microsecond."""
    return time.isoformat(timespec="microseconds")
