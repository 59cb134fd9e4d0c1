"""``planner-graph reject``: answer an agent that asks, with no."""

import typer

from planner_graph.cli.answering import AgentArgument, QuestionId, send
from planner_graph.cli.control import Reason
from planner_graph.cli.options import AsJson, Dsn, RunArgument

app = typer.Typer(add_completion=False)


@app.command()
def reject(  # noqa: PLR0913  # one parameter for each option
    run: RunArgument,
    agent: AgentArgument,
    *,
    reason: Reason = None,
    question: QuestionId = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Answer no to an agent that asks; see 'approve'."""
    send(run, agent, value=False, reason=reason, question=question, dsn=dsn, as_json=as_json)
