"""Checkpoints of runs that ended long ago go; everything else stays, whatever happens meanwhile."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from planner_graph import RunStatus
from planner_graph.errors import OutputNotStoredError
from planner_graph.mirror.checkpoint import full_output, read_checkpoint
from planner_graph.mirror.reconcile import reconcile
from planner_graph.store import leases, retention
from planner_graph.store.idempotency import KEY_SECONDS
from planner_graph.store.queries import load
from planner_graph.store.repository import Repository
from planner_graph.store.retention import TABLES, remove_audit, remove_checkpoints, remove_idempotency_keys
from tests.team import Mirrored, Orchestrated, Team

DAY = 86_400
MONTH = 30 * DAY


async def execute(database, sql, *values):
    async with database.pool.connection() as conn:
        return await conn.execute(sql, values)


async def rows(database, run_id=""):
    """Count the rows of LangGraph's tables that belong to a run, by table."""
    counts = {}
    for table in TABLES:
        found = await execute(database, f"SELECT count(*) FROM {table} WHERE thread_id LIKE %s", f"{run_id}%")  # noqa: S608
        counts[table] = (await found.fetchone())["count"]
    return counts


async def mirror_of(database, run_id):
    """Give all that our tables tell of a run, but for the mark of the removal."""
    told = []
    for table in ("execution_plans", "workflow_state_live", "agent_runs", "run_events", "run_answers"):
        sql = f"SELECT to_jsonb(t) - 'checkpoints_removed_at' AS row FROM {table} t WHERE workflow_execution_id = %s"  # noqa: S608
        found = await execute(database, sql, run_id)
        told.append(sorted(str(row["row"]) for row in await found.fetchall()))
    return told


async def ended(database, days, **options):
    """Give a run that ended so many days ago."""
    played = Orchestrated(database, Team(**options), "adaptive")
    run_id = await played.accept()
    await played.orchestrator().execute(run_id)
    await age(database, run_id, days)
    return run_id


async def age(database, run_id, days):
    sql = """UPDATE execution_plans SET started_at = started_at - make_interval(days => %s),
        ended_at = ended_at - make_interval(days => %s) WHERE workflow_execution_id = %s"""
    await execute(database, sql, days, days, run_id)


async def test_only_runs_that_ended_long_enough_ago_lose_their_checkpoints(database):
    old, failed = await ended(database, 31), await ended(database, 40, failing={"brief": [TypeError("no")]})
    young = await ended(database, 29)
    before = {run: (await rows(database, run), await mirror_of(database, run)) for run in (old, failed, young)}

    removal = await remove_checkpoints(database, MONTH)

    assert (removal.runs, removal.skipped) == ((failed, old), ())
    assert all(count > 0 for count in before[old][0].values())
    assert await rows(database, old) == await rows(database, failed) == dict.fromkeys(TABLES, 0)
    assert await rows(database, young) == before[young][0]
    assert removal.rows == {table: before[old][0][table] + before[failed][0][table] for table in TABLES}
    for run, (_, mirror) in before.items():
        assert await mirror_of(database, run) == mirror


async def test_a_dry_run_says_the_same_and_changes_nothing(database):
    run_id = await ended(database, 31)
    before = await rows(database)

    told = await remove_checkpoints(database, MONTH, dry_run=True)
    after = await rows(database)
    kept = (await Repository(database).get_run(run_id)).checkpoints_removed_at
    done = await remove_checkpoints(database, MONTH)
    nothing = await remove_checkpoints(database, MONTH)

    assert (after, kept) == (before, None)
    assert replace(told, before=done.before) == done
    assert done.size > 5_000
    assert (nothing.runs, sum(nothing.rows.values()), nothing.size) == ((), 0, 0)


