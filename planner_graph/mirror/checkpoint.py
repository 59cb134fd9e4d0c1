"""Reads what the checkpoint of a run holds, which is the truth about it; the bodies of its agents are not needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import (
    Any,
    NotRequired,  # pydantic needs this one before Python 3.12
)

from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt, StateSnapshot
from pydantic import InstanceOf, TypeAdapter
from typing_extensions import TypedDict

from planner_graph.compiler.compiler import CompiledPlan, compile_plan
from planner_graph.compiler.state import AgentRecord, Result, stored_records
from planner_graph.errors import CheckpointFault, CheckpointUnreadableError, OutputNotStoredError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import reading
from planner_graph.store.database import Database
from planner_graph.store.rows import RunRow
from planner_graph.store.saver import CheckpointSaver, checkpointer, reading_thread
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus


class _Error(TypedDict):
    type: str
    message: str


class _Record(TypedDict):
    """What a record must hold for its readers; those of earlier versions lack what came later."""

    status: AgentStatus
    output: dict[str, Any] | None
    error: _Error | None
    reason: str | None
    attempts: int
    started_at: datetime | None
    ended_at: datetime
    replaces: NotRequired[str | None]
    usage: NotRequired[dict[str, Any] | None]


class _Summary(TypedDict):
    status: AgentStatus


class _Result(TypedDict):
    status: RunStatus
    deliverables: dict[str, Any]
    missing: list[str]
    agents: dict[str, _Summary]


class _State(TypedDict):
    campaign: NotRequired[dict[str, Any]]
    plan_hash: NotRequired[str]
    result: NotRequired[_Result | None]


_STATE = TypeAdapter(_State)
_RECORDS = TypeAdapter(dict[str, _Record])
_QUESTIONS = TypeAdapter(list[InstanceOf[Interrupt]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What an agent asks of a person; ``id`` is what an answer names."""

    agent: AgentName
    id: str
    value: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointState:
    """What the latest checkpoint of a run holds.

    Without a checkpoint the run has not ``begun``: it never started, or not for long, or it was pruned, or it is not
    in this database, which cannot be if the thread is the run's ``own``. ``records`` are those of agents that have
    ended, in execution order; ``result`` is ``None`` until the run has ended; ``questions`` wait for an answer.
    ``removed_at`` is when the checkpoints of a run that ended long ago were removed.
    """

    run_id: RunId
    thread_id: str
    own: bool
    plan: ExecutionPlan
    begun: bool
    records: Mapping[AgentName, AgentRecord]
    result: Result | None
    questions: tuple[Question, ...]
    removed_at: datetime | None


async def read_checkpoint(database: Database, run: str) -> CheckpointState:
    """Read the checkpoint of a run, which is given by its id or the beginning of it.

    Raises:
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
        PlanMismatchError: the stored plan is damaged, or the checkpoint was written by another one.
        CheckpointUnreadableError: the checkpoint is damaged, or holds what may not be read.
    """
    async with reading.snapshot(database) as conn:
        row = await reading.find_run(conn, run)
        plan = await reading.load_plan(conn, row.run_id)
    return await _read(database, row, plan)


async def full_output(database: Database, run: str, agent: str) -> dict[str, Any]:
    """Give the whole output of an agent, of which the live table may show only the beginning.

    Raises:
        RunNotFoundError, AmbiguousRunError, PlanMismatchError, CheckpointUnreadableError: see
            :func:`read_checkpoint`.
        OutputNotStoredError: the agent is not in the plan, has not completed, or the checkpoint is gone.
    """
    state = await read_checkpoint(database, run)
    if agent not in state.plan.by_agent:
        raise OutputNotStoredError(state.run_id, agent, f"its plan has only {', '.join(state.plan.by_agent)}")
    if not state.begun:
        removed = state.removed_at and f"its checkpoint was removed on {state.removed_at:%Y-%m-%d}"
        raise OutputNotStoredError(state.run_id, agent, removed or "there is no checkpoint; it never began")
    record = state.records.get(AgentName(agent))
    if record is None or record["output"] is None:
        how = f"it was {record['status']}: {record['reason']}" if record else "it has not completed"
        raise OutputNotStoredError(state.run_id, agent, how)
    return record["output"]


async def _read(database: Database, row: RunRow, plan: ExecutionPlan) -> CheckpointState:
    graph = compile_plan(plan, dict.fromkeys(plan.by_agent, _never_called), checkpointer=checkpointer(database))
    snapshot = await stored_state(graph, {"configurable": {"thread_id": row.thread_id}}, plan)
    result: Result | None = None if snapshot.next else snapshot.values.get("result")
    return CheckpointState(
        run_id=row.run_id,
        thread_id=row.thread_id,
        own=row.own_thread,
        plan=plan,
        begun=bool(snapshot.created_at),
        records=stored_records(snapshot, plan.by_agent),
        result=result,
        questions=open_questions(snapshot),
        removed_at=row.checkpoints_removed_at,
    )


async def require_resumable(database: Database, run: str) -> None:
    """Do nothing if what a run would be resumed from can be read, or is not there.

    Raises:
        RunNotFoundError, AmbiguousRunError, PlanMismatchError, CheckpointUnreadableError: see
            :func:`read_checkpoint`.
    """
    async with reading.snapshot(database) as conn:
        row = await reading.find_run(conn, run)
        plan = await reading.load_plan(conn, row.run_id)
    saver = checkpointer(database)
    graph = compile_plan(plan, dict.fromkeys(plan.by_agent, _never_called), checkpointer=saver)
    await stored_state(graph, {"configurable": {"thread_id": row.thread_id}}, plan, within=saver)


async def stored_state(
    graph: CompiledPlan, config: RunnableConfig, plan: ExecutionPlan, *, within: CheckpointSaver | None = None
) -> StateSnapshot:
    """Return the latest state of a thread of the graph of ``plan``, if it is one that the graph can have stored.

    With the saver of the thread as ``within``, those of graphs within agents that have not ended are read, too.

    Raises:
        PlanMismatchError: it was written by another plan.
        CheckpointUnreadableError: it is damaged, or holds what may not be read.
    """
    with reading_thread(str(config["configurable"]["thread_id"])):
        snapshot = await graph.aget_state(config)
        _STATE.validate_python(snapshot.values)
        records = stored_records(snapshot, plan.by_agent)
        _RECORDS.validate_python(records)
        if records and not snapshot.values.keys() >= {"plan_hash", "campaign"}:
            raise CheckpointUnreadableError(CheckpointFault.MISSING, "its plan or its campaign is missing")
        _QUESTIONS.validate_python([interrupt for task in snapshot.tasks for interrupt in task.interrupts])
    if within is not None:
        pending = [f"{task.name}:{task.id}" for task in snapshot.tasks if not task.result]
        await within.require_readable_within(str(config["configurable"]["thread_id"]), pending)
    return snapshot


def open_questions(snapshot: StateSnapshot) -> tuple[Question, ...]:
    """Give the questions of the latest checkpoint that nobody has answered, in execution order.

    One that was answered stays until its agent has ended, or asks the next one.
    """
    return tuple(
        Question(agent=AgentName(task.name), id=interrupt.id, value=interrupt.value)
        for task in snapshot.tasks
        for interrupt in task.interrupts
        if not task.result
    )


async def _never_called(_: Mapping[str, Any]) -> None:
    """Stand in for the body of an agent."""
    raise AssertionError("a graph that is only read runs no agent")
