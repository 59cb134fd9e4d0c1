"""Runs the server for the command ``serve``; needs the extra ``server``."""

import asyncio
import gc
import logging
import os
import socket
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import uvicorn

from planner_graph.agents.factory import AgentFactory
from planner_graph.catalog.catalog import Catalog
from planner_graph.cli import delivery, interruptible, screen
from planner_graph.cli.account import read_account
from planner_graph.cli.agents import load
from planner_graph.cli.exits import ExitCode
from planner_graph.clock import SystemClock
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.planning.explanation import duration_text
from planner_graph.planning.planner import MasterPlanner
from planner_graph.redaction import RedactingFormatter
from planner_graph.runtime.execution import RunOutcome
from planner_graph.server.access import require_usable_token
from planner_graph.server.app import build_app
from planner_graph.server.context import Context, open_context
from planner_graph.server.heads import PromptHeads
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import ServerSettings
from planner_graph.store.database import Database, open_database

MAX_CONNECTIONS = 20
"""Connections to the database for all runs and requests of a server."""

SWITCH_SECONDS = 0.001
"""How long a thread that works out a plan or a forecast may keep the event loop from going on."""

SILENT_SECONDS = 30.0
"""How long a client may take in nothing of what it is sent."""

PROXIES = "FORWARDED_ALLOW_IPS"
"""The variable that names the proxies which are believed when they say for whom they ask; uvicorn reads it."""

LARGEST_FRAME = 4_096
"""Bytes that a client may send in a frame of a WebSocket; it has next to nothing to say."""

BACKLOG = 2048
"""Connections that may wait to be accepted."""

log = logging.getLogger(__name__)


class Uvicorn(uvicorn.Server):
    """The web server; signals are the command's business."""

    def capture_signals(self) -> Any:
        """Leave signals alone."""
        return nullcontext()


class Service:
    """The server while it runs, and how it is asked to stop."""

    def __init__(self, settings: ServerSettings, catalog: Catalog, reference: str | None, dsn: str | None) -> None:
        self.settings = settings
        self.catalog = catalog
        self.reference = reference
        self.dsn = dsn
        self._asked = asyncio.Event()
        self._context: Context | None = None

    async def carry_out(self) -> ExitCode:
        """Serve until somebody asks to stop, then let runs pause; gives the exit code."""
        factory = load(self.reference) if self.reference else AgentFactory.installed()
        planner = MasterPlanner(self.catalog.extended(*factory.declared))
        async with open_database(self.dsn, max_connections=MAX_CONNECTIONS) as database:
            await require_usable_token(database, self.settings)
            ended = Delivery(self.settings.output_folder).write
            agents = Agents(bodies=factory, reference=self.reference, load=load, ended=ended)
            async with open_context(database, planner, agents, self.settings) as context:
                self._context = context
                await self._serve(context)
            return ExitCode.STOPPED if context.host.paused or context.host.busy else ExitCode.COMPLETED

    async def _serve(self, context: Context) -> None:
        """Answer until somebody asks to stop, and while runs pause after that."""
        listener = listening(self.settings)
        web = Uvicorn(web_config(context))
        gc.collect()
        gc.freeze()  # what is there now stays; to look through it again and again keeps all requests waiting
        serving = asyncio.create_task(web.serve([listener]), name="web server")
        screen.tell(f"serving on {address(listener)}; stop with Ctrl-C")
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await context.host.pause()
        finally:
            asked.cancel()
            context.stop_telling()
            web.should_exit = True
            await serving

    @property
    def busy(self) -> bool:
        """Whether code of agents is still at work, which the end of the process would wait for."""
        return self._context is not None and self._context.host.busy

    def stop(self) -> bool:
        """Let runs pause, then the server end; gives ``False`` if it has not begun, or was asked before."""
        if self._context is None or self._asked.is_set():
            return False
        self._asked.set()
        if self._context.host.executing:
            grace = duration_text(self._context.host.grace.pause)
            screen.tell(f"pausing: running agents may end, for {grace} at most; once more to stop at once")
        return True


class Delivery:
    """Writes the deliverables of each run that has ended to a folder of its own in ``folder``, if there is one."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    async def write(self, database: Database, outcome: RunOutcome) -> None:
        """Write those of one run."""
        if self._folder is None:
            return
        account = await read_account(database, outcome.run_id, SystemClock().now())
        delivery.write(account, Path(self._folder) / outcome.run_id)


def listening(settings: ServerSettings) -> socket.socket:
    """Begin to listen.

    A connection whose client takes in nothing for ``SILENT_SECONDS`` is cut by the system, where that is Linux: uvicorn
    would keep it, and what is to be sent on it, for as long as the client likes.

    Raises:
        InvalidInputError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without the protocol asyncio would not turn Nagle's algorithm off, and each answer would take 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        problem = f"cannot listen on {settings.host} port {settings.port}: {(error.strerror or str(error)).lower()}"
        raise InvalidInputError([Finding(problem=problem, remedy="name another --host or --port")]) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENT_SECONDS * 1_000))
    return listener


def address(listener: socket.socket) -> str:
    """Give the address of the dashboard."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def web_config(context: Context) -> uvicorn.Config:
    """Give how uvicorn serves."""
    return uvicorn.Config(
        build_app(context),
        host=context.settings.host,
        port=context.settings.port,
        log_config=None,
        proxy_headers=PROXIES in os.environ,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=int(context.settings.close_seconds),
        http=PromptHeads,
        ws="websockets-sansio",
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,  # it costs more than all else, and memory for each client
    )


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a record of uvicorn's is worth a line: it takes what clients of WebSockets do for faults."""
    said = record.getMessage()
    return not any(words in said for words in ("without completing handshake", "Invalid UTF-8 sequence"))


def serve(settings: ServerSettings, catalog: Catalog, reference: str | None, dsn: str | None) -> ExitCode:
    """Serve until a signal comes, and give the exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # where it serves is told here
    logging.getLogger("uvicorn.error").addFilter(is_news)
    sys.setswitchinterval(SWITCH_SECONDS)
    new_loop = uvicorn.Config("", log_config=None).get_loop_factory()  # that of uvloop where it is installed
    service = Service(settings, catalog, reference, dsn)
    try:
        code = interruptible.run(service.carry_out(), service.stop, new_loop=new_loop)
    except interruptible.Interrupted as stop:
        screen.tell("stopped; runs that went on are left for: planner-graph recover --all")
        code, busy = ExitCode.STOPPED, stop.busy or service.busy
    else:
        busy = service.busy
    if busy:
        interruptible.leave(code)
    return code
