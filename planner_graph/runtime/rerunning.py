"""Begins a new run with what an earlier one has finished: all but some agents and those that depend on them.

The beginning of its thread is stored first, where nobody looks, then the run is accepted, in one transaction: a crash
in between leaves no run.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from planner_graph import documents
from planner_graph.campaign import Campaign
from planner_graph.compiler.beginning import begin_with
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.identity import works_of_plan
from planner_graph.documents import NOWHERE
from planner_graph.errors import CampaignError, RerunRefusedError, nearest
from planner_graph.mirror import tables
from planner_graph.mirror.checkpoint import CheckpointState, read_checkpoint
from planner_graph.mirror.previews import lean_record
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.planning.keeping import Keeping, keep_before
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.runtime.provenance import optional_reads
from planner_graph.store.accepting import FIRST_REVISION
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import thread_of
from planner_graph.store.saver import checkpointer
from planner_graph.store.transitions import Connection
from planner_graph.types import AgentName, AgentStatus, RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class Rerun:
    """A run that was accepted to do a part of an earlier one again, ``rerun_of``: what is kept, and what runs again."""

    run_id: RunId
    rerun_of: RunId
    plan: ExecutionPlan
    keeping: Keeping


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A rerun as it would be: what the checkpoint of the earlier run holds, the new plan and campaign, what is kept."""

    agents: tuple[AgentName, ...]
    state: CheckpointState
    plan: ExecutionPlan
    campaign: Campaign
    keeping: Keeping


async def draft(database: Database, run: str, agents: Sequence[str], configuration: Mapping[str, Any]) -> Draft:
    """Work out what a rerun of ``run`` from ``agents`` on would keep; nothing is written.

    All that completed is kept, with its output, but for these agents, those that depend on them and those that read
    what they gave; see :func:`keep_before`. ``configuration`` is laid over that of the agent, in the campaign and in
    the plan.

    Raises:
        CampaignError: something in the configuration is not plain JSON.
        RunNotFoundError, AmbiguousRunError: there is no such run, or more than one.
        RerunRefusedError: it has no such agent, its checkpoints are gone, or a configuration is given for several.
    """
    state = await read_checkpoint(database, run)
    names = tuple(dict.fromkeys(_known(state, agent) for agent in agents))
    if configuration and len(names) > 1:
        problem = "a configuration is given, and it does not say for which of several agents"
        raise RerunRefusedError(state.run_id, ", ".join(names), problem, "configure one agent at a time")
    plan, campaign = state.plan, await Repository(database).load_campaign(state.run_id)
    for name in names:
        plan, campaign = configured(plan, campaign, name, configuration)
    ended = {other: AgentStatus(record["status"]) for other, record in state.records.items()}
    idle = [other for other, record in state.records.items() if _was_idle(record)]
    read = optional_reads(state.plan, state.records)
    keeping = keep_before(state.plan, plan, ended, names, idle=idle, read=read)
    return Draft(agents=names, state=state, plan=plan, campaign=campaign, keeping=keeping)


async def begin(  # noqa: PLR0913  # what there is to say about the new run
    database: Database,
    bodies: Mapping[str, Body],
    run: str,
    agents: Sequence[str],
    *,
    configuration: Mapping[str, Any],
    agents_reference: str | None,
    output_folder: str | None,
    settings: MirrorSettings | None = None,
) -> Rerun:
    """Accept a run under the plan of ``run``, in which ``agents`` and those that depend on them have not ended yet.

    What is kept is in its tables from the start, so that they say what its checkpoint says, whatever becomes of it. The
    earlier run stays what it is. See :func:`draft`, also for what is raised.

    Raises:
        UnboundAgentsError: agents of the plan have no body.
    """
    made = await draft(database, run, agents, configuration)
    run_id = RunId(str(uuid.uuid4()))
    thread_id = thread_of(run_id, FIRST_REVISION)
    config: Any = {"configurable": {"thread_id": thread_id, "workflow_execution_id": run_id}}
    graph = compile_plan(made.plan, bodies, checkpointer=checkpointer(database))
    records = {other: made.state.records[other] for other in made.keeping.kept}
    await begin_with(graph, config, made.campaign.model_dump(mode="json"), records)
    limit = (settings or MirrorSettings()).preview_of_each(len(made.plan.steps))
    lean = {agent: lean_record(record, agent, limit, thread_id) for agent, record in records.items()}

    async def write_kept(conn: Connection, run_id: RunId) -> None:
        ledger = (await tables.load(conn, [run_id]))[run_id]
        ledger.reconcile(lean, datetime.now(UTC), resumed=False)
        await tables.save(conn, {run_id: ledger})

    await Repository(database).accept_run(
        run_id,
        made.campaign,
        made.plan,
        agents_reference=agents_reference,
        output_folder=output_folder,
        origin={
            "rerun_of": made.state.run_id,
            "rerun_from": made.agents[0] if len(made.agents) == 1 else list(made.agents),
            "kept": list(made.keeping.kept),
        },
        works=works_of_plan(made.plan, bodies),
        then=write_kept,
    )
    return Rerun(run_id=run_id, rerun_of=made.state.run_id, plan=made.plan, keeping=made.keeping)


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
