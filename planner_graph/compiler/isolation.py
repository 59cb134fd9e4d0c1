"""Runs the body of an agent in a process of its own, which can really be stopped.

One process per attempt, begun anew: nothing of an attempt that was stopped half-way is left for the next one. A socket
brings the inputs as JSON and takes the output back; the process ends itself when the socket's other end is gone.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from operator import attrgetter
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from planner_graph.compiler.arguments import arguments_of
from planner_graph.compiler.body import Body
from planner_graph.compiler.child import ATOMS, HEADER, frame, unframed
from planner_graph.compiler.current import AgentContext
from planner_graph.compiler.failure import Failure, ReportedError
from planner_graph.compiler.usage import add_calls
from planner_graph.errors import AgentBindingError, BodyProcessError

_START = "import sys; sys.path[:] = {path!r}; from planner_graph.compiler.child import main; main({fd}, {parent})"

_BUFFER_BYTES = 2**20


class IsolatedBody:
    """A body that calls a function in a process of its own.

    Raises:
        AgentBindingError: no other process can import the function.
    """

    def __init__(self, agent: str, body: Body) -> None:
        self.agent = agent
        self.request = {**_reference(agent, body), **asdict(arguments_of(agent, body))}

    async def __call__(self, inputs: dict[str, Any], context: AgentContext, config: RunnableConfig) -> Any:
        """Give what the function returns, as plain JSON; the process has ended when this returns or raises.

        Raises:
            ReportedError: the function raised an error.
            BodyProcessError: the process ended without an answer.
        """
        values = {"inputs": inputs, "context": asdict(context), "config": _plain_part(config)}
        request = frame({**self.request, **values})
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with _connected(ours) as streams, _started(theirs) as process:
                theirs.close()  # the process alone has it now: when that ends, so does the connection
                answer = await _ask(*streams, request)
                code = await process.wait()
        if answer is None:
            raise BodyProcessError(self.agent, code)
        add_calls(answer["calls"])
        if "failure" in answer:
            raise ReportedError(Failure.from_json(answer["failure"]))
        return answer["output"]


def _plain_part(config: RunnableConfig) -> dict[str, Any]:
    """Return what of a config another process can have: names and plain values, nothing of LangGraph's own."""
    return {
        "tags": config.get("tags") or [],
        "metadata": _plain_items(config.get("metadata") or {}),
        "configurable": _plain_items(config.get("configurable") or {}),
    }


def _plain_items(items: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in items.items() if not key.startswith("__") and type(value) in ATOMS}


def _reference(agent: str, body: Body) -> dict[str, Any]:
    """Say where another process finds ``body``."""
    if os.name != "posix":
        raise AgentBindingError(agent, f"isolation: process does not work on {sys.platform}; leave it out")
    if isinstance(body, Runnable):
        problem = f"isolation: process is for functions, and this is a {type(body).__name__}"
        raise AgentBindingError(agent, f"{problem}; call it in a function, or leave isolation out")
    name, place = getattr(body, "__qualname__", None), getattr(body, "__module__", None)
    if place == "__main__":
        problem = f"isolation: process cannot import {name!r} from the program that was started"
        raise AgentBindingError(agent, f"{problem}; move it into a module of its own")
    module = sys.modules.get(place or "")
    if name is None or module is None or not _is_there(name, module, body):
        problem = f"isolation: process cannot import {body!r} by its name"
        raise AgentBindingError(agent, f"{problem}; bind a function that stands at the top level of a module")
    return {"module": place, "file": getattr(module, "__file__", None), "name": name}


def _is_there(name: str, module: Any, body: Callable[..., Any]) -> bool:
    try:
        return bool(attrgetter(name)(module) == body)
    except AttributeError:
        return False


@asynccontextmanager
async def _connected(ours: socket.socket) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(sock=ours, limit=_BUFFER_BYTES)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def _started(theirs: socket.socket) -> AsyncIterator[Process]:
    """Start the process; at the end of the block kill it and those that it started, if it has not ended."""
    start = _START.format(path=sys.path, fd=theirs.fileno(), parent=os.getpid())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", start, stdin=DEVNULL, pass_fds=[theirs.fileno()], process_group=0
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Any:
    """Send the request and give the answer, or ``None`` if the process ends without one."""
    try:
        writer.write(request)
        await writer.drain()
        size = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
        return unframed(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
