"""The changes of all runs, as the list of runs is told them."""

import asyncio
import json
import uuid
from collections.abc import Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from planner_graph.campaign import Campaign
from planner_graph.mirror.feed import RunFeed
from planner_graph.mirror.log import FeedClosedError
from planner_graph.server import livelist
from planner_graph.server.live import TooManyClientsError, TooSlowError
from planner_graph.server.livelist import LiveList
from planner_graph.server.settings import ServerSettings
from planner_graph.store.listing import Listed
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus
from tests.logs import CUT, tell
from tests.plans import make_plan

NEVER = 3600.0


class Host:
    """Executes no runs."""

    def has(self, _):
        return False


HOST: Any = Host()


class CountingRepository(Repository):
    def __init__(self, database):
        super().__init__(database)
        self.read: list[list[RunId]] = []

    async def listed(self, run_ids: Collection[RunId], *, with_result: bool = False) -> list[Listed]:
        self.read.append(list(run_ids))
        return await super().listed(run_ids, with_result=with_result)


@pytest.fixture
def repository(database):
    return CountingRepository(database)


@pytest.fixture
async def three(repository):
    """Runs that were there before anybody listened."""
    return [await accept(repository) for _ in range(3)]


@pytest.fixture
async def runs(database, repository, three):  # noqa: ARG001  # they come first
    async with RunFeed(database, look_seconds=NEVER) as feed, asyncio.timeout(15):
        yield LiveList(feed, repository, HOST, ServerSettings(ping_seconds=NEVER))


async def accept(repository):
    run_id = str(uuid.uuid4())
    await repository.accept_run(run_id, Campaign(id="c"), make_plan({"a": []}))
    return run_id


@asynccontextmanager
async def joined(runs):
    """Join, and wait until changes are noted."""
    async with runs.joined() as bursts:
        while not runs._feed._watchers:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.001)
        yield bursts


async def news(bursts):
    return [
        (run["workflow_execution_id"], run["status"])
        for run in (json.loads(frame.text)["run"] for frame in await anext(bursts))
    ]


async def test_a_change_is_read_once_for_all_clients_and_many_at_once_are_one(runs, database, repository, three):
    one, other, _ = three
    async with joined(runs) as first, joined(runs) as second:
        await repository.start_run(one)
        assert await news(first) == await news(second) == [(one, "running")]
        for _ in range(30):  # within the time for which changes are gathered, or hardly longer
            await tell(database, other, "run_reconciled")
        await repository.finish_run(other, RunStatus.CANCELLED, None)
        told = []
        while (other, "cancelled") not in told:
            told += await news(first)
        assert {run for run, _ in told} == {other}
    assert 1 + len(told) <= len(repository.read) <= 10  # two clients were told of changes that came closely together
    assert all(len(read) == 1 for read in repository.read)


async def test_who_is_behind_is_told_how_runs_stand_by_now(runs, repository, three):
    one, other, _ = three
    async with joined(runs) as slow, joined(runs) as quick:
        await repository.start_run(one)
        assert await news(quick) == [(one, "running")]
        await repository.start_run(other)
        assert await news(quick) == [(other, "running")]
        await repository.finish_run(one, RunStatus.FAILED, None)
        assert await news(quick) == [(one, "failed")]
        assert await news(slow) == [(other, "running"), (one, "failed")]


async def test_what_changed_while_the_database_was_away_is_told(runs, database, three):
    """Nobody is notified of the change."""
    run_id = three[0]
    async with joined(runs) as bursts:
        async with database.pool.connection() as conn:
            await conn.execute(
                "UPDATE execution_plans SET status = 'cancelled', ended_at = NOW(), updated_at = NOW()"
                " WHERE workflow_execution_id = %s",
                [run_id],
            )
            await conn.execute(CUT)
        assert (run_id, "cancelled") in await news(bursts)  # beside others that changed a moment ago


async def test_a_client_that_missed_a_change_for_good_is_let_go(runs, repository, three, monkeypatch):
    monkeypatch.setattr(livelist, "MOST_RUNS", 2)
    async with joined(runs) as slow, joined(runs) as quick:
        seen = []
        for run_id in three:
            await repository.start_run(run_id)
            seen += await news(quick)
        assert [run for run, _ in seen] == three
        with pytest.raises(TooSlowError, match="more than 2 changes were not read"):
            await anext(slow)
    assert len(runs._latest) == 2


async def test_nothing_is_read_while_nobody_asks(runs, repository, three):
    async with joined(runs):
        assert runs.clients == 1
    await repository.start_run(three[0])
    while runs._feed._watchers:  # noqa: ASYNC110  # nobody is told
        await asyncio.sleep(0)
    assert (runs.clients, repository.read) == (0, [])


async def test_who_closes_the_list_tells_all_clients(runs):
    async with joined(runs) as bursts:
        waiting = asyncio.ensure_future(anext(bursts))
        await asyncio.sleep(0)
        runs.close()
        with pytest.raises(FeedClosedError):
            await waiting


async def test_no_more_clients_are_taken_than_there_is_room_for(runs):
    few = LiveList(runs._feed, runs._repository, HOST, ServerSettings(max_clients=1))
    async with few.joined():
        with pytest.raises(TooManyClientsError):
            async with few.joined():
                pass
