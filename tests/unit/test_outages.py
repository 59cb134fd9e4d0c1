"""Outages of the database: told from errors, waited for, given up."""

import asyncio
from itertools import islice

import psycopg
import pytest

from planner_graph.errors import DatabaseUnavailableError
from planner_graph.store import outages
from planner_graph.store.outages import Patience, is_outage, may_pass, waits

AWAY = psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(outages, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(outages, "LAST_SECONDS", 0.01)


class Flaky:
    """Raises errors one after the other, then gives its last item, or never anything."""

    def __init__(self, *items):
        self.items, self.calls = list(items), 0

    async def __call__(self):
        self.calls += 1
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        if item is None:
            await asyncio.Event().wait()
        return item


@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        psycopg.errors.AdminShutdown(),
        psycopg.errors.CannotConnectNow(),
        psycopg.errors.SerializationFailure(),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.TooManyConnections(),
        psycopg.errors.IdleInTransactionSessionTimeout(),
        psycopg.InterfaceError("the connection is closed"),
        DatabaseUnavailableError("db", "gone", "wait"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_passes_is_tried_again(error):
    call = Flaky(error, error, "stored")
    assert is_outage(error)
    assert await Patience(5).persist(call) == "stored"
    assert call.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DiskFull(),
        psycopg.errors.QueryCanceled(),
        psycopg.errors.UniqueViolation(),
        psycopg.errors.UndefinedTable(),
        ValueError("a fault of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_no_outage_is_raised_at_once(error):
    call = Flaky(error, "stored")
    with pytest.raises(type(error)):
        await Patience(5).persist(call)
    assert call.calls == 1


async def test_patience_ends():
    call = Flaky(*[AWAY] * 1000)
    with pytest.raises(psycopg.OperationalError, match="unexpectedly"):
        await Patience(0.05).persist(call)
    assert call.calls > 1


async def test_a_try_that_never_ends_does_not_outlast_the_patience():
    with pytest.raises(psycopg.OperationalError, match="server closed"):
        await Patience(0.05).persist(Flaky(AWAY, None))
    with pytest.raises(psycopg.OperationalError, match="the database does not answer"):
        await Patience(0.05).persist(Flaky(None))


async def test_what_is_given_up_ends_soon_and_what_works_still_works():
    patience = Patience(1000)
    calls = [asyncio.create_task(patience.persist(call)) for call in (Flaky(None), Flaky(*[AWAY] * 1000))]
    await asyncio.sleep(0)
    patience.give_up()
    async with asyncio.timeout(5):
        for call in calls:
            with pytest.raises(psycopg.OperationalError):
                await call
        assert await patience.persist(Flaky("stored")) == "stored"
    with pytest.raises(psycopg.OperationalError):
        await patience.persist(Flaky(AWAY, "stored"))
    assert await patience.anew().persist(Flaky(AWAY, "stored")) == "stored"


async def test_the_pool_is_repaired_before_each_further_try():
    repaired: list[None] = []

    async def repair():
        repaired.append(None)

    await Patience(5, repair=repair).persist(Flaky("stored"))
    assert repaired == []
    await Patience(5, repair=repair).persist(Flaky(AWAY, AWAY, "stored"))
    assert len(repaired) == 2


async def test_whoever_is_cancelled_leaves_no_try_behind():
    ended = asyncio.Event()

    async def call():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(Patience(1000).persist(call))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (AWAY, True),
        (TimeoutError(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.QueryCanceled(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.ReadOnlySqlTransaction(), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.UndefinedTable(), False),
        (psycopg.DataError("without a state"), False),
        (ValueError("a fault of ours"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_more_may_pass_than_outages(error, passes):
    """The mirror waits for room on the disk; a checkpoint must not, so that is no outage."""
    assert may_pass(error) is passes


def test_waits_grow_up_to_the_longest(monkeypatch):
    monkeypatch.setattr(outages, "FIRST_WAIT", 0.5)
    monkeypatch.setattr(outages, "LONGEST_WAIT", 1.5)
    assert list(islice(waits(), 4)) == [0.5, 1.0, 1.5, 1.5]
