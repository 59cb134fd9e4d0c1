"""Makes events fit for the tables: plain JSON that PostgreSQL can store, large outputs cut to a preview."""

from typing import Any, cast

from planner_graph.compiler.events import Event
from planner_graph.compiler.state import AgentRecord
from planner_graph.store.plain import plain_json, preview


def lean_event(event: Event, limit: int, thread_id: str | None) -> Event:
    """Give ``event`` as it is stored; at most ``limit`` characters of an output are kept."""
    if event["event"] == "agent_ended":
        return {**event, "record": lean_record(event["record"], event["agent"], limit, thread_id)}
    plain: Event = plain_json(event)
    return plain


def lean_record(record: AgentRecord, agent: str, limit: int, thread_id: str | None) -> AgentRecord:
    """Give a record as the tables show it, with :func:`shown_output`."""
    lean: dict[str, Any] = {key: plain_json(value) for key, value in record.items() if key != "output"}
    lean["output"] = shown_output(record["output"], agent, limit, thread_id)
    return cast("AgentRecord", lean)


def shown_output(output: Any, agent: str, limit: int, thread_id: str | None) -> Any:
    """Give an output as the tables show it.

    One with more than ``limit`` characters of JSON becomes its beginning, with a reference to the whole: the channel of
    that thread's checkpoint that holds it.
    """
    return preview(output, limit, reference={"thread_id": thread_id, "channel": agent})
