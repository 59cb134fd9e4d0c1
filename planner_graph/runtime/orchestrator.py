"""Runs campaigns: accept, compile, execute on Postgres checkpoints, store the outcome; resume what was left."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from planner_graph.agents.factory import AgentFactory
from planner_graph.campaign import Campaign
from planner_graph.clock import Clock
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import CompiledPlan, compile_plan
from planner_graph.compiler.events import Event, own_event
from planner_graph.compiler.state import PlanInput, Result
from planner_graph.compiler.usage import Prices
from planner_graph.errors import RunNotResumableError
from planner_graph.mirror.handler import MirrorReport, PlanMirror
from planner_graph.mirror.history import PerformanceTracker
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.mirror.shared import SharedMirror
from planner_graph.planning.estimates import MIN_RUNS
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.store.saver import checkpointer
from planner_graph.types import RunId, RunStatus, Strategy

Durability = Literal["async", "sync", "exit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOutcome:
    """Where a run stands after it was executed; ``result`` is ``None`` unless it ended.

    ``mirror`` tells whether the live tables say all that happened; where they do not, ``planner-graph reconcile`` makes
    them.
    """

    run_id: RunId
    status: RunStatus
    result: Result | None
    reason: str | None
    plan: ExecutionPlan
    mirror: MirrorReport


class CampaignOrchestrator:
    """Takes campaigns from the request to the stored outcome.

    ``agents`` maps agent names to bodies (see :class:`~planner_graph.agents.factory.AgentFactory`); ``prices`` of the
    models they call are the factory's by default. ``planner`` is one with the built-in catalog by default; agents with
    at least ``history_min_runs`` successful runs in the database are estimated from these (``None``: nobody is).
    ``mirror`` holds settings of the live tables.
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
    ) -> None:
        self.database = database
        self.agents = agents
        self.planner = planner or MasterPlanner()
        self.repository = Repository(database)
        self.clock = clock
        self.durability = durability
        self.prices = prices if prices is not None else agents.prices if isinstance(agents, AgentFactory) else {}
        self.history_min_runs = history_min_runs
        self._mirror = SharedMirror(database, mirror)

    async def run(
        self,
        campaign: Campaign,
        *,
        strategy: Strategy | str | None = None,
        on_event: Callable[[Event], None] | None = None,
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
    ) -> tuple[RunId, ExecutionPlan]:
        """Plan ``campaign`` and store it with its plan; from then on the run can be executed and is never lost.

        ``agents_reference`` and ``output_folder`` are kept for whoever resumes the run.
        """
        plan = (await self._planner()).create_execution_plan(campaign, strategy)
        compile_plan(plan, self.agents)  # refuses unbound agents before anything is stored
        run_id = RunId(str(uuid.uuid4()))
        await self.repository.accept_run(
            run_id,
            campaign,
            plan,
            agents_reference=agents_reference,
            output_folder=output_folder,
        )
        return run_id, plan

    async def execute(self, run_id: RunId, *, on_event: Callable[[Event], None] | None = None) -> RunOutcome:
        """Run an accepted run, or go on with one that was paused or left behind; finished agents are not run again.

        Raises:
            RunNotFoundError: there is no such run.
            RunNotResumableError: it has ended, or another process is executing it.
            PlanMismatchError: its checkpoint was written by another plan.
        """
        row = await self.repository.get_run(run_id)
        async with self.repository.exclusive(row.run_id) as granted:
            if not granted:
                raise RunNotResumableError(row.run_id, "another process is executing it")
            row = await self.repository.get_run(row.run_id)
            if row.status.ended:
                raise RunNotResumableError(row.run_id, f"it has ended as {row.status}")
            execution = await self._prepare(row)
            await self.repository.start_run(row.run_id)
            return await self._drive(execution, on_event)

    async def resume(self, run_id: RunId, *, on_event: Callable[[Event], None] | None = None) -> RunOutcome:
        """Go on with a run that was paused or left behind; the same as :meth:`execute`, by the word users look for."""
        return await self.execute(run_id, on_event=on_event)

    async def _planner(self) -> MasterPlanner:
        """Give a planner that knows the past runs in the database."""
        if self.history_min_runs is None:
            return self.planner
        tracker = PerformanceTracker(self.database)
        declared = self.planner.estimator
        return self.planner.estimating_by(await tracker.estimates(min_runs=self.history_min_runs, otherwise=declared))

    async def _prepare(self, row: RunRow) -> "_Execution":
        """Compile the plan of a run, and find out what to start it with."""
        plan = await self.repository.load_plan(row.run_id)
        graph = compile_plan(
            plan, self.agents, checkpointer=checkpointer(self.database), clock=self.clock, prices=self.prices
        )
        config: RunnableConfig = {
            "configurable": {"thread_id": row.thread_id, "workflow_execution_id": row.run_id},
        }
        campaign = await self.repository.load_campaign(row.run_id)
        state = await graph.aget_state(config)
        begun = bool(state.created_at)  # without a checkpoint it never started, or not for long
        return _Execution(
            run_id=row.run_id,
            plan=plan,
            graph=graph,
            config=config,
            given=None if begun else {"campaign": campaign.model_dump(mode="json")},
            timeout_seconds=campaign.limits.timeout_seconds,
        )

    async def _drive(self, execution: "_Execution", on_event: Callable[[Event], None] | None) -> RunOutcome:
        """Stream the graph to its end or to where it stops, and record what its agents tell."""
        async with self._mirror.following(execution.run_id) as mirror:
            reason = await self._stream(execution, mirror, on_event)
        if reason is None:
            return await self._conclude(execution, mirror)
        await self.repository.pause_run(execution.run_id, reason)
        return self._outcome(execution, mirror, status=RunStatus.PAUSED, reason=reason)

    async def _stream(
        self, execution: "_Execution", mirror: PlanMirror, on_event: Callable[[Event], None] | None
    ) -> str | None:
        """Stream the graph; gives why it is to be paused if its time was over."""
        limit = asyncio.timeout(execution.timeout_seconds)
        config = merge_configs(execution.config, {"callbacks": [mirror]})
        stream = execution.graph.astream(execution.given, config, stream_mode="custom", durability=self.durability)
        try:
            async with limit, aclosing(cast("AsyncGenerator[Any, None]", stream)) as items:
                async for told in items:
                    event = own_event(told)
                    if event is not None and on_event:
                        on_event(event)
        except asyncio.CancelledError:
            pause = self.repository.pause_run(execution.run_id, "stopped from outside; resume it to go on")
            await asyncio.shield(pause)
            raise
        except Exception as error:
            if limit.expired():
                return f"the time limit of {execution.timeout_seconds:g} s is over; resume it for as long again"
            await self.repository.pause_run(execution.run_id, f"{type(error).__name__}: {error}")
            raise
        return None

    async def _conclude(self, execution: "_Execution", mirror: PlanMirror) -> RunOutcome:
        """Store how the run ended, or that it waits for a human."""
        state = await execution.graph.aget_state(execution.config)
        result: Result | None = None if state.next else state.values.get("result")
        if result is not None:
            status, reason = RunStatus(result["status"]), None
            await self.repository.finish_run(execution.run_id, status, result)
        else:
            waiting = ", ".join(task.name for task in state.tasks if task.interrupts)
            status, reason = RunStatus.PAUSED, f"waiting for an answer to: {waiting or ', '.join(state.next)}"
            await self.repository.pause_run(execution.run_id, reason)
        return self._outcome(execution, mirror, status=status, reason=reason, result=result)

    def _outcome(
        self,
        execution: "_Execution",
        mirror: PlanMirror,
        *,
        status: RunStatus,
        reason: str | None,
        result: Result | None = None,
    ) -> RunOutcome:
        return RunOutcome(
            run_id=execution.run_id,
            status=status,
            result=result,
            reason=reason,
            plan=execution.plan,
            mirror=mirror.report(execution.run_id),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Execution:
    """A run that this process executes.

    ``given`` is its input, or ``None`` to go on from the checkpoint.
    """

    run_id: RunId
    plan: ExecutionPlan
    graph: CompiledPlan
    config: RunnableConfig
    given: PlanInput | None
    timeout_seconds: float | None
