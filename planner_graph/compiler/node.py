"""The node of one agent: skip it or run it, attempt by attempt, and give its record.

An agent's exception never leaves its node. LangGraph would cancel the siblings of a failing node and lose their work;
here a failure becomes a record, and only agents that depend on it are affected.
"""

import asyncio
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand
from langgraph.types import Command

from planner_graph.clock import Clock
from planner_graph.compiler.approval import REJECTED, ask
from planner_graph.compiler.arguments import Arguments, Role, arguments_of
from planner_graph.compiler.attempt import next_attempt, state_before
from planner_graph.compiler.board import Board
from planner_graph.compiler.boards import Invocation, board_at, invocation_of
from planner_graph.compiler.body import Body, call, gather_inputs
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.current import Attempt
from planner_graph.compiler.events import (
    ASKS,
    AgentEnded,
    AgentInterrupted,
    AgentStarted,
    AgentWarning,
    AttemptFailed,
    WarningCode,
    timestamp,
)
from planner_graph.compiler.failure import Failure, ReportedError, hidden_in, message_of, secret_texts
from planner_graph.compiler.interruption import comes_from_outside
from planner_graph.compiler.isolation import IsolatedBody
from planner_graph.compiler.landing import landing_here, until_stored
from planner_graph.compiler.obstacle import STOPPED, Obstacle, find_obstacle
from planner_graph.compiler.output import Output, check_output, undeclared_text
from planner_graph.compiler.retry import wait_for_next
from planner_graph.compiler.state import AgentRecord, ErrorInfo
from planner_graph.compiler.storage_watch import StorageWatch
from planner_graph.compiler.threads import AttemptThreads, CarriedError, current_threads
from planner_graph.compiler.time_limit import OverdueError, in_time
from planner_graph.compiler.usage import Prices, UsageMeter, start_meter, usage_of
from planner_graph.errors import (
    AgentTimeoutError,
    BodyCancelledError,
    BodyExitedError,
    OutputError,
    PoolHeldError,
    StrangeAgentError,
)
from planner_graph.planning.contents import Step
from planner_graph.redaction import without_secrets
from planner_graph.serializer import CheckpointSerializer
from planner_graph.types import AgentName, AgentStatus, Effects, Strategy

Update = dict[str, Any] | Command[str]
"""What a node gives: its agent's record under its name, and who is next, where no edge says so."""


