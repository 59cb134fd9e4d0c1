"""A database that goes away, cuts connections off, or has no room: runs wait and go on, or pause and say why."""

import asyncio
import shutil
import signal
from contextlib import suppress

import psycopg
import pytest
from psycopg_pool.base import AttemptWithBackoff

from planner_graph.store import database
from planner_graph.store.database import open_database
from planner_graph.store.outages import Patience
from tests.chaos.arena import Arena
from tests.chaos.conftest import LONG
from tests.databases import TEMPLATE, Servers, fresh, new_folder

RUNS = 50
ROUNDS = 10 if LONG else 1
PROCESSES = 5
PATIENT = {"outage_seconds": 60.0, "seconds": (0.2, 0.4)}


@pytest.fixture
def own_servers():
    base = new_folder()
    servers = Servers(base)
    yield servers
    servers.stop()
    shutil.rmtree(base)


@pytest.fixture
async def own_arena(own_servers, factory, tmp_path, chance):
    """An arena on a server that the test may restart."""
    made = fresh(own_servers.address("embedded"), TEMPLATE)
    dsn = next(made)
    async with open_database(dsn) as database:
        arena = Arena(database=database, dsn=dsn, folder=tmp_path, factory=factory, random=chance)
        yield arena
        arena.clean_up()
    with suppress(psycopg.Error, StopIteration):
        next(made)


@pytest.mark.parametrize("part", range(ROUNDS))
async def test_runs_go_on_through_restarts_of_the_server(own_servers, own_arena, tell, part):
    """Seen to fail without patience in outages: runs ended with an OperationalError."""
    arena = own_arena
    runs = [await arena.accept(fewest=10, most=14, strategy="adaptive") for _ in range(RUNS)]
    children = [arena.order(runs[number::PROCESSES], **PATIENT) for number in range(PROCESSES)]
    for child in children:
        await child.begun()
    reports = asyncio.gather(*(child.report() for child in children))
    server, restarts = own_servers.server("embedded"), 0
    while not reports.done():
        await asyncio.wait({reports}, timeout=arena.random.uniform(0.5, 1.5))
        if not reports.done():
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            restarts += 1

    await arena.database.pool.check()
    said = {run: what for report in await reports for run, what in (report or {}).items()}
    assert sorted(said) == sorted(runs)
    stopped = {run: what for run, what in said.items() if what.get("status") != "completed"}
    assert not stopped, next(what.get("trace", what) for what in stopped.values())
    repeated = sum([await arena.check(run) for run in runs])
    assert restarts >= 2
    tell(f"server restarted, round {part + 1}: {RUNS} runs, {restarts} restarts, {repeated} executions repeated")


