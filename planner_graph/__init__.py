"""planner_graph: plans a campaign of agents, compiles the plan into a LangGraph graph, runs it on Postgres.

Names are imported when they are first used, so that planning does not load LangGraph or a database driver.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner_graph.agents.factory import AgentFactory as AgentFactory
    from planner_graph.campaign import Campaign as Campaign
    from planner_graph.campaign import Limits as Limits
    from planner_graph.campaign import Task as Task
    from planner_graph.catalog.catalog import Catalog as Catalog
    from planner_graph.catalog.catalog import agent as agent
    from planner_graph.catalog.pool import Pool as Pool
    from planner_graph.catalog.rule import Condition as Condition
    from planner_graph.catalog.rule import ProductSpec as ProductSpec
    from planner_graph.catalog.rule import Rule as Rule
    from planner_graph.catalog.spec import AgentSpec as AgentSpec
    from planner_graph.compiler.beginning import begin_with as begin_with
    from planner_graph.compiler.campaigns import compile_planner as compile_planner
    from planner_graph.compiler.compiler import compile_plan as compile_plan
    from planner_graph.compiler.current import AgentContext as AgentContext
    from planner_graph.compiler.current import current_agent as current_agent
    from planner_graph.compiler.usage import ModelPrice as ModelPrice
    from planner_graph.errors import Finding as Finding
    from planner_graph.errors import PlannerGraphError as PlannerGraphError
    from planner_graph.mirror.checkpoint import full_output as full_output
    from planner_graph.mirror.feed import RunFeed as RunFeed
    from planner_graph.mirror.handler import MirrorReport as MirrorReport
    from planner_graph.mirror.handler import PlanMirror as PlanMirror
    from planner_graph.mirror.history import AgentPerformance as AgentPerformance
    from planner_graph.mirror.history import PerformanceTracker as PerformanceTracker
    from planner_graph.mirror.history import estimates_of as estimates_of
    from planner_graph.mirror.reading import get_workflow_progress as get_workflow_progress
    from planner_graph.mirror.reconcile import reconcile as reconcile
    from planner_graph.mirror.settings import MirrorSettings as MirrorSettings
    from planner_graph.planning.estimates import HistoricalEstimates as HistoricalEstimates
    from planner_graph.planning.plan import ExecutionPlan as ExecutionPlan
    from planner_graph.planning.planner import MasterPlanner as MasterPlanner
    from planner_graph.planning.planner import PlannerSettings as PlannerSettings
    from planner_graph.runtime.brake import Grace as Grace
    from planner_graph.runtime.execution import RunOutcome as RunOutcome
    from planner_graph.runtime.orchestrator import CampaignOrchestrator as CampaignOrchestrator
    from planner_graph.runtime.planner import DatabasePlanner as DatabasePlanner
    from planner_graph.runtime.recovery import recover as recover
    from planner_graph.store.database import open_database as open_database
    from planner_graph.studio import Studio as Studio
    from planner_graph.types import AgentStatus as AgentStatus
    from planner_graph.types import DependencyKind as DependencyKind
    from planner_graph.types import RunStatus as RunStatus
    from planner_graph.types import Strategy as Strategy

_HOMES = {
    "AgentContext": "compiler.current",
    "AgentFactory": "agents.factory",
    "AgentPerformance": "mirror.history",
    "AgentSpec": "catalog.spec",
    "AgentStatus": "types",
    "Campaign": "campaign",
    "CampaignOrchestrator": "runtime.orchestrator",
    "Catalog": "catalog.catalog",
    "Condition": "catalog.rule",
    "DatabasePlanner": "runtime.planner",
    "DependencyKind": "types",
    "ExecutionPlan": "planning.plan",
    "Finding": "errors",
    "Grace": "runtime.brake",
    "HistoricalEstimates": "planning.estimates",
    "Limits": "campaign",
    "MasterPlanner": "planning.planner",
    "MirrorReport": "mirror.handler",
    "MirrorSettings": "mirror.settings",
    "ModelPrice": "compiler.usage",
    "PerformanceTracker": "mirror.history",
    "PlanMirror": "mirror.handler",
    "PlannerGraphError": "errors",
    "PlannerSettings": "planning.planner",
    "Pool": "catalog.pool",
    "ProductSpec": "catalog.rule",
    "Rule": "catalog.rule",
    "RunFeed": "mirror.feed",
    "RunOutcome": "runtime.execution",
    "RunStatus": "types",
    "Strategy": "types",
    "Studio": "studio",
    "Task": "campaign",
    "agent": "catalog.catalog",
    "begin_with": "compiler.beginning",
    "compile_plan": "compiler.compiler",
    "compile_planner": "compiler.campaigns",
    "current_agent": "compiler.current",
    "estimates_of": "mirror.history",
    "full_output": "mirror.checkpoint",
    "get_workflow_progress": "mirror.reading",
    "open_database": "store.database",
    "reconcile": "mirror.reconcile",
    "recover": "runtime.recovery",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'planner_graph' has no attribute {name!r}")
    return getattr(import_module(f"planner_graph.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
