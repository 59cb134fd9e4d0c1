"""Records that somebody gives in the place of agents, with ``update_state``, and what becomes of the rest of the step.

LangGraph begins a new step then: it forgets what was to start beside the agent, and what had ended beside it already.
Here the others go on as if the agent itself had given the record.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from langgraph.types import Command, Send, StateSnapshot, StateUpdate
from pydantic import TypeAdapter, ValidationError

from planner_graph.compiler.events import timestamp
from planner_graph.compiler.state import AgentRecord
from planner_graph.compiler.wiring import supersteps_of, visits
from planner_graph.errors import Finding, InvalidInputError, StrangeAgentError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, AgentStatus

_RECORD = TypeAdapter(AgentRecord)
_REMEDY = "give a record as get_state shows them, or its output only"
_AGAIN = "give one; to let the agent run again, go on from a checkpoint before it did"


class RecordError(InvalidInputError):
    """Somebody gave records that no agent could have given."""

    subject = "update of the state"


def stand_for_agents(updates: Sequence[StateUpdate], agents: Collection[str]) -> bool:
    """Tell whether these updates give records in the place of agents, all of them, and lead nowhere by themselves."""
    return all(update.as_node in agents and not isinstance(update.values, Command) for update in updates)


def with_whole_records(updates: Sequence[StateUpdate], agents: Collection[str]) -> list[StateUpdate]:
    """Complete what updates give as records: the output is enough. ``None`` takes a record away.

    Raises:
        RecordError: something is none; all faults are named.
    """
    findings: list[Finding] = []
    completed = [
        update._replace(values=_whole(update.values, agents, findings)) if isinstance(update.values, dict) else update
        for update in updates
    ]
    if findings:
        raise RecordError(findings)
    return completed


def _whole(values: Mapping[str, Any], agents: Collection[str], findings: list[Finding]) -> dict[str, Any]:
    whole = dict(values)
    for agent, record in values.items():
        if agent in agents and record is not None:
            whole[agent] = (
                {**_rest_of_record(), **record} if isinstance(record, Mapping) and "output" in record else record
            )
            findings += _faults(agent, whole[agent])
    return whole


def _rest_of_record() -> dict[str, Any]:
    """Give what a record says beside its output, unless somebody says otherwise."""
    now = timestamp(datetime.now(UTC))
    rest = dict.fromkeys(AgentRecord.__annotations__)
    return {**rest, "status": AgentStatus.COMPLETED.value, "attempts": 1, "ended_at": now}


def with_the_rest(
    plan: ExecutionPlan, found: StateSnapshot, updates: Sequence[StateUpdate], *, routed: bool
) -> Sequence[StateUpdate]:
    """Give updates that keep, beside the agents whose records they give, what there is of their step in ``found``.

    Who has ended keeps its record, unless it waited for one that is given now; all others still start. In a graph
    whose agents are ``routed`` by no edges it is also said who comes next.

    Raises:
        StrangeAgentError: the plan does not have the agent.
        RecordError: edges lead on from an agent that has no record then.
    """
    given = {AgentName(update.as_node or "") for update in updates}
    if strangers := sorted(given - plan.by_agent.keys()):
        raise StrangeAgentError(strangers[0], plan.by_agent)
    beside = {AgentName(task.name): task.result for task in found.tasks if task.name in plan.by_agent}
    under_way = given <= beside.keys()
    again = given | _after(plan, given)
    kept = [StateUpdate(done, name) for name, done in beside.items() if under_way and done and name not in again]
    stored = {name: value for name, value in found.values.items() if not beside.get(AgentName(name))}
    records = changed(stored, [*kept, *updates])  # get_state shows what the step gave as if it were stored already
    if routed:
        following = _starting(plan, given, records)
    elif without := [agent for agent in given if records.get(agent) is None]:
        raise RecordError([Finding(problem="it has no record", remedy=_AGAIN, key=agent) for agent in sorted(without)])
    elif under_way:
        settled = {*given, *(update.as_node for update in kept)}
        following = visits(plan, [agent for agent in plan.by_agent if agent in beside and agent not in settled])
    else:
        return updates
    first, *others = updates
    leading_on: Any = Command(update=first.values, goto=following)
    return [first._replace(values=leading_on), *others, *kept]


def changed(values: Mapping[str, Any], updates: Sequence[StateUpdate]) -> dict[str, Any]:
    """Give the values of a state as they are after updates; each of its channels holds what it was given last."""
    after = dict(values)
    for update in updates:
        after |= update.values or {}
    return after


def _starting(plan: ExecutionPlan, given: AbstractSet[AgentName], records: Mapping[str, Any]) -> list[str | Send]:
    """Give who starts after these agents: whoever of their superstep has no record, else the next superstep."""
    for superstep in supersteps_of(plan).values():
        if not given.isdisjoint(superstep.nodes):
            waiting = [agent for agent in superstep.nodes if records.get(agent) is None]
            return visits(plan, waiting) or superstep.following
    raise AssertionError("each agent of a plan is in one of its supersteps")


def _after(plan: ExecutionPlan, agents: Collection[AgentName]) -> set[AgentName]:
    """Give all who wait for these agents, or for one who does."""
    after: set[AgentName] = set()
    for step in plan.steps:  # in execution order: whom a step waits for comes before it
        if any(agent in agents or agent in after for agent in step.waits_for):
            after.add(step.agent)
    return after


def _faults(agent: str, record: Any) -> Iterator[Finding]:
    try:
        found = _RECORD.validate_python(record, strict=True)
    except ValidationError as error:
        for fault in error.errors():
            key = ".".join(map(str, (agent, *fault["loc"])))
            yield Finding(problem=fault["msg"], remedy=_REMEDY, key=key)
        return
    ends = [status.value for status in AgentStatus if status.ended]
    if (status := found["status"]) not in ends:
        remedy = f"say one of: {', '.join(ends)}"
        yield Finding(problem=f"{status!r} is no end", remedy=remedy, key=f"{agent}.status")
    for name in ("started_at", "ended_at"):
        if (time := found[name]) is not None and not _is_time(time):
            yield Finding(problem=f"{time!r} is no time", remedy="write ISO 8601", key=f"{agent}.{name}")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
