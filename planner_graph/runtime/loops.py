"""An event loop in a thread of its own: what blocks it keeps no other loop waiting."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from planner_graph.compiler.bridge import in_thread, run_loop
from planner_graph.runtime.thread_pool import ThreadPool

ResultT = TypeVar("ResultT")


class LoopThread:
    """A loop that is given work from other threads; code in it may block it for any time.

    The thread is a daemon and its pool of threads is not waited for: a process can end while either is busy, if it ends
    by ``os._exit``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._stopping = threading.Event()
        self._threads = ThreadPool()

    @property
    def alive(self) -> bool:
        """Whether its thread is there."""
        return self._thread.is_alive()

    @property
    def busy(self) -> bool:
        """Whether code runs in it, or in its pool of threads, that the end of the process would wait for."""
        return self._threads.busy or (self._stopping.is_set() and self._thread.is_alive())

    def start(self) -> None:
        """Begin, with a loop of the kind that runs here."""
        self._loop = type(asyncio.get_running_loop())()
        self._loop.set_default_executor(self._threads)
        self._thread = threading.Thread(
            target=run_loop, args=(self._loop, self._stopping), name=self._name, daemon=True
        )
        self._thread.start()

    def soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have the loop call a function as soon as it comes to it."""
        self._loop.call_soon_threadsafe(function, *arguments)

    async def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Have the loop do ``work``, and give its result here; cancelling the call cancels the work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def answers(self, seconds: float) -> bool:
        """Tell whether the loop comes to new work within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self.do(asyncio.sleep(0))
        except TimeoutError:
            return False
        return True

    async def end(self, seconds: float) -> None:
        """End the tasks of the loop and the thread, if that takes no longer than so many seconds."""
        self._stopping.set()
        self.soon(self._loop.stop)
        await in_thread(self._thread.join, seconds)
