"""In which order agents run, and that each runs exactly once, however the graph is run."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from planner_graph.compiler.compiler import compile_plan
from tests.catalogs import spec
from tests.fakes import INPUT, WAYS, Notebook, planned, run
from tests.plans import BLOG, make_plan

STRATEGIES = ("sequential", "parallel", "adaptive")


def in_order(dependencies, notes):
    """Tell whether each agent started after all it depends on had ended."""
    return all(
        notes.events.index(("end", before)) < notes.events.index(("start", agent))
        for agent, befores in dependencies.items()
        for before in befores
    )


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_agent_runs_exactly_once_and_after_what_it_depends_on(how, strategy):
    notes = Notebook()
    final = run(compile_plan(make_plan(BLOG, strategy=strategy), notes.bodies(BLOG)), how=how)
    assert sorted(notes.started) == sorted(BLOG)
    assert in_order(BLOG, notes)
    assert final["result"]["status"] == "completed"
    assert {final[agent]["status"] for agent in BLOG} == {"completed"}


@pytest.mark.parametrize("how", WAYS)
def test_sequential_runs_one_agent_at_a_time_in_the_plans_order(how):
    notes, plan = Notebook(), make_plan(BLOG, strategy="sequential")
    run(compile_plan(plan, notes.bodies(BLOG)), how=how)
    assert notes.events == [(what, step.agent) for step in plan.steps for what in ("start", "end")]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_parallel_really_runs_agents_of_one_level_side_by_side(how, kind):
    both_there = threading.Barrier(2)

    def body(_):
        both_there.wait(timeout=30)  # passes only if the other one is running, too
        return 1

    async def async_body(_):
        return await asyncio.to_thread(body, _)

    bodies = dict.fromkeys("ab", body if kind == "sync" else async_body)
    assert run(compile_plan(make_plan({"a": [], "b": []}), bodies), how=how)["result"]["status"] == "completed"


async def test_side_by_side_is_limited_neither_by_processors_nor_by_a_pool():
    agents = [f"agent{n}" for n in range(40)]
    all_there = threading.Barrier(len(agents))
    graph = compile_plan(
        make_plan({agent: [] for agent in agents}), dict.fromkeys(agents, lambda _: all_there.wait(30))
    )
    assert (await graph.ainvoke(INPUT))["result"]["status"] == "completed"


def test_a_join_waits_for_the_longest_of_its_branches_and_fires_once():
    diamond = {"a": [], "short": ["a"], "long1": ["a"], "long2": ["long1"], "join": ["short", "long2", "a"]}
    notes = Notebook()
    run(compile_plan(make_plan(diamond), notes.bodies(diamond)))
    assert notes.started.count("join") == 1
    assert in_order(diamond, notes)


async def test_invoke_works_inside_a_running_event_loop():
    async def body(_):
        await asyncio.sleep(0)
        return 1

    assert compile_plan(make_plan(BLOG), dict.fromkeys(BLOG, body)).invoke(INPUT)["result"]["status"] == "completed"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_threads_may_invoke_one_graph_at_once_without_mixing_their_runs(strategy):
    meet = threading.Barrier(2)

    def first(inputs):
        meet.wait(timeout=30)
        return inputs["campaign"]["id"]

    async def second(inputs):
        await asyncio.to_thread(meet.wait, 30)
        return [inputs["a"], inputs["campaign"]["id"]]

    graph = compile_plan(make_plan({"a": [], "b": ["a"]}, strategy=strategy), {"a": first, "b": second})
    given = {}

    def go(name):
        given[name] = graph.invoke({"campaign": {"id": name}})["result"]["deliverables"]["b"]

    threads = [threading.Thread(target=go, args=(name,)) for name in ("one", "two")]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    assert given == {"one": ["one", "one"], "two": ["two", "two"]}


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_chain_of_200_agents_stays_below_the_recursion_limit(how):
    chain = {f"agent{n}": [f"agent{n - 1}"] if n else [] for n in range(200)}
    notes = Notebook()
    graph = compile_plan(make_plan(chain, strategy="sequential"), notes.bodies(chain))
    assert (graph.config or {})["recursion_limit"] > len(chain)
    assert run(graph, how=how)["result"]["status"] == "completed"
    assert notes.started == list(chain)


def test_an_optional_dependency_orders_nothing():
    notes = Notebook()
    plan = planned(spec("late", after=["first"]), spec("first"), spec("user", after={"optional": ["late"]}))
    run(compile_plan(plan, notes.bodies(plan.by_agent)))
    assert notes.started.index("user") < notes.started.index("late")


async def test_a_thread_pool_full_of_bodies_that_were_given_up_on_does_not_hold_a_run_up():
    release, loop = threading.Event(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    stuck = loop.run_in_executor(None, release.wait, 60)
    try:
        graph = compile_plan(make_plan({"a": [], "b": ["a"]}), dict.fromkeys("ab", lambda _: 1))
        async with asyncio.timeout(20):
            assert (await graph.ainvoke(INPUT))["result"]["status"] == "completed"
    finally:
        release.set()
        await stuck
