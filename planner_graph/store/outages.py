"""Tells an outage of the database from an error of its own, and keeps trying through an outage.

What counts as an outage stands here for everybody. A checkpoint must not wait for a full disk, as agents would go on
whose records cannot be stored; the mirror and the feed wait for whatever may pass.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import psycopg

from planner_graph.errors import DatabaseUnavailableError

ResultT = TypeVar("ResultT")

FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0
"""Seconds between two attempts."""

LAST_SECONDS = 3.0
"""How long an attempt under way may still take once nobody is patient any more."""

OUTAGE_SECONDS = 120.0
"""How long an outage is waited for, unless said otherwise."""

_AWAY = ("08", "57P", "25P03", "40001", "40P01", "53300")
"""Beginnings of SQLSTATEs of an outage: lost connections, shutdown, sessions that were ended as we fell silent within a
transaction (while an agent kept the event loop busy), conflicts of transactions, too many clients."""

_NOT_NOW = ("40", "53", "55", "57", "58", "25006")
"""Those with which a database says besides that it cannot do now what it may do later: conflicts, resources, locks, an
operator, the system; it is a standby just now."""


def is_outage(error: BaseException) -> bool:
    """Tell whether the same statement may well succeed in a moment, on this or on another connection."""
    if isinstance(error, DatabaseUnavailableError | psycopg.InterfaceError | TimeoutError):
        return True
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_AWAY)


def may_pass(error: BaseException) -> bool:
    """Tell whether the same statement may succeed later: after an outage, or when the database has room or time."""
    return is_outage(error) or (isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_NOT_NOW))


def waits() -> Iterator[float]:
    """Give the seconds to wait before each further try: longer and longer, up to :data:`LONGEST_WAIT`."""
    seconds = FIRST_WAIT
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_WAIT)


class Patience:
    """Keeps trying through outages: each call for at most ``seconds``, or until it is told to :meth:`give_up`.

    ``repair`` is called before each further try: a pool may hold many more connections that were cut, and would hand
    out one after the other.
    """

    def __init__(
        self, seconds: float = OUTAGE_SECONDS, *, repair: Callable[[], Coroutine[Any, Any, object]] | None = None
    ) -> None:
        self.seconds = seconds
        self._repair = repair
        self._given_up = asyncio.Event()

    def give_up(self) -> None:
        """Let errors through from now on; calls under way are broken off soon."""
        self._given_up.set()

    def anew(self) -> "Patience":
        """Give one that has as much patience as this one had."""
        return Patience(self.seconds, repair=self._repair)

    async def persist(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Give what ``call`` gives; it must not matter if what it does is done twice.

        Raises:
            psycopg.Error, DatabaseUnavailableError: an error that no patience helps against, or the outage.
        """
        until = time.monotonic() + self.seconds
        wait = waits()
        outage: Exception | None = None
        while True:
            try:
                return await self._attempt(call, until, outage)
            except (psycopg.Error, DatabaseUnavailableError) as error:
                if not is_outage(error) or time.monotonic() > until or self._given_up.is_set():
                    raise
                outage = error
            await self._nap(next(wait))

    async def _attempt(self, call: Callable[[], Awaitable[ResultT]], until: float, outage: Exception | None) -> ResultT:
        """Try once, within the time there is: a pool waits for a connection for a long time, and in silence.

        Raises:
            Exception: what ``call`` raised, or the ``outage`` if that takes too long or is given up.
        """

        async def repaired() -> ResultT:
            if outage is not None and self._repair is not None:
                await asyncio.shield(self._repair())
            return await call()

        attempt, giving_up = asyncio.ensure_future(repaired()), asyncio.ensure_future(self._given_up.wait())
        left = max(until - time.monotonic(), 0)
        try:
            await asyncio.wait({attempt, giving_up}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if giving_up.done():
                await asyncio.wait({attempt}, timeout=LAST_SECONDS)
        finally:
            giving_up.cancel()
            attempt.cancel()
            await asyncio.wait({attempt})
        if attempt.cancelled():
            raise outage or psycopg.OperationalError("the database does not answer")
        return attempt.result()

    async def _nap(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._given_up.wait(), seconds)
        except TimeoutError:
            return
