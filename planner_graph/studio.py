"""Serves graphs to LangGraph's server, in development and in production, and so to LangGraph Studio.

``langgraph.json`` names factories, which are asked for a graph whenever a run starts and whenever somebody looks at
one. All that costs time is done once, when a factory is made.
"""

import logging
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph_sdk.runtime import ServerRuntime

from planner_graph.agents.factory import AgentFactory
from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.compiler.bridge import in_thread
from planner_graph.compiler.campaigns import compile_planner, plan_for
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.graph import PlanGraph
from planner_graph.errors import InvalidInputError
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.planning.planner import MasterPlanner
from planner_graph.store.database import DSN_VARIABLE
from planner_graph.types import Strategy

log = logging.getLogger(__name__)


class ServedMirror:
    """The mirror of all runs that a server executes: opened with the first of them, if a database is configured.

    It stays open for as long as the server runs; each run is written when it ends. One that another process holds ends
    with an error.
    """

    def __init__(self, settings: MirrorSettings | None = None) -> None:
        self._settings = (settings or MirrorSettings()).model_copy(update={"exclusive": True})
        self._mirror: PlanMirror | None = None
        self._opening = threading.Lock()  # the server may have several event loops

    async def callbacks(self) -> list[Any]:
        """Give the callbacks of a run: the mirror, or nothing where ``PLANNER_GRAPH_DSN`` names no database.

        Raises:
            DatabaseUnavailableError: it names one that cannot be reached.
        """
        dsn = os.environ.get(DSN_VARIABLE)
        return [await in_thread(self._opened, dsn)] if dsn else []

    def _opened(self, dsn: str) -> PlanMirror:
        with self._opening:
            if self._mirror is None or self._mirror.broken:
                self._mirror = PlanMirror(dsn, settings=self._settings).__enter__()
            return self._mirror


class Studio:
    """Makes the factories that ``langgraph.json`` names, for agents that have a body in ``agents``.

    What these declare is laid over ``catalog``, the built-in one by default. ``mirror`` holds settings of the live
    tables.

    >>> studio = Studio(AgentFactory({"writer": lambda inputs: {"blog_content": "...", "content_pieces": []}}))
    >>> campaign = studio.campaigns()
    """

    def __init__(
        self, agents: AgentFactory, *, catalog: Catalog | None = None, mirror: MirrorSettings | None = None
    ) -> None:
        base = catalog if catalog is not None else Catalog.builtin()
        same = sorted(spec.name for spec in agents.declared if spec.name in base.agents) if catalog is None else []
        if same:
            log.warning(
                "agents named as in the built-in catalog are laid over it: %s; its other agents and rules"
                " stay; to leave them out, give catalog=Catalog()",
                ", ".join(map(repr, same)),
            )
        self.agents = agents
        self.planner = MasterPlanner(base.extended(*agents.declared))
        self._mirror = ServedMirror(mirror)

    def campaigns(self, name: str = "campaign") -> "GraphFactory":
        """Give the factory of a graph that plans each campaign it is given; see :func:`compile_planner`."""
        graph = compile_planner(self.planner, self.agents, prices=self.agents.prices, name=name)
        return GraphFactory(graph, planner=self.planner, mirror=self._mirror)

    def plan(self, campaign: Campaign, strategy: Strategy | str | None = None, *, name: str) -> "GraphFactory":
        """Give the factory of the graph of one plan, that of ``campaign``; an input may leave out what that says.

        Raises:
            PlanError: it cannot be planned.
            UnboundAgentsError: agents of the plan have no body.
        """
        plan = self.planner.create_execution_plan(campaign, strategy)
        graph = compile_plan(plan, self.agents, prices=self.agents.prices, defaults=campaign, name=name)
        return GraphFactory(graph, mirror=self._mirror)


class GraphFactory:
    """A graph as ``langgraph.json`` names it; give ``planner`` with a graph that plans campaigns itself.

    Runs are mirrored like any other where a database is configured. Who only looks gets the graph without a database;
    of an assistant whose configuration holds a campaign, the plan of that campaign is drawn.
    """

    def __init__(self, graph: PlanGraph, *, planner: MasterPlanner | None = None, mirror: ServedMirror) -> None:
        self._graph = graph
        self._planner = planner
        self._mirror = mirror

    @asynccontextmanager
    async def __call__(self, config: RunnableConfig, runtime: ServerRuntime[Any]) -> AsyncIterator[PlanGraph]:
        """Give the graph for what ``runtime`` says that it is needed for."""
        if runtime.execution_runtime is not None:
            yield self._graph.with_config(callbacks=await self._mirror.callbacks())
        elif self._planner is not None and runtime.access_context == "assistants.read":
            yield self._drawn(self._planner, config.get("configurable", {}))
        else:
            yield self._graph

    def _drawn(self, planner: MasterPlanner, configured: Mapping[str, Any]) -> PlanGraph:
        if not configured.get("campaign"):
            return self._graph
        try:
            _, plan = plan_for(planner, configured, {})
        except InvalidInputError as error:  # to start such a run will say the same; what can be drawn is shown
            log.warning("the campaign in the configuration cannot be planned: %s", error)
            return self._graph
        return self._graph.showing(plan)
