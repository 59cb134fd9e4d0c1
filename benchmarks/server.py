"""Measures the server from a second process: reports on progress, clients that follow a run, one that reads nothing.

Run with ``python -m benchmarks.server``; ``--json FILE`` stores the figures, ``--only PART`` measures one part.
"""

import asyncio
import random
import statistics
import time
from datetime import datetime
from typing import Any

from benchmarks.clients import Follower, Http, follow
from benchmarks.served import Server, fill, graph, scratch, served
from benchmarks.tables import Figures, measure
from planner_graph.store.database import Database

RUNS = 1_000
REQUESTS_PER_SECOND = 200
SECONDS = 30
CONNECTIONS = 32
CLIENTS = 500
SILENT = 20
"""Clients that read nothing."""

LARGE = """
    WITH counted AS (
        UPDATE workflow_state_live SET last_sequence = last_sequence + %(count)s
        WHERE workflow_execution_id = %(run_id)s RETURNING last_sequence
    ), added AS (
        INSERT INTO run_events (workflow_execution_id, sequence, event, at, data)
        SELECT %(run_id)s, number, 'run_reconciled', NOW(), jsonb_build_object('text', repeat('x', 9000))
        FROM counted, generate_series(last_sequence - %(count)s + 1, last_sequence) AS number
        RETURNING sequence
    )
    SELECT pg_notify('planner_graph', %(run_id)s || ' ' || max(sequence)) FROM added
"""


async def progress(database: Database) -> list[Figures]:
    """Milliseconds that reports on progress take: 200 requests a second, whether or not the last ones are answered."""
    async with scratch(database) as full:
        runs = await fill(full, RUNS)
        async with served(full) as server:
            await _arrivals(server, runs, 5)  # what is read for the first time
            busy = server.busy
            waits = await _arrivals(server, runs, SECONDS)
            busy = server.busy - busy
    cuts = statistics.quantiles(waits, n=1000)
    return [
        {
            "runs": RUNS,
            "requests": len(waits),
            "per second": REQUESTS_PER_SECOND,
            "CPU ms of the server for each": 1_000 * busy / len(waits),
            "P50 ms": cuts[499],
            "P99 ms (at most 20)": cuts[989],
            "P99.9 ms": cuts[998],
            "worst ms": max(waits),
        }
    ]


async def _arrivals(server: Server, runs: list[str], seconds: float) -> list[float]:
    """Ask at random times, on average as often as wanted; each wait counts from when it should have been asked."""
    chance = random.Random(1)
    idle: asyncio.Queue[Http] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await Http.open(server.host, server.port))
    waits: list[float] = []

    async def one(due: float, run: str) -> None:
        connection = await idle.get()
        status, _ = await connection.ask(f"/workflows/{run}/progress")
        if status != 200:  # noqa: PLR2004
            raise AssertionError(f"status {status}")
        waits.append(1_000 * (time.perf_counter() - due))
        idle.put_nowait(connection)

    due = start = time.perf_counter()
    async with asyncio.TaskGroup() as asking:
        while (due := due + chance.expovariate(REQUESTS_PER_SECOND)) < start + seconds:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            asking.create_task(one(due, chance.choice(runs)))
    while not idle.empty():
        idle.get_nowait().close()
    return waits


async def live(database: Database) -> list[Figures]:
    """Milliseconds from when an agent starts or ends until a client has been told; 500 clients follow the one run."""
    async with scratch(database) as empty, served(empty) as server:
        campaign = {"id": "live", "deliverables": graph().sinks}
        for _ in range(2):  # the first is not measured
            answer = await _asked(server, "/workflows", {"campaign": campaign})
            run = answer["workflow_execution_id"]
            followers = [await follow(server.host, server.port, run) for _ in range(CLIENTS)]
            await asyncio.gather(*(follower.over.wait() for follower in followers))
        events = await _asked(server, f"/workflows/{run}/events?limit=1")
        memory = server.memory
    waits = [wait for follower in followers for wait in _latencies(follower, events["last_sequence"])]
    cuts = statistics.quantiles(waits, n=1000)
    return [
        {
            "clients": CLIENTS,
            "events": events["last_sequence"],
            "told": len(waits),
            "missed": 0,
            "P50 ms": cuts[499],
            "P99 ms (at most 250)": cuts[989],
            "worst ms": max(waits),
            "memory MB": memory,
        }
    ]


async def _asked(server: Server, path: str, body: Any = None) -> Any:
    """Ask once, on a connection of its own."""
    connection = await Http.open(server.host, server.port)
    status, answer = await connection.ask(path, body)
    connection.close()
    if status >= 400:  # noqa: PLR2004
        raise AssertionError(answer)
    return answer


def _latencies(follower: Follower, last: int) -> list[float]:
    """Give how late each event came; each must have come once, in order, after the snapshot."""
    told = follower.told()
    sequences = [event["sequence"] for _, event in told]
    if not sequences or sequences != list(range(sequences[0], last + 1)):
        raise AssertionError(f"of {last} events came {sequences}")
    return [1_000 * (at - datetime.fromisoformat(event["at"]).timestamp()) for at, event in told]


async def silence(database: Database) -> list[Figures]:
    """Memory of the server while clients follow a run and read nothing, and one reads everything."""
    async with scratch(database) as empty, served(empty) as server:
        [run] = await fill_one(empty)
        reader = await follow(server.host, server.port, run)
        silent = [await follow(server.host, server.port, run) for _ in range(SILENT)]
        await asyncio.gather(*(follower.begun.wait() for follower in [reader, *silent]))
        for follower in silent:
            follower.transport.pause_reading()
        before, peak, told = server.memory, 0.0, 0
        until = time.perf_counter() + 20
        while time.perf_counter() < until:
            async with empty.pool.connection() as conn:
                await conn.execute(LARGE, {"run_id": run, "count": 100})
            told += 100
            while len(reader.came) <= told:  # noqa: ASYNC110  # a follower only notes
                await asyncio.sleep(0.005)
            peak = max(peak, server.memory)
        for follower in [reader, *silent]:
            follower.transport.abort()
    return [
        {
            "clients that read nothing": SILENT,
            "events of 9 kB": told,
            "MB told to each": told * 9 / 1_000,
            "MB before": before,
            "MB at the peak": peak,
        }
    ]


async def fill_one(database: Database) -> list[str]:
    """Store one run that goes on."""
    return await fill(database, 1)


PARTS = {"progress": progress, "live": live, "silence": silence}

if __name__ == "__main__":
    asyncio.run(measure(PARTS, __doc__))
