"""Makes events fit for the tables: plain JSON that PostgreSQL can store, large outputs cut to a preview."""

from collections.abc import Collection, Mapping
from typing import Any, cast

from planner_graph.compiler.events import Event
from planner_graph.compiler.state import AgentRecord
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.redaction import redacted_json, without_secrets
from planner_graph.store.plain import plain_json, preview


def lean_event(event: Event, limit: int, thread_id: str | None, secrets: Collection[str] = ()) -> Event:
    """Return ``event`` as it is stored; at most ``limit`` characters of an output are kept, and no secret."""
    if event["event"] == "agent_ended":
        return {**event, "record": lean_record(event["record"], event["agent"], limit, thread_id, secrets)}
    plain: Event = plain_json(event)
    return plain


def lean_record(
    record: AgentRecord, agent: str, limit: int, thread_id: str | None, secrets: Collection[str] = ()
) -> AgentRecord:
    """Give a record as the tables show it, with :func:`shown_output`."""
    lean: dict[str, Any] = {key: plain_json(value) for key, value in record.items() if key != "output"}
    lean["output"] = shown_output(record["output"], agent, limit, thread_id, secrets)
    return cast("AgentRecord", lean)


def shown_output(output: Any, agent: str, limit: int, thread_id: str | None, secrets: Collection[str] = ()) -> Any:
    """Return an output as the tables show it: without values that are named in ``secrets``, nor what looks like one.

    One with more than ``limit`` characters of JSON becomes its beginning, with a reference to the whole: the channel of
    that thread's checkpoint that holds it.
    """
    return preview(without_secrets(output, secrets), limit, reference={"thread_id": thread_id, "channel": agent})


def shown_result(result: Mapping[str, Any] | None, plan: ExecutionPlan) -> dict[str, Any] | None:
    """Return a result as people see it: no deliverable that is named as a secret, nor what looks like one."""
    if result is None:
        return None
    deliverables = without_secrets(result.get("deliverables", {}), plan.hidden_deliverables)
    return {**result, "deliverables": redacted_json(deliverables)}
