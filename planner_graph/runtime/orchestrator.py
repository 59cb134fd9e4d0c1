"""Runs campaigns: accept, compile, execute on Postgres checkpoints, store the outcome; resume what was left."""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command as GraphCommand
from langgraph.types import StateSnapshot

from planner_graph.agents.factory import AgentFactory
from planner_graph.campaign import Campaign, Durability
from planner_graph.clock import Clock
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import compile_plan, types_allowed_by
from planner_graph.compiler.identity import works_of_plan
from planner_graph.compiler.usage import Prices
from planner_graph.errors import RunNotResumableError
from planner_graph.mirror.checkpoint import open_questions, require_resumable, stored_state
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.history import PerformanceTracker, estimates_of
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.planning.estimates import MIN_RUNS
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime import approval, rehearsal, rerunning
from planner_graph.runtime.approval import resumption
from planner_graph.runtime.brake import Brake, Grace, OnStop
from planner_graph.runtime.execution import Execution, OnEvent, RunOutcome
from planner_graph.runtime.rehearsal import Rehearsal
from planner_graph.runtime.replanning import Proposal, Replanned, Replanning, propose, require_no_change
from planner_graph.runtime.rerunning import Rerun
from planner_graph.runtime.services import SharedServices
from planner_graph.store.answers import Answered
from planner_graph.store.commands import Answer, Command
from planner_graph.store.database import Database
from planner_graph.store.leases import Lease, this_process
from planner_graph.store.outages import OUTAGE_SECONDS, Patience
from planner_graph.store.repository import BeforeAccepted, Repository
from planner_graph.store.rows import RunRow
from planner_graph.store.saver import RunSaver
from planner_graph.types import RunId, RunStatus, Strategy


