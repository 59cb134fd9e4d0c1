"""The server's application without a database behind it, for tests of what it says about itself."""

from typing import Any

from fastapi import FastAPI

from planner_graph.server.app import build_app
from planner_graph.server.context import Context
from planner_graph.server.settings import ServerSettings


def application() -> FastAPI:
    """Make the application; none of its routes can be called."""
    parts: dict[str, Any] = dict.fromkeys(Context.__annotations__, None)
    return build_app(Context(**(parts | {"settings": ServerSettings()})))


def operations() -> dict[tuple[str, str], Any]:
    """Give what is documented of each route, by its method and path."""
    paths = application().openapi()["paths"]
    return {(method.upper(), path): told for path, found in paths.items() for method, told in found.items()}
