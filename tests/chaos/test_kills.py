"""kill -9, at random moments and at named points: no agent's result is lost, none is there twice."""

import asyncio

import pytest

from tests.chaos.conftest import LONG
from tests.chaos.driver import IN_A_BODY, POINTS

RUNS = 500 if LONG else 20
SIDE_BY_SIDE = 4
MOST_KILLS = 5


async def test_runs_that_are_killed_up_to_five_times_complete_and_repeat_little(arena, tell):
    """No agent whose result was stored runs again.

    Seen to fail without catching up with the checkpoint when a run goes on: of a run that was killed between its last
    agent and its end, the tables did not have that agent. And without going on from the checkpoint: agents ran again.
    """
    places = asyncio.Semaphore(SIDE_BY_SIDE)
    runs = [await arena.accept() for _ in range(RUNS)]

    async def one(run):
        async with places:
            kills, stored = 0, []
            for moment in [arena.random.uniform(0.05, 0.8) for _ in range(arena.random.randint(1, MOST_KILLS))]:
                child = arena.order(run)
                if await child.ended_within(moment):
                    break
                await child.kill()
                kills += 1
                stored.append(await arena.stored(run))
            if await arena.status(run) != "completed":
                said = await arena.settle(run)
                assert said.get("status") == "completed", said
            for before in stored:
                arena.check_not_repeated(run, before)
            return kills, await arena.check(run)

    found = await asyncio.gather(*map(one, runs))

    kills, repeated = (sum(counts) for counts in zip(*found, strict=True))
    agents = sum([len((await arena.plan(run)).steps) for run in runs])
    tell(f"kill -9 at random moments: {RUNS} runs, {agents} agents, {kills} kills, {repeated} executions repeated")


OFTEN = {
    "before an agent",
    "after its effect",
    "before a result lands",
    "after a result landed",
    "before the tables are written",
    "while the tables are written",
    "after the tables were written",
}
"""Points that a process comes to for each agent or so, and not once a run."""

OF_A_PAUSE = {"before its pause is stored", "while its pause is stored", "after its pause was stored"}
OF_A_COMMAND = {"before a command is stored", "while a command is stored", "after a command was stored"}
TIMES = 20 if LONG else 1


@pytest.mark.parametrize("point", [*IN_A_BODY, *(point for point in POINTS if point not in OF_A_PAUSE | OF_A_COMMAND)])
async def test_a_run_that_is_killed_at_a_named_point_completes(arena, tell, point):
    """Seen to fail without going on from the checkpoint: agents whose results were stored ran again."""
    repeated = 0
    for _ in range(TIMES):
        run = await killed_at(arena, point)
        stored = await arena.stored(run)
        said = await arena.settle(run) if await arena.status(run) != "completed" else {"status": "completed"}

        assert said.get("status") == "completed", said
        arena.check_not_repeated(run, stored)
        repeated += await arena.check(run)
    tell(f"kill -9 {point}: {TIMES} runs, {repeated} executions repeated")


async def killed_at(arena, point):
    """Give a run whose process was killed at a point; some points it may not come to as often as we would like."""
    for nth in range(arena.random.randint(1, 6) if point in OFTEN else 1, 0, -1):
        run = await arena.accept()
        if await arena.order(run, point=point, nth=nth).report() is None:
            return run
    raise AssertionError(f"no process comes to the point {point!r}")


async def test_with_sync_durability_whoever_has_begun_has_read_nothing_that_is_lost(arena):
    """Seen to fail with ``durability="async"``: agents had begun whose dependencies were not stored when all died."""
    for _ in range(TIMES):
        run = await arena.accept(fewest=16, strategy="adaptive")
        killed = arena.order(run, point="after its effect", nth=10, durability="sync", seconds=(0.0, 0.0))
        assert await killed.report() is None
        stored, plan = await arena.stored(run), await arena.plan(run)
        for agent in arena.executions(run):
            assert set(plan.by_agent[agent].waits_for) <= set(stored), agent

        assert (await arena.settle(run, durability="sync"))["status"] == "completed"
        arena.check_not_repeated(run, stored)
        await arena.check(run)


@pytest.mark.parametrize("point", sorted(OF_A_PAUSE))
async def test_a_run_that_is_killed_while_it_pauses_goes_on(arena, point):
    """Seen to fail without a transaction for each change of a run: it was paused by half."""
    run = await arena.accept(fewest=16)
    child = arena.order(run, point=point, gate=arena.gate(run), grace_seconds=0.2)
    await arena.running(run)

    asked = await arena.order(run, what="pause").report()
    killed = await child.report()
    left = await arena.status(run)
    said = await arena.settle(run)

    assert asked[run]["status"] == "pausing"
    assert killed is None
    assert left == ("paused" if point == "after its pause was stored" else "pausing")
    assert said.get("status") == "completed", said
    await arena.check(run)


@pytest.mark.parametrize("wanted", ["pause", "cancel"])
@pytest.mark.parametrize("point", sorted(OF_A_COMMAND))
async def test_a_command_whose_sender_is_killed_is_either_stored_or_not(arena, point, wanted):
    """Seen to fail without a transaction for each command: one that was not finished had its effect."""
    run, stored = await arena.accept(fewest=16), point == "after a command was stored"
    child = arena.order(run, gate=arena.gate(run), grace_seconds=0.2)
    await arena.running(run)

    assert await arena.order(run, what=wanted, point=point).report() is None
    if not stored:
        arena.open_gate(run)
    said = (await child.report())[run]

    if not stored:
        assert said["status"] == "completed", said
        await arena.check(run)
    elif wanted == "cancel":
        assert said["status"] == "cancelled", said
    else:
        assert said["status"] == "paused", said
        assert (await arena.settle(run))["status"] == "completed"
        await arena.check(run)