class CampaignOrchestrator:
    """Takes campaigns from the request to the stored outcome.

    ``agents`` maps agent names to bodies (see :class:`~planner_graph.agents.factory.AgentFactory`); ``prices`` of the
    models they call are the factory's by default. ``planner`` is one with the built-in catalog by default; agents with
    at least ``history_min_runs`` successful runs in the database are estimated from these (``None``: nobody is).
    ``mirror`` holds settings of the live tables, ``grace`` how long running agents may go on when a run is paused or
    cancelled. An outage of the database is waited for during ``outage_seconds``, then the run is paused.
    ``allowed_types`` may be kept in checkpoints, beside those of the factory and of the database.
    """

    def __init__(  # noqa: PLR0913  # options, all by keyword
        self,
        database: Database,
        agents: Mapping[str, Body],
        *,
        planner: MasterPlanner | None = None,
        clock: Clock | None = None,
        durability: Durability = "async",
        prices: Prices | None = None,
        history_min_runs: int | None = MIN_RUNS,
        mirror: MirrorSettings | None = None,
        grace: Grace | None = None,
        outage_seconds: float = OUTAGE_SECONDS,
        allowed_types: Iterable[type | str] = (),
    ) -> None:
        database = database.allowing(types_allowed_by(agents, allowed_types))
        self.database = database
        self.agents = agents
        self.planner = planner or MasterPlanner()
        self.repository = Repository(database)
        self.clock = clock
        self.durability = durability
        self.prices = prices if prices is not None else agents.prices if isinstance(agents, AgentFactory) else {}
        self.history_min_runs = history_min_runs
        self.grace = grace or Grace()
        self.outage_seconds = outage_seconds
        self._mirror_settings = mirror
        self._services = SharedServices(database, mirror, outage_seconds)
        self._brakes: list[Brake] = []

    @property
    def broken(self) -> bool:
        """Whether what keeps its runs and writes their tables has given up; the next run opens it anew."""
        return self._services.broken

    async def run(
        self,
        campaign: Campaign,
        *,
        strategy: Strategy | str | None = None,
        on_event: OnEvent = None,
    ) -> RunOutcome:
        """Plan ``campaign``, store campaign and plan, run it to its end, and store how it ended.

        Raises:
            PlanError: the campaign cannot be planned.
            UnboundAgentsError: agents of the plan have no body. Nothing has been stored then.
        """
        run_id, _ = await self.accept(campaign, strategy=strategy)
        return await self.execute(run_id, on_event=on_event)

    async def accept(
        self,
        campaign: Campaign,
        *,
        strategy: Strategy | str | None = None,
        agents_reference: str | None = None,
        output_folder: str | None = None,
        first: BeforeAccepted | None = None,
    ) -> tuple[RunId, ExecutionPlan]:
        """Plan ``campaign`` and store it with its plan; from then on the run can be executed and is never lost.

        ``agents_reference`` and ``output_folder`` are kept for whoever resumes the run; for ``first`` see
        :meth:`Repository.accept_run`.
        """
        plan = (await self.current_planner()).create_execution_plan(campaign, strategy)
        compile_plan(plan, self.agents)  # refuses unbound agents before anything is stored
        run_id = RunId(str(uuid.uuid4()))
        await self.repository.accept_run(
            run_id,
            campaign,
            plan,
            agents_reference=agents_reference,
            output_folder=output_folder,
            works=works_of_plan(plan, self.agents),
            first=first,
        )
        return run_id, plan

    async def execute(
        self, run_id: RunId, *, take_over: bool = False, on_event: OnEvent = None, on_stop: OnStop = None
    ) -> RunOutcome:
        """Run an accepted run, or go on with one that was paused or left behind; finished agents are not run again.

        With ``take_over``, a process that executes the run already is fenced out: nothing it writes counts any more.
        ``on_stop`` is called as soon as the run is to stop, whether a signal, another process or a failure asks for it.

        Raises:
            RunNotFoundError: there is no such run.
            RunHeldError: another process is executing it.
            RunNotResumableError: it has ended, or is another graph's whose checkpoints are not in this database.
            PlanMismatchError: its checkpoint was written by another plan.
            CheckpointUnreadableError: its checkpoint is damaged, or holds what may not be read.
            LeaseLostError: another process has taken it over meanwhile.
        """
        return await self._execute(run_id, take_over=take_over, on_event=on_event, on_stop=on_stop)

    async def _execute(
        self,
        run_id: RunId,
        *,
        take_over: bool,
        on_event: OnEvent,
        on_stop: OnStop = None,
        pausing_pauses: bool = False,
    ) -> RunOutcome:
        patient = self._patience().persist
        brake = Brake(self.grace, on_stop)
        self._brakes.append(brake)
        try:
            run_id = (await patient(lambda: self.repository.get_run(run_id))).run_id
            async with self._services.used() as services:
                lease = await patient(lambda: services.keeper.hold(run_id, brake.hear, take_over=take_over))
                try:
                    return await self._carry_out(lease, brake, services.mirror, on_event, pausing_pauses=pausing_pauses)
                finally:
                    await asyncio.shield(services.keeper.let_go(lease))
        finally:
            self._brakes.remove(brake)

    async def resume(self, run_id: RunId, *, take_over: bool = False, on_event: OnEvent = None) -> RunOutcome:
        """Go on with a run that was paused or left behind; the same as :meth:`execute`, by the word users look for."""
        return await self.execute(run_id, take_over=take_over, on_event=on_event)

    async def recover(self, run_id: RunId, *, on_event: OnEvent = None) -> RunOutcome:
        """Go on with a run whose process died; the same as :meth:`execute`, but what was asked of it still counts.

        If it was being paused, it is paused, whereas :meth:`resume` goes on with it.
        """
        return await self._execute(run_id, take_over=False, on_event=on_event, pausing_pauses=True)

    async def require_readable(self, run_id: RunId) -> None:
        """Do nothing if the checkpoint of a run can be read, or there is none.

        Raises:
            RunNotFoundError, PlanMismatchError, CheckpointUnreadableError: see :func:`read_checkpoint`.
        """
        await require_resumable(self.database, run_id)

    async def require_same_plan(
        self, run_id: str, campaign: Campaign | None = None, *, strategy: Strategy | str | None = None
    ) -> None:
        """Refuse to go on with a run that this planner would plan otherwise; see :func:`replanning.propose`.

        Raises:
            PlanChangedError: it would; estimates do not count.
        """
        require_no_change(await self._proposed(run_id, campaign, strategy))

    async def replan(
        self,
        run_id: str,
        campaign: Campaign | None = None,
        *,
        strategy: Strategy | str | None = None,
        by: str | None = None,
        take_over: bool = False,
    ) -> Replanned:
        """Let a run go on, when it is executed next, as this planner plans ``campaign``, else its own, now.

        Agents keep the records that stay true under the new plan; see :func:`keeping.keep` and
        :meth:`Replanning.carry_out`.

        Raises:
            RunHeldError: another process is executing it, and ``take_over`` does not ask to fence that one out.
        """
        row = await self.repository.get_run(run_id)
        async with self._services.used() as services:
            lease = await services.keeper.hold(row.run_id, lambda *_: None, take_over=take_over)
            try:
                replanning = Replanning(
                    database=self.database,
                    lease=lease,
                    agents=self.agents,
                    settings=services.mirror.settings,
                    by=by or this_process(),
                )
                return await replanning.carry_out(await self._proposed(row.run_id, campaign, strategy))
            finally:
                await asyncio.shield(services.keeper.let_go(lease))

    async def rerun(
        self,
        run_id: str,
        agent: str | Sequence[str],
        *,
        configuration: Mapping[str, Any] | None = None,
        agents_reference: str | None = None,
        output_folder: str | None = None,
    ) -> Rerun:
        """Accept a new run that keeps what a run before it gave, up to ``agent``, which runs again; see :func:`begin`.

        Several agents may be named. Afterwards :meth:`execute` runs the others. ``configuration`` is laid over that of
        the agent, if it is one. Whether to repeat agents with effects outside of the run is for the caller to ask; see
        :meth:`preview_rerun`.
        """
        return await rerunning.begin(
            self.database,
            self.agents,
            run_id,
            [agent] if isinstance(agent, str) else list(agent),
            configuration=configuration or {},
            agents_reference=agents_reference,
            output_folder=output_folder,
            settings=self._mirror_settings,
        )

    async def preview_rerun(
        self, run_id: str, agent: str | Sequence[str], *, configuration: Mapping[str, Any] | None = None
    ) -> Rehearsal:
        """Return what :meth:`rerun` would keep and run again; nothing is written."""
        agents = [agent] if isinstance(agent, str) else list(agent)
        draft = await rerunning.draft(self.database, run_id, agents, configuration or {})
        return await rehearsal.of_rerun(self.database, draft)

    async def preview_replan(
        self, run_id: str, campaign: Campaign | None = None, *, strategy: Strategy | str | None = None
    ) -> Rehearsal:
        """Return what a run would do after :meth:`replan`; nothing is written."""
        return await rehearsal.of_replan(self.database, await self._proposed(run_id, campaign, strategy))

    async def _proposed(self, run: str, campaign: Campaign | None, strategy: Strategy | str | None) -> Proposal:
        return await propose(self.repository, await self.current_planner(), run, campaign, strategy)

    async def pause(self, run_id: RunId, *, by: str | None = None, reason: str | None = None) -> Answer:
        """Ask for a run to be paused, whichever process executes it; see :meth:`Repository.command`."""
        return await self.repository.command(run_id, Command.PAUSE, by=by or this_process(), reason=reason)

    async def cancel(self, run_id: RunId, *, by: str | None = None, reason: str | None = None) -> Answer:
        """Ask for a run to be cancelled, whichever process executes it; see :meth:`Repository.command`."""
        return await self.repository.command(run_id, Command.CANCEL, by=by or this_process(), reason=reason)

    async def answer(  # noqa: PLR0913  # what there is to say about an answer
        self,
        run_id: str,
        agent: str,
        value: Any,
        *,
        by: str | None = None,
        reason: str | None = None,
        question: str | None = None,
    ) -> Answered:
        """Answer what an agent asks, ``True`` to approve, ``False`` to reject; see :func:`approval.answer`."""
        return await approval.answer(
            self.database, run_id, agent, value, by=by or this_process(), reason=reason, question=question
        )

    def pause_all(self, reason: str, *, at_once: bool = False) -> int:
        """Pause every run that this orchestrator executes; gives how many. For signal handlers."""
        for brake in self._brakes:
            brake.pause(reason, at_once=at_once)
        return len(self._brakes)

    def leave_all(self) -> int:
        """Let go at once of every run that this orchestrator executes; gives how many.

        Nothing more is stored of them, so they are found by whoever recovers runs; :meth:`execute` raises
        :class:`LeaseLostError`.
        """
        for brake in self._brakes:
            brake.leave()
        return len(self._brakes)

    async def _carry_out(
        self, lease: Lease, brake: Brake, mirror: PlanMirror, on_event: OnEvent, *, pausing_pauses: bool
    ) -> RunOutcome:
        patient = self._patience().persist
        row = await patient(lambda: self.repository.get_run(lease.run_id))
        if row.status.ended:
            raise RunNotResumableError(row.run_id, f"it has ended as {row.status.value!r}")
        execution = await patient(lambda: self._prepare(row, lease, brake))
        if row.status is RunStatus.CANCELLING:
            brake.cancel(row.status_reason or "asked to cancel")
        elif row.status is RunStatus.PAUSING and pausing_pauses:
            brake.pause(row.status_reason or "asked to pause")
        else:
            start, expected, works = self.repository.start_run, row.status, works_of_plan(execution.plan, self.agents)
            status = await patient(lambda: start(row.run_id, expecting=expected, token=lease.token, works=works))
            asked = None if status is RunStatus.RUNNING else await patient(lambda: self.repository.get_run(row.run_id))
            brake.listen(status, asked.status_reason if asked else None, past=row.status)
        with mirror.managed(lease):
            return await execution.carry_out(mirror, on_event)

    def _patience(self) -> Patience:
        return Patience(self.outage_seconds, repair=self.database.pool.check)

    async def current_planner(self) -> MasterPlanner:
        """Give the planner that a run accepted now is planned by: it knows the past runs of the same code."""
        if self.history_min_runs is None:
            return self.planner
        tracker, planner, least = PerformanceTracker(self.database), self.planner, self.history_min_runs
        return planner.estimating_by(
            await estimates_of(tracker, planner.catalog, self.agents, min_runs=least, otherwise=planner.estimator)
        )

    async def _prepare(self, row: RunRow, lease: Lease, brake: Brake) -> Execution:
        """Compile the plan of a run, and find out what to start it with."""
        plan = await self.repository.load_plan(row.run_id)
        patience = self._patience()
        saver = RunSaver(self.database, lease, patience=patience, on_failure=brake.fail)
        graph = compile_plan(
            plan,
            self.agents,
            checkpointer=saver,
            clock=self.clock,
            prices=self.prices,
            allowed_types=self.database.allowed_types,
        )
        campaign = await self.repository.load_campaign(row.run_id)
        config = config_of(row)
        state = await stored_state(graph, config, plan, within=saver)
        begun = bool(state.created_at)  # without a checkpoint it never started, or not for long
        if not begun and not row.own_thread:
            raise RunNotResumableError(row.run_id, "its checkpoints are elsewhere; whoever began it goes on with it")
        return Execution(
            lease=lease,
            plan=plan,
            graph=graph,
            config=config,
            given=await self._answers(lease, plan, state) if begun else {"campaign": campaign.model_dump(mode="json")},
            timeout_seconds=campaign.limits.timeout_seconds,
            durability=campaign.durability or self.durability,
            brake=brake,
            patience=patience,
            repository=self.repository,
        )

    async def _answers(self, lease: Lease, plan: ExecutionPlan, state: StateSnapshot) -> "GraphCommand[Any] | None":
        """Give what people have answered to the questions that a run was left with."""
        questions = open_questions(state)
        if not questions:
            return None
        ids = [question.id for question in questions]
        found = await self.repository.take_answers(lease.run_id, ids, token=lease.token)
        return resumption(questions, found, plan)


def config_of(row: RunRow) -> RunnableConfig:
    """Give the config under which a run's graph finds its checkpoints."""
    return {"configurable": {"thread_id": row.thread_id, "workflow_execution_id": row.run_id}}
