"""Puts the graph of a plan, or of a planner, together from nodes that both have in common."""

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.runnables import Runnable
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from planner_graph.clock import Clock, SystemClock
from planner_graph.compiler.body import BINDABLE, Body
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.graph import PlanGraph
from planner_graph.compiler.joins import secure_joins
from planner_graph.compiler.node import AgentNode
from planner_graph.compiler.picture import Picture
from planner_graph.compiler.state import PlanInput, PlanOutput
from planner_graph.compiler.usage import Prices, checked_prices
from planner_graph.errors import AgentBindingError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.serializer import CheckpointSerializer
from planner_graph.types import AgentName

SPARE_SUPERSTEPS = 10
"""Supersteps allowed beyond one per agent, for entry, exit and whatever a user wraps around the graph."""


class Assembly:
    """What the nodes of one graph share: a background loop, a clock, prices, what checkpoints hold; and the bodies.

    Raises:
        AgentBindingError: a body is nothing that can run.
        InvalidInputError: there is something in ``prices`` that is no price.
        AllowedTypeError: there is something in ``allowed_types`` that is no type.
    """

    def __init__(
        self,
        bodies: Mapping[AgentName, Body],
        clock: Clock | None,
        prices: Prices | None,
        allowed_types: Iterable[type | str],
    ) -> None:
        for agent, body in bodies.items():
            if not isinstance(body, Runnable) and not callable(body):
                raise AgentBindingError(agent, f"{body!r} is neither a function nor a runnable; {BINDABLE}")
        self.bodies = bodies
        self.loop = BackgroundLoop()
        self.clock = clock or SystemClock()
        self.prices = checked_prices(prices)
        self.serializer = CheckpointSerializer(allowed_types)

    def node(self, agent: AgentName, *, isolated: bool) -> AgentNode:
        """Make the node of an agent."""
        body = self.bodies[agent]
        return AgentNode(
            agent,
            body,
            isolated=isolated,
            clock=self.clock,
            loop=self.loop,
            prices=self.prices,
            serializer=self.serializer,
        )

    def finish(  # noqa: PLR0913  # options, all by keyword
        self,
        builder: StateGraph[Any, Any, PlanInput, PlanOutput],
        *,
        plan: ExecutionPlan | None,
        picture: Picture,
        checkpointer: Checkpointer,
        store: BaseStore | None,
        name: str,
    ) -> PlanGraph:
        """Compile a graph whose nodes and edges are there."""
        compiled = builder.compile(checkpointer=checkpointer, store=store, name=name)
        secure_joins(compiled)
        graph = PlanGraph.of(compiled, loop=self.loop, plan=plan, picture=picture, serializer=self.serializer)
        for agent, body in self.bodies.items():
            if isinstance(body, Pregel):  # shows an agent that is a graph in xray pictures and in subgraph streams
                graph.nodes[agent].subgraphs = [body]
        return graph.with_config(recursion_limit=len(self.bodies) + SPARE_SUPERSTEPS)
