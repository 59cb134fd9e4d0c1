"""Whether the server is there, and whether it can work."""

import psycopg
from fastapi import APIRouter

from planner_graph.errors import SchemaVersionError
from planner_graph.server.context import Context, Shared
from planner_graph.server.problems import ProblemError
from planner_graph.server.responses import Health
from planner_graph.store.upgrades import versions

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", summary="Is the process there?")
async def live() -> Health:
    """Answer as long as the process does; nothing else is looked at."""
    return Health(status="ok")


@router.get("/ready", summary="Can the server work?")
async def ready(context: Shared) -> Health:
    """Look at the database, its tables, and what tells events; a server that is being stopped is not ready."""
    wrong = await problems(context)
    if wrong:
        raise ProblemError("unavailable", "; ".join(wrong.values()), checks=wrong)
    return Health(status="ok")


async def problems(context: Context) -> dict[str, str]:
    """Give what is wrong, by what was looked at."""
    wrong: dict[str, str] = {}
    try:
        async with context.database.pool.connection(timeout=2.0) as conn:
            (await versions(conn)).check()
    except psycopg.Error:
        wrong["database"] = "the database does not answer"
    except SchemaVersionError as error:
        wrong["schema"] = str(error)
    if context.feed.problem is not None:
        wrong["feed"] = "the connection that tells events is lost; it is being made again"
    if context.host.broken:
        wrong["owner"] = "the connection that keeps runs is lost"
    if context.host.closing:
        wrong["server"] = "the server is being stopped"
    return wrong
