"""The compiled graph: LangGraph's own, with a Ctrl-C that works while several agents run under ``invoke``."""

from collections.abc import Iterator
from typing import Any, Self

from langgraph.graph.state import CompiledStateGraph

from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.state import PlanInput, PlanOutput


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

    def stream(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        """Stream a run as LangGraph does; ``invoke`` goes through here, too."""
        with self.loop.stopped_by_ctrl_c():
            yield from super().stream(*arguments, **options)
