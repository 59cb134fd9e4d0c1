"""What there is to know of one run, or of one of its agents, put together from the tables and the checkpoint."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from planner_graph.campaign import Campaign
from planner_graph.compiler.events import ASKS
from planner_graph.errors import CheckpointUnreadableError, RunNotFoundError
from planner_graph.mirror.blocking import blocked
from planner_graph.mirror.checkpoint import read_checkpoint
from planner_graph.mirror.overdue import overdue
from planner_graph.mirror.previews import shown_result
from planner_graph.mirror.standings import AgentNow, agents_now
from planner_graph.mirror.usage import total_usage
from planner_graph.redaction import SECRET
from planner_graph.server.context import Context
from planner_graph.server.items import item_values
from planner_graph.server.problems import ProblemError
from planner_graph.server.requests import Action
from planner_graph.server.responses import (
    AgentDetail,
    AgentInput,
    AskedQuestion,
    Attempt,
    CheckpointProblem,
    RunDetail,
)
from planner_graph.store.commands import Command, answer
from planner_graph.store.plain import preview
from planner_graph.store.rows import AgentRunRow, RunRow
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus

PREVIEW = 1_000
"""Characters of JSON that are shown of a value."""


async def run_detail(context: Context, row: RunRow) -> RunDetail:
    """Give all that is known of a run.

    Raises:
        RunNotFoundError: it is not there any more.
    """
    repository = context.repository
    found = await repository.listed([row.run_id], with_result=True)
    if not found:
        raise RunNotFoundError(row.run_id)
    [listed] = found
    vitals = await repository.vitals(row.run_id)
    checkpoint = await looked_into(context, row.run_id, listed.status, held=vitals.held)
    allowed = allowed_actions(listed.status, held=vitals.held, questions=checkpoint.questions)
    if checkpoint.problem is not None:
        allowed = [action for action in allowed if action != Command.RESUME]
    return RunDetail(
        **item_values(listed, context.host),
        plan_hash=listed.plan_hash,
        plan_revision=listed.plan_revision,
        last_sequence=listed.last_sequence,
        result=await _shown(context, row, listed.result),
        usage=listed.usage,
        holder=None if listed.status.ended else vitals.holder,  # who lets go of it a moment later
        allowed_actions=allowed,
        questions=checkpoint.questions,
        checkpoint_problem=checkpoint.problem,
        checkpoints_removed_at=listed.checkpoints_removed_at,
    )


def allowed_actions(status: RunStatus, *, held: bool, questions: Iterable[AskedQuestion]) -> list[str]:
    """Give the actions that would change something; ``held`` tells whether a living process executes the run.

    >>> allowed_actions(RunStatus.PAUSED, held=False, questions=[])
    ['resume', 'cancel']
    """
    answers = {command: answer(status, command, held=held) for command in Command}
    commands = [
        command.value
        for command, given in answers.items()
        if not given.refused and (given.execute or given.status is not status)
    ]
    asks = any(question.answered_by is None for question in questions)
    return [*commands, *(action.value for action in Action if action.answers and asks)]


class Looked(NamedTuple):
    """What the checkpoint of a run tells beside the tables: what is asked, or why it cannot be read."""

    questions: list[AskedQuestion]
    problem: CheckpointProblem | None = None


async def looked_into(context: Context, run_id: RunId, status: RunStatus, *, held: bool) -> Looked:
    """Look into the checkpoint of a run where an agent waits for an answer, or that could be resumed."""
    if status.ended or status is RunStatus.CANCELLING:
        return Looked([])
    attempts = await context.repository.agent_runs(run_id)
    latest = {attempt.agent_name: attempt for attempt in sorted(attempts, key=lambda row: (row.execution, row.attempt))}
    asks = any(attempt.reason == ASKS for attempt in latest.values())
    if held and not asks:
        return Looked([])
    try:
        state = await read_checkpoint(context.orchestrator.database, run_id)
    except CheckpointUnreadableError as error:
        return Looked([], CheckpointProblem(reason_code=error.code, detail=str(error)))
    answers = await context.repository.answers(run_id)
    return Looked(
        [
            AskedQuestion(
                id=question.id,
                agent=question.agent,
                value=preview(question.value, PREVIEW),
                answered_by=answers[question.id].by if question.id in answers else None,
            )
            for question in (state.questions if asks else ())
        ]
    )


async def agent_detail(context: Context, row: RunRow, name: str) -> AgentDetail:
    """Give all that is known of one agent of a run.

    Raises:
        ProblemError: the plan has no such agent.
    """
    repository = context.repository
    plan = await context.plans.get(row.run_id, row.plan_hash)
    step = plan.by_agent.get(AgentName(name))
    if step is None:
        known = list(plan.by_agent)
        raise ProblemError("agent-not-found", f"the plan of run {row.run_id} has no agent {name!r}", agents=known)
    attempts, outputs = await repository.agent_runs(row.run_id), await repository.outputs(row.run_id)
    now = context.clock.now()
    agents = agents_now(plan, row, attempts)
    why = {} if row.status.ended else blocked(plan, row.status, agents, now)
    campaign = await repository.load_campaign(row.run_id) if "campaign" in step.inputs.values() else Campaign()
    own = [attempt for attempt in attempts if attempt.agent_name == name]
    output: Any = outputs.get(step.agent)
    return AgentDetail(
        agent=step.agent,
        step=plan.for_people().by_agent[step.agent].model_dump(mode="json"),
        **_standing(agents[step.agent], own),
        inputs={key: _input(key, source, outputs, campaign, plan.secrets) for key, source in step.inputs.items()},
        output=output,
        truncated=is_cut(output),
        reference=output["reference"] if is_cut(output) else None,
        **AgentDetail.waiting(why.get(step.agent)),
        overdue=overdue(plan, row.status, {step.agent: agents[step.agent]}, now).get(step.agent),
    )


async def _shown(context: Context, row: RunRow, result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a result as people see it."""
    if result is None:
        return None
    plan = await context.plans.get(row.run_id, row.plan_hash)
    return await context.work(shown_result, result, plan)


def is_cut(output: Any) -> bool:
    """Tell whether an output is only the beginning of a large one."""
    return isinstance(output, dict) and output.get("truncated") is True and {"preview", "reference"} <= output.keys()


def _standing(here: AgentNow, attempts: list[AgentRunRow]) -> dict[str, Any]:
    return {
        "status": here.status,
        "reason": here.reason,
        "error": dict(here.error) if here.error and here.status is not AgentStatus.COMPLETED else None,
        "attempts": [Attempt.of(attempt) for attempt in attempts],
        "usage": total_usage(attempt.usage for attempt in attempts),
    }


def _input(
    key: str, source: str, outputs: dict[AgentName, Any], campaign: Campaign, secrets: Collection[str]
) -> AgentInput:
    if key in secrets:
        return AgentInput(source=source, value=SECRET)
    if source == "campaign":
        value = campaign.provided.get(key)
    else:
        output = outputs.get(AgentName(source))
        value = output.get(key) if isinstance(output, dict) and not is_cut(output) else output
    return AgentInput(source=source, value=preview(value, PREVIEW))
