"""Tells an outage of the database from an error of its own, and keeps trying through an outage."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from planner_graph.errors import DatabaseUnavailableError

ResultT = TypeVar("ResultT")

FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0
"""Seconds between two attempts."""

OUTAGE_SECONDS = 120.0
"""How long an outage is waited for, unless said otherwise."""

_PASSING = ("08", "57P", "40001", "40P01", "53300")
"""Beginnings of SQLSTATEs of what passes: lost connections, shutdown, conflicts of transactions, too many clients."""


def is_outage(error: BaseException) -> bool:
    """Tell whether the same statement may well succeed in a moment."""
    if isinstance(error, DatabaseUnavailableError | psycopg.InterfaceError):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


class Patience:
    """Keeps trying through outages: each call for at most ``seconds``, or until it is told to :meth:`give_up`."""

    def __init__(self, seconds: float = OUTAGE_SECONDS) -> None:
        self.seconds = seconds
        self._given_up = asyncio.Event()

    def give_up(self) -> None:
        """Let errors through from now on, also those of calls under way."""
        self._given_up.set()

    async def persist(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Give what ``call`` gives; it must not matter if what it does is done twice."""
        until = time.monotonic() + self.seconds
        wait = FIRST_WAIT
        while True:
            try:
                return await call()
            except (psycopg.Error, DatabaseUnavailableError) as error:
                if not is_outage(error) or time.monotonic() > until or self._given_up.is_set():
                    raise
            await self._nap(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _nap(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._given_up.wait(), seconds)
        except TimeoutError:
            return
