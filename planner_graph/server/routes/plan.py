"""The plan of a run, as data and as a picture."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from planner_graph.planning.plan import ExecutionPlan
from planner_graph.server.context import FoundRun, Shared
from planner_graph.server.openapi import documented
from planner_graph.server.problems import ProblemError

router = APIRouter(prefix="/workflows/{run}", tags=["workflows"])


class View(StrEnum):
    """What a plan is shown as."""

    JSON = "json"
    MERMAID = "mermaid"
    SVG = "svg"


MEDIA_TYPES: Mapping[View, str] = {
    View.JSON: "application/json",
    View.MERMAID: "text/vnd.mermaid",
    View.SVG: "image/svg+xml",
}

DRAWERS: Mapping[View, Callable[[ExecutionPlan], bytes]] = {
    View.JSON: lambda plan: plan.for_people().canonical_json(),
    View.MERMAID: lambda plan: plan.to_mermaid().encode(),
    View.SVG: lambda plan: plan.to_svg().encode(),
}

TEXT = {"schema": {"type": "string"}}
OBJECT = {"schema": {"type": "object"}}
ETAG = {"ETag": {"description": "The plan's hash; weak for views made of it.", "schema": {"type": "string"}}}


@router.get(
    "/plan",
    response_class=Response,
    summary="The plan as JSON, Mermaid or SVG",
    responses={
        200: {
            "description": "The plan.",
            "headers": ETAG,
            "content": {MEDIA_TYPES[view]: OBJECT if view is View.JSON else TEXT for view in View},
        },
        304: {"description": "The client has it already.", "headers": ETAG},
        **documented("run-not-found", "ambiguous-run", "not-acceptable"),
    },
)
async def show(
    row: FoundRun,
    context: Shared,
    view: Annotated[View | None, Query(alias="format", description="By default what Accept asks for.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    if_none_match: Annotated[str, Header(description="The ETag of what the client has.")] = "",
) -> Response:
    """Give the plan that a run has, in the form asked for; the JSON is the canonical one that the hash is made of."""
    chosen = view or preferred(accept)
    tag = f'"{row.plan_hash}"' if chosen is View.JSON else f'W/"{row.plan_hash}-{chosen.value}"'
    headers = {"ETag": tag, "Vary": "Accept", "Cache-Control": "private, no-cache"}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    plan = await context.plans.get(row.run_id, row.plan_hash)
    body = await context.plans.drawn(row.plan_hash, chosen.value, lambda: DRAWERS[chosen](plan))
    return Response(body, headers=headers, media_type=MEDIA_TYPES[chosen])


def preferred(accept: str) -> View:
    """Give the view that an Accept header likes best.

    >>> preferred("text/html, image/svg+xml;q=0.9, */*;q=0.1"), preferred("*/*")
    (<View.SVG: 'svg'>, <View.JSON: 'json'>)

    Raises:
        ProblemError: it likes none of them.
    """
    likings = {view: max(map(_liking(MEDIA_TYPES[view]), accept.split(","))) for view in View}
    best = max(View, key=lambda view: likings[view])
    if likings[best] <= (0.0, 0):
        offered = list(MEDIA_TYPES.values())
        raise ProblemError("not-acceptable", f"the plan is there as {', '.join(offered)}", offered=offered)
    return best


def matches(header: str, tag: str) -> bool:
    """Tell whether an If-None-Match header names a tag; weak and strong ones are alike here.

    >>> matches('"a", W/"b"', '"b"'), matches("*", '"b"'), matches("", '"b"')
    (True, True, False)
    """
    named = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in named or tag.removeprefix("W/") in named


def _liking(media_type: str) -> Callable[[str], tuple[float, int]]:
    """Give what tells how much one item of an Accept header likes a media type, and how closely it names it."""
    closeness = {media_type: 3, f"{media_type.partition('/')[0]}/*": 2, "*/*": 1}

    def liking(item: str) -> tuple[float, int]:
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        close = closeness.get(name, 0)
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            return (float(quality), close) if close else (0.0, 0)
        except ValueError:
            return 0.0, 0

    return liking
