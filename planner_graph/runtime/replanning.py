"""Finds out whether a run would be planned otherwise today, and lets it go on under another plan.

What is new is written in an order that a crash cannot harm: first the beginning of a new thread, which nobody looks at,
then the tables, in one transaction that also names the thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from planner_graph.campaign import Campaign
from planner_graph.compiler.beginning import begin_with
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.obstacle import STOPPED
from planner_graph.compiler.state import AgentRecord
from planner_graph.errors import CommandRefusedError, LeaseLostError, PlanChangedError, RunNotResumableError
from planner_graph.mirror import tables
from planner_graph.mirror.checkpoint import CheckpointState, read_checkpoint
from planner_graph.mirror.previews import lean_record
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.planning.comparison import PlanDifferences, changed_values, compare, compare_campaigns
from planner_graph.planning.keeping import Keeping, keep
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.provenance import optional_reads
from planner_graph.store import transitions
from planner_graph.store.database import Database
from planner_graph.store.leases import Lease, is_fenced
from planner_graph.store.repository import Repository
from planner_graph.store.revising import Revision, revise
from planner_graph.store.rows import RunRow, thread_of
from planner_graph.store.saver import RunSaver
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus, Strategy


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """The plan that a run has, and the one that it would have if it were planned now."""

    row: RunRow
    old_campaign: Campaign
    old: ExecutionPlan
    campaign: Campaign
    plan: ExecutionPlan

    @property
    def differences(self) -> PlanDifferences:
        """What differs between the plans."""
        return compare(self.old, self.plan)

    @property
    def what_matters(self) -> tuple[str, ...]:
        """What differs between campaigns and plans, line by line, but for what only is expected."""
        texts = compare_campaigns(self.old_campaign, self.campaign, {*self.old.secrets, *self.plan.secrets}).weighty
        return (*texts, *self.differences.weighty)


@dataclass(frozen=True, kw_only=True, slots=True)
class Replanned:
    """What came of asking for another plan: the revision that the run has now, and what that changed.

    If nothing ``changed``, the run has the plan it had, and there is no ``keeping``, which otherwise tells who of those
    that had ended need not run again, and who must. ``differences`` are in words.
    """

    run_id: RunId
    revision: int
    plan: ExecutionPlan
    differences: tuple[str, ...] = ()
    keeping: Keeping | None = None

    @property
    def changed(self) -> bool:
        """Whether the run has another plan now."""
        return bool(self.differences)


async def propose(
    repository: Repository,
    planner: MasterPlanner,
    run: str,
    campaign: Campaign | None,
    strategy: Strategy | str | None,
) -> Proposal:
    """Plan a run anew: for ``campaign``, else for the one it was accepted with.

    The strategy stays what it was, unless another one is named, or the campaign names another one than before.

    Raises:
        RunNotFoundError, AmbiguousRunError: there is no such run, or more than one.
        PlanError: no plan follows.
    """
    row = await repository.get_run(run)
    old, stored = await repository.load_plan(row.run_id), await repository.load_campaign(row.run_id)
    wanted = campaign if campaign is not None else stored
    chosen = strategy or (old.strategy if wanted.strategy is stored.strategy else wanted.strategy)
    plan = planner.create_execution_plan(wanted, chosen)
    return Proposal(row=row, old_campaign=stored, old=old, campaign=wanted, plan=plan)


def require_no_change(proposal: Proposal) -> None:
    """Refuse to go on with a run that would be planned otherwise now; estimates do not count.

    Raises:
        PlanChangedError: it would; all that differs is told.
    """
    if differences := proposal.what_matters:
        raise PlanChangedError(proposal.row.run_id, differences)


@dataclass(frozen=True, kw_only=True, slots=True)
class Replanning:
    """Puts a proposed plan in force for a run that this process holds.

    ``by`` is who asks for it.
    """

    database: Database
    lease: Lease
    agents: Mapping[str, Body]
    settings: MirrorSettings
    by: str

    async def carry_out(self, proposal: Proposal) -> Replanned:
        """Let the run go on under the proposed plan, with the records that stay true under it.

        The proposal must have been made while this process held the run. Whoever executes the run afterwards runs the
        other agents only. Agents that had not ended begin anew, also those that asked a person.

        Raises:
            RunNotResumableError: the run has ended.
            CommandRefusedError: it is being cancelled.
            UnboundAgentsError: agents of the new plan have no body.
            CampaignError: the new plan cannot run on the campaign.
            LeaseLostError: another process has taken the run over.
        """
        row = proposal.row
        require_open(row)
        if not proposal.what_matters:
            return Replanned(run_id=row.run_id, revision=row.plan_revision, plan=proposal.old)
        state = await read_checkpoint(self.database, row.run_id)
        keeping = kept_under(proposal, state)
        records = {agent: state.records[agent] for agent in keeping.kept}
        revision = Revision(number=row.plan_revision + 1, campaign=proposal.campaign, plan=proposal.plan)
        await self._begin(revision, state, records)
        differences = differences_of(proposal, keeping)
        await self._write(revision, records, keeping, differences)
        return Replanned(
            run_id=row.run_id,
            revision=revision.number,
            plan=revision.plan,
            differences=differences,
            keeping=keeping,
        )

    async def _begin(
        self, revision: Revision, state: CheckpointState, records: Mapping[AgentName, AgentRecord]
    ) -> None:
        """Store the beginning of the new thread; what an attempt that did not come to its end left there is removed."""
        saver = RunSaver(self.database, self.lease)
        graph = compile_plan(revision.plan, self.agents, checkpointer=saver)
        thread = thread_of(self.lease.run_id, revision.number)
        try:
            await saver.adelete_thread(thread)
        except psycopg.Error as error:
            raise (LeaseLostError(self.lease.run_id) if is_fenced(error) else error) from error
        if state.begun:
            config: Any = {"configurable": {"thread_id": thread, "workflow_execution_id": self.lease.run_id}}
            await begin_with(graph, config, revision.campaign.model_dump(mode="json"), records)

    async def _write(
        self,
        revision: Revision,
        records: Mapping[AgentName, AgentRecord],
        keeping: Keeping,
        differences: tuple[str, ...],
    ) -> None:
        """Write everything that the tables say of it, in one transaction."""
        run_id, plan = self.lease.run_id, revision.plan
        thread, limit = thread_of(run_id, revision.number), self.settings.preview_of_each(len(plan.steps))
        lean = {agent: lean_record(record, agent, limit, thread, plan.secrets) for agent, record in records.items()}
        told = {
            "revision": revision.number,
            "plan_hash": plan.hash,
            "by": self.by,
            "differences": differences,
            "kept": keeping.kept,
            "again": keeping.again,
            "gone": keeping.gone,
        }
        async with self.database.pool.connection() as conn, conn.transaction():
            await revise(conn, self.lease, revision)
            await transitions.log(conn, run_id, "run_replanned", told)
            ledger = (await tables.load(conn, [run_id]))[run_id]
            ledger.replan(lean, keeping.again, datetime.now(UTC))
            await tables.save(conn, {run_id: ledger}, always=True)


def require_open(row: RunRow) -> None:
    """Refuse a run that has ended or is being cancelled.

    Raises:
        RunNotResumableError: it has ended.
        CommandRefusedError: it is being cancelled.
    """
    if row.status.ended:
        raise RunNotResumableError(row.run_id, f"it has ended as {row.status.value!r}")
    if row.status is RunStatus.CANCELLING:
        raise CommandRefusedError(row.run_id, "replan", "it is being cancelled")


def _was_stopped(record: AgentRecord) -> bool:
    """Tell whether an agent was skipped only because one that it has nothing to do with had failed."""
    return record["error"] is not None and record["error"]["type"] == STOPPED


def kept_under(proposal: Proposal, state: CheckpointState) -> Keeping:
    """Decide which records of a run stay true under a proposed plan; see :func:`keep`."""
    ended = {agent: AgentStatus(record["status"]) for agent, record in state.records.items()}
    changed = changed_values(proposal.old_campaign, proposal.campaign)
    stopped = [agent for agent, record in state.records.items() if _was_stopped(record)]
    read = optional_reads(proposal.old, state.records)
    return keep(proposal.old, proposal.plan, ended, changed_values=changed, stopped=stopped, read=read)


def differences_of(proposal: Proposal, keeping: Keeping) -> tuple[str, ...]:
    """Return in words what a proposed plan changes, and which agents run again for it."""
    again = (f"agent {agent!r} runs again: {why}" for agent, why in keeping.again.items())
    return (*proposal.what_matters, *again)
