"""Records that somebody gives in the place of agents, with ``update_state``, and what becomes of the rest of the step.

LangGraph begins a new step then: it forgets what was to start beside the agent, and what had ended beside it already.
Here the others go on as if the agent itself had given the record.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from langgraph.types import Command, Send, StateSnapshot, StateUpdate
from pydantic import TypeAdapter, ValidationError

from planner_graph.compiler.conversion import to_plain
from planner_graph.compiler.events import timestamp
from planner_graph.compiler.state import KEPT, AgentRecord
from planner_graph.compiler.wiring import ENTRY, EXIT, supersteps_of, visits
from planner_graph.documents import key_text
from planner_graph.errors import Finding, InvalidInputError, StrangeAgentError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, AgentStatus, Strategy

_RECORD = TypeAdapter(AgentRecord)
_REMEDY = "give a record as get_state shows them, or its output only"
_AGAIN = "give one; to let the agent run again, go on from a checkpoint before it did"


class RecordError(InvalidInputError):
    """Somebody gave records that no agent could have given."""

    subject = "update of the state"


def concern_agents(updates: Sequence[StateUpdate], agents: Collection[str]) -> bool:
    """Tell whether each of these updates is in the place of an agent, or leaves open in whose place it is."""
    return all(
        (update.as_node is None or update.as_node in agents)
        and (update.values is None or isinstance(update.values, dict | Command))
        for update in updates
    )


def with_whole_records(updates: Sequence[StateUpdate], agents: Collection[str]) -> list[StateUpdate]:
    """Complete what updates give as records: the output is enough. ``None`` takes a record away.

    Raises:
        RecordError: something is none; all faults are named.
    """
    findings: list[Finding] = []
    completed = []
    for update in updates:
        values: Any = update.values
        if isinstance(values, dict):
            values = _whole(values, agents, findings)
        elif isinstance(values, Command) and isinstance(values.update, dict):
            values = replace(values, update=_whole(values.update, agents, findings))
        completed.append(update._replace(values=values))
    if findings:
        raise RecordError(findings)
    return completed


def _whole(values: Mapping[str, Any], agents: Collection[str], findings: list[Finding]) -> dict[str, Any]:
    whole = dict(values)
    for agent, record in values.items():
        if agent in agents and record is not None:
            if isinstance(record, Mapping) and "output" in record:
                output, faults = to_plain(record["output"])
                findings += [
                    Finding(problem=problem, remedy=remedy, key=key_text([agent, "output", *path]))
                    for path, problem, remedy in faults
                ]
                record = {**_rest_of_record(), **record, "output": output}  # noqa: PLW2901  # completed
            whole[agent] = record
            findings += _faults(agent, record)
    return whole


def _rest_of_record() -> dict[str, Any]:
    """Give what a record says beside its output, unless somebody says otherwise."""
    now = timestamp(datetime.now(UTC))
    rest = dict.fromkeys(AgentRecord.__annotations__)
    return {**rest, "status": AgentStatus.COMPLETED.value, "attempts": 1, "ended_at": now}


def with_the_rest(
    plan: ExecutionPlan, found: StateSnapshot, updates: Sequence[StateUpdate], *, routed: bool
) -> Sequence[StateUpdate]:
    """Give updates that keep, beside the agents whose records they give, what there is of their superstep in ``found``.

    Who has ended keeps its record, unless it waited for one that is given now; all others still start. In a graph
    whose agents are ``routed`` by no edges it is also said who comes next. After an update of an earlier superstep
    those that waited for the agent run again, and nobody else that has a record.

    Raises:
        StrangeAgentError: the plan does not have the agent.
        RecordError: edges lead on from an agent that has no record then.
    """
    beside = {AgentName(task.name): task.result or {} for task in found.tasks if task.name in plan.by_agent}
    first, *others = _placed(plan, found, updates, routed=routed)
    if first.as_node in {None, ENTRY, EXIT}:
        return [first, *others]
    values = changed({}, updates)
    given = {AgentName(update.as_node or "") for update in (first, *others)}
    if strangers := sorted(given - plan.by_agent.keys()):
        raise StrangeAgentError(strangers[0], plan.by_agent)
    under_way = given <= beside.keys()
    if under_way:
        given |= beside.keys() & values.keys()
    again = given | _after(plan, given & values.keys())
    kept = {agent: done for agent, done in beside.items() if under_way and done and agent not in again}
    all_values = {name: record for done in kept.values() for name, record in done.items()} | values
    if not under_way:
        all_values = dict.fromkeys(agent for agent in again - given if found.values.get(agent)) | all_values
    stored = {name: value for name, value in found.values.items() if not beside.get(AgentName(name))}
    records = stored | all_values  # get_state shows what the superstep gave as if it were stored already
    if not under_way:
        all_values[KEPT] = [agent for agent in plan.by_agent if records.get(agent) is not None]
    asked = [target for update in updates for target in _goto(update)]
    if routed:
        return [_leading_on(first, all_values, _starting(plan, given, records), asked)]
    if without := [agent for agent in given if records.get(agent) is None]:
        raise RecordError([Finding(problem="it has no record", remedy=_AGAIN, key=agent) for agent in sorted(without)])
    if not found.created_at:
        return [first, *others]
    if not under_way or plan.strategy is Strategy.ADAPTIVE:  # all are visited once more, and lead to the exit together
        asked = [target for target in asked if _name(target) not in plan.by_agent]
        return [_leading_on(first._replace(as_node=ENTRY), all_values, [], asked)]
    waiting = [agent for agent in plan.by_agent if agent in beside and agent not in given | kept.keys()]
    own = {name: value for name, value in values.items() if name not in given or name == first.as_node}
    of_others = {agent: {agent: values[agent]} for agent in given & values.keys() if agent != first.as_node} | kept
    leading = _leading_on(first, own, visits(plan, waiting), asked)
    return [leading, *(StateUpdate(what, agent) for agent, what in of_others.items())]


def changed(values: Mapping[str, Any], updates: Sequence[StateUpdate]) -> dict[str, Any]:
    """Give the values of a state as they are after updates; each of its channels holds what it was given last."""
    after = dict(values)
    for update in updates:
        given: Any = update.values
        after |= (given.update if isinstance(given, Command) else given) or {}
    return after


def _goto(update: StateUpdate) -> list[str | Send]:
    """Give where an update leads by itself."""
    given: Any = update.values
    if not isinstance(given, Command):
        return []
    return [given.goto] if isinstance(given.goto, str | Send) else list(given.goto)


def _name(target: str | Send) -> str:
    return target.node if isinstance(target, Send) else target


def _leading_on(
    update: StateUpdate, values: dict[str, Any], following: list[str | Send], asked: list[str | Send]
) -> StateUpdate:
    """Give an update that starts who follows, and who is ``asked`` for as well; nobody twice."""
    names = {_name(target) for target in following}
    goto = [*following, *(target for target in asked if _name(target) not in names)]
    leading_on: Any = Command(update=values, goto=goto)
    return update._replace(values=leading_on)


def _placed(
    plan: ExecutionPlan, found: StateSnapshot, updates: Sequence[StateUpdate], *, routed: bool
) -> Sequence[StateUpdate]:
    """Say in whose place an update is that leaves it open: of the agent whose record it gives, if that is under way.

    Else, where agents are routed by no edges, it is that of the superstep before; LangGraph takes the node that ended
    last, and nothing would lead on from there.
    """
    [*named] = updates
    if len(named) > 1 or named[0].as_node is not None:
        return updates
    waiting = list(found.next)
    place = next((agent for agent in changed({}, updates) if agent in waiting and agent in plan.by_agent), None)
    if place is None and routed:
        place = _before(plan, waiting[0]) if waiting else EXIT
    return [named[0]._replace(as_node=place)]


def _before(plan: ExecutionPlan, node: str) -> str | None:
    """Give a node of the superstep that leads to ``node``."""
    for superstep in supersteps_of(plan).values():
        if node in map(_name, superstep.following):
            return superstep.nodes[0]
    return None


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
