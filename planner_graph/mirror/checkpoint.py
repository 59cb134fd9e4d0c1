"""Reads what the checkpoint of a run holds, which is the truth about it; the bodies of its agents are not needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langgraph.types import StateSnapshot

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.state import AgentRecord, Result, stored_records
from planner_graph.errors import OutputNotStoredError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import reading
from planner_graph.store.database import Database
from planner_graph.store.rows import RunRow
from planner_graph.store.saver import checkpointer
from planner_graph.types import AgentName, RunId


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
    """
    async with reading.snapshot(database) as conn:
        row = await reading.find_run(conn, run)
        plan = await reading.load_plan(conn, row.run_id)
    return await _read(database, row, plan)


async def full_output(database: Database, run: str, agent: str) -> dict[str, Any]:
    """Give the whole output of an agent, of which the live table may show only the beginning.

    Raises:
        RunNotFoundError, AmbiguousRunError, PlanMismatchError: see :func:`read_checkpoint`.
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
    snapshot = await graph.aget_state({"configurable": {"thread_id": row.thread_id}})
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
