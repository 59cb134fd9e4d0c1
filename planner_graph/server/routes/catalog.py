"""The agents that exist."""

from fastapi import APIRouter

from planner_graph.server.context import Shared
from planner_graph.server.responses import CatalogView

router = APIRouter(tags=["catalog"])


@router.get("/catalog", summary="The agents and rules that plans are made of")
async def show(context: Shared) -> CatalogView:
    """Give the catalog that this server plans with, and which of its agents have code here."""
    catalog = context.planner.catalog
    bodies = context.orchestrator.agents
    made = catalog.for_people()
    with_code = [name for name in catalog.agents if name in bodies]
    return CatalogView(agents=made["agents"], rules=made["rules"], secrets=made["secrets"], with_code=with_code)
