"""Adaptive plans as LangGraph runs them: no barrier, no deadlock, limits kept, drawn as they are."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import CampaignError
from tests.catalogs import spec
from tests.fakes import INPUT, WAYS, Notebook, ScriptedChatModel, planned, run, thread, within
from tests.plans import BLOG, make_plan

BOTH = ("invoke", "ainvoke")
PATIENCE = 30
"""Seconds after which a test that waits has failed."""


def adaptive(edges, **options):
    return make_plan(edges, strategy="adaptive", **options)


class Gauge:
    """Bodies that notice how many of them run at once; the first ones wait until so many of them are ``expected``."""

    def __init__(self, expected=1):
        self.expected = expected
        self.lock = threading.Lock()
        self.all_there = threading.Event()
        self.now = 0
        self.most = 0

    def enter(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.most >= self.expected:
                self.all_there.set()

    def leave(self):
        with self.lock:
            self.now -= 1

    async def body(self, _):
        self.enter()
        await asyncio.to_thread(self.all_there.wait, PATIENCE)
        await asyncio.sleep(0.002)
        self.leave()
        return 1


@pytest.mark.parametrize("how", WAYS)
def test_an_agent_starts_when_its_own_dependencies_have_ended_whatever_else_runs(how):
    """A slow agent ends only after the last one of a chain beside it: with a barrier it would wait for ever."""
    chain_done = threading.Event()

    async def slow(_):
        await asyncio.to_thread(chain_done.wait, PATIENCE)
        return chain_done.is_set()

    def last(_):
        chain_done.set()
        return 1

    edges = {"slow": [], "a": [], "b": ["a"], "c": ["b"]}
    notes = Notebook()
    graph = compile_plan(adaptive(edges), notes.bodies(edges, slow=slow, c=last))
    assert within(PATIENCE, run, graph, how=how)["slow"]["output"] == {"slow": True}


def test_estimates_that_are_wrong_hold_nobody_up():
    released = threading.Event()

    def late(_):
        return released.wait(PATIENCE)

    def early(_):
        released.set()
        return 1

    plan = adaptive({"late": [], "early": [], "after": ["early"]}, seconds={"late": 0.0, "early": 3600.0, "after": 1.0})
    graph = compile_plan(plan, {"late": late, "early": lambda _: 1, "after": early})
    assert within(PATIENCE, run, graph)["late"]["output"] == {"late": True}


@pytest.mark.parametrize("how", WAYS)
def test_an_agent_gets_the_outputs_of_those_it_depends_on(how):
    notes = Notebook()
    run(compile_plan(adaptive(BLOG), notes.bodies(BLOG, planner=notes.body("planner", gives="themes"))), how=how)
    assert notes.inputs["writer"] == [
        {"planner": "themes", "researcher": 1, "campaign": INPUT["campaign"], "configuration": {}}
    ]


def test_a_campaign_that_does_not_fit_is_refused_before_any_agent_starts():
    notes = Notebook()
    with pytest.raises(CampaignError, match="the input has no campaign"):
        run(compile_plan(adaptive(BLOG), notes.bodies(BLOG)), {})
    assert notes.started == []


WIDE: dict[str, list[str]] = {f"agent{n}": [] for n in range(30)}
DEEP = {f"agent{n}": [f"agent{n - 1}"] if n else [] for n in range(40)}
CROSSED = {
    f"n{layer}_{place}": [f"n{layer - 1}_{(place * k + k) % 6}" for k in (1, 2, 5)] if layer else []
    for layer in range(6)
    for place in range(6)
}


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("edges", [WIDE, DEEP, CROSSED], ids=["wide", "deep", "crossed"])
def test_langgraphs_own_limit_is_no_deadlock(how, limit, edges):
    notes = Notebook()
    graph = compile_plan(adaptive(edges), notes.bodies(edges))
    final = within(PATIENCE, run, graph, config={"max_concurrency": limit}, how=how)
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(edges)


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("edges", [WIDE, DEEP, CROSSED], ids=["wide", "deep", "crossed"])
def test_the_pool_of_threads_is_no_deadlock(how, edges):
    notes = Notebook()
    assert within(PATIENCE, run, compile_plan(adaptive(edges), notes.bodies(edges)), how=how)["result"]["status"] == (
        "completed"
    )


@pytest.mark.parametrize("strategy", ["adaptive", "parallel", "sequential"])
@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("how", BOTH)
def test_pools_of_one_with_interleaved_needs_are_no_deadlock(how, limit, strategy):
    gauges = {"gpu": Gauge(), "disk": Gauge()}

    def body(*pools):
        async def work(_):
            for pool in pools:
                gauges[pool].enter()
            for _turn in range(3):
                await asyncio.sleep(0.001)
            for pool in pools:
                gauges[pool].leave()
            return 1

        return work

    needs = {f"a{n}": (("gpu", "disk"), ("disk", "gpu"), ("gpu",), ("disk",))[n % 4] for n in range(12)}
    plan = planned(
        *(spec(name, resources=dict.fromkeys(pools, 1)) for name, pools in needs.items()),
        spec("join", after=list(needs), resources={"gpu": 1}),
        strategy=strategy,
        limits={"resources": {"gpu": 1, "disk": 1}},
    )
    graph = compile_plan(plan, {name: body(*pools) for name, pools in needs.items()} | {"join": body("gpu")})
    config = {"max_concurrency": limit} if limit else {}
    assert within(PATIENCE, run, graph, config=config, how=how)["result"]["status"] == "completed"
    assert {pool: gauge.most for pool, gauge in gauges.items()} == {"gpu": 1, "disk": 1}


@pytest.mark.parametrize("strategy", ["adaptive", "parallel"])
@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("how", BOTH)
def test_never_more_than_max_parallel_run_at_once(how, slots, strategy):
    gauge = Gauge(slots)
    plan = planned(*(spec(name) for name in "abcdefgh"), strategy=strategy, limits={"max_parallel": slots})
    final = within(PATIENCE, run, compile_plan(plan, dict.fromkeys("abcdefgh", gauge.body)), how=how)
    assert final["result"]["status"] == "completed"
    assert gauge.most == slots


@pytest.mark.parametrize("strategy", ["adaptive", "parallel"])
@pytest.mark.parametrize("how", BOTH)
def test_agents_that_are_not_parallel_safe_never_run_at_once_and_others_do(how, strategy):
    unsafe, everybody = Gauge(), Gauge(3)

    async def careful(_):
        unsafe.enter()
        await everybody.body(_)
        unsafe.leave()
        return 1

    plan = planned(
        *(spec(name, parallel_safe=False) for name in "abc"), *(spec(name) for name in "xy"), strategy=strategy
    )
    graph = compile_plan(plan, dict.fromkeys("abc", careful) | dict.fromkeys("xy", everybody.body))
    assert within(PATIENCE, run, graph, how=how)["result"]["status"] == "completed"
    assert (unsafe.most, everybody.most) == (1, 3)


@pytest.mark.parametrize("how", BOTH)
def test_among_the_ready_the_longest_remaining_chain_starts_first(how):
    notes = Notebook()
    plan = planned(
        spec("z", seconds=30),
        spec("a", seconds=30),
        spec("short", seconds=40),
        spec("head", seconds=1),
        spec("tail", after=["head"], seconds=100),
        strategy="adaptive",
        limits={"max_parallel": 1},
    )
    run(compile_plan(plan, notes.bodies(plan.by_agent)), how=how)
    assert notes.started == ["head", "tail", "short", "z", "a"]


def test_a_skipped_agent_waits_for_no_pool():
    """The pool is held until the skipped agent has told its end; if it queued for the pool, both would wait."""
    skipped = threading.Event()
    plan = planned(
        spec("fails", max_retries=0),
        spec("holder", resources={"gpu": 1}),
        spec("skips", after=["fails"], resources={"gpu": 1}),
        strategy="adaptive",
        limits={"resources": {"gpu": 1}},
    )
    bodies = {
        "fails": Notebook().body("fails", raises=[OSError()]),
        "holder": lambda _: skipped.wait(PATIENCE),
        "skips": lambda _: 1,
    }

    def events():
        told = {}
        for event in compile_plan(plan, bodies).stream(INPUT, stream_mode="custom"):
            if event["event"] == "agent_ended":
                told[event["agent"]] = event["record"]
            if event["agent"] == "skips":
                skipped.set()
        return told

    told = within(PATIENCE, events)
    assert (told["skips"]["status"], told["holder"]["output"]) == ("skipped", {"holder": True})


def test_waiting_agents_hold_no_thread_under_ainvoke():
    opened, seen = asyncio.Event(), []

    async def gate(_):
        seen.append(threading.active_count())
        opened.set()
        return 1

    edges = {"gate": [], **{f"w{n}": ["gate"] for n in range(200)}}
    notes = Notebook()

    async def main():
        graph = compile_plan(adaptive(edges), dict.fromkeys(edges, gate))
        await graph.ainvoke(INPUT)

    before = threading.active_count()
    asyncio.run(main())
    assert max(seen) <= before
    assert notes.started == []


def test_a_thousand_agents_in_a_row_stay_below_every_recursion_limit():
    chain = {f"a{n}": [f"a{n - 1}"] if n else [] for n in range(1000)}
    notes = Notebook()

    async def body(_):
        return 1

    graph = compile_plan(adaptive(chain), dict.fromkeys(chain, body))
    assert within(60, run, graph, how="ainvoke")["result"]["status"] == "completed"
    assert notes.started == []


@pytest.mark.parametrize("how", BOTH)
def test_what_ends_the_process_is_let_through_and_the_graph_serves_on(how):
    notes = Notebook()
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG, researcher=notes.interrupted("researcher")))
    with pytest.raises(KeyboardInterrupt):
        run(graph, how=how)  # in this thread, which gets the signal
    assert within(PATIENCE, run, graph, how=how)["result"]["status"] == "completed"


MODES = ("values", "updates", "custom", "messages", "tasks", "checkpoints", "debug")


def streamed(graph, modes, *, how, config=None):
    if how == "stream":
        return list(graph.stream(INPUT, config, stream_mode=modes))

    async def collect():
        return [part async for part in graph.astream(INPUT, config, stream_mode=modes)]

    return asyncio.run(collect())


@pytest.mark.parametrize("how", ["stream", "astream"])
@pytest.mark.parametrize("mode", MODES)
def test_each_stream_mode_by_itself(how, mode):
    async def talks(_):
        reply = await ScriptedChatModel(replies=["hello"]).ainvoke("hi")
        return reply.text

    graph = compile_plan(adaptive(BLOG), Notebook().bodies(BLOG, writer=talks), checkpointer=InMemorySaver())
    parts = streamed(graph, mode, how=how, config=thread())
    if mode == "values":
        assert parts[-1]["result"]["status"] == "completed"
    elif mode == "updates":
        assert list(parts[0]) == ["plan"]
        assert sorted(next(iter(part)) for part in parts) == sorted(["plan", *BLOG, "finish"])
    elif mode == "custom":
        ended = [part["agent"] for part in parts if part["event"] == "agent_ended"]
        assert sorted(ended) == sorted(BLOG)
    elif mode == "messages":
        assert [(message.content, about["langgraph_node"]) for message, about in parts] == [("hello", "writer")]
        assert isinstance(parts[0][0], AIMessage)
    elif mode == "tasks":
        assert sorted(p["name"] for p in parts if "result" in p) == sorted(["plan", *BLOG, "finish"])
    elif mode == "checkpoints":
        assert parts[-1]["values"]["result"]["status"] == "completed"
    else:
        assert {part["type"] for part in parts} == {"checkpoint", "task", "task_result"}


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_all_stream_modes_together_and_agents_are_told_as_they_end(how):
    graph = compile_plan(adaptive(BLOG), Notebook().bodies(BLOG), checkpointer=InMemorySaver())
    parts = streamed(graph, list(MODES), how=how, config=thread())
    assert {mode for mode, _ in parts} == set(MODES) - {"messages"}
    ended = [part["agent"] for mode, part in parts if mode == "custom" and part["event"] == "agent_ended"]
    assert ended.index("planner") < ended.index("researcher") < ended.index("writer") < ended.index("editor")


def test_the_picture_is_the_plans_dag():
    graph = compile_plan(adaptive(BLOG), Notebook().bodies(BLOG)).get_graph()
    drawn = {(edge.source, edge.target) for edge in graph.edges}
    ends = [name for name in BLOG if not any(name in before for before in BLOG.values())]
    assert drawn == {
        ("__start__", "plan"),
        *(("plan", name) for name, before in BLOG.items() if not before),
        *((other, name) for name, before in BLOG.items() for other in before),
        *((name, "finish") for name in ends),
        ("finish", "__end__"),
    }
    assert len(graph.edges) == len(drawn)


def test_the_picture_tells_what_is_waited_for_from_what_is_not():
    edges = {"a": [], "soft": ["a"], "loose": ["a"]}
    plan = adaptive(edges, kinds={("soft", "a"): "soft", ("loose", "a"): "optional"})
    drawn = {(edge.source, edge.target) for edge in compile_plan(plan, Notebook().bodies(edges)).get_graph().edges}
    assert {("a", "soft"), ("a", "loose"), ("plan", "loose")} <= drawn
    assert ("plan", "soft") not in drawn


def test_agents_that_wait_do_not_keep_others_from_starting_under_invoke():
    """However few threads LangGraph takes by default, and although the estimates put the short chain last."""
    opened, waiting = threading.Event(), [f"c{number}" for number in range(40)]
    specs = [spec("a", seconds=1), *(spec(name, needs=["a"]) for name in waiting)]
    plan = planned(*specs, spec("b", seconds=600), spec("last", needs=["b"]), strategy="adaptive")
    bodies: dict[str, Any] = {name: (lambda _: 1) for name in plan.by_agent}
    bodies |= {"a": lambda _: opened.wait(10), "last": lambda _: opened.set()}

    assert run(compile_plan(plan, bodies), how="invoke")["a"]["output"] == {"a": True}
