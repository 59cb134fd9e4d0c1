"""The process in which a body runs that is kept apart from the others: one call, one answer.

What it imports, every such body waits for at its start; so it is little.
"""

import asyncio
import ctypes
import inspect
import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from types import ModuleType
from typing import Any

from planner_graph.compiler.current import AgentContext, become
from planner_graph.compiler.failure import Failure
from planner_graph.errors import BodyCancelledError, BodyExitedError

HEADER = struct.Struct(">Q")
"""What goes before each message: its length in bytes."""

ATOMS = frozenset({str, int, float, bool, type(None)})
"""The types of plain JSON that hold nothing else."""

_DIE_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG`` of Linux."""


def main(descriptor: int, parent: int) -> None:
    """Serve the request that comes through the socket, and end."""
    _die_with(parent)
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)  # whatever the body starts must not keep the parent waiting
    size = HEADER.unpack(_receive(channel, HEADER.size))[0]
    request = unframed(_receive(channel, size))
    threading.Thread(target=_end_with, args=[channel], name="planner-graph-parent", daemon=True).start()
    process = os.getpid()
    answer = frame(_answer(request))
    if os.getpid() != process:  # the body has forked, and this is the copy: the answer is the other one's to give
        os._exit(0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # whatever the body has made of them
            stream.flush()
    channel.sendall(answer)


def frame(message: Any) -> bytes:
    """Write a message of plain JSON, its length before it."""
    text = json.dumps(message).encode()
    return HEADER.pack(len(text)) + text


def unframed(text: bytes) -> Any:
    """Read a message without its length."""
    return json.loads(text)


def _die_with(parent: int) -> None:
    """Let the system end this process with its parent, even while a body holds the interpreter's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before it could be watched
        os._exit(1)


def _end_with(channel: socket.socket) -> None:
    """End this process, and those it started, when the parent is gone: that closes the other end of the socket."""
    channel.recv(1)
    os.killpg(0, signal.SIGKILL)


def _receive(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 2**20))
        if not part:
            os._exit(1)
        parts += part
    return bytes(parts)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    context = AgentContext(**request["context"])
    calls: Callable[[], list[dict[str, Any]]] = list
    error: BaseException
    try:
        become(context)
        body = attrgetter(request["name"])(_module(request["module"], request["file"]))
        calls = _metered()
        values = {"inputs": request["inputs"], "context": context, "config": request["config"]}
        keywords = {name: values[role] for name, role in request["keywords"].items()}
        given = body(*(values[role] for role in request["positional"]), **keywords)
        if inspect.isawaitable(given):
            given = asyncio.run(_result(given))
        return {"output": _plain(context.agent, given), "calls": calls()}
    except SystemExit as raised:
        error = BodyExitedError(context.agent, raised.code)
    except asyncio.CancelledError:
        error = BodyCancelledError(context.agent)
    except BaseException as raised:  # noqa: BLE001  # the parent decides what follows from it, whatever it is
        error = raised
    return {"failure": asdict(Failure.of(error, datetime.now(UTC))), "calls": calls()}


def _metered() -> Callable[[], list[dict[str, Any]]]:
    """Count the calls of models, if the body can make any; give what tells of them."""
    if "langchain_core" not in sys.modules:
        return list
    usage = import_module("planner_graph.compiler.usage")
    return partial(usage.calls_to_json, usage.start_meter())


async def _result(given: Any) -> Any:
    return await given


def _module(name: str, file: str | None) -> ModuleType:
    """Import a module as the parent has it: by its name, or from its file if it goes by no name that can be found."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        spec = spec_from_file_location(name, file) if file and error.name == name else None
        if spec is None or spec.loader is None:
            raise
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def _plain(agent: str, given: Any) -> Any:
    """Give an output as plain JSON; models, dates and the like need what takes longer to import."""
    try:
        json.dumps(given)  # ends on a circle, which the other one would follow
        plain = _is_plain(given)
    except (TypeError, ValueError, RecursionError):
        plain = False
    return given if plain else import_module("planner_graph.compiler.output").plain(agent, given)


def _is_plain(item: Any) -> bool:
    """Tell whether JSON keeps a value as it is: keys that are no text would become text, and might be the same then."""
    kind = type(item)
    if kind is dict:
        return all(type(key) is str and _is_plain(value) for key, value in item.items())
    return all(map(_is_plain, item)) if kind is list else kind in ATOMS
