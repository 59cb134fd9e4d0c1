"""Pools that all runs of a process share: who gets what, in which order, and what becomes of it when a run ends."""

import asyncio
import gc
import threading
import time
from typing import Any

import pytest

from planner_graph.campaign import Campaign, Limits
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.process_pools import PROCESS_POOLS, ProcessPools
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import Strategy
from tests.catalogs import spec
from tests.fakes import INPUT, run

STRATEGIES = [strategy.value for strategy in Strategy]
ONE = (("llm", 1.0),)


class Runs:
    """Runs in a registry with a clock of its own, which note when they are woken."""

    def __init__(self):
        self.now = 0.0
        self.pools = ProcessPools(lambda: self.now)
        self.woken = []

    def join(self, name, **capacities):
        def wake():
            self.woken.append(name)
            return True

        return self.pools.join(capacities, wake)


def test_what_becomes_free_goes_to_the_run_that_holds_least_then_to_the_one_that_has_waited_longest():
    runs = Runs()
    a, b, c = (runs.join(name, llm=2) for name in "abc")
    assert (a.take(ONE), a.take(ONE), a.take(ONE), c.take(ONE), b.take(ONE)) == (True, True, False, False, False)
    a.give_back(ONE)
    assert runs.woken == ["c"]
    assert (b.take(ONE), a.take(ONE), c.take(ONE)) == (False, False, True)
    c.give_back(ONE)
    assert runs.woken == ["c", "b"]
    assert b.take(ONE)
    a.give_back(ONE)
    assert runs.woken == ["c", "b", "a"]


def test_a_large_need_is_not_starved_by_small_ones():
    runs = Runs()
    small, large, other = runs.join("small", llm=2), runs.join("large", llm=2), runs.join("other", llm=2)
    both = (("llm", 2.0),)
    assert (small.take(ONE), large.take(both), other.take(ONE)) == (True, False, False)
    small.give_back(ONE)
    assert runs.woken == ["large"]
    assert (other.take(ONE), large.take(both)) == (False, True)
    large.give_back(both)
    assert other.take(ONE)


def test_a_need_that_lacks_a_rate_only_does_not_hold_up_those_who_do_not_need_it():
    runs = Runs()
    a, b = (runs.join(name, llm=1, calls_per_minute=1) for name in "ab")
    rated = (("calls_per_minute", 1.0), ("llm", 1.0))
    assert a.take(rated)
    a.give_back(rated)
    assert (b.take(rated), b.seconds_to_wait()) == (False, 60)
    assert a.take(ONE)
    a.give_back(ONE)
    runs.now = 60.0
    assert b.take(rated)


def test_the_lowest_capacity_among_the_runs_holds_as_long_as_they_last():
    runs = Runs()
    high, low = runs.join("high", llm=3), runs.join("low", llm=1)
    assert (high.take(ONE), high.take(ONE)) == (True, False)
    low.leave()
    assert runs.woken == ["high"]
    assert (high.take(ONE), high.take(ONE)) == (True, True)


def test_a_need_beyond_the_capacity_in_force_does_not_hold_up_the_others():
    runs = Runs()
    high, low = runs.join("high", llm=3), runs.join("low", llm=1)
    three = (("llm", 3.0),)
    assert (high.take(three), low.take(ONE)) == (False, True)
    low.give_back(ONE)
    low.leave()
    assert high.take(three)


def test_a_run_that_leaves_gives_back_what_it_held_and_was_granted_but_not_what_threads_keep():
    runs = Runs()
    a, b = (runs.join(name, llm=2) for name in "ab")
    assert (a.take(ONE), a.take(ONE), b.take(ONE)) == (True, True, False)
    free = a.keep(ONE)
    a.leave()
    assert (b.take(ONE), b.take(ONE)) == (True, False)
    free()
    assert b.take(ONE)
    a.leave()
    assert not b.take(ONE)


