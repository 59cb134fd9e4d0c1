"""The OpenAPI document: every answer of every route, problems among them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

from planner_graph.server.problems import KINDS, MEDIA_TYPE

COMMON = (
    "malformed-request",
    "unauthorized",
    "forbidden",
    "request-timeout",
    "body-too-large",
    "uri-too-long",
    "unsupported-media-type",
    "invalid-request",
    "too-many-requests",
    "head-too-large",
    "internal-error",
    "unavailable",
)
"""The problems that every route may have."""

SCHEMA = "ProblemDetails"


class ProblemDetails(BaseModel):
    """What is wrong (RFC 9457); ``type`` names the kind of problem, further members are evidence."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems/run-not-found"])
    title: str
    status: int
    detail: str
    instance: str


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Give what FastAPI takes to document these kinds of problems, and those that every route may have."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in (*COMMON, *kinds):
        status, title = KINDS[kind]
        known = found.setdefault(status, {"description": "", "content": _content(kind)})
        known["description"] = "; ".join(filter(None, [known["description"], f"`{kind}`: {title.lower()}"]))
    return found


def describe(app: FastAPI) -> dict[str, Any]:
    """Make the document, once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes, description=DESCRIPTION)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas[SCHEMA] = ProblemDetails.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema


DESCRIPTION = "Plans campaigns of LLM agents, runs them, and tells how they stand. Times are ISO 8601 in UTC."


def _content(kind: str) -> dict[str, Any]:
    status, title = KINDS[kind]
    example = {
        "type": f"/problems/{kind}",
        "title": title,
        "status": status,
        "detail": "...",
        "instance": "/api/v2/...",
    }
    return {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{SCHEMA}"}, "example": example}}
