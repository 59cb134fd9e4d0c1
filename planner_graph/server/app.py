"""Puts the server together: routes, middleware, errors, the static pages. Nothing happens at import."""

import logging
from functools import partial
from importlib.metadata import version

import psycopg
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from planner_graph.errors import PlannerGraphError
from planner_graph.server.access import METRICS, Access
from planner_graph.server.context import Context
from planner_graph.server.headers import ResponseHeaders
from planner_graph.server.limits import Bodies
from planner_graph.server.metrics import Measured
from planner_graph.server.openapi import describe, documented
from planner_graph.server.origins import Origins
from planner_graph.server.pages import add_pages
from planner_graph.server.problems import problem_of
from planner_graph.server.routes import (
    access,
    agents,
    campaigns,
    catalog,
    control,
    events,
    health,
    history,
    live,
    metrics,
    plan,
    plans,
    progress,
    run,
    workflows,
)
from planner_graph.server.settings import PREFIX

log = logging.getLogger(__name__)

ROUTERS = (
    campaigns.router,
    plans.router,
    workflows.router,
    run.router,
    progress.router,
    plan.router,
    agents.router,
    events.router,
    live.router,
    control.router,
    catalog.router,
    history.router,
    health.router,
    access.router,
)
"""All routes under the prefix; a further module is added here."""

FORESEEN = (
    PlannerGraphError,
    RequestValidationError,
    HTTPException,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""What routes raise and is answered as a problem; anything else ends at :class:`ResponseHeaders`."""


def build_app(context: Context) -> FastAPI:
    """Make the application that answers from ``context``."""
    app = FastAPI(
        title="planner_graph",
        version=version("planner-graph"),
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # they would name this server as a proxy sees it
        middleware=middleware(context),
    )
    app.state.context = context
    api = APIRouter(prefix=PREFIX, responses=documented())
    for router in ROUTERS:
        api.include_router(router)
    app.include_router(api)
    app.include_router(metrics.router, responses=documented())
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # that is how FastAPI wants it
    add_pages(app)
    for kind in FORESEEN:
        app.add_exception_handler(kind, told)
    return app


def middleware(context: Context) -> list[Middleware]:
    """Give what stands before all routes, outermost first."""
    settings = context.settings
    return [
        Middleware(ResponseHeaders, private=(PREFIX, METRICS)),
        Middleware(Measured, metrics=context.metrics),
        Middleware(Origins, settings=settings),
        Middleware(Access, database=context.database, settings=settings),
        Middleware(Bodies, limits=settings.limits),
    ]


async def told(request: Request, error: Exception) -> Response:
    """Answer an error as a problem."""
    problem = problem_of(error)
    if problem.kind == "internal-error":
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem.response(request.url.path)