def test_a_run_that_is_gone_when_it_is_woken_leaves_its_place_to_the_next():
    runs = Runs()
    a, b = (runs.join(name, llm=1) for name in "ab")
    gone = runs.pools.join({"llm": 1}, lambda: False)
    assert (a.take(ONE), gone.take(ONE), b.take(ONE)) == (True, False, False)
    a.give_back(ONE)
    assert runs.woken == ["b"]
    assert (b.take(ONE), gone.take(ONE)) == (True, False)


def test_a_run_that_wants_nothing_any_more_does_not_keep_what_it_was_granted():
    runs = Runs()
    a, b, c = (runs.join(name, llm=1) for name in "abc")
    assert (a.take(ONE), b.take(ONE), c.take(ONE)) == (True, False, False)
    a.give_back(ONE)
    b.stand_down(())
    assert runs.woken == ["b", "c"]
    assert c.take(ONE)


def test_nothing_is_left_of_pools_that_nobody_knows_any_more():
    runs = Runs()
    a = runs.join("a", llm=1, calls_per_minute=1)
    assert a.take((("calls_per_minute", 1.0), ("llm", 1.0)))
    a.leave()
    runs.now = 60.0
    runs.join("b", other=1).take((("other", 1.0),))
    assert list(runs.pools._pools) == ["other"]


class Crowd:
    """Bodies of many runs that count how many of them run at a time."""

    def __init__(self, seconds=0.05):
        self.seconds = seconds
        self.lock = threading.Lock()
        self.live = self.most = self.calls = 0

    def begin(self):
        with self.lock:
            self.calls += 1
            self.live += 1
            self.most = max(self.most, self.live)

    def end(self):
        with self.lock:
            self.live -= 1

    async def body(self, _):
        self.begin()
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.end()
        return 1

    def sync_body(self, _):
        self.begin()
        time.sleep(self.seconds)
        self.end()
        return 1


def graph_of(body, *, names="a", strategy="adaptive", capacity=1, limit=None, **fields):
    pool, scope = fields.pop("pool", "llm"), fields.pop("scope", "process")
    catalog = Catalog.of(
        *(spec(name, **{"resources": {pool: 1}, **fields}) for name in names),
        rules=[Rule(name="all", select=tuple(names))],
        pools={pool: {"capacity": capacity, "scope": scope}},
    )
    campaign = Campaign(include_images=True, limits=Limits(resources={} if limit is None else {pool: limit}))
    plan = MasterPlanner(catalog).create_execution_plan(campaign, strategy)
    return compile_plan(plan, dict.fromkeys(names, body))


@pytest.fixture(autouse=True)
def nothing_left():
    """After each test the registry of the process holds nothing."""
    yield
    deadline = time.monotonic() + 5
    while any(pool.capacities or pool.used for pool in PROCESS_POOLS._pools.values() if pool.window is None):
        assert time.monotonic() < deadline, PROCESS_POOLS._pools
        gc.collect()
        time.sleep(0.05)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_runs_of_one_loop_share_a_pool_of_the_process(strategy):
    crowd = Crowd()
    graph = graph_of(crowd.body, names="ab", strategy=strategy)
    results = await asyncio.gather(*(graph.ainvoke(INPUT) for _ in range(6)))
    assert {result["result"]["status"] for result in results} == {"completed"}
    assert (crowd.most, crowd.calls) == (1, 12)


async def test_a_pool_of_scope_run_is_each_runs_own():
    crowd = Crowd()
    graph = graph_of(crowd.body, scope="run")
    await asyncio.gather(*(graph.ainvoke(INPUT) for _ in range(6)))
    assert crowd.most == 6


@pytest.mark.parametrize("sync", [False, True])
def test_runs_of_several_threads_loops_and_graphs_share_a_pool_of_the_process(sync):
    crowd = Crowd(0.02)
    body = crowd.sync_body if sync else crowd.body
    failures = []

    def work(number):
        graph = graph_of(body, names="abc", capacity=2)
        try:
            run(graph, how=("invoke", "ainvoke")[number % 2])
        except BaseException as error:  # noqa: BLE001  # looked at below
            failures.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert (failures, crowd.most, crowd.calls) == ([], 2, 24)


