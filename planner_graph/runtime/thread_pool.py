"""The pool of threads of an event loop, for code other than agents' bodies, which have threads of their attempts."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

MOST_THREADS = 1000
"""Most threads that run side by side; one is only made when it is needed."""


class ThreadPool(ThreadPoolExecutor):
    """Threads that can be asked whether any of them is busy."""

    def __init__(self) -> None:
        super().__init__(MOST_THREADS, thread_name_prefix="agent")
        self._submitted: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a function in a thread."""
        future = super().submit(fn, *args, **kwargs)
        self._submitted.add(future)
        future.add_done_callback(self._submitted.discard)
        return future

    @property
    def busy(self) -> bool:
        """Whether any of them is at work."""
        return any(future.running() for future in tuple(self._submitted))