class AgentNode(Runnable[Any, Update]):
    """Runs one agent of a plan inside a LangGraph graph; works under ``invoke`` and ``ainvoke`` alike.

    What the plan says of the agent, it finds in the plan of the invocation.
    """

    def __init__(  # noqa: PLR0913  # what a node works with, all by keyword
        self,
        agent: AgentName,
        body: Body,
        *,
        isolated: bool,
        clock: Clock,
        loop: BackgroundLoop,
        prices: Prices,
        serializer: CheckpointSerializer,
    ) -> None:
        self.name = agent
        self.agent = agent
        self.own_body = body
        self.body: Body = IsolatedBody(agent, body) if isolated else body
        self.arguments = Arguments() if isinstance(self.body, Runnable) else arguments_of(agent, self.body)
        self.clock = clock
        self.loop = loop
        self.prices = prices
        self.serializer = serializer

    def invoke(self, input: dict[str, Any], config: RunnableConfig | None = None, **_: Any) -> Update:  # noqa: A002, ARG002
        """Give the agent's record under its name, and who is next, for a sync caller."""
        return self.loop.run(self._visit(config or ensure_config(), sync=True))

    async def ainvoke(
        self,
        input: dict[str, Any],  # noqa: A002, ARG002  # the name is Runnable's; the node reads the state itself
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Update:
        """Give the agent's record under its name, and who is next."""
        return await self._visit(config or ensure_config(), sync=False)

    async def _visit(self, config: RunnableConfig, *, sync: bool) -> Update:
        """Give the record that the agent has already, else that of a new execution, and who is next if no edge says."""
        board = await board_at(config, sync=sync)
        invocation = invocation_of(config)
        following = invocation.leads_on(config, self.agent)
        if not board.visit(self.agent):
            return Command(goto=following)
        record = board.state.get(self.agent)
        if record is None:  # else it ended before the run was left, and LangGraph visits it once more
            step = invocation.plan.by_agent.get(self.agent)
            if step is None:  # a Command led here
                raise StrangeAgentError(self.agent, invocation.plan.by_agent)
            record = await AgentExecution(self, step, invocation).carry_out(board, config)
        update: dict[str, Any] = {self.agent: record}
        return Command(update=update, goto=following) if following else update


class AgentExecution:
    """One execution of an agent: waits for its turn, then skips it or runs it, attempt by attempt."""

    def __init__(self, node: AgentNode, step: Step, invocation: Invocation) -> None:
        self.step = step
        self.invocation = invocation
        self.body = node.body
        self.arguments = node.arguments
        self.clock = node.clock
        self.prices = node.prices
        self.held: PoolHeldError | None = None
        self.serializer = node.serializer
        self.inputs: Mapping[str, Any] = {}

    async def carry_out(self, board: Board, config: RunnableConfig) -> AgentRecord:
        """Give the agent's record."""
        agent, invocation = self.step.agent, self.invocation
        state = self._state(board, config)
        async with board.turn(
            agent, lambda: self._obstacle(state, board) is None, patience=self.step.timeout_seconds
        ) as self.held:
            obstacle = self._obstacle(state, board)
            record = self._skipped(obstacle) if obstacle else await self._run(board, state, config)
            await invocation.tell(AgentEnded(event="agent_ended", agent=agent, at=record["ended_at"], record=record))
            if invocation.reports and invocation.has_external_effects:
                board.landings[agent] = landing_here(invocation.reports)
            board.settle(agent, record, landing_here(invocation.stores) if invocation.stores else None)
        return record

    def _state(self, board: Board, config: RunnableConfig) -> Mapping[str, Any]:
        """Give campaign and records: the board of an adaptive plan holds all, others only those of this invocation."""
        if self.invocation.plan.strategy is Strategy.ADAPTIVE:
            return board.state
        reads = [dependency.agent for dependency in self.step.dependencies]
        return ChainMap(board.state, state_before(config, ["campaign", *reads]))

    def _obstacle(self, state: Mapping[str, Any], board: Board) -> Obstacle | None:
        """Say why the agent does not run: for its own reasons, else because the plan starts no further agent."""
        obstacle = find_obstacle(self.step, state)
        if obstacle is None or (obstacle[1] and obstacle[1]["type"] == STOPPED):
            return board.stop or obstacle
        return obstacle

    async def _run(self, board: Board, state: Mapping[str, Any], config: RunnableConfig) -> AgentRecord:
        invocation = self.invocation
        inputs = self.inputs = gather_inputs(self.step, state)
        if self.step.effects is Effects.EXTERNAL:
            self.held = await until_stored(self.step, board) or self.held
        if rejection := await self._approval(inputs, config, invocation):
            return self._skipped((rejection, ErrorInfo(type=REJECTED, message=rejection)))
        named = bool(config.get("configurable", {}).get("workflow_execution_id"))
        current = Attempt(self.step.agent, run_id_of(config), inputs, self.step.timeout_seconds, named=named)
        own_config, deadline, around = config, self._deadline(), current_threads()
        started_at, meter = timestamp(self.clock.now()), start_meter()
        for attempt in range(1, self.step.max_retries + 2):
            at = timestamp(self.clock.now()) if attempt > 1 else started_at
            await invocation.tell(AgentStarted(event="agent_started", agent=self.step.agent, attempt=attempt, at=at))
            try:
                output = await self._attempt(board, current, AttemptThreads(around), own_config, deadline)
            except GraphBubbleUp as pause:
                await invocation.tell(self._interrupted(pause, attempt, meter))
                raise
            except Exception as error:  # noqa: BLE001  # the one place where an agent's failure becomes a record
                wait, late = wait_for_next(self.step, error, attempt, self.clock, deadline)
                await invocation.tell(self._attempt_failed(error, attempt, wait))
                if wait is None or not await self._rested(board, wait, deadline, attempt, meter):
                    return self._failed(error, attempt, started_at, meter, late=late or wait is not None)
                asked = 1 if self.step.approval else 0
                own_config = next_attempt(config, alone=not current.goes_on, asked=asked)
                current = current.next()
            else:
                return await self._completed(output, attempt, started_at, meter)
        raise AssertionError("the last attempt always returns")

    async def _completed(self, output: Output, attempts: int, started_at: str, meter: UsageMeter) -> AgentRecord:
        """Return the record of an agent that has given its output, after a warning of what else it gave."""
        if output.undeclared:
            warning = self._warning(WarningCode.EXTRA_OUTPUTS, undeclared_text(output), attempts)
            await self.invocation.tell(warning)
        return self._record(
            AgentStatus.COMPLETED, output=output.values, attempts=attempts, started_at=started_at, meter=meter
        )

    async def _rested(self, board: Board, wait: float, deadline: float | None, attempt: int, meter: UsageMeter) -> bool:
        """Wait for ``wait`` seconds and for the turn of the next attempt; whether that came before the deadline."""
        try:
            async with asyncio.timeout_at(deadline) as limit:
                pause = self.clock.sleep(wait)
                self.held = await board.rest(self.step.agent, pause, patience=self.step.timeout_seconds)
        except TimeoutError:
            if not limit.expired():
                raise
            return False
        except GraphBubbleUp as pause:
            await self.invocation.tell(self._interrupted(pause, attempt, meter))
            raise
        return True

    async def _approval(self, inputs: Mapping[str, Any], config: RunnableConfig, invocation: Invocation) -> str | None:
        """Ask for approval if that is required; gives why the agent must not run. To ask is told as an execution."""
        if self.step.approval is None:
            return None
        var_child_runnable_config.set(config)
        at = timestamp(self.clock.now())
        try:
            return ask(self.step.agent, without_secrets(inputs, invocation.plan.secrets))
        except GraphInterrupt as question:
            await invocation.tell(AgentStarted(event="agent_started", agent=self.step.agent, attempt=1, at=at))
            await invocation.tell(self._interrupted(question, 1, start_meter()))
            raise

    def _deadline(self) -> float | None:
        """Give the time of the event loop at which all attempts together have used up what they have."""
        seconds = self.step.total_timeout_seconds
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    async def _attempt(
        self,
        board: Board,
        current: Attempt,
        threads: AttemptThreads,
        config: RunnableConfig,
        deadline: float | None,
    ) -> Output:
        """Run the body once; threads that it leaves behind keep what the agent holds of pools."""
        if self.held is not None:
            raise self.held
        threads.become_current()
        try:
            return await self._called(current, config, deadline)
        except BaseException:
            if threads.busy:
                current.goes_on = True
                board.give_up(self.step.agent, threads)
            raise

    async def _called(self, current: Attempt, config: RunnableConfig, deadline: float | None) -> Output:
        """Call the body, within its time limit; what comes later is discarded."""
        current.begin()
        watch = StorageWatch(config, self.serializer)
        config = watch.config
        var_child_runnable_config.set(config)  # where interrupt() and whatever else a body calls look for it
        context = current.context() if self.arguments.wants(Role.CONTEXT) else None
        seconds, of_all = self.step.timeout_seconds, False
        if deadline is not None and (left := deadline - asyncio.get_running_loop().time()) < seconds:
            seconds, of_all = left, True
        try:
            called = call(self.body, self.arguments, current.inputs, context, config)
            given = await in_time(seconds, watch.watched(called))
            return check_output(self.step, given, current.inputs)
        except OverdueError as error:
            if of_all:
                raise AgentTimeoutError(self.step.agent, self.step.total_timeout_seconds or 0) from error.__cause__
            raise TimeoutError(f"no result within {self.step.timeout_seconds:g} s") from error.__cause__
        except BaseException as error:
            if (failure := self._failure_behind(error)) is None:
                raise
            raise failure from error

    def _failure_behind(self, error: BaseException) -> Exception | None:
        """Return how an agent fails with what its body raised; ``None`` for errors, and for what it did not raise."""
        match error:
            case CarriedError():
                return self._failure_behind(error.error)
            case asyncio.CancelledError():
                task = asyncio.current_task()
                return None if task is None or task.cancelling() else BodyCancelledError(self.step.agent)
            case SystemExit():
                return BodyExitedError(self.step.agent, error.code)
            case ParentCommand():
                problem = "a Command for the parent graph cannot steer a plan; return outputs"
                return OutputError(self.step.agent, problem)
            case Exception():
                return None
            case _:
                return None if comes_from_outside(error) else ReportedError(Failure.of(error, self.clock.now()))

    def _warning(self, code: WarningCode, message: str, attempt: int) -> AgentWarning:
        return AgentWarning(
            event="agent_warning",
            agent=self.step.agent,
            attempt=attempt,
            at=timestamp(self.clock.now()),
            code=code.value,
            message=message,
        )

    def _attempt_failed(self, error: Exception, attempt: int, wait: float | None) -> AttemptFailed:
        return AttemptFailed(
            event="attempt_failed",
            agent=self.step.agent,
            attempt=attempt,
            at=timestamp(self.clock.now()),
            error=describe(error, self._secret_texts()),
            retry_in_seconds=wait,
        )

    def _secret_texts(self) -> list[str]:
        """Return the texts of the secrets that the agent can read, which its errors may quote."""
        names = self.invocation.plan.secrets
        return secret_texts(names, self.inputs, self.step.configuration) if names else []

    def _interrupted(self, pause: GraphBubbleUp, attempt: int, meter: UsageMeter) -> AgentInterrupted:
        asks = isinstance(pause, GraphInterrupt) and bool(pause.args and pause.args[0])
        return AgentInterrupted(
            event="agent_interrupted",
            agent=self.step.agent,
            attempt=attempt,
            at=timestamp(self.clock.now()),
            reason=ASKS if asks else "the run is being paused",
            usage=usage_of(meter.calls, self.prices),
        )

    def _failed(
        self, error: Exception, attempts: int, started_at: str, meter: UsageMeter, *, late: bool
    ) -> AgentRecord:
        info = describe(error, self._secret_texts())
        count = f"{attempts} attempt{'' if attempts == 1 else 's'}"
        reason = f"{info['type']} after {count}" + (f": {info['message']}" if info["message"] else "")
        if late and not isinstance(error, AgentTimeoutError):
            reason += f"; the {self.step.total_timeout_seconds:g} s of all attempts together leave no time for another"
        return self._record(
            AgentStatus.FAILED, error=info, reason=reason, attempts=attempts, started_at=started_at, meter=meter
        )

    def _skipped(self, obstacle: Obstacle) -> AgentRecord:
        reason, error = obstacle
        return self._record(AgentStatus.SKIPPED, error=error, reason=reason)

    def _record(  # noqa: PLR0913  # what a record holds
        self,
        status: AgentStatus,
        *,
        output: dict[str, Any] | None = None,
        error: ErrorInfo | None = None,
        reason: str | None = None,
        attempts: int = 0,
        started_at: str | None = None,
        meter: UsageMeter | None = None,
    ) -> AgentRecord:
        return AgentRecord(
            status=status.value,
            output=output,
            error=error,
            reason=reason,
            replaces=self.step.replaces if attempts else None,
            attempts=attempts,
            started_at=started_at,
            ended_at=timestamp(self.clock.now()),
            usage=usage_of(meter.calls, self.prices) if meter else None,
        )


def run_id_of(config: RunnableConfig) -> str:
    """Give the id of the run that a config belongs to: its workflow execution, else its thread."""
    configurable = config.get("configurable", {})
    return str(configurable.get("workflow_execution_id") or configurable.get("thread_id") or "")


def describe(error: Exception, secrets: Sequence[str] = ()) -> ErrorInfo:
    """Write an error as plain values that JSON and PostgreSQL can hold, a very long message cut short.

    Of ``secrets``, texts that the agent read, and of what looks like one, the message shows placeholders.
    """
    if isinstance(error, ReportedError):
        return ErrorInfo(type=error.failure.type, message=hidden_in(error.failure.message, secrets))
    return ErrorInfo(type=type(error).__name__, message=message_of(error, secrets))
