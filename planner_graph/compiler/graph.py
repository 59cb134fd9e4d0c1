"""The compiled graph: LangGraph's own, with a board for each invocation.

Also with a Ctrl-C that works while several agents run under ``invoke``.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from langchain_core.runnables import RunnableConfig, ensure_config
from langgraph.graph.state import CompiledStateGraph

from planner_graph.compiler.boards import INVOCATION, Invocation
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.state import PlanInput, PlanOutput

MOST_THREADS = 256
"""Threads in which nodes run or wait under ``invoke``, unless the config says otherwise."""


class PlanGraph(CompiledStateGraph[Any, Any, PlanInput, PlanOutput]):
    """A ``CompiledStateGraph`` that knows the background loop in which its agents run for sync callers."""

    def __init__(self, *, loop: BackgroundLoop, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.loop = loop

    @classmethod
    def of(cls, graph: CompiledStateGraph[Any, Any, PlanInput, PlanOutput], loop: BackgroundLoop) -> Self:
        """Give ``graph`` as a plan graph."""
        attributes = {name: value for name, value in vars(graph).items() if name != "__orig_class__"}
        return cls(loop=loop, **attributes)

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002
        """Stream a run as LangGraph does; ``invoke`` goes through here, too."""
        with self.loop.stopped_by_ctrl_c():
            yield from super().stream(input, self._with_threads(self._invocation(config)), **options)

    def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:  # noqa: A002
        """Stream a run as LangGraph does; ``ainvoke`` goes through here, too."""
        return super().astream(input, self._invocation(config), **options)

    def _with_threads(self, config: RunnableConfig) -> RunnableConfig:
        """Give ``config`` with a thread for every node, unless it sets a limit of its own.

        A node that waits for its turn holds a thread of LangGraph's pool, by default one of very few.
        """
        if ensure_config(config).get("max_concurrency") or (self.config or {}).get("max_concurrency"):
            return config
        return {**config, "max_concurrency": min(len(self.nodes), MOST_THREADS)}

    def _invocation(self, config: RunnableConfig | None) -> RunnableConfig:
        """Give ``config`` with the place where the agents of this invocation meet."""
        given = config or {}
        known = ensure_config(given)["configurable"] or (self.config or {}).get("configurable")
        if self.checkpointer and not known:
            return given  # it lacks a thread, and LangGraph will say so
        return {**given, "configurable": {**given.get("configurable", {}), INVOCATION: Invocation(self)}}
