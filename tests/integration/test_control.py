"""Commands as the repository stores them: who asked, when and why."""

import pytest

from planner_graph.errors import CommandRefusedError, RunNotFoundError, RunNotResumableError
from planner_graph.store import leases
from planner_graph.store.commands import Command
from planner_graph.store.connection import connect
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus
from tests.mirrors import accept
from tests.plans import make_plan


@pytest.fixture
async def run(database):
    return await accept(database, make_plan({"a": []}))


async def events(database, run):
    return [(event.event, event.data) for event in await Repository(database).events(run)][1:]


async def test_a_run_that_nobody_executes_is_paused_and_cancelled_where_it_stands(database, run):
    repository = Repository(database)
    assert (await repository.command(run, Command.PAUSE, by="eve", reason="a\x00b")).status is RunStatus.PAUSED
    assert (await repository.command(run, Command.CANCEL, by="eve")).status is RunStatus.CANCELLED
    row = await repository.get_run(run)
    assert (row.status, row.status_reason) == (RunStatus.CANCELLED, "cancel asked for by eve")
    assert row.ended_at is not None
    assert [name for name, _ in await events(database, run)] == ["run_paused", "run_ended"]


async def test_a_process_that_executes_a_run_is_asked(database, dsn, run):
    repository = Repository(database)
    async with await connect(dsn, "holder") as holder:
        await leases.acquire(holder, run)
        for _ in range(2):
            assert (await repository.command(run, Command.PAUSE, by="eve", reason="why")).status is RunStatus.PAUSING
        assert await events(database, run) == [("run_pausing", {"by": "eve", "reason": "why"})]
        assert (await repository.get_run(run)).status_reason == "pause asked for by eve: why"
        with pytest.raises(CommandRefusedError, match=r"cannot resume run .*it is being paused; resume it when it is"):
            await repository.command(run, Command.RESUME, by="eve")


@pytest.mark.parametrize("way", ["a pause", "a question"])
async def test_a_cancel_that_comes_while_a_run_is_about_to_pause_is_not_lost(database, dsn, run, way):
    repository = Repository(database)
    async with await connect(dsn, "holder") as holder:
        lease = await leases.acquire(holder, run)
        await repository.start_run(run, token=lease.token)
        await repository.command(run, Command.PAUSE, by="ann")
        assert (await repository.command(run, Command.CANCEL, by="eve")).status is RunStatus.CANCELLING
        if way == "a pause":
            status = await repository.pause_run(run, "asked to", token=lease.token)
        else:
            status, _ = await repository.take_or_pause(run, [], "it asks", known=(), token=lease.token)
    row = await repository.get_run(run)
    assert status is row.status is RunStatus.CANCELLED
    assert row.status_reason == "cancel asked for by eve"
    assert [name for name, _ in await events(database, run)][-2:] == ["run_cancelling", "run_ended"]


async def test_a_run_that_was_just_paused_is_cancelled_though_its_process_still_holds_it(database, dsn, run):
    repository = Repository(database)
    async with await connect(dsn, "holder") as holder:
        lease = await leases.acquire(holder, run)
        await repository.start_run(run, token=lease.token)
        await repository.pause_run(run, "asked to", token=lease.token)
        assert (await repository.command(run, Command.CANCEL, by="eve")).status is RunStatus.CANCELLED
        with pytest.raises(RunNotResumableError):
            await repository.start_run(run, expecting=RunStatus.PAUSED, token=lease.token)


async def test_to_resume_is_to_execute_so_that_nothing_is_stored_here(database, run):
    given = await Repository(database).command(run, Command.RESUME, by="eve")
    assert (given.execute, given.status) == (True, RunStatus.RUNNING)
    assert await events(database, run) == []
    assert (await Repository(database).get_run(run)).status is RunStatus.PENDING


async def test_a_run_that_is_not_there_takes_no_command(database):
    with pytest.raises(RunNotFoundError):
        await Repository(database).command(RunId("00000000-0000-0000-0000-000000000000"), Command.PAUSE, by="eve")
