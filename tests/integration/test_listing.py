"""The list of runs, page by page, on a real database."""

import uuid
from datetime import timedelta

import pytest

from planner_graph.campaign import Campaign
from planner_graph.errors import BadCursorError, CampaignNotFoundError
from planner_graph.store.listing import Cursor, Wanted
from planner_graph.store.repository import Repository
from planner_graph.types import RunId, RunStatus, Strategy
from tests.plans import BLOG, make_plan


async def accepted(repository, campaign="c", strategy="parallel", count=1):
    """Store runs and give their ids, in the order in which they were accepted."""
    ids = [RunId(str(uuid.uuid4())) for _ in range(count)]
    for run_id in ids:
        plan = make_plan(BLOG, strategy=strategy, campaign_id=campaign)
        await repository.accept_run(run_id, Campaign(id=campaign, name=f"The {campaign}"), plan)
    return ids


async def pages(repository, size):
    """Give the ids of all runs, read page by page."""
    found, after = [], None
    while page := await repository.find_runs(Wanted(), size, after):
        found += [run.run_id for run in page]
        after = Cursor.read(page[-1].place.text())
    return found


async def test_pages_hold_each_run_once_also_those_accepted_at_one_moment(database):
    repository = Repository(database)
    ids = await accepted(repository, count=7)
    async with database.pool.connection() as conn:
        await conn.execute("UPDATE execution_plans SET created_at = '2026-01-01'")
    newer = await accepted(repository)
    for size in (1, 3, 50):
        assert await pages(repository, size) == newer + sorted(ids, reverse=True)


async def test_a_run_that_is_accepted_meanwhile_moves_no_page(database):
    repository = Repository(database)
    ids = await accepted(repository, count=4)
    [_, last] = await repository.find_runs(Wanted(), 2)
    await accepted(repository)
    assert [run.run_id for run in await repository.find_runs(Wanted(), 2, last.place)] == [ids[1], ids[0]]


async def test_only_the_runs_that_are_wanted_are_listed(database):
    repository = Repository(database)
    [ended, paused] = await accepted(repository, "one", count=2)
    [other] = await accepted(repository, "two", "sequential")
    await repository.finish_run(ended, RunStatus.CANCELLED, {"status": "cancelled"})
    await repository.pause_run(paused, "tea")

    async def found(**wanted):
        return [run.run_id for run in await repository.find_runs(Wanted(**wanted))]

    assert await found() == [other, paused, ended]
    assert await found(statuses=(RunStatus.PAUSED, RunStatus.CANCELLED)) == [paused, ended]
    assert await found(campaign="one") == [paused, ended]
    assert await found(strategy=Strategy.SEQUENTIAL) == [other]
    [middle] = [run.created_at for run in await repository.find_runs(Wanted()) if run.run_id == paused]
    assert await found(created_after=middle) == [other]
    assert await found(created_after=middle - timedelta(microseconds=1)) == [other, paused]
    assert await found(campaign="one", statuses=(RunStatus.PENDING,)) == []


async def test_a_run_shows_where_its_agents_stand_and_whether_anybody_executes_it(database):
    repository = Repository(database)
    [run_id] = await accepted(repository)
    [shown] = await repository.find_runs(Wanted())
    assert (shown.campaign_key, shown.campaign_name, shown.status) == ("c", "The c", RunStatus.PENDING)
    counts = {"running": 0, "completed": 0, "failed": 0, "skipped": 0, "cancelled": 0, "interrupted": 0}
    assert shown.counts == {**counts, "waiting": len(BLOG)}
    assert (shown.left_behind, shown.progress_percentage, shown.last_sequence) == (False, 0, 1)
    await repository.start_run(run_id)
    [shown] = await repository.find_runs(Wanted())
    assert (shown.status, shown.left_behind) == (RunStatus.RUNNING, True)
    await repository.finish_run(run_id, RunStatus.FAILED, {"status": "failed"})
    [listed], [whole] = await repository.find_runs(Wanted()), await repository.listed([run_id], with_result=True)
    assert (listed.result, whole.result, whole.left_behind) == (None, {"status": "failed"}, False)
    assert listed.counts == {**counts, "waiting": 0, "interrupted": len(BLOG)}
    assert await repository.count_open_runs() == {}


async def test_the_agents_of_a_cancelled_run_are_counted_as_cancelled(database):
    repository = Repository(database)
    [run_id] = await accepted(repository)
    await repository.finish_run(run_id, RunStatus.CANCELLED, None)
    [shown] = await repository.find_runs(Wanted())
    assert shown.counts["cancelled"] == sum(shown.counts.values()) == shown.total_agents == len(BLOG)


async def test_a_mark_changes_with_all_that_is_written(database):
    repository = Repository(database)
    [run_id] = await accepted(repository)
    marks = [await repository.mark(run_id[:8])]
    await repository.start_run(run_id)
    marks.append(await repository.mark(run_id))
    await repository.pause_run(run_id, "tea")
    marks.append(await repository.mark(run_id))
    assert len(set(marks)) == 3
    assert await repository.mark(run_id) == marks[-1]


async def test_a_campaign_is_stored_by_its_id_and_replaced(database):
    repository = Repository(database)
    await repository.store_campaign(Campaign(id="kept", brief="first"))
    await repository.store_campaign(Campaign(id="kept", brief="second"))
    assert (await repository.stored_campaign("kept")).brief == "second"
    with pytest.raises(CampaignNotFoundError, match="no campaign 'lost'"):
        await repository.stored_campaign("lost")


@pytest.mark.parametrize(
    "text",
    ["", "x", "!!!!", "bnVsbA", "WzFd", "WyIyMDI2IiwgIngiXQ", "W1tbW1tb", "x" * 1_000, "é", "WyJhIiwiYiIsImMiXQ"],
)
def test_a_cursor_that_nobody_wrote_is_refused(text):
    with pytest.raises(BadCursorError, match="none that a list of runs gave"):
        Cursor.read(text)
