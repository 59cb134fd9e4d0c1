"""One run that this process executes: streams its graph, stops where it is told to, stores how it ended."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.errors import GraphDrained
from langgraph.types import Command

from planner_graph.campaign import Durability
from planner_graph.compiler.compiler import CompiledPlan
from planner_graph.compiler.events import Event, own_event, pause_reason
from planner_graph.compiler.observing import Beginning, Ending
from planner_graph.compiler.state import PlanInput, Result, stored_records
from planner_graph.errors import DatabaseUnavailableError, LeaseLostError
from planner_graph.mirror.checkpoint import open_questions
from planner_graph.mirror.handler import MirrorReport, PlanMirror
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.runtime.approval import resumption
from planner_graph.runtime.brake import Brake, Stop, StopKind
from planner_graph.store.leases import Lease
from planner_graph.store.outages import LAST_SECONDS, Patience, is_outage
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus

OnEvent = Callable[[Event], None] | None

Given = PlanInput | Command[Any] | None

ResultT = TypeVar("ResultT")


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


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A run that this process holds.

    ``given`` is the input of its graph, or ``None`` to go on from the checkpoint, or answers to go on with.
    """

    lease: Lease
    plan: ExecutionPlan
    graph: CompiledPlan
    config: RunnableConfig
    given: Given
    timeout_seconds: float | None
    durability: Durability
    brake: Brake
    patience: Patience
    repository: Repository

    async def carry_out(self, mirror: PlanMirror, on_event: OnEvent) -> RunOutcome:
        """Execute the run until it ends or stops, and store which.

        Raises:
            LeaseLostError: another process has taken the run over; nothing more is stored.
        """
        limit = self._limited()
        try:
            given: Given = self.given
            while True:
                stop = await self._streamed(given, mirror, on_event)
                if stop is not None:
                    return await self._stop(stop, mirror)
                came = await self._conclude(given, mirror)
                if isinstance(came, RunOutcome):
                    return came
                given = came
        finally:
            if limit is not None:
                limit.cancel()

    async def _stop(self, stop: Stop, mirror: PlanMirror) -> RunOutcome:
        """Store why the run goes no further."""
        match stop.kind:
            case StopKind.LOST:
                raise LeaseLostError(self.lease.run_id) from stop.error
            case StopKind.CANCEL:
                return await self._ended(mirror, RunStatus.CANCELLED, None, stop.reason)
            case _:
                return await self._paused(mirror, stop.reason)

    async def _streamed(self, given: Given, mirror: PlanMirror, on_event: OnEvent) -> Stop | None:
        """Stream the graph; gives why it stopped before its end."""
        streaming = asyncio.create_task(self._stream(given, mirror, on_event), name=f"run {self.lease.run_id}")
        self.brake.watch(streaming)
        try:
            await asyncio.wait({streaming})
        except asyncio.CancelledError:
            self.brake.pause("stopped from outside; resume it to go on", at_once=True)
            mirror.hasten()
            await self._stopped(streaming)
            if self.brake.stop is not None and self.brake.stop.kind is StopKind.PAUSE:
                await asyncio.shield(self._pause_soon(self.brake.stop.reason))
            raise
        finally:
            self.brake.release()
        return await self._why(streaming)

    async def _stream(self, given: Given, mirror: PlanMirror, on_event: OnEvent) -> None:
        if not isinstance(given, dict):
            await self._catch_up(mirror)
        config = merge_configs(self.config, {"callbacks": [mirror]})
        stream = self.graph.astream(
            given, config, stream_mode="custom", durability=self.durability, control=self.brake.control
        )
        async with aclosing(cast("AsyncGenerator[Any, None]", stream)) as items:
            async for told in items:
                event = own_event(told)
                if event is not None and on_event:
                    on_event(event)

    async def _catch_up(self, mirror: PlanMirror) -> None:
        """Let the tables have what the checkpoint holds, even if no agent is left that would run and tell of it."""
        state = await self.graph.aget_state(self.config)
        follower = mirror.follow(uuid.uuid4())
        follower.begin(
            Beginning(
                plan=self.plan,
                campaign=state.values.get("campaign") or {},
                run_id=self.lease.run_id,
                thread_id=self.config["configurable"]["thread_id"],
                namespace="",
                fresh=False,
                records=stored_records(state, self.plan.by_agent),
            )
        )
        await asyncio.wrap_future(follower.end(Ending(result=None, error=None)))

    async def _stopped(self, streaming: "asyncio.Task[None]") -> None:
        """Wait until the graph has let go; a write under way ends or gives up."""
        self.patience.give_up()
        await asyncio.wait({streaming})
        if not streaming.cancelled():
            streaming.exception()  # it is stopping: what else is wrong does not matter any more

    async def _why(self, streaming: "asyncio.Task[None]") -> Stop | None:
        """Tell a natural end from a stop and from an error of the graph.

        Raises:
            Exception: what the graph raised by itself; the run is paused.
        """
        stop = self.brake.stop
        if streaming.cancelled():
            return stop or Stop(kind=StopKind.PAUSE, reason="its task was cancelled")
        error = streaming.exception()
        if error is None:
            return stop if stop is not None and stop.kind is StopKind.LOST else None
        if stop is not None:
            return stop
        if isinstance(error, GraphDrained):
            return Stop(kind=StopKind.PAUSE, reason=f"paused: {error.reason}")
        await self._pause(f"{type(error).__name__}: {error}")
        raise error

    def _limited(self) -> asyncio.TimerHandle | None:
        if self.timeout_seconds is None:
            return None
        reason = f"the time limit of {self.timeout_seconds:g} s is over; resume it for as long again"
        return asyncio.get_running_loop().call_later(
            self.timeout_seconds, lambda: self.brake.pause(reason, at_once=True)
        )

    async def _conclude(self, given: Given, mirror: PlanMirror) -> "RunOutcome | Command[Any]":
        """Store how the run ended, or that it waits for a person; if one has answered meanwhile, give the answers."""
        state = await self.graph.aget_state(self.config)
        result: Result | None = None if state.next else state.values.get("result")
        if result is not None:
            return await self._ended(mirror, RunStatus(result["status"]), result, None)
        if self.brake.stop is not None:
            return await self._stop(self.brake.stop, mirror)
        questions = open_questions(state)
        reason = pause_reason([question.agent for question in questions] or state.next)
        known = given.resume or {} if isinstance(given, Command) else {}
        run_id, token = self.lease.run_id, self.lease.token
        status, found = await self._persist(
            lambda: self.repository.take_or_pause(
                run_id, [question.id for question in questions], reason, known=known, token=token
            )
        )
        if going_on := resumption(questions, found, self.plan):
            return going_on
        return await self._goes_no_further(mirror, status, reason)

    async def _ended(
        self, mirror: PlanMirror, status: RunStatus, result: Result | None, reason: str | None
    ) -> RunOutcome:
        token = self.lease.token
        await self._persist(lambda: self.repository.finish_run(self.lease.run_id, status, result, reason, token=token))
        return self._outcome(mirror, status, result, reason)

    async def _paused(self, mirror: PlanMirror, reason: str) -> RunOutcome:
        return await self._goes_no_further(mirror, await self._pause(reason), reason)

    async def _goes_no_further(self, mirror: PlanMirror, status: RunStatus, reason: str) -> RunOutcome:
        """Tell how a run stands that was to be paused; it may have been asked to be cancelled meanwhile."""
        if status is RunStatus.CANCELLED:
            row = await self._persist(lambda: self.repository.get_run(self.lease.run_id))
            reason = row.status_reason or reason
        return self._outcome(mirror, status, None, reason)

    async def _pause(self, reason: str) -> RunStatus:
        token = self.lease.token
        return await self._persist(lambda: self.repository.pause_run(self.lease.run_id, reason, token=token))

    async def _pause_soon(self, reason: str) -> None:
        """Store a pause without waiting for a database that is away: the run is left behind then."""
        token = self.lease.token
        try:
            pause = self.repository.pause_run
            await Patience(LAST_SECONDS).persist(lambda: pause(self.lease.run_id, reason, token=token))
        except (psycopg.Error, DatabaseUnavailableError) as error:
            if not is_outage(error):
                raise

    async def _persist(self, write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Store the end of the run through an outage, for as long as one is waited for."""
        return await self.patience.anew().persist(write)

    def _outcome(self, mirror: PlanMirror, status: RunStatus, result: Result | None, reason: str | None) -> RunOutcome:
        return RunOutcome(
            run_id=self.lease.run_id,
            status=status,
            result=result,
            reason=reason,
            plan=self.plan,
            mirror=mirror.report(self.lease.run_id),
        )
