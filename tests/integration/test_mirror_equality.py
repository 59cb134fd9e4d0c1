"""The tables equal the checkpoint, whatever happens to a run."""

import asyncio
import contextlib
import shutil

import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from planner_graph.errors import DatabaseUnavailableError
from planner_graph.mirror.checkpoint import read_checkpoint
from planner_graph.mirror.reconcile import reconcile
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from tests.databases import Servers, new_folder
from tests.equality import differences
from tests.team import AGENTS, Mirrored, Orchestrated, Team

PATIENCE = 60
STRATEGIES = ("adaptive", "parallel", "sequential")

pytestmark = pytest.mark.parametrize("strategy", STRATEGIES)
both_ways = pytest.mark.parametrize("way", [Orchestrated, Mirrored])


async def stands(database, run):
    row = await Repository(database).get_run(run.run_id)
    live = await Repository(database).agent_runs(run.run_id)
    return row.status.value, {(attempt.agent_name, attempt.status.value) for attempt in live}


@both_ways
@pytest.mark.parametrize(
    ("failing", "ended"),
    [
        ({}, ("completed", {(agent, "completed") for agent in AGENTS} | {("archive", "skipped")})),
        ({"draft": [OSError("busy")]}, ("completed", {("draft", "failed"), ("draft", "completed")})),
        ({"facts": [TypeError("?")]}, ("completed", {("facts", "failed"), ("archive", "completed")})),
        ({"publish": [TypeError("no")]}, ("partial_success", {("publish", "failed"), ("edit", "completed")})),
        ({"brief": [TypeError("no")]}, ("failed", {("brief", "failed"), ("edit", "skipped"), ("publish", "skipped")})),
        ({"draft": [OSError("busy")] * 2}, ("partial_success", {("draft", "failed"), ("edit", "skipped")})),
        (
            {"facts": [OSError("a")], "archive": [OSError("b")]},
            (
                "partial_success",
                {("archive", "failed"), ("edit", "skipped"), ("publish", "skipped"), ("draft", "completed")},
            ),
        ),
    ],
    ids=["success", "retry", "fallback", "partial success", "failure", "retries in vain", "fallback in vain"],
)
async def test_after_a_run_that_was_not_disturbed(database, strategy, way, failing, ended):
    run = way(database, Team(failing=failing), strategy)
    await run.go()
    status, attempts = await stands(database, run)
    assert status == ended[0]
    assert attempts >= ended[1]
    assert await differences(database, run.run_id) == []


@both_ways
@pytest.mark.parametrize("asking", [("brief",), ("draft",), ("facts", "draft"), ("publish",)])
async def test_after_a_question_and_after_its_answer(database, strategy, way, asking):
    run = way(database, Team(asking=asking), strategy)
    await run.go()
    for _ in asking:
        paused, attempts = await stands(database, run)
        if paused == "completed":
            break
        assert paused == "paused"
        assert {status for agent, status in attempts if agent in asking} & {"interrupted"}
        assert await differences(database, run.run_id) == []
        await run.answer(await answers(database, run))
    assert (await stands(database, run))[0] == "completed"
    assert await differences(database, run.run_id) == []


async def answers(database, run):
    """Answer the first question only."""
    state = await read_checkpoint(database, run.run_id)
    return {state.questions[0].id: "yes"}


@both_ways
@pytest.mark.parametrize("agent", AGENTS)
async def test_after_a_stop_and_after_going_on(database, strategy, way, agent):
    team = Team(failing={"draft": [OSError("busy")]})
    team.shut(agent)
    run = way(database, team, strategy)
    running = asyncio.create_task(run.go())
    async with asyncio.timeout(PATIENCE):
        await team.arrived[agent].wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert (await stands(database, run))[0] == "paused"
    assert await differences(database, run.run_id) == []
    team.gates[agent].set()
    await run.go()
    assert (await stands(database, run))[0] == "completed"
    assert await differences(database, run.run_id) == []


@pytest.mark.parametrize("agent", AGENTS)
async def test_after_an_error_of_whoever_watches_and_after_going_on(database, strategy, agent):
    def watch(event):
        if (event["event"], event["agent"]) == ("agent_ended", agent):
            raise ValueError("watched too closely")

    run = Orchestrated(database, Team(), strategy)
    with pytest.raises(ValueError, match="watched too closely"):
        await run.go(watch)
    assert (await stands(database, run))[0] == "paused"
    assert await differences(database, run.run_id) == []
    await run.go()
    assert (await stands(database, run))[0] == "completed"
    assert await differences(database, run.run_id) == []


class FailingSaver(AsyncPostgresSaver):
    """Refuses to store the record of an agent."""

    agent = "draft"

    async def aput_writes(self, config, writes, *arguments, **options):
        if any(channel == self.agent for channel, _ in writes):
            raise ConnectionError("the disk is full")
        await super().aput_writes(config, writes, *arguments, **options)


@pytest.mark.parametrize("durability", ["async", "sync"])
async def test_after_an_error_of_the_checkpointer_and_after_going_on(database, strategy, durability):
    """Where checkpoints are written in the background, the run may be over when it finds out that one was refused."""
    run = Mirrored(database, Team(), strategy)
    with pytest.raises(ConnectionError, match="the disk is full"):
        await run.go(saver=FailingSaver(database.pool), durability=durability)
    assert (await stands(database, run))[0] == "paused"
    await reconcile(database, run.run_id)
    assert await differences(database, run.run_id) == []
    if (await stands(database, run))[0] == "paused":
        await run.go()
    assert (await stands(database, run))[0] == "completed"
    assert await differences(database, run.run_id) == []


@pytest.fixture
def own_server():
    base = new_folder()
    servers = Servers(base)
    yield servers
    servers.stop()
    shutil.rmtree(base)


@both_ways
@pytest.mark.parametrize("agent", ["draft"])
async def test_after_a_restart_of_the_database(own_server, strategy, way, agent):
    team = Team()
    team.shut(agent)
    async with open_database(own_server.address("embedded")) as database:
        run = way(database, team, strategy)
        running = asyncio.create_task(run.go())
        async with asyncio.timeout(PATIENCE):
            await team.arrived[agent].wait()
            server = own_server.server("embedded")
            await asyncio.to_thread(server.stop)
            team.gates[agent].set()
            await asyncio.to_thread(server.start)
            with contextlib.suppress(psycopg.Error, DatabaseUnavailableError):
                await running
            while (await read_checkpoint(database, run.run_id)).result is None:
                await run.go()
        if way is Mirrored:  # nobody but the error that ended it told of its end, if the graph had come to it
            found = await reconcile(database, run.run_id)
            assert {difference.field for difference in found.differences} <= {"status"}
        assert (await stands(database, run))[0] == "completed"
        assert await differences(database, run.run_id) == []
