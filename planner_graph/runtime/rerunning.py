"""Begins a new run with what an earlier one has finished: all but an agent and those that depend on it.

The beginning of its thread is stored first, where nobody looks, then the run is accepted, in one transaction: a crash
in between leaves no run.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner_graph import documents
from planner_graph.campaign import Campaign
from planner_graph.compiler.beginning import begin_with
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import compile_plan
from planner_graph.documents import NOWHERE
from planner_graph.errors import CampaignError, RerunRefusedError, nearest
from planner_graph.mirror.checkpoint import CheckpointState, read_checkpoint
from planner_graph.planning.keeping import Keeping, keep_before
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store.accepting import FIRST_REVISION
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import thread_of
from planner_graph.store.saver import checkpointer
from planner_graph.types import AgentName, AgentStatus, RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class Rerun:
    """A run that was accepted to do a part of an earlier one again, ``rerun_of``: who is kept, and who runs again."""

    run_id: RunId
    rerun_of: RunId
    plan: ExecutionPlan
    keeping: Keeping


async def begin(  # noqa: PLR0913  # what there is to say about the new run
    database: Database,
    agents: Mapping[str, Body],
    run: str,
    agent: str,
    *,
    configuration: Mapping[str, Any],
    agents_reference: str | None,
    output_folder: str | None,
) -> Rerun:
    """Accept a run under the plan of ``run``, in which ``agent`` and those that depend on it have not ended yet.

    Others that completed are kept, with their outputs; see :func:`keep_before`. ``configuration`` is laid over that of
    the agent, in the campaign and in the plan. The earlier run stays what it is.

    Raises:
        CampaignError: something in the configuration is not plain JSON.
        RunNotFoundError, AmbiguousRunError: there is no such run, or more than one.
        RerunRefusedError: it has no such agent, or its checkpoints are gone.
        UnboundAgentsError: agents of the plan have no body.
    """
    repository = Repository(database)
    state = await read_checkpoint(database, run)
    name = _known(state, agent)
    campaign = await repository.load_campaign(state.run_id)
    plan, campaign = configured(state.plan, campaign, name, configuration)
    ended = {other: AgentStatus(record["status"]) for other, record in state.records.items()}
    idle = [other for other, record in state.records.items() if _was_idle(record)]
    keeping = keep_before(state.plan, plan, ended, name, idle=idle)
    run_id = RunId(str(uuid.uuid4()))
    thread: Any = {"thread_id": thread_of(run_id, FIRST_REVISION), "workflow_execution_id": run_id}
    graph = compile_plan(plan, agents, checkpointer=checkpointer(database))
    records = {other: state.records[other] for other in keeping.kept}
    await begin_with(graph, {"configurable": thread}, campaign.model_dump(mode="json"), records)
    await repository.accept_run(
        run_id,
        campaign,
        plan,
        agents_reference=agents_reference,
        output_folder=output_folder,
        origin={"rerun_of": state.run_id, "rerun_from": name, "kept": list(keeping.kept)},
    )
    return Rerun(run_id=run_id, rerun_of=state.run_id, plan=plan, keeping=keeping)


def configured(
    plan: ExecutionPlan, campaign: Campaign, agent: AgentName, configuration: Mapping[str, Any]
) -> tuple[ExecutionPlan, Campaign]:
    """Give plan and campaign with another configuration of one agent, key by key.

    Raises:
        CampaignError: something in it is not plain JSON.
    """
    if not configuration:
        return plan, campaign
    wanted = {**campaign.configuration, agent: {**campaign.configuration.get(agent, {}), **configuration}}
    data = {**campaign.model_dump(mode="json"), "configuration": wanted}
    changed, findings = documents.validate(Campaign, NOWHERE, data)
    if changed is None or findings:
        raise CampaignError(findings)
    steps = [
        step.model_copy(update={"configuration": {**step.configuration, **configuration}})
        if step.agent == agent
        else step
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": tuple(steps)}), changed


def _known(state: CheckpointState, agent: str) -> AgentName:
    """Give the name of an agent of a run of which there is something to keep."""
    if agent not in state.plan.by_agent:
        remedy = nearest(agent, state.plan.by_agent) or f"name one of {', '.join(state.plan.by_agent)}"
        raise RerunRefusedError(state.run_id, agent, "its plan has no such agent", remedy)
    if not state.begun:
        problem = "there is no checkpoint of it"
        if state.removed_at:
            problem = f"its checkpoints were removed on {state.removed_at:%Y-%m-%d}"
        raise RerunRefusedError(state.run_id, agent, problem, "run its campaign anew")
    return AgentName(agent)


def _was_idle(record: Mapping[str, Any]) -> bool:
    """Tell whether an agent was skipped because there was nothing to make up for."""
    return record["status"] == AgentStatus.SKIPPED and record["error"] is None
