"""What is asked of a run: pause, resume, cancel; and answers to agents that ask."""

import logging

from fastapi import APIRouter
from starlette.responses import Response

from planner_graph.compiler.events import WAITING
from planner_graph.errors import (
    AnswerRefusedError,
    CommandRefusedError,
    InvalidInputError,
    RunEndedError,
    RunHeldError,
    RunNotResumableError,
)
from planner_graph.server.context import Asking, Context, FoundRun, Shared
from planner_graph.server.details import allowed_actions, looked_into
from planner_graph.server.openapi import documented
from planner_graph.server.problems import ProblemError, without_commands
from planner_graph.server.requests import Control, ControlBody
from planner_graph.server.responses import ControlResult
from planner_graph.store import audit
from planner_graph.store.commands import Command
from planner_graph.store.rows import RunRow
from planner_graph.text import one_line
from planner_graph.types import RunStatus

log = logging.getLogger(__name__)

router = APIRouter(prefix="/workflows/{run}", tags=["workflows"])

REFUSALS = (CommandRefusedError, RunEndedError, RunNotResumableError, AnswerRefusedError, RunHeldError)

UNDER_WAY = frozenset({RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.CANCELLING})
"""What a run becomes for a while after a command that takes its time."""


@router.post(
    "/control",
    summary="Pause, resume, cancel, approve, reject",
    responses={
        202: {"model": ControlResult, "description": "It was asked for, and will be so in a moment."},
        **documented("run-not-found", "ambiguous-run", "action-not-allowed", "unbound-agents", "checkpoint-unreadable"),
    },
)
async def control(body: Control, row: FoundRun, context: Shared, actor: Asking, response: Response) -> ControlResult:
    """Ask something of a run, whichever process executes it; asking for what is so already changes nothing."""
    action = audit.Action(body.action.value)
    entry = audit.Entry(actor=actor, action=action, run_id=row.run_id, subject=body.agent, reason=body.reason)
    try:
        async with audit.recorded(context.database, entry):
            result = await carry_out(body, row, context, by=actor.principal)
    except REFUSALS as error:
        now = await context.repository.get_run(row.run_id)
        held = (await context.repository.vitals(row.run_id)).held
        questions = (await looked_into(context, now.run_id, now.status, held=held)).questions
        allowed = allowed_actions(now.status, held=held, questions=questions)
        detail = without_commands(str(error))
        raise ProblemError("action-not-allowed", detail, allowed_actions=allowed, run_status=now.status) from error
    response.status_code = 202 if result.status in UNDER_WAY else 200
    return result


async def carry_out(body: ControlBody, row: RunRow, context: Context, *, by: str) -> ControlResult:
    """Do what is asked, for ``by``; a run that is to go on is executed here.

    Raises:
        PlannerGraphError: it cannot be done; see ``REFUSALS``.
    """
    if body.action.answers:
        return await _answer(body, row, context, by=by)
    return await _command(Command(body.action.value), body.reason, row, context, by=by)


async def _command(command: Command, reason: str | None, row: RunRow, context: Context, *, by: str) -> ControlResult:
    if command is Command.RESUME:
        await _require_code(row, context)
        if not (await context.repository.vitals(row.run_id)).held:
            await context.orchestrator.require_readable(row.run_id)
    else:
        context.host.drop(row.run_id)
    given = await context.repository.command(row.run_id, command, by=by, reason=reason)
    if given.execute:
        context.host.start(row.run_id, row.agents_reference, resume=True)
    return ControlResult(status=given.status, says=given.says)


async def _answer(body: ControlBody, row: RunRow, context: Context, *, by: str) -> ControlResult:
    """Give an answer; a run that was only waiting for answers goes on."""
    answered = await context.orchestrator.answer(
        row.run_id, body.agent or "", body.value, by=by, reason=body.reason, question=body.question
    )
    says = "the answer is kept" if answered.changed else "it was answered so already"
    waits = (row.status_reason or "").startswith(WAITING)
    if answered.status is RunStatus.PAUSED and answered.holder is None and waits:
        resumed = await _command(Command.RESUME, "answered", row, context, by=by)
        return ControlResult(status=resumed.status, says=f"{says}; {resumed.says}")
    return ControlResult(status=answered.status, says=says)


async def _require_code(row: RunRow, context: Context) -> None:
    """Refuse to go on with a run whose agents have no code here.

    Raises:
        ProblemError: some have none; all of them are named.
    """
    try:
        bodies = await context.host.bodies(row.agents_reference)
    except InvalidInputError as error:
        detail = "the server cannot load the code of the run's agents; its log says why"
        log.warning("the code of run %s cannot be loaded: %s", row.run_id, one_line(str(error)))
        raise ProblemError("unbound-agents", detail, agents=[]) from error
    plan = await context.plans.get(row.run_id, row.plan_hash)
    unbound = [step.agent for step in plan.steps if step.agent not in bodies]
    if unbound:
        detail = f"the server has no code for {', '.join(map(repr, unbound))}; start it with their --agents"
        raise ProblemError("unbound-agents", detail, agents=unbound)