async def test_a_run_with_one_agent_is_not_starved_by_one_with_many():
    crowd = Crowd(0.03)
    many = graph_of(crowd.body, names="abcdefghijklmnopqrst")
    task = asyncio.create_task(many.ainvoke(INPUT))
    await asyncio.sleep(0.05)
    before = crowd.calls
    await graph_of(crowd.body).ainvoke(INPUT)
    assert crowd.calls - before <= 4
    await task


async def test_the_lowest_limit_of_the_runs_at_work_holds():
    crowd = Crowd(0.1)
    wide = graph_of(crowd.body, names="abcdef", capacity=4)
    narrow = graph_of(crowd.body, names="abc", capacity=4, limit=1)
    first = asyncio.create_task(narrow.ainvoke(INPUT))
    await asyncio.sleep(0.03)
    second = asyncio.create_task(wide.ainvoke(INPUT))
    await first
    assert crowd.most == 1
    await second
    assert crowd.most == 4


async def test_a_rate_of_the_process_counts_the_attempts_of_all_runs():
    times = []

    async def body(_):
        times.append(time.monotonic())
        return 1

    graph = graph_of(body, pool="rate_calls_per_second")
    await asyncio.gather(*(graph.ainvoke(INPUT) for _ in range(3)))
    await graph.ainvoke(INPUT)
    gaps = [later - earlier for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.99


async def test_a_run_that_is_cancelled_makes_way():
    crowd = Crowd(60)
    task = asyncio.create_task(graph_of(crowd.body).ainvoke(INPUT))
    await asyncio.sleep(0.1)
    quick = Crowd()
    other = asyncio.create_task(graph_of(quick.body).ainvoke(INPUT))
    await asyncio.sleep(0.1)
    assert quick.calls == 0
    task.cancel()
    assert (await asyncio.wait_for(other, 5))["result"]["status"] == "completed"
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_run_that_is_cancelled_while_it_waits_does_not_hold_up_the_next():
    slow, quick = Crowd(0.4), Crowd()
    first = asyncio.create_task(graph_of(slow.body).ainvoke(INPUT))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(graph_of(quick.body).ainvoke(INPUT))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.wait_for(graph_of(quick.body).ainvoke(INPUT), 5)
    await first
    assert quick.calls == 1


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_thread_that_was_given_up_on_holds_the_pool_after_its_run_has_ended(how):
    crowd = Crowd(0.6)
    fields: dict[str, Any] = {"timeout_seconds": 0.1, "max_retries": 0}
    begun = time.monotonic()
    assert run(graph_of(crowd.sync_body, **fields), how=how)["a"]["status"] == "failed"
    assert time.monotonic() - begun < 0.5
    after = Crowd(0)
    assert run(graph_of(after.sync_body), how=how)["a"]["status"] == "completed"
    assert time.monotonic() - begun >= 0.6


def test_an_event_loop_that_dies_with_its_runs_lets_go_of_the_pool():
    crowd = Crowd(60)
    loop = asyncio.new_event_loop()
    task = loop.create_task(graph_of(crowd.body).ainvoke(INPUT))
    loop.run_until_complete(asyncio.sleep(0.2))
    assert crowd.calls == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    assert run(graph_of(Crowd(0).body))["a"]["status"] == "completed"


def test_an_agent_gives_a_pool_of_the_process_back_between_two_attempts():
    calls = []

    async def fails_once(_):
        calls.append("a")
        if len(calls) == 1:
            raise OSError
        return 1

    async def other(_):
        calls.append("b")
        return 1

    async def both():
        first = graph_of(fails_once, backoff={"initial_seconds": 0.4, "jitter": 0})
        await asyncio.gather(first.ainvoke(INPUT), graph_of(other).ainvoke(INPUT))

    asyncio.run(both())
    assert calls == ["a", "b", "a"]
