"""Decides which errors are worth another attempt, and when that begins."""

import asyncio
from collections.abc import Container

from planner_graph.catalog.spec import Backoff
from planner_graph.clock import Clock
from planner_graph.compiler.failure import Failure
from planner_graph.errors import AgentTimeoutError, PoolHeldError
from planner_graph.planning.contents import Step

PROGRAMMING_ERRORS = frozenset(
    {
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "BufferError",
        "ImportError",
        "LookupError",
        "NameError",
        "NotImplementedError",
        "RecursionError",
        "SyntaxError",
        "TypeError",
    }
)
"""Errors that the same code with the same inputs will raise again; so are errors derived from them."""

LASTING_ERRORS = PROGRAMMING_ERRORS | {
    "FileExistsError",
    "FileNotFoundError",
    "IsADirectoryError",
    "NotADirectoryError",
    "PermissionError",
}
"""With them, errors of files and permissions, which do not pass by waiting either."""

PASSING_STATUSES = frozenset({408, 409, 425, 429})
"""HTTP statuses below 500 that pass: time-out, conflict, too early, too many requests."""

SERVER_ERRORS = 500
"""From this HTTP status on, the fault is the server's, and may have passed at the next attempt."""


def is_worth_retrying(failure: Failure, *, retry_on: Container[str] = (), do_not_retry: Container[str] = ()) -> bool:
    """Tell whether another attempt may succeed where this one failed.

    ``retry_on`` and ``do_not_retry`` name classes of errors; of the class of the error and its bases, the first that
    is named decides. An exception group is worth it if all of its errors are.
    """
    if failure.parts:
        return all(is_worth_retrying(part, retry_on=retry_on, do_not_retry=do_not_retry) for part in failure.parts)
    for kind in failure.kinds:
        if kind in do_not_retry:
            return False
        if kind in retry_on:
            return True
    if not LASTING_ERRORS.isdisjoint(failure.kinds):
        return False
    return failure.status is None or failure.status >= SERVER_ERRORS or failure.status in PASSING_STATUSES


def seconds_to_wait(failure: Failure, backoff: Backoff, retry: int, chance: float) -> float:
    """Give the seconds to wait before retry number ``retry`` (1-based), for a ``chance`` in [0, 1).

    As long as the answer asked for, if that is longer than the back-off, but never longer than its maximum.
    """
    own, asked = backoff.seconds(retry, chance), _asked(failure)
    # Those who were told the same time would all come back at the same moment.
    return own if asked is None else min(max(own, asked * (1 + backoff.jitter * chance)), backoff.max_seconds)


def wait_for_next(
    step: Step, error: Exception, attempt: int, clock: Clock, deadline: float | None
) -> tuple[float | None, bool]:
    """Return the seconds from a failed attempt to the next one, or ``None`` if it was the last.

    Then whether it was the last only because the time of all attempts is over by then; ``deadline`` is when, on the
    clock of the event loop.
    """
    failure = Failure.of(error, clock.now())
    if attempt > step.max_retries or isinstance(error, PoolHeldError):
        return None, False
    if not is_worth_retrying(failure, retry_on=step.retry_on, do_not_retry=step.do_not_retry):
        return None, False
    wait = seconds_to_wait(failure, step.backoff, attempt, clock.chance())
    is_late = isinstance(error, AgentTimeoutError) or (
        deadline is not None and asyncio.get_running_loop().time() + wait >= deadline
    )
    return (None, True) if is_late else (wait, False)


def _asked(failure: Failure) -> float | None:
    asked = [failure.retry_after_seconds, *(_asked(part) for part in failure.parts)]
    return max((seconds for seconds in asked if seconds is not None), default=None)
