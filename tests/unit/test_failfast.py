"""A plan that starts no further agent once one has failed for good."""

import asyncio
import threading

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from planner_graph.campaign import Campaign
from planner_graph.compiler.compiler import compile_plan
from planner_graph.planning.planner import MasterPlanner
from tests.catalogs import catalog, spec
from tests.fakes import INPUT, Notebook, run, thread

HOW = ("invoke", "ainvoke")
STRATEGIES = ("sequential", "parallel", "adaptive")
CAUSE = "ValueError after 1 attempt: no luck"
REASON = f"fail_fast, because 'a' failed: {CAUSE}"


def plan_of(*specs, strategy, fail_fast=True, **limits):
    """Plan all of these agents; those that are fallbacks come in as such."""
    regular = [one.name for one in specs if one.name not in {other.fallback for other in specs}]
    request = Campaign.model_validate({"id": "c", "type": "all", "limits": {"fail_fast": fail_fast, **limits}})
    return MasterPlanner(catalog(*specs, select={"all": regular})).create_execution_plan(request, strategy)


def frail(name, **fields):
    return spec(name, max_retries=0, **fields)


def fails(_):
    raise ValueError("no luck")


def statuses(final, agents):
    return {agent: final[agent]["status"] for agent in agents}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_agents_that_have_not_started_are_skipped_and_say_why(strategy, how):
    notes = Notebook()
    plan = plan_of(frail("a"), spec("b", after={"soft": ["a"]}), spec("c", after=["b"]), strategy=strategy)
    final = run(compile_plan(plan, notes.bodies("abc", a=fails)), how=how)
    assert statuses(final, "abc") == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert notes.started == []
    assert [final[agent]["reason"] for agent in "bc"] == [REASON, REASON]
    assert final["b"]["error"] == {"type": "FailFast", "message": f"agent 'a' failed: {CAUSE}"}
    assert final["result"]["status"] == "failed"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_it_the_others_go_on(strategy):
    plan = plan_of(frail("a"), spec("b", after={"soft": ["a"]}), strategy=strategy, fail_fast=False)
    final = run(compile_plan(plan, Notebook().bodies("ab", a=fails)))
    assert statuses(final, "ab") == {"a": "failed", "b": "completed"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_hard_dependant_of_the_failed_agent_names_its_dependency(strategy):
    plan = plan_of(frail("a"), spec("b", after=["a"]), strategy=strategy)
    final = run(compile_plan(plan, Notebook().bodies("ab", a=fails)))
    assert final["b"]["reason"] == f"hard dependency 'a' failed: {CAUSE}"


def ended_in(graph, at_end):
    """Run a graph from a thread of its own; give the records in the order of their events, each told as it comes."""
    ended = {}
    for event in graph.stream(INPUT, stream_mode="custom"):
        if event["event"] == "agent_ended":
            ended[event["agent"]] = event["record"]
            at_end(event["agent"])
    return ended


@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
async def test_running_agents_end_and_those_in_the_queue_do_not_begin(strategy):
    """Under ``ainvoke``, where agents come in the plan's order; threads might bring the third one first."""
    both, failed = threading.Barrier(2, timeout=60), threading.Event()

    def a(_):
        both.wait()
        fails(_)

    def b(_):
        both.wait()
        failed.wait(60)
        return "b's own"

    notes = Notebook()
    plan = plan_of(frail("a"), spec("b"), spec("c"), strategy=strategy, max_parallel=2)
    graph = compile_plan(plan, notes.bodies("abc", a=a, b=b))
    ended = {}
    async for event in graph.astream(INPUT, stream_mode="custom"):
        if event["event"] == "agent_ended":
            ended[event["agent"]] = event["record"]
            if event["agent"] == "a":
                failed.set()
    assert ended["b"]["output"] == {"b": "b's own"}
    assert (statuses(ended, "ac"), notes.started) == ({"a": "failed", "c": "skipped"}, [])


async def test_an_agent_that_waits_for_a_place_is_skipped_at_once():
    held = asyncio.Event()

    async def holds(_):
        await held.wait()
        return 1

    plan = plan_of(frail("a"), spec("b"), spec("c"), strategy="adaptive", max_parallel=2)
    graph = compile_plan(plan, {"a": fails, "b": holds, "c": holds})
    ended = []
    async for event in graph.astream(INPUT, stream_mode="custom"):
        if event["event"] == "agent_ended":
            ended.append(event["agent"])
            if ended == ["a", "c"]:
                held.set()
    assert ended == ["a", "c", "b"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failure_that_a_fallback_makes_up_for_stops_nobody(strategy):
    plan = plan_of(
        frail("a", fallback="b", gives=["x"]), spec("b", gives=["x"]), spec("c", needs=["x"]), strategy=strategy
    )
    notes = Notebook()
    final = run(compile_plan(plan, notes.bodies("abc", a=fails)))
    assert statuses(final, "abc") == {"a": "failed", "b": "completed", "c": "completed"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failure_whose_fallback_fails_too_stops_the_others_and_is_named_itself(strategy):
    plan = plan_of(
        frail("a", fallback="b", gives=["x"]),
        frail("b", gives=["x"]),
        spec("c", needs=["x"]),
        spec("d", after={"soft": ["c"]}),
        strategy=strategy,
    )
    final = run(compile_plan(plan, Notebook().bodies("abcd", a=fails, b=fails)))
    assert statuses(final, "abcd") == {"a": "failed", "b": "failed", "c": "skipped", "d": "skipped"}
    assert final["d"]["reason"] == REASON


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_fallback_that_is_not_needed_says_so(strategy):
    plan = plan_of(
        spec("z", fallback="y", gives=["x"]),
        spec("y", gives=["x"]),
        frail("a", needs=["x"]),
        spec("b", after={"soft": ["a"]}),
        strategy=strategy,
    )
    final = run(compile_plan(plan, Notebook().bodies("zyab", a=fails)))
    assert final["y"]["reason"] == "not needed: 'z' completed"
    assert final["b"]["reason"] == REASON


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_goes_on_later_remembers_the_failure(strategy, how):
    """``ask`` interrupts while ``a`` fails; when the run is resumed, nobody new starts."""
    notes = Notebook()
    plan = plan_of(spec("ask"), frail("a"), spec("c", after={"soft": ["a", "ask"]}), strategy=strategy)
    bodies = notes.bodies(["ask", "a", "c"], ask=lambda _: interrupt("may I?"), a=fails)
    graph = compile_plan(plan, bodies, checkpointer=InMemorySaver())
    run(graph, config=thread(), how=how)
    final = run(graph, Command(resume="yes"), thread(), how=how)
    assert (final["c"]["status"], final["c"]["reason"]) == ("skipped", REASON)
    expected = "skipped" if strategy != "sequential" else "completed"  # in a chain, a comes after ask
    assert final["ask"]["status"] == expected
    assert notes.started == []


def test_the_failure_that_is_named_is_the_first_one():
    first = threading.Event()

    def b(_):
        first.wait(60)
        fails(_)

    plan = plan_of(frail("b"), frail("a"), spec("c", after={"soft": ["a", "b"]}), strategy="adaptive")

    ended = ended_in(compile_plan(plan, {"a": fails, "b": b, "c": fails}), lambda _: first.set())
    assert ended["c"]["reason"] == REASON


def test_it_is_a_part_of_the_plan_only_where_it_is_asked_for():
    without, with_it = (plan_of(spec("a"), strategy="adaptive", fail_fast=flag) for flag in (False, True))
    assert b"fail_fast" not in without.canonical_json()
    assert with_it.hash != without.hash
    assert type(with_it).from_json(with_it.canonical_json()) == with_it
