"""Bodies that hold the event loop are named in the log, and no others."""

import asyncio
import logging
import time

import pytest
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from planner_graph.compiler.compiler import compile_plan
from tests.catalogs import spec
from tests.fakes import planned, run

LOGGER = "planner_graph.compiler.loop_watch"


async def holds(_):
    time.sleep(0.5)  # noqa: ASYNC251
    return 1


async def awaits(_):
    for _ in range(12):
        await asyncio.sleep(0.05)
    return 1


async def holds_briefly(_):
    for _ in range(10):
        time.sleep(0.06)  # noqa: ASYNC251
        await asyncio.sleep(0)
    return 1


async def in_a_task(inputs):
    return await asyncio.create_task(holds(inputs))


def in_a_thread(_):
    time.sleep(0.5)
    return 1


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    "body",
    [
        holds,
        in_a_task,
        RunnableLambda(lambda _: 1, afunc=holds),
        RunnablePassthrough() | RunnableLambda(lambda _: 1, afunc=holds),
    ],
    ids=["function", "task", "runnable", "sequence"],
)
@pytest.mark.parametrize("limit", [60, 0.1], ids=["in_time", "late"])
def test_a_body_that_holds_the_loop_is_named(body, how, limit, caplog):
    plan = planned(spec("slow", timeout_seconds=limit, max_retries=0), spec("other"), strategy="adaptive")
    with caplog.at_level(logging.WARNING, LOGGER):
        run(compile_plan(plan, {"slow": body, "other": awaits}), how=how)
    (message,) = said(caplog)
    assert message.startswith("agent 'slow' held the event loop for 0.")
    assert "test_loop_watch.py" in message
    assert "in holds" in message


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_who_holds_the_loop_only_briefly_or_works_in_a_thread_is_not_named(how, caplog):
    names = "abcdef"
    bodies = {**dict.fromkeys(names, holds_briefly), "x": in_a_thread, "y": awaits}
    with caplog.at_level(logging.WARNING, LOGGER):
        run(compile_plan(planned(*map(spec, bodies), strategy="adaptive"), bodies), how=how)
    assert said(caplog) == []
