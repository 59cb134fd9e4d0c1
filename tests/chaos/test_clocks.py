"""Clocks that are wrong: leases follow the clock of the database, and no table refuses what happened."""

import signal

import pytest

OFF = 600.0


@pytest.mark.parametrize("ahead", [OFF, -OFF])
async def test_a_process_whose_clock_is_off_keeps_its_lease(arena, ahead):
    """Seen to fail where leases run out by the clock of whoever wants one: the process was fenced out."""
    run = await arena.accept(fewest=16, strategy="adaptive")
    child = arena.order(run, clock_ahead=ahead, gate=arena.gate(run))
    await arena.running(run)

    refused = await arena.order(run, clock_ahead=-ahead).report()
    left_behind = await arena.left_behind()
    arena.open_gate(run)
    said = (await child.report())[run]

    assert refused[run]["error"] == "RunHeldError", refused
    assert left_behind == []
    assert said["status"] == "completed", said
    assert said["mirror"]["missing"] == 0, said
    assert await arena.check(run) == 0


@pytest.mark.parametrize("ahead", [OFF, -OFF])
async def test_a_lease_runs_out_by_the_clock_of_the_database(arena, ahead):
    """Seen to fail where leases run out by the clock of whoever wants one: at once, or not at all."""
    run = await arena.accept(fewest=16, strategy="adaptive")
    sleeper = arena.order(run, clock_ahead=ahead, gate=arena.gate(run), lease_seconds=3.0, idle_seconds=0.4)
    await arena.running(run)
    early = await arena.order(run, clock_ahead=-ahead).report()
    sleeper.signal(signal.SIGSTOP)
    await arena.lapsed(run)

    taken = await arena.order(run, clock_ahead=-ahead).report()
    arena.open_gate(run)
    sleeper.signal(signal.SIGCONT)
    said = (await sleeper.report())[run]

    assert early[run]["error"] == "RunHeldError", early
    assert taken[run]["status"] == "completed", taken
    assert taken[run]["mirror"]["missing"] == 0, taken
    assert said["error"] == "LeaseLostError", said
    await arena.check(run, clocks_agree=False)


@pytest.mark.parametrize("jump", [OFF, -OFF])
async def test_clocks_that_are_set_while_agents_run_break_no_table(arena, jump):
    """Seen to fail where agents may end before they start: a CHECK refused the row, and the rest of the run with it."""
    run = await arena.accept(fewest=8, most=10)
    killed = arena.order(run, clock_jump=jump, seconds=(0.5, 0.8))
    await arena.running(run)
    await killed.kill()

    said = await arena.settle(run, clock_jump=-jump)

    assert said["status"] == "completed", said
    assert said["mirror"]["missing"] == 0, said
    await arena.check(run, clocks_agree=False)
