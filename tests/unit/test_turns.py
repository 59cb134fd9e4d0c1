"""What an attempt takes from the limits, and what is free between two attempts."""

import asyncio
import time
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from planner_graph.compiler.compiler import compile_plan
from planner_graph.types import Strategy
from tests.catalogs import spec
from tests.fakes import INPUT, planned, run, thread

PAUSE = {"initial_seconds": 0.4, "jitter": 0}
STRATEGIES = [strategy.value for strategy in Strategy]


class Starts:
    """Bodies that note when they begin, in seconds; each call of ``agent`` raises the next one of ``errors``."""

    def __init__(self):
        self.times = {}
        self.begun = time.monotonic()

    def body(self, agent, *errors, seconds=0.0):
        script = iter(errors)

        async def body(_):
            self.times.setdefault(agent, []).append(time.monotonic() - self.begun)
            await asyncio.sleep(seconds)
            for error in script:
                raise error
            return 1

        return body


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_attempt_counts_against_a_rate(strategy, how):
    starts = Starts()
    plan = planned(
        spec("a", resources={"calls_per_second": 1}, max_retries=2, backoff={"initial_seconds": 0}),
        strategy=strategy,
        limits={"resources": {"calls_per_second": 1}},
    )
    run(compile_plan(plan, {"a": starts.body("a", OSError(), OSError())}), how=how)
    first, second, third = starts.times["a"]
    assert second - first >= 0.99
    assert third - second >= 0.99


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        ({"resources": {"llm": 1}}, {"resources": {"llm": 1}}),
        ({"parallel_safe": False}, {}),
        ({}, {"max_parallel": 1}),
    ],
    ids=["pool", "unsafe", "places"],
)
def test_another_agent_runs_while_one_waits_for_its_next_attempt(fields, limits, how):
    starts = Starts()
    plan = planned(
        spec("a", seconds=9, backoff=PAUSE, **fields),
        spec("b", seconds=1, **fields),
        strategy="adaptive",
        limits=limits,
    )
    bodies = {"a": starts.body("a", OSError()), "b": starts.body("b")}
    state = run(compile_plan(plan, bodies), how=how)
    assert starts.times["b"][0] - starts.times["a"][0] < 0.3
    assert starts.times["a"][1] - starts.times["a"][0] >= 0.4
    assert [state[name]["attempts"] for name in "ab"] == [2, 1]


def test_an_attempt_that_waits_for_a_place_is_reported_and_timed_from_when_it_has_it():
    """While ``b`` holds the pool for longer than the limit of ``a``, ``a`` neither runs nor times out."""
    starts = Starts()
    fields: dict[str, Any] = {"resources": {"llm": 1}}
    plan = planned(
        spec("a", seconds=9, backoff={"initial_seconds": 0.05}, timeout_seconds=0.3, **fields),
        spec("b", seconds=1, **fields),
        strategy="adaptive",
        limits={"resources": {"llm": 1}},
    )
    graph = compile_plan(plan, {"a": starts.body("a", OSError()), "b": starts.body("b", seconds=0.8)})
    events = [(event["event"], event["agent"]) for event in graph.stream(INPUT, stream_mode="custom")]
    assert events.index(("agent_ended", "b")) < [n for n, e in enumerate(events) if e == ("agent_started", "a")][1]
    assert events[-1] == ("agent_ended", "a")
    assert starts.times["a"][1] - starts.times["b"][0] >= 0.8


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_the_wait_for_a_place_counts_against_the_time_of_all_attempts(how):
    fields: dict[str, Any] = {"resources": {"llm": 1}}
    plan = planned(
        spec("a", seconds=9, backoff={"initial_seconds": 0.01}, total_timeout_seconds=0.3, **fields),
        spec("b", seconds=1, **fields),
        strategy="adaptive",
        limits={"resources": {"llm": 1}},
    )
    starts = Starts()
    begun = time.monotonic()
    bodies = {"a": starts.body("a", OSError("gone")), "b": starts.body("b", seconds=1)}
    record = run(compile_plan(plan, bodies), how=how)["a"]
    assert (record["status"], record["attempts"]) == ("failed", 1)
    reason = "OSError after 1 attempt: gone; the 0.3 s of all attempts together leave no time for another"
    assert record["reason"] == reason
    assert len(starts.times["a"]) == 1
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_run_that_is_paused_does_not_wait_for_the_pause_between_two_attempts(strategy):
    starts, control = Starts(), RunControl()
    plan = planned(spec("a", backoff={"initial_seconds": 30}), strategy=strategy)
    graph = compile_plan(plan, {"a": starts.body("a", OSError())}, checkpointer=InMemorySaver())
    events = []
    begun = time.monotonic()

    async def run_until_paused():
        async for event in graph.astream(INPUT, thread(), stream_mode="custom", control=control):
            events.append(event)
            if event["event"] == "attempt_failed":
                control.request_drain("pause")

    with pytest.raises(GraphDrained):
        await run_until_paused()
    assert time.monotonic() - begun < 5
    assert [event["event"] for event in events] == ["agent_started", "attempt_failed", "agent_interrupted"]
    state = await graph.ainvoke(None, thread())
    assert state["result"]["status"] == "completed"
    assert len(starts.times["a"]) == 2


def test_with_fail_fast_an_agent_that_has_begun_makes_its_further_attempts():
    starts = Starts()
    plan = planned(
        spec("a", backoff=PAUSE), spec("b", max_retries=0), spec("c"),
        strategy="adaptive", limits={"fail_fast": True, "max_parallel": 2},
    )  # fmt: skip
    bodies = {
        "a": starts.body("a", OSError()),
        "b": starts.body("b", ValueError(), seconds=0.1),
        "c": starts.body("c", seconds=0.2),
    }
    state = run(compile_plan(plan, bodies))
    assert (state["a"]["status"], state["a"]["attempts"]) == ("completed", 2)


async def test_an_agent_that_is_cancelled_between_two_attempts_leaves_nothing_behind():
    starts = Starts()
    plan = planned(spec("a", backoff={"initial_seconds": 30}), strategy="adaptive")
    task = asyncio.create_task(compile_plan(plan, {"a": starts.body("a", OSError())}).ainvoke(INPUT))
    await asyncio.sleep(0.2)
    assert len(starts.times["a"]) == 1
    assert len(asyncio.all_tasks()) > 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == {asyncio.current_task()}
