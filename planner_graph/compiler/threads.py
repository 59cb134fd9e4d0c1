"""The threads in which the sync code of agents runs: each attempt has its own.

A pool that agents share would make bodies queue for a worker while their time-outs run. Sync functions are started by
:func:`planner_graph.compiler.bridge.in_thread`; the sync parts of LangChain runnables, of graphs and of what async
bodies hand to ``asyncio.to_thread`` go to the default executor of their event loop, where :func:`route` puts one that
knows to which attempt they belong.
"""

import asyncio
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

MOST_PER_ATTEMPT = max(32, (os.cpu_count() or 1) + 4)
"""Most threads of one attempt in the executor; no fewer than a whole process has in asyncio's own."""

_Work = tuple[Future[Any], Callable[[], Any]]


class CarriedError(Exception):
    """What sync code raised in a thread, as ``error``: one that would end the task or the event loop that awaits it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(f"{type(error).__name__}: {error}")


class AttemptThreads:
    """The threads of one attempt; an attempt within the body of another one counts for both.

    The threads are daemons: nothing waits for those of a body that was given up on, not even the end of the process.
    """

    __slots__ = ("_around", "_lock", "_queue", "_returned", "_running", "_workers")

    def __init__(self, around: "AttemptThreads | None" = None) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._running = 0
        self._workers = 0
        self._queue: deque[_Work] | None = None
        self._returned: list[Callable[[], None]] = []

    @property
    def busy(self) -> bool:
        """Whether code of the attempt runs in a thread."""
        return self._running > 0

    def become_current(self) -> None:
        """Make these the threads of sync code that is called from the present context."""
        _THREADS.set(self)

    def when_returned(self, call: Callable[[], None]) -> None:
        """Call ``call`` once no code of the attempt runs in a thread: in the thread that returned last, or at once."""
        with self._lock:
            if self._running:
                self._returned.append(call)
                return
        call()

    def begin(self) -> None:
        """Note that code of the attempt begins to run in a thread."""
        with self._lock:
            self._running += 1
        if self._around is not None:
            self._around.begin()

    def end(self) -> None:
        """Note that it has returned."""
        with self._lock:
            self._running -= 1
            calls, self._returned = ([], self._returned) if self._running else (self._returned, [])
        for call in calls:
            call()
        if self._around is not None:
            self._around.end()

    def submit(self, function: Callable[[], ResultT]) -> Future[ResultT]:
        """Run ``function`` in a thread, at once unless the attempt has very many."""
        future: Future[ResultT] = Future()
        self.begin()
        with self._lock:
            if self._workers >= MOST_PER_ATTEMPT:
                self._queue = self._queue or deque()
                self._queue.append((future, function))
                return future
            self._workers += 1
        threading.Thread(target=self._work, args=[(future, function)], name="planner-graph-body", daemon=True).start()
        return future

    def _work(self, work: _Work | None) -> None:
        while work is not None:
            self._carry_out(*work)
            work = self._next()

    def _carry_out(self, future: Future[Any], function: Callable[[], Any]) -> None:
        """Run one function; it counts as returned before the event loop knows what it gave."""
        result: Any = None
        failure: BaseException | None = None
        wanted = future.set_running_or_notify_cancel()
        try:
            if wanted:
                result = function()
        except (GeneratorExit, KeyboardInterrupt, SystemExit) as error:
            failure = CarriedError(error)
        except BaseException as error:  # noqa: BLE001  # handed over to the caller, whatever it is
            failure = error
        self.end()
        if wanted and failure is not None:
            future.set_exception(failure)
        elif wanted:
            future.set_result(result)

    def _next(self) -> _Work | None:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            self._workers -= 1
            return None


class RoutingExecutor(ThreadPoolExecutor):
    """The default executor of an event loop: agents' code runs in threads of its attempt, other code as before."""

    def __init__(self, before: Executor | None) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._before = before

    def submit(self, fn: Callable[..., ResultT], /, *args: Any, **kwargs: Any) -> Future[ResultT]:
        """Run ``fn`` in a thread of the attempt whose body calls this, if one does."""
        threads = _THREADS.get()
        if threads is not None:
            return threads.submit(lambda: fn(*args, **kwargs))
        return super().submit(fn, *args, **kwargs) if self._before is None else self._before.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # its base's
        """End the threads in which code of no agent runs."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if self._before is not None:
            self._before.shutdown(wait, cancel_futures=cancel_futures)


def route(loop: asyncio.AbstractEventLoop) -> None:
    """Make the default executor of ``loop`` run agents' sync code in threads of their attempts.

    What else the program runs there goes to the executor that the loop has so far, as far as the loop tells.
    """
    executor = getattr(loop, "_default_executor", None)  # asyncio has no public way to ask for it
    if isinstance(executor, RoutingExecutor) or (executor is None and loop in _ROUTED):
        return
    _ROUTED.add(loop)
    loop.set_default_executor(RoutingExecutor(executor))


def current_threads() -> AttemptThreads | None:
    """Give the threads of the attempt whose body this is called from."""
    return _THREADS.get()


_THREADS: ContextVar[AttemptThreads | None] = ContextVar("planner_graph_attempt_threads", default=None)
_ROUTED: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
