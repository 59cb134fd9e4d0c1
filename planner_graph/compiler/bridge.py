"""Bridges between sync and async code: a node has one implementation, callers and bodies come in both kinds.

Under ``graph.invoke`` LangGraph calls nodes from threads without an event loop. All of them share one background loop
per compiled graph, so that async bodies may share clients and locks just as under ``ainvoke``.
"""

import asyncio
import contextvars
import signal
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from planner_graph.compiler.threads import current_threads, route

ResultT = TypeVar("ResultT")


class BackgroundLoop:
    """An event loop in a daemon thread, started at first use and stopped when nobody refers to it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._interrupted = False

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run ``coroutine`` to its end in the background loop, in the caller's context; cancel it if we are stopped."""
        loop = self._started()
        done: Future[ResultT] = Future()
        own: list[asyncio.Task[None]] = []

        async def deliver() -> None:
            try:
                done.set_result(await coroutine)
            except BaseException as error:  # noqa: BLE001  # handed over to the caller's thread, whatever it is
                done.set_exception(error)

        def start() -> None:
            if self._interrupted:
                coroutine.close()
                done.set_exception(asyncio.CancelledError())
                return
            task = loop.create_task(deliver())
            own.append(task)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop.call_soon_threadsafe(start)  # in a copy of the caller's context, which the task takes over
        try:
            return done.result()
        except BaseException:
            loop.call_soon_threadsafe(_cancel, own)
            raise

    @contextmanager
    def stopped_by_ctrl_c(self) -> Iterator[None]:
        """Within this block, let Ctrl-C cancel whatever runs in the loop before it raises ``KeyboardInterrupt``.

        Otherwise LangGraph would wait for each running agent to end by itself before it lets the interrupt through.
        Does nothing outside the main thread, or where the program handles the signal in its own way (the rule of
        ``asyncio.run``).
        """
        if not _is_ours_to_handle():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self._interrupted = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(_cancel, self._tasks)
            signal.default_int_handler(number, frame)

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        except Exception as error:
            if self._interrupted:  # Python drops what a handler raises while it collects garbage; we have not forgotten
                raise KeyboardInterrupt from error
            raise
        finally:
            self._interrupted = False
            if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is stop:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                # The loop keeps the context it is made in, and the caller's one refers to the graph, hence to us.
                self._loop = contextvars.Context().run(self._start)
            return self._loop

    def _start(self) -> asyncio.AbstractEventLoop:
        loop, stopping = asyncio.new_event_loop(), threading.Event()
        route(loop)
        threading.Thread(target=run_loop, args=(loop, stopping), name="planner-graph-loop", daemon=True).start()
        weakref.finalize(self, _stop, loop, stopping)
        return loop


async def in_thread(function: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """Give what a sync ``function`` returns, run in a daemon thread of its own with the caller's context variables.

    A pool would make bodies queue for a worker while their time-outs run, and would keep the process from ending for
    as long as a body that was given up on goes on. If the caller is cancelled, the thread is left to itself.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    threads = current_threads()
    context = contextvars.copy_context()

    def deliver(result: ResultT | None, error: BaseException | None) -> None:
        if not outcome.done():  # as a result: a future's GeneratorExit would close whatever awaits it
            outcome.set_result((result, error))

    def work() -> None:
        result: ResultT | None = None
        error: BaseException | None = None
        try:
            result = context.run(function, *arguments)
        except StopIteration as stop:  # no future can hold one
            error = RuntimeError(f"{function!r} raised StopIteration")
            error.__cause__ = stop
        except BaseException as raised:  # noqa: BLE001  # handed over to the caller, whatever it is
            error = raised
        if threads is not None:
            threads.end()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, result, error)

    if threads is not None:
        threads.begin()
    threading.Thread(target=work, name="planner-graph-body", daemon=True).start()
    result, error = await outcome
    if error is not None:
        raise error
    returned: ResultT = result
    return returned


def _is_ours_to_handle() -> bool:
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _cancel(tasks: "list[asyncio.Task[None]] | set[asyncio.Task[None]]") -> None:
    for task in tuple(tasks):
        task.cancel()


def run_loop(loop: asyncio.AbstractEventLoop, stopping: threading.Event) -> None:
    """Run ``loop`` in this thread until it is stopped and ``stopping`` is set; then end its tasks and close it."""
    while not stopping.is_set():
        # A task that raises one of these ends the loop, too; whoever awaits the task is told all the same.
        with suppress(KeyboardInterrupt, SystemExit):
            loop.run_forever()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(_settled(loop))
    loop.close()


async def _settled(loop: asyncio.AbstractEventLoop) -> None:
    """Return when every other task has ended and async generators are closed."""
    others = asyncio.all_tasks(loop) - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    await loop.shutdown_asyncgens()


def _stop(loop: asyncio.AbstractEventLoop, stopping: threading.Event) -> None:
    stopping.set()
    loop.call_soon_threadsafe(loop.stop)
