"""Runs the work of a command so that Ctrl-C and SIGTERM let it put things in order before it ends.

A thread cannot be stopped. Those of the event loop's pool that are still busy when the work has been stopped are left
behind: the process ends without waiting for them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, NoReturn, TypeVar

from planner_graph.cli.exits import ExitCode
from planner_graph.runtime.thread_pool import ThreadPool

T = TypeVar("T")

MOST_SIGNALS = 2
"""After so many signals nothing is waited for any more, not even an event loop that is kept busy."""


class Interrupted(Exception):  # noqa: N818  # no error: the user wanted it
    """The work was stopped from outside; ``busy`` says that threads are still at work."""

    def __init__(self, *, busy: bool) -> None:
        self.busy = busy
        super().__init__("stopped from outside")


def run(
    work: Coroutine[Any, Any, T],
    gently: Callable[[], bool] = lambda: False,
    *,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run ``work`` to its end, in a ``new_loop``; Ctrl-C and SIGTERM let it put things in order first.

    The first one calls ``gently``, in the event loop; if that gives ``True``, the work is about to end by itself. The
    next one, or the first if that gives ``False``, cancels the work, and yet another one ends it at once.

    Raises:
        Interrupted: it was stopped. The process should now end by :func:`leave`.
    """
    threads = ThreadPool()
    runner = asyncio.Runner(loop_factory=new_loop)
    runner.get_loop().set_default_executor(threads)
    try:
        result = runner.run(_stoppable(work, gently))
    except (asyncio.CancelledError, KeyboardInterrupt) as stop:
        busy = threads.busy
        if busy:
            runner.get_loop().close()  # unlike the runner, this does not wait for threads
        else:
            runner.close()
        raise Interrupted(busy=busy) from stop
    except BaseException:
        runner.close()
        raise
    runner.close()
    return result


def leave(code: ExitCode) -> NoReturn:
    """End the process now, whatever its threads are doing."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


async def _stoppable(work: Coroutine[Any, Any, T], gently: Callable[[], bool]) -> T:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    heard = 0

    def react() -> None:
        if task is not None and (heard > 1 or not gently()):
            task.cancel()

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard > MOST_SIGNALS:
            signal.default_int_handler(number, frame)
        loop.call_soon_threadsafe(react)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return await work
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
