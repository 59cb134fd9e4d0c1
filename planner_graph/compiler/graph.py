"""The compiled graph: LangGraph's own, with a board for each invocation, and a picture that shows the plan.

Also with a Ctrl-C that works while several agents run under ``invoke``, and with records by hand that leave the rest
of a superstep alone.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, Self, cast

from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import merge_configs
from langchain_core.runnables.graph import Graph
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot, StateUpdate

from planner_graph.compiler.attempt import CHECKPOINTER
from planner_graph.compiler.boards import INVOCATION, Invocation
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.by_hand import changed, concern_agents, with_the_rest, with_whole_records
from planner_graph.compiler.joins import superstep_replaced
from planner_graph.compiler.landing import awaited, reporting
from planner_graph.compiler.observing import Following, observers
from planner_graph.compiler.picture import Picture, draw, picture_of
from planner_graph.compiler.saver_view import guarded, serializer_of
from planner_graph.compiler.state import PlanInput, PlanOutput, plan_in
from planner_graph.compiler.threads import route
from planner_graph.compiler.wiring import ENTRY, EXIT
from planner_graph.errors import DurabilityError, StrangeAgentError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.serializer import CheckpointSerializer
from planner_graph.types import Effects

MOST_THREADS = 256
"""Threads in which nodes run or wait under ``invoke``, unless the config says otherwise."""


class PlanGraph(CompiledStateGraph[Any, Any, PlanInput, PlanOutput]):
    """A ``CompiledStateGraph`` of one ``plan``, or of whatever plan its entry node makes.

    It knows the background loop in which its agents run for sync callers, the ``picture`` that is drawn of it, and the
    ``serializer`` by which its checkpointer reads and writes.
    """

    def __init__(
        self,
        *,
        loop: BackgroundLoop,
        plan: ExecutionPlan | None,
        picture: Picture,
        serializer: CheckpointSerializer,
        **attributes: Any,
    ) -> None:
        self.serializer = serializer
        super().__init__(**attributes)
        self.loop = loop
        self.plan = plan
        self.picture = picture

    @classmethod
    def of(
        cls,
        graph: CompiledStateGraph[Any, Any, PlanInput, PlanOutput],
        *,
        loop: BackgroundLoop,
        plan: ExecutionPlan | None,
        picture: Picture,
        serializer: CheckpointSerializer,
    ) -> Self:
        """Give ``graph`` as the graph of ``plan``."""
        attributes = {name: value for name, value in vars(graph).items() if name != "__orig_class__"}
        return cls(loop=loop, plan=plan, picture=picture, serializer=serializer, **attributes)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; in the place of a checkpointer a view of it that reads only what is safe."""
        super().__setattr__(name, guarded(value, self.serializer) if name == "checkpointer" else value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a graph of its own that shares nodes and checkpointer, none of which change once a graph is compiled.

        Threads, locks and connections have no copies, and LangGraph knows some of its own values by identity only.
        """
        return self.copy()

    def showing(self, plan: ExecutionPlan) -> Self:
        """Give the same graph, of which ``plan`` is drawn."""
        return self.copy({"picture": picture_of(plan)})

    def get_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """Give what there is to draw: the plan, of a graph that makes plans that of the thread in ``config``, if any.

        With ``xray``, agents that are graphs are drawn from inside, so many levels deep or all.
        """
        kept = self.get_state(cast("RunnableConfig", config)).values if self._plans_in(config) else {}
        inner = dict(self.get_subgraphs()) if xray else {}
        drawn = {name: graph.get_graph(config, xray=_deeper(xray)) for name, graph in inner.items()}
        return draw(self._picture_of(kept), self, drawn)

    async def aget_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """Give what there is to draw; see :meth:`get_graph`."""
        kept = (await self.aget_state(cast("RunnableConfig", config))).values if self._plans_in(config) else {}
        inner = dict(self.get_subgraphs()) if xray else {}
        drawn = await asyncio.gather(*(graph.aget_graph(config, xray=_deeper(xray)) for graph in inner.values()))
        return draw(self._picture_of(kept), self, dict(zip(inner, drawn, strict=True)))

    def _plans_in(self, config: RunnableConfig | None) -> bool:
        """Tell whether a thread may hold a plan of this graph's own making."""
        thread = (config or {}).get("configurable", {}).get("thread_id")
        return self.plan is None and thread is not None and isinstance(self.checkpointer, BaseCheckpointSaver)

    def _picture_of(self, kept: Mapping[str, Any]) -> Picture:
        plan = plan_in(kept)
        return picture_of(plan) if plan else self.picture

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002
        """Stream a run as LangGraph does; ``invoke`` goes through here, too."""
        self._require_storable(input)
        given, following = self._invocation(config)
        with following.to_the_end(), _invocation_in(given), self.loop.stopped_by_ctrl_c():
            yield from super().stream(input, self._with_threads(given), **options)

    async def astream(
        self,
        input: Any,  # noqa: A002  # the name is LangGraph's
        config: RunnableConfig | None = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Stream a run as LangGraph does; ``ainvoke`` goes through here, too."""
        self._require_storable(input)
        given, following = self._invocation(config, options)
        route(asyncio.get_running_loop())
        stream = cast("AsyncGenerator[Any, None]", super().astream(input, given, **options))
        with _invocation_in(given):
            async with following.to_the_end_async(), aclosing(stream):
                async for item in stream:
                    yield item

    def bulk_update_state(self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]) -> RunnableConfig:
        """Change the state of a thread from outside; ``update_state`` goes through here, too.

        Raises:
            RecordError: what is given as the record of an agent is none.
            StrangeAgentError: it is given in the place of an agent that the plan of the thread does not have.
            StoredPlanError, PlanMismatchError: the plan in the state cannot be read, or was changed.
        """
        if not supersteps or _is_for_a_graph_within(config):
            return super().bulk_update_state(config, supersteps)
        here = config
        for updates in supersteps:
            given = self._with_whole_records(updates)
            whole = self._with_the_rest(self.get_state(here), given) if self._concerns_agents(given) else given
            with superstep_replaced() if _replaces(whole) else nullcontext():
                after = super().bulk_update_state(here, [whole])
            here = _as_in(config, after)
        return after

    async def abulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """Change the state of a thread from outside; see :meth:`bulk_update_state`."""
        if not supersteps or _is_for_a_graph_within(config):
            return await super().abulk_update_state(config, supersteps)
        here = config
        for updates in supersteps:
            given = self._with_whole_records(updates)
            whole = self._with_the_rest(await self.aget_state(here), given) if self._concerns_agents(given) else given
            with superstep_replaced() if _replaces(whole) else nullcontext():
                after = await super().abulk_update_state(here, [whole])
            here = _as_in(config, after)
        return after

    @property
    def _agents(self) -> AbstractSet[str]:
        return self.nodes.keys() - {START, ENTRY, EXIT}

    def _with_whole_records(self, updates: Sequence[StateUpdate]) -> list[StateUpdate]:
        return with_whole_records([StateUpdate(*each) for each in updates], self._agents)

    def _concerns_agents(self, updates: Sequence[StateUpdate]) -> bool:
        return bool(updates) and concern_agents(updates, self._agents)

    def _with_the_rest(self, found: StateSnapshot, updates: Sequence[StateUpdate]) -> Sequence[StateUpdate]:
        plan = self.plan or plan_in(changed(found.values, updates))
        if plan is None and updates[0].as_node is not None:
            raise StrangeAgentError(updates[0].as_node, ())
        return with_the_rest(plan, found, updates, routed=self.plan is None) if plan else updates

    def _require_storable(self, given: Any) -> None:
        """Refuse answers that cannot be stored before anything runs."""
        serializer = serializer_of(self.checkpointer)
        if isinstance(given, Command) and serializer is not None:
            serializer.require_storable(given)

    def _with_threads(self, config: RunnableConfig) -> RunnableConfig:
        """Give ``config`` with a thread for every node, unless it sets a limit of its own.

        A node that waits for its turn holds a thread of LangGraph's pool, by default one of very few.
        """
        if ensure_config(config).get("max_concurrency") or (self.config or {}).get("max_concurrency"):
            return config
        return {**config, "max_concurrency": min(len(self.nodes), MOST_THREADS)}

    def _invocation(
        self, config: RunnableConfig | None, options: dict[str, Any] | None = None
    ) -> tuple[RunnableConfig, Following]:
        """Give ``config`` with the place where the agents of this invocation meet, and those who follow it."""
        given = config or {}
        known = merge_configs(self.config, ensure_config(given))
        if self.checkpointer and not known["configurable"]:
            return given, Following()  # it lacks a thread, and LangGraph will say so
        following = Following()
        if watching := observers(known):
            known_as = given.get("run_id") or uuid.uuid4()  # graph-lifecycle callbacks tell of it by this id, too
            given = {**given, "run_id": known_as}
            following.by(watching, known_as)
        configurable = dict(given.get("configurable", {}))
        if CHECKPOINTER in configurable:  # that of a graph around this one
            configurable[CHECKPOINTER] = guarded(configurable[CHECKPOINTER], self.serializer)
        if self.checkpointer and (options or {}).get("durability") == "exit":
            _refuse_external_effects(self.plan)
        limited = bool(known.get("max_concurrency"))
        invocation = Invocation(
            self,
            self.plan,
            following,
            inner=INVOCATION in known["configurable"],
            stores=awaited(self.checkpointer, options or {}, limited=limited),
            reports=reporting(self.checkpointer, options or {}, limited=limited),
        )
        return {**given, "configurable": {**configurable, INVOCATION: invocation}}, following


def _invocation_in(config: RunnableConfig) -> AbstractContextManager[None]:
    """Give the block in which the invocation of ``config`` lasts, if there is one."""
    invocation: Invocation | None = config.get("configurable", {}).get(INVOCATION)
    return nullcontext() if invocation is None else invocation.to_the_end()


def _refuse_external_effects(plan: ExecutionPlan | None) -> None:
    if agents := [step.agent for step in plan.steps if step.effects is Effects.EXTERNAL] if plan else []:
        raise DurabilityError(agents)


def _replaces(updates: Sequence[StateUpdate]) -> bool:
    """Tell whether updates say themselves who starts, in the place of who would have."""
    values: list[Any] = [update.values for update in updates]
    return any(isinstance(given, Command) for given in values)


def _is_for_a_graph_within(config: RunnableConfig) -> bool:
    """Tell whether LangGraph hands an update over to a graph within this one, which is asked next."""
    where = config.get("configurable", {})
    return bool(where.get("checkpoint_ns")) and CHECKPOINTER not in where


def _as_in(config: RunnableConfig, after: RunnableConfig) -> RunnableConfig:
    """Give the config of a checkpoint, with the checkpointer that LangGraph lends to a graph within another one."""
    lent = {key: value for key, value in config.get("configurable", {}).items() if key == CHECKPOINTER}
    return {**after, "configurable": {**after["configurable"], **lent}}


def _deeper(xray: int | bool) -> int | bool:  # noqa: FBT001  # the type is LangGraph's
    """Give how deep to look into what is in a graph that is looked into so deep."""
    return xray if isinstance(xray, bool) or xray <= 0 else xray - 1
