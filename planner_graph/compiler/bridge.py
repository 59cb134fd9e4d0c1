"""Runs the one async implementation of a node for callers that are sync.

Under ``graph.invoke`` LangGraph calls nodes from threads without an event loop. All of them share one background loop
per compiled graph, so that async bodies may share clients and locks just as under ``ainvoke``.
"""

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class BackgroundLoop:
    """An event loop in a daemon thread, started at first use and stopped when nobody refers to it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run ``coroutine`` to its end in the background loop, in the caller's context; cancel it if we are stopped."""
        loop = self._started()
        context = contextvars.copy_context()
        done: Future[ResultT] = Future()
        tasks: list[asyncio.Task[None]] = []

        async def deliver() -> None:
            try:
                done.set_result(await coroutine)
            except BaseException as error:  # noqa: BLE001  # handed over to the caller's thread, whatever it is
                done.set_exception(error)

        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(deliver(), context=context)))
        try:
            return done.result()
        except BaseException:
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), name="planner-graph-loop", daemon=True).start()
                weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
