"""Commands to runs: in every state, twice, late, in any order, from several processes at a time."""

import asyncio
from itertools import product

import pytest

from planner_graph.errors import CommandRefusedError
from planner_graph.store import leases
from planner_graph.store.commands import Command, answer
from planner_graph.store.connection import connect
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus
from tests.chaos.conftest import LONG

CAMPAIGNS = 200 if LONG else 12
SIDE_BY_SIDE = 4


@pytest.fixture
async def holder(arena):
    """A connection whose session holds runs."""
    async with await connect(arena.dsn, "holder") as conn:
        yield conn


async def put_into(arena, run, status):
    """Let a run be in a state, whatever leads there."""
    ended = status.ended
    async with arena.database.pool.connection() as conn:
        await conn.execute(
            "UPDATE execution_plans SET status = %s, started_at = now(), ended_at = CASE WHEN %s THEN now() END"
            " WHERE workflow_execution_id = %s",
            [status.value, ended, run],
        )


async def ask(arena, run, command):
    """Give what is said to a command, and whether it was refused."""
    try:
        return (await Repository(arena.database).command(run, command, by="somebody", reason="why")).says, False
    except CommandRefusedError as error:
        return error.reason, True


@pytest.mark.parametrize("held", [False, True], ids=["left", "held"])
async def test_every_command_does_in_every_state_what_the_table_says_and_the_second_time_nothing(arena, holder, held):
    """Seen to fail where what is so already is stored once more, and where what is refused is carried out."""
    for status, command in product(RunStatus, Command):
        run = await arena.accept(fewest=2, most=2)
        await put_into(arena, run, status)
        if held:
            await leases.acquire(holder, run)
        expected = answer(status, command, held=held)
        before = await arena.everything(run)

        said = await ask(arena, run, command)
        after = await arena.everything(run)
        again = await ask(arena, run, command)

        place = (status, command)
        assert said == (expected.says, expected.refused), place
        changes = not (expected.refused or expected.execute or expected.status is status)
        assert await arena.status(run) == (expected.status.value if changes else status.value), place
        assert len(after["run_events"]) == len(before["run_events"]) + changes, place
        assert (after == before) == (not changes), place
        assert await arena.everything(run) == after, place
        if changes:
            second = answer(expected.status, command, held=held)
            assert again == (second.says, second.refused), place
            event = after["run_events"][-1]["row"]
            told = str(event["data"]) + str(after["execution_plans"][0]["row"]["status_reason"])
            assert "somebody" in told, place
            assert "why" in told, place


async def test_commands_from_several_processes_in_any_order_leave_every_run_at_an_end(arena, tell):
    """Seen to fail where of a cancel that comes while a run starts only the state is seen: its reason was lost."""
    places = asyncio.Semaphore(SIDE_BY_SIDE)
    runs = [await arena.accept(fewest=8, most=12) for _ in range(CAMPAIGNS)]

    async def one(run):
        async with places:
            orders = [arena.random.choice(["execute", "pause", "cancel", "execute", "pause"]) for _ in range(6)]
            executing = [arena.order(run, seconds=(0.05, 0.15))]
            answers = []
            for what in orders:
                await asyncio.sleep(arena.random.uniform(0.0, 0.3))
                child = arena.order(run, what=what, seconds=(0.05, 0.15))
                if what == "execute":
                    executing.append(child)
                else:
                    answers.append(asyncio.create_task(child.report()))
            for child in executing:
                await child.report()
            said = [(await report)[run] for report in answers]
            if await arena.status(run) not in {"completed", "cancelled"}:
                assert (await arena.settle(run)).get("status") == "completed"
            return await judge(run, said)

    async def judge(run, said):
        status = await arena.status(run)
        cancelled = any(answer.get("status") == "cancelled" for answer in said)
        assert status == "cancelled" or not cancelled
        if status == "completed":
            await arena.check(run)
        else:
            assert "cancel asked for by chaos: to see" in str(await arena.everything(run))
        return status

    found = await asyncio.gather(*map(one, runs))
    tell(f"commands in any order: {CAMPAIGNS} runs, {found.count('cancelled')} of them cancelled")


async def test_a_pause_that_is_asked_for_twice_by_two_is_one_pause(arena):
    """Seen to fail where what is so already is stored once more: the log told of three pauses."""
    run = await arena.accept(fewest=20, strategy="adaptive")
    child = arena.order(run, gate=arena.gate(run), grace_seconds=60.0)
    await arena.running(run)

    asked = await asyncio.gather(*(arena.order(run, what="pause").report() for _ in range(3)))
    arena.open_gate(run)
    said = (await child.report())[run]
    late = await arena.order(run, what="pause").report()
    events = [row["row"]["event"] for row in (await arena.everything(run))["run_events"]]

    assert {report[run]["status"] for report in asked} == {"pausing"}
    assert said["status"] == "paused"
    assert late[run] == {"status": "paused", "says": "it is paused already"}
    assert (events.count("run_pausing"), events.count("run_paused")) == (1, 1)
    assert (await arena.settle(run))["status"] == "completed"
    await arena.check(run)


async def test_what_comes_after_a_cancel_does_not_revive_the_run(arena):
    """Seen to fail where what is refused is carried out: nothing was refused."""
    run = await arena.accept(fewest=20, strategy="adaptive")
    child = arena.order(run, gate=arena.gate(run), grace_seconds=60.0)
    await arena.running(run)

    asked = [await arena.order(run, what=what).report() for what in ("pause", "cancel", "pause", "execute")]
    arena.open_gate(run)
    said = (await child.report())[run]
    late = [await arena.order(run, what=what).report() for what in ("cancel", "pause", "execute")]

    assert [report[run].get("status") or report[run]["error"] for report in asked] == [
        "pausing",
        "cancelling",
        "CommandRefusedError",
        "RunHeldError",
    ]
    assert said["status"] == "cancelled"
    assert late[0][run] == {"status": "cancelled", "says": "it is cancelled already"}
    assert [report[run]["error"] for report in late[1:]] == ["CommandRefusedError", "RunNotResumableError"]
    assert await arena.status(run) == "cancelled"
