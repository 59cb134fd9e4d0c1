"""Whether the server is there, and whether it can work."""

from fastapi import APIRouter

from planner_graph.server.responses import Health

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", summary="Is the process there?")
async def live() -> Health:
    """Answer as long as the process does; nothing else is looked at."""
    return Health(status="ok")
