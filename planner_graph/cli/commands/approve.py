"""``planner-graph approve``: answer an agent that asks, with yes unless another answer is given."""

import json
from typing import Annotated, Any

import typer

from planner_graph.cli.answering import AgentArgument, QuestionId, send
from planner_graph.cli.control import Reason
from planner_graph.cli.options import AsJson, Dsn, RunArgument
from planner_graph.errors import Finding, InvalidInputError

app = typer.Typer(add_completion=False)


@app.command()
def approve(  # noqa: PLR0913  # one parameter for each option
    run: RunArgument,
    agent: AgentArgument,
    *,
    answer: Annotated[
        str | None,
        typer.Option("--answer", metavar="JSON", help="The answer; by default true.", show_default=False),
    ] = None,
    reason: Reason = None,
    question: QuestionId = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Answer an agent that asks.

    The answer is kept until the run goes on with it: in the process that executes it, or when it is resumed. Until
    then, another answer takes its place.
    """
    value = True if answer is None else read_json(answer)
    send(run, agent, value, reason=reason, question=question, dsn=dsn, as_json=as_json)


def read_json(text: str) -> Any:
    """Read the value of ``--answer``.

    Raises:
        InvalidInputError: it is no JSON, or holds NaN or an infinite number.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        problem = f"{text[:60]!r} is no JSON: {error}"
        remedy = """write text in double quotes, --answer '"like this"', or true, false, null, a number, {...}, [...]"""
        raise InvalidInputError([Finding(problem=problem, remedy=remedy, key="--answer")]) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