@pytest.mark.parametrize("asking", [(), ("facts",)], ids=["pending", "paused"])
async def test_a_run_that_can_be_resumed_is_never_touched(database, asking):
    played = Orchestrated(database, Team(asking=asking), "adaptive")
    run_id = await played.accept()
    if asking:
        assert (await played.orchestrator().execute(run_id)).status is RunStatus.PAUSED
    await execute(database, "UPDATE execution_plans SET created_at = '2000-01-01', updated_at = '2000-01-01'")
    before = await rows(database, run_id)

    removal = await remove_checkpoints(database, 0)

    assert (removal.runs, removal.skipped) == ((), ())
    assert await rows(database, run_id) == before
    if asking:
        await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
        assert (await played.orchestrator().resume(run_id)).status is RunStatus.COMPLETED


async def test_earlier_revisions_of_the_plan_go_too_and_threads_of_others_stay(database):
    run_id = await ended(database, 31)
    for table in TABLES:
        columns = [row["attname"] for row in await (await execute(database, COLUMNS, table)).fetchall()]
        given = ", ".join("%s" if name == "thread_id" else name for name in columns)
        for thread in (f"{run_id}:2", f"{run_id}:20", f"{run_id}"):
            sql = f"INSERT INTO {table} SELECT {given} FROM {table} WHERE thread_id = %s"  # noqa: S608
            await execute(database, sql, thread, f"{run_id}:1")
    sql = "UPDATE execution_plans SET plan_revision = 2, thread_id = %s WHERE workflow_execution_id = %s"
    await execute(database, sql, f"{run_id}:2", run_id)

    removal = await remove_checkpoints(database, MONTH)

    assert removal.runs == (run_id,)
    found = await execute(database, "SELECT DISTINCT thread_id FROM checkpoints ORDER BY thread_id")
    assert [row["thread_id"] for row in await found.fetchall()] == [run_id, f"{run_id}:20"]


COLUMNS = """SELECT attname FROM pg_attribute WHERE attrelid = %s::REGCLASS AND attnum > 0 AND NOT attisdropped
ORDER BY attnum"""


async def test_the_thread_that_somebody_named_is_left_alone(database):
    played = Mirrored(database, Team(), "adaptive")
    await played.go()
    await age(database, played.run_id, 31)
    before = await rows(database, "thread")

    assert (await remove_checkpoints(database, MONTH)).runs == ()
    assert await rows(database, "thread") == before
    assert (await Repository(database).get_run(played.run_id)).checkpoints_removed_at is None
    assert before["checkpoints"] > 0


async def test_a_run_that_somebody_holds_or_changes_is_skipped_at_once_and_taken_the_next_time(
    database, dsn, monkeypatch
):
    monkeypatch.setattr(retention, "query", {**load(), "limit_lock_waits": b"SET LOCAL lock_timeout = 0"}.get)
    held, changed = await ended(database, 33), await ended(database, 32)
    before = await rows(database)
    async with database.pool.connection() as conn, await psycopg.AsyncConnection.connect(dsn) as other:
        lease = await leases.acquire(conn, held)
        await other.execute("SELECT FROM execution_plans WHERE workflow_execution_id = %s FOR UPDATE", [changed])
        async with asyncio.timeout(5):
            removal = await remove_checkpoints(database, MONTH)
            dry = await remove_checkpoints(database, MONTH, dry_run=True)
        after = await rows(database)
        await leases.release(conn, lease)

    assert removal.skipped == dry.skipped == (held, changed)
    assert after == before
    assert (await remove_checkpoints(database, MONTH)).runs == (held, changed)


async def test_nobody_waits_long_for_a_row_that_somebody_else_changes(database, dsn, monkeypatch):
    run_id = await ended(database, 31)
    monkeypatch.setattr(retention, "query", {**load(), "limit_lock_waits": b"SET LOCAL lock_timeout = '50ms'"}.get)
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("UPDATE checkpoints SET metadata = metadata WHERE thread_id = %s", [f"{run_id}:1"])
        async with asyncio.timeout(5):
            removal = await remove_checkpoints(database, MONTH)

    assert removal.skipped == (run_id,)
    assert (await remove_checkpoints(database, MONTH)).runs == (run_id,)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("batch", range(1, 9, 2))
