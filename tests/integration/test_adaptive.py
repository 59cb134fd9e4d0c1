"""Adaptive runs on Postgres checkpoints: killed, cancelled, asking, and going on."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable

import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

from planner_graph.compiler.compiler import compile_plan
from planner_graph.store.saver import checkpointer
from tests.fakes import INPUT, Notebook, run, thread, within
from tests.plans import BLOG, make_plan

PATIENCE = 30
PLAN = make_plan(BLOG, strategy="adaptive")
AGENTS = list(BLOG)


def followers(agent):
    return {name for name in BLOG if agent in BLOG[name]} | {
        other for name in BLOG if agent in BLOG[name] for other in followers(name)
    }


async def until(holds):
    """Return when ``holds()`` is true; it may also give an awaitable."""
    while True:
        found = holds()
        if await found if isinstance(found, Awaitable) else found:
            return
        await asyncio.sleep(0.005)


async def asks(_):
    return interrupt("?")


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("durability", ["async", "sync"])
async def test_a_run_cancelled_in_any_agent_goes_on_and_runs_no_other_agent_twice(database, agent, durability):
    notes, there = Notebook(), asyncio.Event()
    beside = set(BLOG) - followers(agent) - {agent}

    async def blocks(_):
        there.set()
        await asyncio.Event().wait()

    broken = compile_plan(PLAN, notes.bodies(BLOG, **{agent: blocks}), checkpointer=checkpointer(database))
    running = asyncio.create_task(broken.ainvoke(INPUT, thread(), durability=durability))
    async with asyncio.timeout(PATIENCE):
        await there.wait()
        await until(lambda: beside <= set(notes.ended))
        await asyncio.sleep(0.01)  # the last one beside it leaves its node and hands its record over
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    mended = compile_plan(PLAN, notes.bodies(BLOG), checkpointer=checkpointer(database))
    final = await mended.ainvoke(None, thread(), durability=durability)
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(BLOG)


KILLED = """
    import asyncio, sys
    from planner_graph import compile_plan, open_database
    from planner_graph.store.saver import checkpointer
    from tests.fakes import INPUT, thread
    from tests.plans import BLOG, make_plan

    async def main(dsn, agent):
        def body(name):
            async def work(_):
                print(name, flush=True)
                if name == agent:
                    await asyncio.Event().wait()
                return name
            return work

        async with open_database(dsn) as database:
            plan = make_plan(BLOG, strategy="adaptive")
            graph = compile_plan(plan, {name: body(name) for name in BLOG}, checkpointer=checkpointer(database))
            await graph.ainvoke(INPUT, thread(), durability="sync")

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("agent", ["planner", "writer", "social_media"])
async def test_a_run_whose_process_was_killed_goes_on(dsn, database, agent):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(KILLED), dsn, agent, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    started = []
    async with asyncio.timeout(PATIENCE):
        while agent not in started:
            started.append((await process.stdout.readline()).decode().strip())
            assert started[-1], "the process ended by itself"
        before = compile_plan(PLAN, Notebook().bodies(BLOG), checkpointer=checkpointer(database))
        needed = set(BLOG) - followers(agent) - {agent}

        async def all_stored():
            return needed & set(started) <= await recorded(before)

        await until(all_stored)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    done = await recorded(before)
    notes = Notebook()
    graph = compile_plan(PLAN, notes.bodies(BLOG), checkpointer=checkpointer(database))
    assert (await graph.ainvoke(None, thread()))["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - done)


async def recorded(graph):
    return {task.name for task in (await graph.aget_state(thread())).tasks if task.result}


@pytest.mark.parametrize("fresh", [False, True], ids=["same graph", "compiled anew"])
@pytest.mark.parametrize("agent", AGENTS)
async def test_a_question_of_any_agent_under_ainvoke(database, agent, fresh):
    notes = Notebook()

    def compiled():
        return compile_plan(PLAN, notes.bodies(BLOG, **{agent: asks}), checkpointer=checkpointer(database))

    graph = compiled()
    assert (await graph.ainvoke(INPUT, thread()))["__interrupt__"]
    if fresh:
        graph = compiled()
    assert (await graph.ainvoke(Command(resume="yes"), thread()))["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {agent})


@pytest.mark.parametrize("agent", ["planner", "writer", "image"])
def test_a_question_under_invoke(dsn, agent):
    notes = Notebook()
    with PostgresSaver.from_conn_string(dsn) as saver:
        bodies = notes.bodies(BLOG, **{agent: asks})
        assert within(PATIENCE, run, compile_plan(PLAN, bodies, checkpointer=saver), INPUT, thread())["__interrupt__"]
        graph = compile_plan(PLAN, bodies, checkpointer=saver)
        final = within(PATIENCE, run, graph, Command(resume="yes"), thread())
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {agent})


async def test_two_questions_one_by_one(database):
    notes = Notebook()
    graph = compile_plan(PLAN, notes.bodies(BLOG, editor=asks, image=asks), checkpointer=checkpointer(database))
    one, two = (await graph.ainvoke(INPUT, thread()))["__interrupt__"]
    (left,) = (await graph.ainvoke(Command(resume={one.id: 1}), thread()))["__interrupt__"]
    assert left.id == two.id
    assert (await graph.ainvoke(Command(resume={two.id: 2}), thread()))["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"editor", "image"})


async def test_a_drained_run_goes_on(database):
    notes, control = Notebook(), RunControl()

    async def writer(_):
        control.request_drain()
        return 1

    def compiled():
        return compile_plan(PLAN, notes.bodies(BLOG, writer=writer), checkpointer=checkpointer(database))

    with pytest.raises(GraphDrained):
        await compiled().ainvoke(INPUT, thread(), control=control)
    assert notes.started == ["planner", "researcher"]
    assert (await compiled().ainvoke(None, thread()))["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


async def test_runs_side_by_side_over_one_pool_do_not_mix(database):
    async def body(inputs):
        await asyncio.sleep(0)
        return inputs["campaign"]["id"]

    async def one(name):
        graph = compile_plan(PLAN, dict.fromkeys(BLOG, body), checkpointer=checkpointer(database))
        given = await graph.ainvoke({"campaign": {"id": name}}, thread(name))
        return set(given["result"]["deliverables"].values())

    assert await asyncio.gather(*map(one, "wxyz")) == [{name} for name in "wxyz"]
