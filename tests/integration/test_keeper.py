"""The keeper of leases keeps them, hears what others want, survives cuts, gives back what nobody waits for."""

import asyncio

import pytest

from planner_graph.errors import RunHeldError
from planner_graph.runtime import keeper
from planner_graph.runtime.keeper import LeaseKeeper
from planner_graph.store import leases
from planner_graph.store.commands import Command
from planner_graph.store.connection import connect
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus
from tests.mirrors import accept
from tests.plans import make_plan


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(keeper, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.2)


@pytest.fixture
async def run(database):
    return await accept(database, make_plan({"a": []}))


@pytest.fixture
async def open_keeper(database):
    made = LeaseKeeper(database)
    await made.open()
    yield made
    await made.close()


class Ear:
    """Hears of a run's states."""

    def __init__(self):
        self.heard: asyncio.Queue[tuple[RunStatus | None, str | None]] = asyncio.Queue()

    def __call__(self, status, reason):
        self.heard.put_nowait((status, reason))

    async def hear(self, wanted):
        """Give the reason with which a status comes."""
        async with asyncio.timeout(10):
            while True:
                status, reason = await self.heard.get()
                if status is wanted:
                    return reason


async def test_commands_from_others_are_heard_with_their_reason(database, open_keeper, run):
    ear = Ear()
    await open_keeper.hold(run, ear)
    await ear.hear(RunStatus.PENDING)
    await Repository(database).command(run, Command.PAUSE, by="eve", reason="lunch")
    assert await ear.hear(RunStatus.PAUSING) == "pause asked for by eve: lunch"


async def test_a_run_that_was_taken_over_is_heard_of_once(dsn, open_keeper, run):
    ear = Ear()
    lease = await open_keeper.hold(run, ear)
    async with await connect(dsn, "other") as other:
        taken = await leases.acquire(other, run, take_over=True)
        assert await ear.hear(None) is None
        await open_keeper.let_go(lease)
        assert (await leases.holders(other, [run]))[run].token == taken.token


async def test_a_lease_outlives_a_cut_connection_and_is_nobody_elses_meanwhile(dsn, open_keeper, run):
    ear = Ear()
    await open_keeper.hold(run, ear)
    async with await connect(dsn, "other") as other:
        await other.execute(
            "SELECT pg_terminate_backend(session_pid) FROM run_leases WHERE workflow_execution_id = %s", [run]
        )
        while not ear.heard.empty():
            ear.heard.get_nowait()
        await ear.hear(RunStatus.PENDING)
        with pytest.raises(RunHeldError):
            await leases.acquire(other, run)


async def test_what_is_let_go_is_free_and_what_is_closed_is_soon(dsn, database, run):
    made = LeaseKeeper(database)
    await made.open()
    await made.let_go(await made.hold(run, Ear()))
    async with await connect(dsn, "other") as other:
        await leases.release(other, await leases.acquire(other, run))
        await made.hold(run, Ear())
        await made.close()
        async with asyncio.timeout(5):
            await leases.acquire(other, run)


async def test_waiting_for_one_run_keeps_the_others(monkeypatch, dsn, database, open_keeper, run):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.5)
    dead_run = await accept(database, make_plan({"a": []}))
    async with await connect(dsn, "dead") as dead:
        await leases.acquire(dead, dead_run)
    ear = Ear()
    await open_keeper.hold(run, ear)
    waiting = asyncio.create_task(open_keeper.hold(dead_run, Ear()))
    for _ in range(5):
        await ear.hear(RunStatus.PENDING)
    assert not waiting.done()
    assert (await waiting).token == 2


async def test_who_stops_waiting_for_a_run_does_not_get_it(dsn, open_keeper, run):
    async with await connect(dsn, "dead") as dead:
        await leases.acquire(dead, run)
    waiting = asyncio.create_task(open_keeper.hold(run, Ear()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with await connect(dsn, "other") as other, asyncio.timeout(10):
        while (row := await (await other.execute("SELECT token FROM run_leases")).fetchone()) is None or row[
            "token"
        ] == 1:
            pass
        assert (await leases.acquire(other, run)).token == 3
