"""What a body raises that is no ``Exception`` fails its agent; Ctrl-C and a closed coroutine are none of its own."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.interruption import comes_from_outside
from tests.catalogs import spec
from tests.fakes import INPUT, WAYS, FakeClock, planned, run, thread
from tests.subgraphs import subgraph


class OwnError(BaseException):
    pass


def group():
    return BaseExceptionGroup("several", [OwnError("x"), ValueError("y")])


def never_raised():
    return BaseExceptionGroup("several", [KeyboardInterrupt(), BaseExceptionGroup("", [GeneratorExit()])])


ERRORS = {
    "own": (lambda: OwnError("x"), "OwnError after 1 attempt: x"),
    "group": (group, "BaseExceptionGroup after 1 attempt: several (2 sub-exceptions)"),
    "group of what signals raise": (never_raised, "BaseExceptionGroup after 1 attempt: several (2 sub-exceptions)"),
    "generator exit": (GeneratorExit, "GeneratorExit after 1 attempt"),
    "keyboard interrupt": (KeyboardInterrupt, "KeyboardInterrupt after 1 attempt"),
    "exit": (lambda: SystemExit(2), "BodyExitedError after 1 attempt: agent 'boom' called exit(2); raise an error"),
    "cancelled": (asyncio.CancelledError, "BodyCancelledError after 1 attempt"),
}


def bodies_that_raise(error):
    def sync(_):
        raise error()

    async def asynchronous(_):
        await asyncio.sleep(0)
        raise error()

    async def deep(_):
        async with asyncio.timeout(5):
            await asyncio.shield(asyncio.sleep(0))
            sync(_)

    return {"sync": sync, "async": asynchronous, "deep": deep, "runnable": RunnableLambda(sync)}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", ["sync", "async", "deep", "runnable"])
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
def test_it_fails_as_an_agent_its_siblings_live_and_resuming_does_not_loop(name, kind, how, strategy):
    error, reason = ERRORS[name]
    calls = []

    async def sibling(_):
        await asyncio.sleep(0.02)
        calls.append("sibling")
        return "fine"

    plan = planned(spec("boom", max_retries=0), spec("sibling"), spec("after", after=["sibling"]), strategy=strategy)
    bodies = {"boom": bodies_that_raise(error)[kind], "sibling": sibling, "after": sibling}
    graph = compile_plan(plan, bodies, checkpointer=InMemorySaver())
    final = run(graph, INPUT, thread(), how=how)
    assert final["boom"]["reason"].startswith(reason)
    assert [final[agent]["status"] for agent in ("boom", "sibling", "after")] == ["failed", "completed", "completed"]
    assert graph.get_state(thread()).next == ()
    assert calls == ["sibling"] * 2


def test_it_is_retried_as_declared():
    def body(_):
        raise OwnError("x")

    def attempts(**fields):
        graph = compile_plan(planned(spec("a", max_retries=2, **fields)), {"a": body}, clock=FakeClock())
        return run(graph)["a"]["attempts"]

    assert attempts() == 3
    assert attempts(do_not_retry=[f"{__name__}.OwnError"]) == 1


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_agent_that_is_a_graph_fails_likewise(how):
    def node(_):
        raise OwnError("x")

    graph = compile_plan(planned(spec("a", max_retries=0), spec("b")), {"a": subgraph(node), "b": lambda _: 1})
    final = run(graph, how=how)
    assert (final["a"]["reason"], final["b"]["status"]) == ("OwnError after 1 attempt: x", "completed")


def test_a_coroutine_that_is_closed_and_a_signal_are_no_errors_of_the_body():
    seen = []

    async def waits():
        try:
            await asyncio.sleep(1)
        except BaseException as error:
            seen.append(error)
            raise

    async def main():
        coroutine = waits()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    with pytest.raises(KeyboardInterrupt) as interrupted:
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as own:
        raise KeyboardInterrupt
    assert [comes_from_outside(error) for error in (seen[0], interrupted.value, own.value)] == [True, True, False]
    assert comes_from_outside(BaseExceptionGroup("", [BaseExceptionGroup("", [interrupted.value])]))
    assert not comes_from_outside(BaseExceptionGroup("", [own.value, ValueError()]))


PROGRAM = """
import asyncio, sys, time
from planner_graph import AgentSpec, Campaign, Catalog, MasterPlanner, Rule, compile_plan

def sync(_):
    print("ready", flush=True)
    time.sleep(30)

async def waits(_):
    print("ready", flush=True)
    await asyncio.sleep(30)

async def blocks(_):
    print("ready", flush=True)
    while True:
        pass

catalog = Catalog.of(AgentSpec(name="a"), rules=[Rule(name="all", select=("a",))])
plan = MasterPlanner(catalog).create_execution_plan(Campaign(include_images=True))
graph, given = compile_plan(plan, {"a": globals()[sys.argv[2]]}), {"campaign": {}}
try:
    if sys.argv[1] == "invoke":
        graph.invoke(given)
    elif sys.argv[1] == "ainvoke":
        asyncio.run(graph.ainvoke(given))
    else:
        asyncio.new_event_loop().run_until_complete(graph.ainvoke(given))
    print("ended")
except KeyboardInterrupt:
    print("interrupted", flush=True)
import os
os._exit(0)
"""


@pytest.mark.parametrize(
    ("how", "body"),
    [
        ("invoke", "sync"),
        ("invoke", "waits"),
        ("ainvoke", "sync"),
        ("ainvoke", "waits"),
        ("bare loop", "waits"),
        ("bare loop", "blocks"),
    ],
)
def test_ctrl_c_is_still_ctrl_c(how, body):
    command = [sys.executable, "-c", PROGRAM, how, body]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
