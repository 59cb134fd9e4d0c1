"""Asks a person before an agent runs whose spec says that its approval is required."""

from collections.abc import Mapping
from json import JSONEncoder
from typing import Any

from langgraph.types import interrupt

from planner_graph.redaction import MARGIN, redacted, redacted_json
from planner_graph.text import one_line
from planner_graph.types import AgentName

SHOWN = 4_000
"""Characters of JSON of all inputs together that a request shows."""

LEAST_SHOWN = 100
"""Characters of one input that are shown, however many there are."""

REJECTED = "Rejected"
"""Type of the root cause where an agent does not run because somebody rejected it."""

_NOT_SHOWN = {"campaign", "configuration"}
_ENCODER = JSONEncoder(ensure_ascii=False)


def ask(agent: AgentName, inputs: Mapping[str, Any]) -> str | None:
    """Give why ``agent`` must not run, in words, or ``None`` if somebody has approved it.

    Nothing but ``True``, or a mapping that says ``approved``, is an approval.

    Raises:
        GraphInterrupt: nobody has answered yet.
    """
    answer = interrupt(request(agent, inputs))
    said: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {"approved": answer}
    if said.get("approved") is True:
        return None
    who = f" by {said['by']}" if said.get("by") else ""
    why = f": {said['reason']}" if said.get("reason") else ""
    return redacted(one_line(f"rejected{who}{why}"))


def request(agent: AgentName, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is asked: which agent, and what it would work on, long values cut short, secrets hidden.

    >>> request("publisher", {"post": "text", "campaign": {"id": "c"}})
    {'approve': 'publisher', 'inputs': {'post': 'text'}}
    """
    shown = {name: value for name, value in inputs.items() if name not in _NOT_SHOWN}
    limit = max(SHOWN // max(len(shown), 1), LEAST_SHOWN)
    return {"approve": agent, "inputs": {name: _preview(value, limit) for name, value in shown.items()}}


def is_request(value: Any, agent: AgentName) -> bool:
    """Tell whether a question is a request to approve ``agent``."""
    return isinstance(value, Mapping) and set(value) == {"approve", "inputs"} and value["approve"] == agent


def verdict(*, approved: bool, by: str, reason: str | None) -> dict[str, Any]:
    """Give the answer to a request."""
    return {"approved": approved, "by": by, "reason": reason}


def _preview(value: Any, limit: int) -> Any:
    """Give ``value`` if its JSON is not longer than ``limit``, else the beginning of that JSON, marked as such."""
    text, most = "", limit + MARGIN
    for part in _ENCODER.iterencode(value):
        text += part[: most + 1]
        if len(text) > most:
            break
    if len(text) > limit:
        return {"preview": redacted(text[:most])[:limit], "truncated": True}
    return redacted_json(value)
