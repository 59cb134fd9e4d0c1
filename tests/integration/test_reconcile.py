"""What a mirror lost, or said too early, is mended from the checkpoint."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
import uuid

import pytest
from psycopg.conninfo import make_conninfo

from planner_graph.errors import OutputNotStoredError, PlanMismatchError, RunHeldError, RunNotFoundError
from planner_graph.mirror.checkpoint import full_output, read_checkpoint
from planner_graph.mirror.reconcile import LEFT_BEHIND, reconcile, reconcile_all
from planner_graph.mirror.writer import MirrorWriter
from planner_graph.store.repository import Repository
from tests.equality import differences
from tests.team import AGENTS, LONG, Mirrored, Orchestrated, Team

PATIENCE = 60
STRATEGIES = ("adaptive", "parallel", "sequential")
DOOMED = "doomed"
GONE = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s HAVING count(*) = 0"

KILLED = """
    import asyncio, sys
    from planner_graph import open_database
    from tests.team import Orchestrated, Team

    async def main(dsn, strategy, agent, event):
        def tell(told):
            print(told["event"], told["agent"], flush=True)

        team = Team(failing={"draft": [OSError("busy")]})
        if event == "agent_started":
            team.shut(agent)
        async with open_database(dsn) as database:
            await Orchestrated(database, team, strategy).go(tell)

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("event", "agent"),
    [("agent_started", agent) for agent in AGENTS] + [("agent_ended", agent) for agent in AGENTS],
)
async def test_a_run_whose_process_was_killed(dsn, database, strategy, event, agent):
    """Killed as an agent is at work, or the moment it has ended, whatever has been written of it by then."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), doomed(dsn), strategy, agent, event]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while (line := (await process.stdout.readline()).decode().strip()) != f"{event} {agent}":
            assert line, "the process ended by itself"
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
    run = Orchestrated(database, Team(failing={"draft": [OSError("busy")]}), strategy)
    [run.run_id] = await Repository(database).run_ids()
    await until_dead(database)

    found = await reconcile(database, run.run_id)
    again = await reconcile(database, run.run_id)

    assert found.settled
    assert again.differences == ()
    assert await differences(database, run.run_id) == []
    row = await Repository(database).get_run(run.run_id)
    if not row.status.ended:
        assert (row.status.value, row.status_reason) == ("paused", LEFT_BEHIND)
        await run.go()
    assert (await Repository(database).get_run(run.run_id)).status.value == "completed"
    assert await differences(database, run.run_id) == []


def doomed(dsn):
    return make_conninfo(dsn, application_name=DOOMED)


async def until_dead(database):
    """Wait until the database has noticed that the process is dead; what that had sent before is written then, too."""
    async with asyncio.timeout(PATIENCE):
        await until(lambda: ask(database, GONE, DOOMED))


async def until(found):
    while not await found():  # noqa: ASYNC110  # nobody tells us
        await asyncio.sleep(0.01)


async def ask(database, query, *values):
    async with database.pool.connection() as conn:
        cursor = await conn.execute(query.encode(), values)
        return await cursor.fetchall() if cursor.description else []


async def run_to_the_end(database, strategy="adaptive", **orders):
    run = Orchestrated(database, Team(**orders), strategy)
    await run.go()
    assert await differences(database, run.run_id) == []
    return run


async def run_until(database, agent, strategy="adaptive"):
    """Give a run that was stopped as ``agent`` was at work."""
    team = Team()
    team.shut(agent)
    run = Orchestrated(database, team, strategy)
    running = asyncio.create_task(run.go())
    async with asyncio.timeout(PATIENCE):
        await team.arrived[agent].wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert await differences(database, run.run_id) == []
    team.gates[agent].set()
    return run


def said(found):
    return {(difference.agent, difference.field): (difference.table, difference.checkpoint) for difference in found}


async def log_of(database, run):
    return [event.event for event in await Repository(database).events(run.run_id)]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_run_that_the_tables_follow_is_left_as_it_is(database, strategy):
    run = await run_to_the_end(database, strategy, failing={"draft": [OSError("busy")]})
    before = await log_of(database, run)
    found = await reconcile(database, run.run_id[:8])
    assert (found.run_id, found.differences, found.written, found.settled) == (run.run_id, (), False, True)
    assert await log_of(database, run) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("only", [False, True], ids=["all from it on", "only that one"])
@pytest.mark.parametrize("lost", range(13))
async def test_what_a_mirror_lost_is_in_the_tables_again(database, monkeypatch, strategy, only, lost):
    heard = []
    put = MirrorWriter.put

    def deaf(writer, track, entry):
        heard.append(entry)
        if len(heard) <= lost + 1 or (only and len(heard) > lost + 2):
            put(writer, track, entry)

    run = Orchestrated(database, Team(failing={"draft": [OSError("busy")], "facts": [TypeError("?")]}), strategy)
    with monkeypatch.context() as patch:
        patch.setattr(MirrorWriter, "put", deaf)
        await run.go()
    assert len(heard) > lost + 1
    dry = await reconcile(database, run.run_id, dry_run=True)
    before = await log_of(database, run)
    found = await reconcile(database, run.run_id)

    assert dry.differences == found.differences
    assert (dry.written, found.settled) == (False, True)
    assert "run_reconciled" not in before
    assert (await log_of(database, run)).count("run_reconciled") == bool(found.differences)
    assert await differences(database, run.run_id) == []
    assert (await reconcile(database, run.run_id)).differences == ()
    if lost == 0 and not only:
        records = (await read_checkpoint(database, run.run_id)).records
        by_end = sorted(records, key=lambda agent: records[agent]["ended_at"])
        completed = (await Repository(database).get_run(run.run_id)).completed_agents
        assert list(completed) == [agent for agent in by_end if agent in completed]


FORGET = {
    "adaptive": "DELETE FROM checkpoint_writes WHERE thread_id = %s AND channel IN ('edit', 'facts')",
    "parallel": """
        DELETE FROM checkpoints WHERE checkpoint_id IN (
            SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s ORDER BY checkpoint_id DESC LIMIT 2
        )
    """,
}
FORGET["sequential"] = FORGET["parallel"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("status", ["running", "paused"])
async def test_what_the_checkpoint_does_not_hold_has_not_happened(database, strategy, status):
    """The process was killed after the mirror had written and before the checkpoint was."""
    run = await run_until(database, "publish", strategy)
    row = await Repository(database).get_run(run.run_id)
    await ask(database, FORGET[strategy], row.thread_id)
    await ask(database, "UPDATE execution_plans SET status = %s WHERE workflow_execution_id = %s", status, run.run_id)
    lost = set(row.completed_agents) - set((await read_checkpoint(database, run.run_id)).records)
    assert "edit" in lost

    found = said((await reconcile(database, run.run_id)).differences)

    assert found[("edit", "standing")] == ("completed", "waiting")
    assert {agent for agent, _ in found if agent in row.completed_agents} == lost
    assert ((None, "status") in found) == (status == "running")
    assert await differences(database, run.run_id) == []
    assert (await reconcile(database, run.run_id)).differences == ()
    await run.go()
    assert await differences(database, run.run_id) == []


async def test_a_run_without_any_checkpoint_begins_again(database):
    run = await run_until(database, "publish")
    await forget_everything(database)
    assert (await reconcile(database, run.run_id)).settled
    row = await Repository(database).get_run(run.run_id)
    assert (row.status.value, row.completed_agents) == ("paused", ())
    assert await differences(database, run.run_id) == []
    await run.go()
    assert await differences(database, run.run_id) == []


async def forget_everything(database):
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        await ask(database, f"DELETE FROM {table}")  # noqa: S608  # names from above


async def test_a_run_that_has_ended_may_have_lost_its_checkpoint(database):
    run = await run_to_the_end(database)
    await forget_everything(database)
    found = await reconcile(database, run.run_id)
    assert (found.differences, found.settled) == ((), True)
    assert found.remark == "its checkpoint is gone, as it may be of a run that has ended"
    assert len((await Repository(database).get_run(run.run_id)).completed_agents) == len(AGENTS)


async def test_agents_of_a_run_whose_checkpoints_are_elsewhere_are_left_alone(database):
    run = Mirrored(database, Team(asking=("edit",)), "adaptive")
    await run.go()
    await forget_everything(database)
    found = await reconcile(database, run.run_id)
    assert (found.differences, found.settled) == ((), True)
    assert found.remark == "there is no checkpoint of thread 'thread' in this database"
    assert "facts" in (await Repository(database).get_run(run.run_id)).completed_agents


TAMPERED = {
    ("draft", "attempt 1: usage"): "UPDATE agent_runs SET usage = NULL WHERE agent_name = 'draft'",
    ("publish", "attempt 1: error"): "UPDATE agent_runs SET error = '{}' WHERE agent_name = 'publish'",
    ("edit", "attempt 1: ended_at"): "UPDATE agent_runs SET ended_at = NOW() + '1 h' WHERE agent_name = 'edit'",
    ("edit", "output"): "UPDATE workflow_state_live SET intermediate_outputs = intermediate_outputs - 'edit'",
    ("brief", "output"): """
        UPDATE workflow_state_live SET intermediate_outputs =
            jsonb_set(intermediate_outputs, '{brief,preview}', '"{\\"brief\\": \\"short"')
    """,
    ("publish", "output"): """
        UPDATE workflow_state_live SET intermediate_outputs = intermediate_outputs || '{"publish": {"publish": 1}}'
    """,
    (None, "completed_agents"): "UPDATE execution_plans SET completed_agents = '{brief}'",
    (None, "failed_agents"): "UPDATE execution_plans SET failed_agents = '{}'",
    (None, "usage"): "UPDATE execution_plans SET usage = NULL",
    (None, "result"): "UPDATE execution_plans SET result = '{}'",
    (None, "status"): "UPDATE execution_plans SET status = 'completed'",
}


@pytest.mark.parametrize("what", TAMPERED, ids=str)
async def test_anything_that_differs_is_found_and_mended(database, what):
    run = await run_to_the_end(database, failing={"publish": [TypeError("no")]})
    ended_at = (await Repository(database).get_run(run.run_id)).ended_at
    events = await log_of(database, run)
    await ask(database, TAMPERED[what])
    tampered = [line for line in await differences(database, run.run_id) if "its end was told" not in line]
    assert tampered or "preview" in TAMPERED[what]

    found = await reconcile(database, run.run_id)

    assert what in said(found.differences)
    assert {field for _, field in said(found.differences)} <= {what[1], "usage"}
    assert await differences(database, run.run_id) == []
    assert await log_of(database, run) == [*events, "run_reconciled"]
    assert (await Repository(database).get_run(run.run_id)).ended_at == ended_at
    assert (await reconcile(database, run.run_id)).differences == ()


async def test_previews_of_another_length_are_no_difference(database):
    run = await run_to_the_end(database)
    shorter = """
        UPDATE workflow_state_live SET intermediate_outputs =
            jsonb_set(intermediate_outputs, '{brief,preview}', '"{\\"brief\\": \\"lo"')
    """
    await ask(database, shorter)
    assert (await reconcile(database, run.run_id)).differences == ()


async def test_the_log_tells_what_differed(database):
    run = await run_until(database, "publish")
    await ask(database, "UPDATE execution_plans SET status = 'running'")
    [difference] = (await reconcile(database, run.run_id)).differences
    *_, paused, told = await Repository(database).events(run.run_id)
    assert (paused.event, paused.data) == ("run_paused", {"reason": LEFT_BEHIND})
    assert (told.event, told.agent_name) == ("run_reconciled", None)
    assert told.data == {"differences": [difference.as_json()]}
    assert str(difference) == "the run, status: the tables said 'running', the checkpoint says 'paused'"


@pytest.mark.parametrize(
    ("stored", "becomes", "reason"),
    [
        ("running", "paused", LEFT_BEHIND),
        ("pausing", "paused", LEFT_BEHIND),
        ("cancelling", "cancelled", "its process ended while it was being cancelled"),
    ],
)
async def test_a_run_that_nobody_executes_does_not_go_on(database, stored, becomes, reason):
    run = await run_until(database, "publish")
    await ask(database, "UPDATE execution_plans SET status = %s", stored)
    assert (await reconcile(database, run.run_id)).settled
    row = await Repository(database).get_run(run.run_id)
    assert (row.status.value, row.status_reason) == (becomes, reason)
    assert (await reconcile(database, run.run_id)).differences == ()


async def test_a_run_that_asks_is_paused_for_its_answer(database):
    run = Orchestrated(database, Team(asking=("edit",)), "adaptive")
    await run.go()
    await ask(database, "UPDATE execution_plans SET status = 'running', status_reason = NULL")
    await reconcile(database, run.run_id)
    row = await Repository(database).get_run(run.run_id)
    assert (row.status.value, row.status_reason) == ("paused", "waiting for an answer to: edit")
    [question] = (await read_checkpoint(database, run.run_id)).questions
    assert (question.agent, question.value) == ("edit", "edit?")
    await run.answer({question.id: "yes"})
    assert await differences(database, run.run_id) == []


async def test_an_end_that_nobody_told_of_is_when_the_last_agent_ended(database):
    run = await run_to_the_end(database)
    await ask(database, "UPDATE execution_plans SET status = 'running', result = NULL, ended_at = NULL")
    await ask(database, "DELETE FROM run_events WHERE event = 'run_ended'")
    await ask(database, "UPDATE workflow_state_live SET last_sequence = last_sequence - 1")
    assert (await reconcile(database, run.run_id)).settled
    row = await Repository(database).get_run(run.run_id)
    assert row.ended_at == max(
        filter(None, (attempt.ended_at for attempt in await Repository(database).agent_runs(run.run_id)))
    )
    assert await differences(database, run.run_id) == []


async def test_an_end_that_the_checkpoint_does_not_know_is_told_and_left(database):
    run = await run_until(database, "publish")
    await ask(database, "UPDATE execution_plans SET status = 'completed', ended_at = NOW()")
    before = await log_of(database, run)
    found = await reconcile(database, run.run_id)
    assert said(found.differences) == {(None, "status"): ("completed", "paused")}
    assert (found.written, found.settled) == (False, False)
    assert await log_of(database, run) == before


async def test_a_run_that_was_cancelled_stays_so(database):
    run = await run_until(database, "publish")
    await ask(database, "UPDATE execution_plans SET status = 'cancelled', ended_at = NOW()")
    await ask(database, "UPDATE workflow_state_live SET waiting_agents = '{}'")
    assert (await reconcile(database, run.run_id)).differences == ()


async def test_a_run_that_is_being_executed_is_refused(database):
    team = Team()
    team.shut("edit")
    run = Orchestrated(database, team, "adaptive")
    running = asyncio.create_task(run.go())
    async with asyncio.timeout(PATIENCE):
        await team.arrived["edit"].wait()
        with pytest.raises(RunHeldError, match=f"run '{run.run_id}' is executed by process"):
            await reconcile(database, run.run_id)
        [found] = await reconcile_all(database)
        assert (found.remark, found.settled) == ("another process is executing it", True)
        team.gates["edit"].set()
        await running
    assert await differences(database, run.run_id) == []


async def test_a_run_that_a_mirror_follows_is_refused_until_the_mirror_lets_it_go(database):
    team = Team()
    team.shut("edit")
    run = Mirrored(database, team, "adaptive")
    running = asyncio.create_task(run.go())
    async with asyncio.timeout(PATIENCE):
        await team.arrived["edit"].wait()
        await until(Repository(database).run_ids)
        with pytest.raises(RunHeldError):
            await reconcile(database, run.run_id)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    await ask(database, "UPDATE execution_plans SET status = 'running'")
    assert [difference.field for difference in (await reconcile(database, run.run_id)).differences] == ["status"]
    assert await differences(database, run.run_id) == []


async def test_all_runs_are_looked_at_though_one_cannot_be_read(database):
    sound, broken, behind = [await run_to_the_end(database) for _ in range(3)]
    await ask(
        database,
        "UPDATE execution_plans SET plan_hash = repeat('0', 64) WHERE workflow_execution_id = %s",
        broken.run_id,
    )
    await ask(database, "UPDATE execution_plans SET usage = NULL WHERE workflow_execution_id = %s", behind.run_id)
    with pytest.raises(PlanMismatchError):
        await reconcile(database, broken.run_id)
    found = await reconcile_all(database, dry_run=True)
    assert [item.run_id for item in found] == [sound.run_id, broken.run_id, behind.run_id]
    assert [item.settled for item in found] == [True, False, False]
    assert "the checkpoint was written by plan" in str(found[1].problem)
    assert [item.settled for item in await reconcile_all(database)] == [True, False, True]
    assert [len(item.differences) for item in await reconcile_all(database)] == [0, 0, 0]


async def test_a_checkpoint_of_another_plan_is_refused(database):
    run = await run_to_the_end(database, "parallel")
    other = await run_to_the_end(database, "adaptive")
    threads = [(await Repository(database).get_run(item.run_id)).thread_id for item in (run, other)]
    await ask(database, "UPDATE execution_plans SET thread_id = 'free' WHERE thread_id = %s", threads[1])
    await ask(
        database, "UPDATE execution_plans SET thread_id = %s WHERE workflow_execution_id = %s", threads[1], run.run_id
    )
    with pytest.raises(PlanMismatchError):
        await reconcile(database, run.run_id)


async def test_a_run_that_is_not_there(database):
    with pytest.raises(RunNotFoundError):
        await reconcile(database, str(uuid.uuid4()))
    assert await reconcile_all(database) == []


async def test_an_accepted_run_is_as_it_should_be(database):
    run_id = await Orchestrated(database, Team(), "adaptive").accept()
    found = await reconcile(database, run_id)
    assert (found.differences, found.remark) == ((), None)


async def test_the_whole_output_is_in_the_checkpoint(database):
    run = await run_to_the_end(database, failing={"publish": [TypeError("no")]})
    assert await full_output(database, run.run_id, "brief") == {"brief": LONG}
    assert await full_output(database, run.run_id, "draft") == {"draft": {"by": "draft", "number": 1e30, "half": 0.5}}
    for agent, why in {
        "publish": "it was failed: TypeError after 1 attempt: no",
        "nobody": "its plan has only brief, facts, ",
    }.items():
        with pytest.raises(OutputNotStoredError, match=why):
            await full_output(database, run.run_id, agent)
    await forget_everything(database)
    with pytest.raises(OutputNotStoredError, match="there is no checkpoint"):
        await full_output(database, run.run_id, "brief")


async def test_an_output_that_is_not_there_yet(database):
    run = await run_until(database, "edit")
    with pytest.raises(OutputNotStoredError, match=r"no output of agent 'edit' is stored .*: it has not completed"):
        await full_output(database, run.run_id, "edit")
