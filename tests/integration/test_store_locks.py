"""One executor per run, over all processes."""

import asyncio
import sys
import uuid
from asyncio.subprocess import PIPE
from pathlib import Path

import psycopg
import pytest

from planner_graph.store.database import open_database
from planner_graph.store.locks import key_of
from planner_graph.store.repository import Repository
from planner_graph.types import RunId

pytestmark = pytest.mark.every_postgres

RUN = RunId("3f2b8c1e-0000-4000-8000-00000000abcd")
OTHER = RunId("3f2b8c1e-0000-4000-8000-00000000abce")
HOLDER = """
import asyncio, sys
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository

async def main():
    async with open_database(sys.argv[1]) as database, Repository(database).exclusive(sys.argv[2]) as granted:
        print(granted, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


@pytest.fixture
def repository(database):
    return Repository(database)


async def test_a_run_is_granted_once_at_a_time(repository):
    async with repository.exclusive(RUN) as first:
        assert first
        async with repository.exclusive(RUN) as second:
            assert not second
        async with repository.exclusive(OTHER) as other:
            assert other
    async with repository.exclusive(RUN) as again:
        assert again


async def test_a_run_is_granted_to_one_of_two_programs(repository, dsn):
    async with open_database(dsn) as database:
        elsewhere = Repository(database)
        async with repository.exclusive(RUN) as first, elsewhere.exclusive(RUN) as second:
            assert (first, second) == (True, False)
        async with elsewhere.exclusive(RUN) as second, repository.exclusive(RUN) as first:
            assert (first, second) == (False, True)


async def test_of_many_that_ask_at_once_one_is_granted(repository):
    release = asyncio.Event()

    async def ask():
        async with repository.exclusive(RUN) as granted:
            if granted:
                await release.wait()
            return granted

    asking = [asyncio.create_task(ask()) for _ in range(20)]
    done = []
    for answer in asyncio.as_completed(asking):
        done.append(await answer)
        if len(done) == 19:
            release.set()
    assert done == [False] * 19 + [True]


async def test_a_failure_inside_gives_the_run_back(repository):
    with pytest.raises(ZeroDivisionError):
        async with repository.exclusive(RUN):
            raise ZeroDivisionError
    async with repository.exclusive(RUN) as granted:
        assert granted


async def test_a_killed_process_gives_its_runs_back(repository, dsn):
    command = [sys.executable, "-c", HOLDER, dsn, RUN]
    holder = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=Path(__file__).parents[2])
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"True\n"
    async with repository.exclusive(RUN) as granted:
        assert not granted
    holder.kill()
    await holder.communicate()
    for _ in range(200):  # the server notices within moments that its client is gone
        async with repository.exclusive(RUN) as granted:
            if granted:
                return
        await asyncio.sleep(0.01)
    pytest.fail("the run was not given back")


async def test_a_cut_connection_harms_nothing_but_the_locks_on_it(repository, dsn):
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    async with repository.exclusive(RUN):
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(cut)
    async with repository.exclusive(RUN) as granted:
        assert granted


async def test_a_hundred_runs_need_one_connection(repository, dsn):
    runs = [RunId(str(uuid.uuid4())) for _ in range(100)]
    holds = [repository.exclusive(run) for run in runs]
    assert all([await hold.__aenter__() for hold in holds])
    with psycopg.connect(dsn) as admin:
        held = admin.execute("SELECT count(*), count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert held.fetchone() == (100, 1)
    for hold in holds:
        await hold.__aexit__(None, None, None)
    with psycopg.connect(dsn) as admin:
        assert admin.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_keys_are_what_the_database_takes():
    keys = [key_of(RunId(str(uuid.UUID(int=number)))) for number in (0, 1, 2**63, 2**127, 2**128 - 1)]
    assert all(-(2**63) <= key < 2**63 for key in keys)
