"""Gives the nodes of one invocation the board they share, and fills it when a run goes on.

One compiled graph may serve many invocations at once, in several threads of LangGraph and as a subgraph of other
graphs. Each carries its board along in its config, so none can meet another's, and nothing is left when it has ended.
"""

import asyncio
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import get_runtime
from langgraph.types import Send, StateSnapshot

from planner_graph.compiler.attempt import state_before
from planner_graph.compiler.board import Board
from planner_graph.compiler.events import Event
from planner_graph.compiler.failfast import FailFast
from planner_graph.compiler.identity import works_in
from planner_graph.compiler.landing import TellsLanding
from planner_graph.compiler.loop_watch import LOOP_WATCH
from planner_graph.compiler.observing import Beginning, Following
from planner_graph.compiler.process_pools import PROCESS_POOLS, Tenant
from planner_graph.compiler.state import KEPT, PLAN, AgentRecord, ended_tasks, read_plan
from planner_graph.compiler.wiring import Superstep, supersteps_of
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.scheduler import scheduler_for
from planner_graph.types import AgentName, Effects, Strategy

INVOCATION = "__pregel_planner_graph_invocation"
"""Key of the invocation in ``configurable``; LangGraph keeps what begins so out of checkpoints, traces and streams."""


class Invocation:
    """One call of ``graph``, on new input or to go on; its nodes all run in one event loop.

    ``known_plan`` is the plan of its graph; where the graph itself plans, it is there once the entry node has made it
    or :func:`plan_of` has read it. ``stores`` is the checkpointer, where agents wait until what they read is stored,
    ``reports`` where those with external effects do.
    A graph that ``plans`` has no edges between its agents.
    An ``inner`` one was made by an agent of another plan, whose workflow execution its config names.
    It does not keep the graph alive: an event loop keeps the contexts of timers that nobody needs any more, and with
    them the configs of runs that have ended.
    """

    def __init__(  # noqa: PLR0913  # options, nearly all by keyword
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        plan: ExecutionPlan | None,
        following: Following | None = None,
        *,
        inner: bool = False,
        stores: TellsLanding | None = None,
        reports: TellsLanding | None = None,
    ) -> None:
        self.plans = plan is None
        self.graph = weakref.ref(graph)
        self.known_plan = plan
        self.following = following if following is not None else Following()
        self.inner = inner
        self.board: asyncio.Future[Board] | None = None
        self.tenant: Tenant | None = None
        self.watched: asyncio.AbstractEventLoop | None = None
        self.stores = stores
        self.reports = reports

    @property
    def plan(self) -> ExecutionPlan:
        """The plan whose agents run."""
        if self.known_plan is None:
            raise AssertionError("no node asks before the plan was made or read")
        return self.known_plan

    @cached_property
    def has_external_effects(self) -> bool:
        """Whether an agent of the plan has external effects."""
        return any(step.effects is Effects.EXTERNAL for step in self.plan.steps)

    @cached_property
    def supersteps(self) -> Mapping[str, Superstep]:
        """The supersteps in a graph that plans; in the graph of a plan, edges say who comes next."""
        return supersteps_of(self.plan) if self.plans else {}

    def leads_on(self, config: RunnableConfig, agent: AgentName) -> list[str | Send]:
        """Give whom ``agent`` starts when it has ended.

        LangGraph starts nobody before all of a superstep have ended, so one leads on for all of them: the first one of
        those that had no record when it began, for whoever had may not be visited at all.
        """
        superstep = self.supersteps.get(agent)
        if superstep is None:
            return []
        first = next((each for each in superstep.nodes if state_before(config, [each]).get(each) is None), agent)
        return superstep.following if first == agent else []

    def open_board(self, state: dict[str, Any]) -> Board:
        """Make the board, whose agents pause when the invocation is asked to drain.

        Where agents are not all in one superstep, LangGraph itself sees to their order, and the board to the limits.
        """
        plan, runtime, loop = self.plan, get_runtime(), asyncio.get_running_loop()
        self.watched = loop
        LOOP_WATCH.enter(loop)
        boards: list[weakref.ref[Board]] = []

        def wake() -> bool:
            board = boards[0]() if boards else None
            if board is None or loop.is_closed():
                return not boards  # one that is still being made looks for itself what it was granted
            with suppress(RuntimeError):  # it is being closed
                loop.call_soon_threadsafe(board.look_again)
            return True

        if plan.process_pools:
            self.tenant = PROCESS_POOLS.join({name: plan.resources[name] for name in plan.process_pools}, wake)
        scheduler = scheduler_for(plan, dependencies=plan.strategy is Strategy.ADAPTIVE, shared=self.tenant)
        fail_fast = FailFast(plan, state) if plan.fail_fast else None
        board = Board(scheduler, state, fail_fast=fail_fast, drain_requested=lambda: runtime.drain_requested)
        boards.append(weakref.ref(board))
        if self.tenant is not None:
            weakref.finalize(board, self.tenant.leave)
        return board

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """Release what the run shares with others at the end of this block, however it ends."""
        try:
            yield
        finally:
            if self.watched is not None:
                LOOP_WATCH.leave(self.watched)
            if self.tenant is not None:
                self.tenant.leave()

    async def tell(self, event: Event) -> None:
        """Tell whoever streams the graph, and whoever follows it."""
        get_stream_writer()(event)
        if self.following:
            await self.following.tell(event)

    def begin(
        self, config: RunnableConfig, campaign: dict[str, Any], records: Mapping[AgentName, AgentRecord] | None = None
    ) -> None:
        """Say how the invocation begins: fresh, or with the ``records`` of agents that had ended before."""
        configurable = config["configurable"]
        thread = configurable.get("thread_id")
        self.following.begin(
            Beginning(
                plan=self.plan,
                campaign=campaign,
                run_id=None if self.inner else configurable.get("workflow_execution_id"),
                thread_id=None if thread is None else str(thread),
                namespace=_namespace(config),
                fresh=records is None,
                records=records or {},
                works=partial(works_in, self.graph(), self.plan),
            )
        )


