"""The compiled graph: LangGraph's own, with a board for each invocation.

Also with a Ctrl-C that works while several agents run under ``invoke``.
"""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, Self, cast

from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import merge_configs
from langgraph.graph.state import CompiledStateGraph

from planner_graph.compiler.boards import INVOCATION, Invocation
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.landing import awaited
from planner_graph.compiler.observing import Following, observers
from planner_graph.compiler.state import PlanInput, PlanOutput
from planner_graph.planning.plan import ExecutionPlan

MOST_THREADS = 256
"""Threads in which nodes run or wait under ``invoke``, unless the config says otherwise."""


class PlanGraph(CompiledStateGraph[Any, Any, PlanInput, PlanOutput]):
    """A ``CompiledStateGraph`` that knows the background loop in which its agents run for sync callers."""

    def __init__(self, *, loop: BackgroundLoop, plan: ExecutionPlan, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.loop = loop
        self.plan = plan

    @classmethod
    def of(
        cls, graph: CompiledStateGraph[Any, Any, PlanInput, PlanOutput], plan: ExecutionPlan, loop: BackgroundLoop
    ) -> Self:
        """Give ``graph`` as the graph of ``plan``."""
        attributes = {name: value for name, value in vars(graph).items() if name != "__orig_class__"}
        return cls(loop=loop, plan=plan, **attributes)

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002
        """Stream a run as LangGraph does; ``invoke`` goes through here, too."""
        given, following = self._invocation(config)
        with following.to_the_end(), self.loop.stopped_by_ctrl_c():
            yield from super().stream(input, self._with_threads(given), **options)

    async def astream(
        self,
        input: Any,  # noqa: A002  # the name is LangGraph's
        config: RunnableConfig | None = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Stream a run as LangGraph does; ``ainvoke`` goes through here, too."""
        given, following = self._invocation(config, options)
        stream = cast("AsyncGenerator[Any, None]", super().astream(input, given, **options))
        async with following.to_the_end_async(), aclosing(stream):
            async for item in stream:
                yield item

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
            number = given.get("run_id") or uuid.uuid4()
            given = {**given, "run_id": number}
            following.by(watching, number)
        invocation = Invocation(
            self,
            self.plan,
            following,
            inner=INVOCATION in known["configurable"],
            stores=awaited(self.checkpointer, options or {}, limited=bool(known.get("max_concurrency"))),
        )
        return {**given, "configurable": {**given.get("configurable", {}), INVOCATION: invocation}}, following
