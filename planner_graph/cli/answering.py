"""Answers agents that ask, for the commands ``approve`` and ``reject``."""

import asyncio
import json
from typing import Annotated, Any

import typer

from planner_graph.cli import screen
from planner_graph.cli.control import requester
from planner_graph.runtime.approval import answer
from planner_graph.store.answers import Answered
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.text import one_line
from planner_graph.types import RunId

AgentArgument = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent that asks; 'status' says who does.", show_default=False)
]
QuestionId = Annotated[
    str | None,
    typer.Option(
        "--question", metavar="ID", help="Which question, if the agent asks several at a time.", show_default=False
    ),
]


def send(  # noqa: PLR0913  # what there is to say about an answer
    run: str, agent: str, value: Any, *, reason: str | None, question: str | None, dsn: str | None, as_json: bool
) -> None:
    """Answer what an agent asks, and show what comes of it."""
    run_id, answered = asyncio.run(_give(run, agent, value, reason=reason, question=question, dsn=dsn))
    if as_json:
        screen.show_json(_json(run_id, answered))
    else:
        screen.show(one_line(f"run {run_id}: {_says(run_id, answered)}"))


async def _give(  # noqa: PLR0913  # what there is to say about an answer
    run: str, agent: str, value: Any, *, reason: str | None, question: str | None, dsn: str | None
) -> tuple[RunId, Answered]:
    async with open_database(dsn) as database:
        row = await Repository(database).get_run(run)
        given = answer(database, row.run_id, agent, value, by=requester(), reason=reason, question=question)
        return row.run_id, await given


def _says(run_id: RunId, answered: Answered) -> str:
    said = json.dumps(answered.answer.value, ensure_ascii=False)
    agent = answered.answer.agent
    if answered.changed:
        what = f"agent {agent!r} gets the answer {said}"
    else:
        what = f"{answered.answer.by} has given agent {agent!r} the answer {said} already"
    if answered.holder is None:
        return f"{what}; go on with it: planner-graph resume {run_id}"
    return f"{what}; process {answered.holder} goes on with it when the agents that run have ended"


def _json(run_id: RunId, answered: Answered) -> dict[str, Any]:
    given = answered.answer
    return {
        "workflow_execution_id": run_id,
        "agent": given.agent,
        "question": given.interrupt_id,
        "answer": given.value,
        "by": given.by,
        "reason": given.reason,
        "answered_at": given.answered_at.isoformat(),
        "taken_at": given.taken_at.isoformat() if given.taken_at else None,
        "changed": answered.changed,
        "status": answered.status.value,
        "holder": answered.holder,
    }
