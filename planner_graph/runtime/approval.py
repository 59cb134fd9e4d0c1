"""Takes the answers of people to agents that ask, and gives them to whoever goes on with the run."""

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.types import Command

from planner_graph.compiler.approval import is_request, verdict
from planner_graph.errors import AnswerRefusedError, RunEndedError, nearest
from planner_graph.mirror.checkpoint import CheckpointState, Question, read_checkpoint
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import answers
from planner_graph.store.answers import Answered, GivenAnswer
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.text import one_line
from planner_graph.types import AgentName

SHOWN = 200
"""Characters of a question that a message quotes."""


async def answer(  # noqa: PLR0913  # what there is to say about an answer
    database: Database,
    run: str,
    agent: str,
    value: Any,
    *,
    by: str,
    reason: str | None = None,
    question: str | None = None,
) -> Answered:
    """Answer what an agent asks, whether or not a process executes the run at the moment.

    ``run`` is the run's id or its beginning. ``question`` is the id of one of several that the agent asks at a time. A
    process that executes the run goes on with the answer when there is nothing else left to do, else the next
    ``resume`` does. Saying the same again changes nothing; something else replaces what was said before, until a
    process has gone on with that.

    Raises:
        RunNotFoundError, AmbiguousRunError: there is no such run, or more than one.
        RunEndedError: it has ended.
        AnswerRefusedError: the agent asks nothing, or not this, or another answer is in use.
        PlanMismatchError: see :func:`read_checkpoint`.
    """
    repository = Repository(database)
    row = await repository.get_run(run)
    if row.status.ended:
        raise RunEndedError(row.run_id, row.status.value)
    state = await read_checkpoint(database, row.run_id)
    asked = _asked(state, agent, question)
    if is_approval(asked, state.plan) and not isinstance(value, bool):
        problem = "it only asks to be approved, which is answered by true or false"
        raise AnswerRefusedError(row.run_id, agent, problem, "leave --answer out, or reject it")
    async with database.pool.connection() as conn, conn.transaction():
        return await answers.give(
            conn, row.run_id, interrupt_id=asked.id, agent=asked.agent, value=value, by=by, reason=reason
        )


def resumption(
    questions: Iterable[Question], given: Mapping[str, GivenAnswer], plan: ExecutionPlan
) -> "Command[Any] | None":
    """Give what LangGraph is to go on with: for each question that was answered what the agent gets."""
    found = {question.id: _value(question, given[question.id], plan) for question in questions if question.id in given}
    return Command(resume=found) if found else None


def is_approval(question: Question, plan: ExecutionPlan) -> bool:
    """Tell whether a question is that of the agent's node, which asks for approval before the agent runs."""
    return plan.by_agent[question.agent].approval is not None and is_request(question.value, question.agent)


def asking(questions: Iterable[Question]) -> str:
    """Name the agents that ask, each once.

    >>> asking([])
    ''
    """
    return ", ".join(dict.fromkeys(question.agent for question in questions))


def _value(question: Question, given: GivenAnswer, plan: ExecutionPlan) -> Any:
    if is_approval(question, plan):
        return verdict(approved=given.value is True, by=given.by, reason=given.reason)
    return given.value


def _asked(state: CheckpointState, agent: str, question: str | None) -> Question:
    """Give the question that is meant."""
    own = [asked for asked in state.questions if asked.agent == agent]
    if not own:
        raise AnswerRefusedError(state.run_id, agent, *_why_not(state, agent))
    meant = [asked for asked in own if question in {None, asked.id}]
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(f"{asked.id} ({one_line(str(asked.value))[:SHOWN]})" for asked in own)
    problem = f"it asks {len(own)} questions at a time" if meant else f"it does not ask {question!r}"
    raise AnswerRefusedError(state.run_id, agent, problem, f"name one of its questions: {listed}")


def _why_not(state: CheckpointState, agent: str) -> tuple[str, str]:
    """Say why an agent has no question, and what to do."""
    others = asking(state.questions)
    remedy = f"who asks: {others}" if others else f"'planner-graph status {state.run_id}' shows who asks"
    if AgentName(agent) not in state.plan.by_agent:
        near = nearest(agent, state.plan.by_agent)
        return "the run has no such agent", near or remedy
    record = state.records.get(AgentName(agent))
    if record is not None:
        return f"it asks nothing any more, it has ended as {record['status']!r}", remedy
    return "it asks nothing", remedy
