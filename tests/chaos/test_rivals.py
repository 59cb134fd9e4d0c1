"""Two processes that want the same run: one has it, and what the other one writes does not count."""

import asyncio
import signal
import time

import pytest

from tests.chaos.conftest import LONG

RACES = 500 if LONG else 50
SIDE_BY_SIDE = 5


async def test_of_two_processes_that_resume_a_run_at_the_same_instant_one_wins(arena, tell):
    """Seen to fail without the lease (acquired whoever holds it): both executed the run, one was fenced out later.

    And, once in 50 races, without turns at the first lease of a run: one ended with a UniqueViolation.
    """
    runs = [await arena.accept(fewest=4, most=8, strategy="adaptive") for _ in range(RACES)]
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def race(run):
        async with places:
            instant = time.time() + 0.3
            rivals = [arena.order(run, begin_at=instant, gate=arena.gate(run)) for _ in range(2)]
            reports = [asyncio.create_task(rival.report()) for rival in rivals]
            await asyncio.wait(reports, return_when=asyncio.FIRST_COMPLETED)  # who wins waits for the gate
            arena.open_gate(run)
            return [(await report)[run] for report in reports]

    found = dict(zip(runs, await asyncio.gather(*map(race, runs)), strict=True))

    for run, said in found.items():
        assert sorted(one.get("status") or one["error"] for one in said) == ["RunHeldError", "completed"], said
        assert await arena.check(run) == 0
    tell(f"two processes at the same instant: {RACES} races, no agent ran twice")


async def test_a_process_that_slept_past_its_lease_writes_nothing_any_more(arena):
    """Seen to fail without the fence of checkpoints: the sleeper added checkpoints of its own.

    And, where the sleeper happened to stop within a transaction, without ending frozen sessions: it could not be taken
    over, for ever.
    """
    run = await arena.accept(fewest=16, strategy="adaptive")
    sleeper = arena.order(run, seconds=(0.1, 0.2), gate=arena.gate(run), lease_seconds=0.5, idle_seconds=0.4)
    await arena.running(run)
    sleeper.signal(signal.SIGSTOP)
    await arena.lapsed(run)

    taken = await arena.order(run).report()
    written = await arena.everything(run)
    arena.open_gate(run)
    sleeper.signal(signal.SIGCONT)
    said = (await sleeper.report())[run]

    assert taken[run]["status"] == "completed", taken
    assert said["error"] == "LeaseLostError", said
    assert "was taken over by another process, nothing more is written here" in said["says"]
    assert await arena.everything(run) == written
    await arena.check(run)


async def test_a_process_that_slept_past_its_lease_changes_nothing_of_a_run_that_is_paused(arena):
    """Seen to fail without the fence of the tables: the sleeper's agents were told as running and completed."""
    run = await arena.accept(fewest=20, strategy="sequential")
    sleeper = arena.order(run, seconds=(0.1, 0.2), gate=arena.gate(run), lease_seconds=0.5, idle_seconds=0.4)
    await arena.running(run)
    sleeper.signal(signal.SIGSTOP)
    await arena.lapsed(run)
    begun = arena.executions(run).total()

    other = arena.order(run, gate=arena.gate(run), grace_seconds=0.2)
    while arena.executions(run).total() == begun:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0.01)
    await arena.order(run, what="pause").report()
    paused = await other.report()
    written = await arena.everything(run)
    arena.open_gate(run)
    sleeper.signal(signal.SIGCONT)
    said = (await sleeper.report())[run]

    assert paused[run]["status"] == "paused", paused
    assert said["error"] == "LeaseLostError", said
    assert await arena.everything(run) == written
    assert (await arena.settle(run))["status"] == "completed"
    await arena.check(run)


@pytest.mark.parametrize("seconds", [(0.3, 0.5), (0.8, 1.2)])
async def test_a_process_that_is_fenced_out_while_it_works_ends_with_a_clear_error(arena, seconds):
    """Seen to fail without the lease: nobody was refused."""
    run = await arena.accept(fewest=16, strategy="adaptive")
    first = arena.order(run, seconds=seconds, gate=arena.gate(run))
    await arena.running(run)

    refused = await arena.order(run).report()
    arena.open_gate(run)
    taken, said = await asyncio.gather(arena.order(run, what="take over").report(), first.report())

    assert refused[run]["error"] == "RunHeldError", refused
    assert f":{first.pid}:" in refused[run]["says"]
    assert taken[run]["status"] == "completed", taken
    assert said[run]["error"] == "LeaseLostError", said
    await arena.check(run)


async def test_a_sleeper_does_not_go_on_with_what_was_cancelled_meanwhile(arena):
    """Seen to fail where only 'cancelling' is heard, not 'cancelled': it ran to its end, and that was refused."""
    run = await arena.accept(fewest=16, strategy="adaptive")
    sleeper = arena.order(run, gate=arena.gate(run), grace_seconds=0.2, lease_seconds=0.5, idle_seconds=0.4)
    await arena.running(run)
    sleeper.signal(signal.SIGSTOP)
    await arena.lapsed(run)

    cancelled = await arena.order(run, what="cancel").report()
    sleeper.signal(signal.SIGCONT)
    said = (await sleeper.report())[run]

    assert cancelled[run] == {"status": "cancelled", "says": "cancelled; nobody was executing it"}
    assert said.get("status") == "cancelled", said
    assert len(arena.executions(run)) < len((await arena.plan(run)).steps)


async def test_a_sleeper_pauses_a_run_that_was_paused_meanwhile(arena):
    """Seen to fail where only 'pausing' is heard, not 'paused': it went on."""
    run = await arena.accept(fewest=16, strategy="adaptive")
    sleeper = arena.order(run, gate=arena.gate(run), grace_seconds=0.2, lease_seconds=0.5, idle_seconds=0.4)
    await arena.running(run)
    sleeper.signal(signal.SIGSTOP)
    await arena.lapsed(run)

    paused = await arena.order(run, what="pause").report()
    sleeper.signal(signal.SIGCONT)
    said = (await sleeper.report())[run]
    left = await arena.status(run)
    finished = await arena.settle(run)

    assert paused[run]["status"] == "paused"
    assert (said.get("status"), left) == ("paused", "paused"), said
    assert finished["status"] == "completed"
    await arena.check(run)