async def test_after_a_kill_in_the_middle_readers_find_all_or_nothing_and_the_rest_goes_the_next_time(
    database, monkeypatch, batch
):
    run_id = await ended(database, 31)
    before = await read_checkpoint(database, run_id)
    total = sum((await rows(database, run_id)).values())
    taken, batches = retention._Work._take, 0

    async def take(self, threads):
        nonlocal batches
        batches += 1
        if batches > batch:
            raise Killed
        return await taken(self, threads)

    with monkeypatch.context() as dying:
        dying.setattr(retention._Work, "_take", take)
        with pytest.raises(Killed):
            await remove_checkpoints(database, MONTH, rows_at_once=2)

    state = await read_checkpoint(database, run_id)
    left = sum((await rows(database, run_id)).values())
    assert left == total - 2 * batch
    if state.begun:
        assert (state.records, state.result) == (before.records, before.result)
        assert (await reconcile(database, run_id)).differences == ()
    assert (await Repository(database).get_run(run_id)).checkpoints_removed_at is None
    removal = await remove_checkpoints(database, MONTH, rows_at_once=2)
    assert (removal.runs, sum(removal.rows.values())) == ((run_id,), left)
    assert sum((await rows(database, run_id)).values()) == 0


async def test_several_may_remove_at_the_same_time_while_runs_go_on(database):
    old = [await ended(database, 31) for _ in range(3)]
    team = Team()
    team.shut("draft")
    played = Orchestrated(database, team, "adaptive")
    running_id = await played.accept()
    running = asyncio.create_task(played.orchestrator().execute(running_id))
    await team.arrived["draft"].wait()

    removals = await asyncio.gather(*(remove_checkpoints(database, 0, rows_at_once=3) for _ in range(3)))
    team.gates["draft"].set()

    assert (await running).status is RunStatus.COMPLETED
    await remove_checkpoints(database, MONTH)
    for run_id in old:
        assert sum((await rows(database, run_id)).values()) == 0
    assert {run for removal in removals for run in removal.runs} <= set(old)
    assert (await read_checkpoint(database, running_id)).result is not None


async def test_what_reads_a_checkpoint_says_that_it_was_removed(database):
    run_id = await ended(database, 31)
    await remove_checkpoints(database, MONTH)
    row = await Repository(database).get_run(run_id)
    day = f"{row.checkpoints_removed_at:%Y-%m-%d}"

    found = await reconcile(database, run_id)

    assert (found.remark, found.settled) == (f"its checkpoint was removed on {day}, after it had ended", True)
    with pytest.raises(OutputNotStoredError, match=f"its checkpoint was removed on {day}"):
        await full_output(database, run_id, "brief")


async def test_keys_that_count_no_longer_go_and_others_stay(database, monkeypatch):
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    run_id = await Orchestrated(database, Team(), "adaptive").accept()
    sql = """INSERT INTO idempotency_keys SELECT 'ann', age::TEXT, decode(repeat('00', 32), 'hex'), %s,
        NOW() - make_interval(secs => age) FROM unnest(%s::INT[]) AS age"""
    await execute(database, sql, run_id, [0, KEY_SECONDS - 60, *(KEY_SECONDS + age for age in (1, 2, 3, 4, 5))])

    told = await remove_idempotency_keys(database, dry_run=True)

    assert (told, await remove_idempotency_keys(database), await remove_idempotency_keys(database)) == (5, 5, 0)
    kept = await (await execute(database, "SELECT key FROM idempotency_keys ORDER BY created_at DESC")).fetchall()
    assert [row["key"] for row in kept] == ["0", str(KEY_SECONDS - 60)]


async def test_entries_of_the_audit_log_go_when_they_are_old_enough(database, monkeypatch):
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    sql = """INSERT INTO audit_log (principal, role, action, subject, at)
        SELECT 'ann', 'admin', 'pause', age, NOW() - make_interval(days => age) FROM unnest(%s::INT[]) AS age"""
    await execute(database, sql, [0, 29, 30, 31, 32])

    told = await remove_audit(database, MONTH, dry_run=True)

    assert (told, await remove_audit(database, MONTH), await remove_audit(database, MONTH)) == (3, 3, 0)
    kept = await (await execute(database, "SELECT subject FROM audit_log ORDER BY at DESC")).fetchall()
    assert [row["subject"] for row in kept] == ["0", "29"]
