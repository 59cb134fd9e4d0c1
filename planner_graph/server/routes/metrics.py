"""Figures for Prometheus."""

from fastapi import APIRouter
from starlette.responses import Response

from planner_graph.server.context import Shared
from planner_graph.server.metrics import CONTENT_TYPE

router = APIRouter(tags=["metrics"])

TEXT = {"text/plain": {"schema": {"type": "string"}}}


@router.get(
    "/metrics",
    response_class=Response,
    summary="Figures for Prometheus",
    responses={200: {"description": "Figures in Prometheus' text format.", "content": TEXT}},
)
async def show(context: Shared) -> Response:
    """Give how many requests were answered and how fast, and how many runs go on."""
    return Response(await context.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})