def invocation_of(config: RunnableConfig) -> Invocation:
    """Give the invocation that a node's config belongs to."""
    invocation: Invocation = config["configurable"][INVOCATION]
    return invocation


def plan_of(config: RunnableConfig) -> ExecutionPlan:
    """Give the plan that the node with this config is part of: that of its graph, else the one kept in its thread.

    Raises:
        StoredPlanError: this program cannot read what is kept there.
        PlanMismatchError: it was changed since the run began.
    """
    invocation = invocation_of(config)
    if invocation.known_plan is None:
        kept = state_before(config, [PLAN, "plan_hash"])
        invocation.known_plan = read_plan(kept[PLAN], kept["plan_hash"])
    return invocation.plan


async def board_at(config: RunnableConfig, *, sync: bool) -> Board:
    """Give the board for a node that runs with ``config``; ``sync`` tells of ``invoke``."""
    plan_of(config)
    invocation = invocation_of(config)
    if invocation.board is None:
        invocation.board = asyncio.ensure_future(_fill(invocation, config, sync=sync))
        invocation.board.add_done_callback(_look_at)
    return await asyncio.shield(invocation.board)


def open_board(config: RunnableConfig, state: dict[str, Any]) -> None:
    """Open the board of an invocation that starts from the beginning; nothing has to be read then."""
    opened: asyncio.Future[Board] = asyncio.get_running_loop().create_future()
    invocation = invocation_of(config)
    opened.set_result(invocation.open_board(state))
    invocation.board = opened


async def _fill(invocation: Invocation, config: RunnableConfig, *, sync: bool) -> Board:
    """Make the board of an invocation whose first agent comes."""
    plan = invocation.plan
    if not _must_know(invocation):
        kept = state_before(config, [KEPT]).get(KEPT) or []
        return invocation.open_board(state_before(config, kept))
    state = state_before(config, ["campaign", *plan.by_agent])
    state |= ended_tasks(await _snapshot(invocation, config, sync=sync))
    if not invocation.following.begun:
        records = {agent: state[agent] for agent in plan.by_agent if state.get(agent) is not None}
        invocation.begin(config, state["campaign"], records)
    return invocation.open_board(state)


def _must_know(invocation: Invocation) -> bool:
    """Tell whether the board of an invocation must know which agents have ended before.

    It alone knows where all agents are in one superstep: the results of tasks that had finished are then read from the
    checkpoint. Elsewhere LangGraph brings the records along, and others may ask.
    """
    if invocation.plan.strategy is Strategy.ADAPTIVE:
        return True
    somebody_asks = bool(invocation.following) or invocation.plan.fail_fast
    return somebody_asks and not invocation.following.begun


async def _snapshot(invocation: Invocation, config: RunnableConfig, *, sync: bool) -> StateSnapshot:
    """Read the checkpoint from which the present superstep runs."""
    graph, root = invocation.graph(), checkpoint_config(config)
    if graph is None:
        raise AssertionError("a graph that runs is referred to by whoever runs it")
    if sync:  # a sync checkpointer cannot be asked otherwise
        return await asyncio.to_thread(graph.get_state, root)
    return await graph.aget_state(root)


def checkpoint_config(config: RunnableConfig) -> RunnableConfig:
    """Give the config that reads the checkpoint from which the present superstep runs."""
    info = get_runtime().execution_info
    where = {"checkpoint_ns": _namespace(config), "checkpoint_id": info.checkpoint_id if info else None}
    return {**config, "configurable": {**config["configurable"], **where}}


def _namespace(config: RunnableConfig) -> str:
    """Give the checkpoint namespace of the graph that the node with this config is in."""
    return str(config["configurable"].get("checkpoint_ns", "")).rpartition("|")[0]


def _look_at(board: asyncio.Future[Board]) -> None:
    """Take note of an error, which whoever waits for the board raises; perhaps they have all been cancelled."""
    if not board.cancelled():
        board.exception()
