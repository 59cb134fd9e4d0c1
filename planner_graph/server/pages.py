"""The dashboard's files: the page at ``/`` and what it loads, all of it beside this module."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

STATIC = Path(__file__).parent / "static"

FOLDERS = ("js", "styles", "vendor")
"""Folders of files. Mounted one by one: a mount at ``/`` would answer for wrong methods of the API, too."""

FILES = {"/": "index.html", "/icon.svg": "icon.svg"}

CACHING = {"Cache-Control": "no-cache"}
"""Browsers keep the files but ask each time whether they have changed, so that an upgrade is seen at once."""


class Folder(StaticFiles):
    """A folder of files that browsers ask about each time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file; there is nothing here for WebSockets."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Give the file.

        Raises:
            HTTPException: there is none.
        """
        response = await super().get_response(path, scope)
        response.headers.update(CACHING)
        return response


def add_pages(app: FastAPI) -> None:
    """Let an application serve the dashboard."""
    for path, name in FILES.items():
        app.add_api_route(path, _file(name), methods=["GET", "HEAD"], include_in_schema=False)
    for folder in FOLDERS:
        app.mount(f"/{folder}", Folder(directory=STATIC / folder), name=folder)


def _file(name: str) -> Callable[[], Awaitable[FileResponse]]:
    async def file() -> FileResponse:
        return FileResponse(STATIC / name, headers=CACHING)

    return file