async def test_runs_go_on_though_every_connection_is_cut_in_turn(arena, tell):
    """Seen to fail without patience in outages: runs ended with AdminShutdown.

    And without mending the pool: each further try got another connection that had been cut, for ever.
    """
    runs = [await arena.accept(fewest=10, most=14) for _ in range(RUNS if LONG else RUNS // 10)]
    child = arena.order(runs, **PATIENT)
    await child.begun()
    report, cut = asyncio.create_task(child.report()), 0
    sessions = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with await psycopg.AsyncConnection.connect(arena.dsn, autocommit=True) as conn:
        while not report.done():
            for (pid,) in await (await conn.execute(sessions)).fetchall():
                cut += 1
                await conn.execute("SELECT pg_terminate_backend(%s)", [pid])
                await asyncio.wait({report}, timeout=0.05)

    await arena.database.pool.check()
    stopped = {run: what for run, what in (await report).items() if what.get("status") != "completed"}
    assert not stopped, next(what.get("trace", what) for what in stopped.values())
    repeated = sum([await arena.check(run) for run in runs])
    assert cut > 20
    tell(f"connections cut: {len(runs)} runs, {cut} cuts, {repeated} executions repeated")


async def test_a_server_that_is_back_is_found_soon_however_long_it_was_away(own_servers, own_arena, monkeypatch):
    """Seen to fail with the pool's own settings: having backed off, it did not look for a server that was long back."""
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 120.0)  # what it comes to after two minutes
    monkeypatch.setattr(database, "RECONNECT_SECONDS", 0.5)
    monkeypatch.setattr(database, "WAIT_SECONDS", 1.0)
    server = own_servers.server("embedded")
    async with open_database(own_arena.dsn) as opened:
        await asyncio.to_thread(server.stop)
        asking = asyncio.create_task(Patience(60, repair=opened.pool.check).persist(lambda: asked(opened)))
        await asyncio.wait({asking}, timeout=1.5)  # long enough to fail and back off
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(40):
            assert await asking == {"one": 1}


async def asked(opened):
    async with opened.pool.connection() as conn:
        return await (await conn.execute("SELECT 1 AS one")).fetchone()


async def test_a_run_pauses_when_an_outage_takes_too_long_and_goes_on_later(own_servers, own_arena):
    """Seen to fail without a limit to each try: the pool waited for the server, and the run never paused."""
    arena, server = own_arena, own_servers.server("embedded")
    run = await arena.accept(fewest=20, strategy="adaptive")
    child = arena.order(run, outage_seconds=5.0, gate=arena.gate(run))
    await arena.running(run)

    await asyncio.to_thread(server.stop)
    arena.open_gate(run)
    await child.gives_up()  # now it tries for another five seconds to say so
    await asyncio.to_thread(server.start)
    said = (await child.report())[run]
    await arena.database.pool.check()

    assert said["status"] == "paused", said
    assert said["says"].startswith("its checkpoint could not be written: ")
    assert (await arena.settle(run))["status"] == "completed"
    await arena.check(run)


async def test_a_run_whose_pause_cannot_be_stored_either_is_found_by_recover(own_servers, own_arena):
    """Seen to fail without a limit to each try: one write after the other waited for 30 s."""
    arena, server = own_arena, own_servers.server("embedded")
    run = await arena.accept(fewest=20, strategy="adaptive")
    child = arena.order(run, outage_seconds=0.2, flush_seconds=1.0, gate=arena.gate(run))
    await arena.running(run)

    await asyncio.to_thread(server.stop)
    arena.open_gate(run)
    said = (await child.report())[run]
    await asyncio.to_thread(server.start)
    await arena.database.pool.check()
    left = await arena.status(run)

    assert said["error"] in {"OperationalError", "DatabaseUnavailableError", "AdminShutdown", "PoolTimeout"}, said
    assert left == "running"
    assert (await arena.recover())[run]["status"] == "completed"
    await arena.check(run)


async def test_who_stops_a_run_while_the_database_is_away_need_not_wait_until_it_is_back(own_servers, own_arena):
    """Seen to fail where the pause is stored as patiently as ever: the process stayed for all of its patience."""
    arena, server = own_arena, own_servers.server("embedded")
    run = await arena.accept(fewest=16, strategy="adaptive")
    child = arena.order(run, outage_seconds=60.0, gate=arena.gate(run))
    await arena.running(run)

    await asyncio.to_thread(server.stop)
    child.signal(signal.SIGINT)
    ended = await child.ended_within(25)  # less than one flush may take
    await asyncio.to_thread(server.start)
    await arena.database.pool.check()

    assert ended
    assert (await arena.recover())[run]["status"] == "completed"
    await arena.check(run)


WRITTEN = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
FAULTS = {
    "disk_full": "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'",
    "query_canceled": "PERFORM pg_sleep(2)",
}


class Fault:
    """Lets writes to tables fail, from :meth:`begin` to :meth:`end`."""

    def __init__(self, conn, what):
        self.conn, self.what = conn, what

    async def begin(self, tables):
        await self.conn.execute(
            f"CREATE OR REPLACE FUNCTION fault() RETURNS TRIGGER LANGUAGE plpgsql AS $$"
            f"BEGIN {FAULTS[self.what]}; RETURN NEW; END $$".encode()
        )
        for table in tables:
            trigger = f"CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
            await self.conn.execute(trigger.encode())

    async def end(self):
        await self.conn.execute("DROP FUNCTION fault() CASCADE")


@pytest.fixture
async def fault(arena, request):
    async with await psycopg.AsyncConnection.connect(arena.dsn, autocommit=True) as conn:
        if request.param == "query_canceled":
            name = conn.info.dbname
            await conn.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 300'.encode())
        await conn.execute("SET statement_timeout = 0")
        yield Fault(conn, request.param)


@pytest.mark.parametrize("tables", [["checkpoint_writes"], WRITTEN], ids=["writes", "all"])
@pytest.mark.parametrize("strategy", ["adaptive", "sequential"])
@pytest.mark.parametrize("fault", FAULTS, indirect=True)
async def test_a_run_whose_checkpoint_cannot_be_written_pauses_and_goes_on_later(arena, fault, strategy, tables):
    """Seen to fail where the saver does not tell of what it could not store: the run ended with the error."""
    run = await arena.accept(fewest=16, strategy=strategy)
    child = arena.order(run, seconds=(0.05, 0.1), gate=arena.gate(run))
    await arena.running(run)

    await fault.begin(tables)
    arena.open_gate(run)
    said = (await child.report())[run]
    begun = arena.executions(run).total()
    await fault.end()

    assert said["status"] == "paused", said
    says = {"disk_full": "DiskFull: could not extend file", "query_canceled": "QueryCanceled: canceling statement"}
    assert said["says"].startswith(f"its checkpoint could not be written: {says[fault.what]}")
    if strategy == "sequential":
        assert begun < len((await arena.plan(run)).steps)
    assert (await arena.settle(run))["status"] == "completed"
    await arena.check(run)


@pytest.mark.parametrize("fault", ["disk_full"], indirect=True)
async def test_a_run_that_cannot_even_be_paused_for_want_of_room_is_found_by_recover(arena, fault):
    """Seen to fail where only accepted runs count as left behind: nothing was found."""
    run = await arena.accept(fewest=16)
    child = arena.order(run, seconds=(0.05, 0.1), flush_seconds=1.0, gate=arena.gate(run))
    await arena.running(run)

    await fault.begin([*WRITTEN, "execution_plans", "workflow_state_live", "agent_runs", "run_events", "run_leases"])
    arena.open_gate(run)
    said = (await child.report())[run]
    await fault.end()

    assert said["error"] == "DiskFull", said
    assert (await arena.recover())[run]["status"] == "completed"
    await arena.check(run)
