"""With ``durability="sync"`` an agent starts once what it reads is stored."""

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import DurabilityError
from tests.catalogs import spec
from tests.fakes import INPUT, planned
from tests.plans import make_plan

PLAN = make_plan({"first": [], "second": ["first"], "third": ["second"]}, strategy="adaptive")
THREAD = {"configurable": {"thread_id": "1"}}


class SlowSaver(InMemorySaver):
    """Stores what a task wrote only a while after it was told to, and says when it has."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[str] = []
        self._landings: dict[str, asyncio.Future[None]] = {}

    def landing(self, task_id):
        return self._landings.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def aput_writes(self, config, writes, task_id, task_path=""):
        await asyncio.sleep(0.02)
        await super().aput_writes(config, writes, task_id, task_path)
        self.stored += [channel for channel, _ in writes if channel in {*PLAN.by_agent, "post", "mail", "beside"}]
        self.landing(task_id).set_result(None)


class MuteSlowSaver(SlowSaver):
    """The same, but it tells nobody."""

    landing = None  # type: ignore[assignment]

    async def aput_writes(self, config, writes, task_id, task_path=""):
        await asyncio.sleep(0.02)
        await InMemorySaver.aput_writes(self, config, writes, task_id, task_path)
        self.stored += [channel for channel, _ in writes if channel in {*PLAN.by_agent, "post", "mail", "beside"}]


async def unstored(saver, **options):
    """Run the plan; give for each agent which of its finished ancestors were not stored when it started."""
    ancestors = {"first": [], "second": ["first"], "third": ["first", "second"]}
    missing = {}

    def body(agent):
        async def work(_):
            missing[agent] = [other for other in ancestors[agent] if other not in saver.stored]
            return agent

        return work

    graph = compile_plan(PLAN, {agent: body(agent) for agent in ancestors}, checkpointer=saver)
    config: Any = {**THREAD, **options.pop("config", {})}
    given: Any = await graph.ainvoke(INPUT, config, **options)
    assert given["result"]["status"] == "completed"
    return missing


async def test_with_sync_durability_no_agent_reads_what_is_not_stored():
    assert await unstored(SlowSaver(), durability="sync") == {"first": [], "second": [], "third": []}


async def test_with_async_durability_the_window_stays():
    assert await unstored(SlowSaver(), durability="async") == {
        "first": [],
        "second": ["first"],
        "third": ["first", "second"],
    }


async def test_a_checkpointer_that_does_not_tell_is_not_waited_for():
    found = await unstored(MuteSlowSaver(), durability="sync")
    assert found["second"] == ["first"]


@pytest.mark.parametrize("most", [1, 2])
async def test_where_langgraph_limits_concurrency_nothing_waits_for_ever(most):
    async with asyncio.timeout(10):
        await unstored(SlowSaver(), durability="sync", config={"max_concurrency": most})


class StalledSaver(SlowSaver):
    """Stores nothing that tasks wrote before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def aput_writes(self, config, writes, task_id, task_path=""):
        await self.may.wait()
        await super().aput_writes(config, writes, task_id, task_path)


@pytest.mark.parametrize("strategy", ["sequential", "parallel", "adaptive"])
async def test_an_agent_with_external_effects_starts_only_when_what_it_reads_is_stored(strategy):
    saver, started = StalledSaver(), {}

    def body(agent):
        async def work(_):
            started[agent] = list(saver.stored)
            if agent == "post":
                saver.may.set()
            return agent

        return work

    team = (
        spec("first"),
        spec("post", effects="idempotent", after=["first"]),
        spec("mail", effects="external", after=["first"], resources={"slot": 1}),
        spec("beside", effects="none", after=["first"], resources={"slot": 1}),
    )
    plan = planned(*team, strategy=strategy)
    graph = compile_plan(plan, {each.name: body(each.name) for each in team}, checkpointer=saver)
    config: Any = THREAD
    given: Any = await asyncio.wait_for(graph.ainvoke(INPUT, config, durability="async"), 20)
    assert given["result"]["status"] == "completed"
    assert "first" not in started["post"]
    assert "first" in started["mail"]


async def test_external_effects_are_refused_where_nothing_is_stored_before_the_end():
    graph = compile_plan(planned(spec("mail", effects="external")), {"mail": lambda _: 1}, checkpointer=SlowSaver())
    config: Any = THREAD
    with pytest.raises(DurabilityError, match="must be stored: 'mail'; use 'async' or 'sync'"):
        await graph.ainvoke(INPUT, config, durability="exit")
