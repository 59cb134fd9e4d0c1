"""The state of a compiled plan: one channel per agent, each holding that agent's record.

Records are plain JSON, so that any tool can read a checkpoint. One dict-valued channel per agent keeps checkpoints
small: LangGraph stores a channel's value once per change, while one merged dict would be written whole at each step.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from langgraph.channels.last_value import LastValue
from langgraph.types import StateSnapshot
from typing_extensions import TypedDict  # pydantic, which makes Studio's input form, needs this one before Python 3.12

from planner_graph.errors import PlanMismatchError, UnboundAgentsError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName

KEPT = "_kept"
"""The channel that names the agents whose records were there when the run began; no agent can be called so."""

PLAN = "plan"
"""The channel that holds the plan of a run, where the graph itself planned it."""


class ErrorInfo(TypedDict):
    """What went wrong: the error's class name and its message."""

    type: str
    message: str


class AgentRecord(TypedDict):
    """How one agent ended.

    ``output`` maps output names to values, or is ``None``. ``reason`` says in words why the agent failed or was
    skipped. ``replaces`` names the agent that a fallback ran for. Times are ISO 8601 in UTC; ``started_at`` is ``None``
    for an agent that never ran. ``usage`` is what the language models used that it called, in all attempts: see
    :func:`~planner_graph.compiler.usage.usage_of`; ``None`` if it called none.
    """

    status: str
    output: dict[str, Any] | None
    error: ErrorInfo | None
    reason: str | None
    replaces: str | None
    attempts: int
    started_at: str | None
    ended_at: str
    usage: dict[str, Any] | None


class AgentSummary(TypedDict):
    """An agent's record without its output."""

    status: str
    reason: str | None
    attempts: int
    started_at: str | None
    ended_at: str


class Result(TypedDict):
    """How a run ended: its status, the products that exist, by name, and a summary per agent.

    ``outputs`` says which output each product is. ``missing`` are required products of which nothing exists, and
    ``excused`` those that do not exist because somebody rejected an agent.
    """

    status: str
    deliverables: dict[str, Any]
    outputs: dict[str, str]
    missing: list[str]
    excused: list[str]
    agents: dict[str, AgentSummary]


class PlanInput(TypedDict):
    """What a run is started with: the campaign as plain JSON."""

    campaign: dict[str, Any]


class PlanOutput(TypedDict):
    """What a run gives."""

    result: Result


class PlanHash(LastValue[str]):
    """The channel that pins a thread to one plan: it refuses to be restored from a checkpoint of another one.

    A check inside the nodes would come too late: LangGraph finds no node to run where a pending agent has another name
    in the new plan, and returns as if all were done.

    Raises:
        PlanMismatchError: from whatever reads the thread: a run, a resume, ``get_state``.
    """

    __slots__ = ("plan_hash",)

    def __init__(self, plan_hash: str, key: str = "plan_hash") -> None:
        super().__init__(str, key)
        self.plan_hash = plan_hash

    def copy(self) -> Self:
        """Give the same channel with the same value."""
        return self.from_checkpoint(self.value)

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """Give the channel as a checkpoint left it."""
        channel = type(self)(self.plan_hash, self.key)
        if isinstance(checkpoint, str):
            if checkpoint != self.plan_hash:
                raise PlanMismatchError(checkpoint_hash=checkpoint, plan_hash=self.plan_hash)
            channel.value = checkpoint
        return channel


class StoredPlan(LastValue[dict[str, Any]]):
    """The channel that holds a plan as plain JSON: it refuses one with agents that the graph does not have.

    LangGraph would find no node to run for them, and return as if all were done.

    Raises:
        UnboundAgentsError: from whatever reads the thread: a run, a resume, ``get_state``.
    """

    __slots__ = ("agents",)

    def __init__(self, agents: Iterable[AgentName], key: str = PLAN) -> None:
        super().__init__(dict[str, Any], key)
        self.agents = dict.fromkeys(agents)  # in order, and quick to look up

    def copy(self) -> Self:
        """Give the same channel with the same value; LangGraph asks for that whenever an agent has ended."""
        channel = type(self)((), self.key)
        channel.agents, channel.value = self.agents, self.value
        return channel

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """Give the channel as a checkpoint left it."""
        channel = type(self)(self.agents, self.key)
        if isinstance(checkpoint, dict):
            needed = [step["agent"] for step in checkpoint.get("steps", [])]
            if unbound := [agent for agent in needed if agent not in self.agents]:
                raise UnboundAgentsError(unbound, self.agents)
            channel.value = checkpoint
        return channel


def read_plan(kept: dict[str, Any], plan_hash: str) -> ExecutionPlan:
    """Give the plan that the channel of a :class:`StoredPlan` holds.

    Raises:
        StoredPlanError: it cannot be read.
        PlanMismatchError: it is not the plan with this hash.
    """
    plan = ExecutionPlan.from_json(json.dumps(kept))
    if plan.hash != plan_hash:
        raise PlanMismatchError(checkpoint_hash=plan_hash, plan_hash=plan.hash)
    return plan


def plan_in(values: Mapping[str, Any]) -> ExecutionPlan | None:
    """Give the plan that the state of a thread holds, if it holds one; see :func:`read_plan`."""
    return None if values.get(PLAN) is None else read_plan(values[PLAN], values["plan_hash"])


def state_schema(plan: ExecutionPlan) -> type:
    """Build the full state: campaign, plan hash, one record per agent, who had ended before, result."""
    channels = {
        "plan_hash": Annotated[str, PlanHash(plan.hash)],
        **_channels(plan.by_agent),
        KEPT: list[AgentName] | None,
        "result": Result | None,
    }
    return TypedDict("PlanState", channels, total=False)  # type: ignore[operator, no-any-return]


def planning_schema(agents: Iterable[AgentName]) -> type:
    """Build the full state of a graph that plans campaigns: beside what plans have, the plan itself."""
    agents = tuple(agents)
    channels = {
        PLAN: Annotated[dict[str, Any], StoredPlan(agents)],
        "plan_hash": str,
        **_channels(agents),
        KEPT: list[AgentName] | None,
        "result": Result | None,
    }
    return TypedDict("PlanningState", channels, total=False)  # type: ignore[operator, no-any-return]


def node_schema(agents: Iterable[AgentName]) -> type:
    """Build the part of the state that one agent's node reads: the records of the agents it depends on."""
    return TypedDict("AgentState", _channels(agents), total=False)  # type: ignore[operator, no-any-return]


def _channels(agents: Iterable[AgentName]) -> dict[str, Any]:
    return {"campaign": dict[str, Any], **dict.fromkeys(agents, AgentRecord | None)}


def stored_records(snapshot: StateSnapshot, agents: Iterable[AgentName]) -> dict[AgentName, AgentRecord]:
    """Give the records that a checkpoint holds.

    They are in its state, or, if the run was left in the middle of a superstep, with the tasks that had ended by then.
    """
    found = {**snapshot.values, **ended_tasks(snapshot)}
    return {agent: found[agent] for agent in agents if found.get(agent) is not None}


def ended_tasks(snapshot: StateSnapshot) -> dict[str, AgentRecord]:
    """Give the records of the tasks that had ended in a superstep that was left before its end."""
    return {task.name: task.result[task.name] for task in snapshot.tasks if task.result and task.name in task.result}
