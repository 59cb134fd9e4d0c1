"""Sync code of agents runs in threads of its attempt, at once; while it does, what it holds of pools is held."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from planner_graph.compiler import board
from planner_graph.compiler.compiler import compile_plan
from planner_graph.types import Strategy
from tests.catalogs import spec
from tests.fakes import INPUT, planned, run

MANY = 45
STRATEGIES = [strategy.value for strategy in Strategy]


class State(TypedDict, total=False):
    a: Any


class WaitingModel(BaseChatModel):
    """A chat model without async methods of its own."""

    wait: Any

    def _generate(self, *_, **__):
        self.wait()
        return ChatResult(generations=[ChatGeneration(message=AIMessage("1"))])

    @property
    def _llm_type(self):
        return "waiting"


class Plain(Runnable[Any, Any]):
    def __init__(self, wait):
        self.wait = wait

    def invoke(self, *_, **__):
        self.wait()
        return 1


def kinds(wait):
    """Give a body of each kind that runs ``wait`` in sync code, by name."""

    def function(_):
        wait()
        return 1

    async def in_a_thread(_):
        return await asyncio.to_thread(function, 0)

    async def calls_a_chain(_):
        return await (RunnableLambda(function) | RunnablePassthrough()).ainvoke(1)

    @tool
    def waiting_tool(query: str) -> int:
        """Wait."""
        del query
        wait()
        return 1

    graph = StateGraph(State)
    graph.add_node("node", lambda _: {"a": function(0)})
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    lamb = RunnableLambda(function)
    return {
        "function": function,
        "in_a_thread": in_a_thread,
        "calls_a_chain": calls_a_chain,
        "lambda": lamb,
        "plain": Plain(wait),
        "sequence": RunnablePassthrough() | lamb | RunnablePassthrough(),
        "parallel": RunnableParallel(a=lamb),
        "bound": lamb.with_config(tags=["x"]).with_retry(stop_after_attempt=1),
        "fallbacks": RunnableLambda(lambda _: 1 / 0).with_fallbacks([lamb]),
        "model": RunnableLambda(lambda _: "hello") | WaitingModel(wait=wait) | (lambda _: 1),
        "tool": RunnableLambda(lambda _: {"query": "x"}) | waiting_tool,
        "graph": graph.compile(),
    }


KINDS = list(kinds(None))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", KINDS)
def test_sync_code_of_many_agents_runs_at_the_same_time(kind, how):
    """All are within their sync code at once: none waits for a thread of a pool, whatever the number of processors."""
    meeting = threading.Barrier(MANY)
    body = kinds(lambda: meeting.wait(timeout=20))[kind]
    names = [f"n{number}" for number in range(MANY)]
    plan = planned(*(spec(name, max_retries=0) for name in names))
    agents = run(compile_plan(plan, dict.fromkeys(names, body)), how=how)
    assert {agents[name]["status"] for name in names} == {"completed"}, agents[names[0]]["reason"]


async def test_the_executor_of_the_programs_own_code_stays_what_it_was():
    own = ThreadPoolExecutor(thread_name_prefix="own")
    asyncio.get_running_loop().set_default_executor(own)
    names = []

    async def body(_):
        names.append(await asyncio.to_thread(lambda: threading.current_thread().name))
        return 1

    await compile_plan(planned(spec("a")), {"a": body}).ainvoke(INPUT)
    for _ in range(2):
        names.append(await asyncio.to_thread(lambda: threading.current_thread().name))
        await compile_plan(planned(spec("a")), {"a": body}).ainvoke(INPUT)
    assert names[0] == names[2] == "planner-graph-body"
    assert {name.partition("_")[0] for name in names[1::2]} == {"own"}
    await asyncio.get_running_loop().shutdown_default_executor()
    with pytest.raises(RuntimeError, match="shutdown"):
        own.submit(print)


def test_one_attempt_does_not_start_threads_without_limit():
    lock, live, most = threading.Lock(), [0], [0]

    def note(_):
        with lock:
            live[0] += 1
            most[0] = max(most[0], live[0])
        time.sleep(0.02)  # long enough that further threads start meanwhile, on a busy machine, too
        with lock:
            live[0] -= 1
        return 1

    async def body(_):
        return len(await RunnableLambda(note).abatch(list(range(500))))

    assert run(compile_plan(planned(spec("a")), {"a": body}), how="ainvoke")["a"]["output"] == {"a": 500}
    assert 8 < most[0] <= 64


class Crowd:
    """Counts how many bodies run at a time, in calls that take ``seconds`` each."""

    def __init__(self, *seconds):
        self.seconds = list(seconds)
        self.lock = threading.Lock()
        self.live = self.most = self.calls = 0

    def wait(self):
        with self.lock:
            seconds = self.seconds[min(self.calls, len(self.seconds) - 1)]
            self.calls += 1
            self.live += 1
            self.most = max(self.most, self.live)
        time.sleep(seconds)
        with self.lock:
            self.live -= 1


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["function", "lambda", "graph", "in_a_thread"])
def test_a_body_that_timed_out_holds_its_pools_until_its_thread_returns(kind, strategy, how):
    crowd = Crowd(0.5)
    body = kinds(crowd.wait)[kind]
    names = "ab"
    fields: dict[str, Any] = {"timeout_seconds": 0.1, "max_retries": 1, "backoff": {"initial_seconds": 0}}
    plan = planned(
        *(spec(name, resources={"llm": 1}, **fields) for name in names),
        strategy=strategy,
        limits={"resources": {"llm": 1}},
    )
    agents = run(compile_plan(plan, dict.fromkeys(names, body)), how=how)
    assert {agents[name]["reason"] for name in names} == {"TimeoutError after 2 attempts: no result within 0.1 s"}
    assert (crowd.most, crowd.calls) == (1, 4)


def test_the_place_of_a_body_that_timed_out_is_free_but_not_its_pool():
    crowd = Crowd(0.8, 0)
    plan = planned(
        spec("a", seconds=9, parallel_safe=False, timeout_seconds=0.1, max_retries=0),
        spec("b", seconds=1),
        spec("c", seconds=1, parallel_safe=False),
        strategy="adaptive",
        limits={"max_parallel": 1},
    )
    ended = {}
    bodies = dict.fromkeys("ac", kinds(crowd.wait)["function"])
    begun = time.monotonic()
    for event in compile_plan(plan, {**bodies, "b": lambda _: 1}).stream(INPUT, stream_mode="custom"):
        if event["event"] == "agent_ended":
            ended[event["agent"]] = time.monotonic() - begun
    assert ended["b"] < 0.6 < ended["c"]
    assert crowd.most == 1


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_thread_that_never_returns_does_not_hold_up_the_run_for_ever(strategy, how, monkeypatch):
    monkeypatch.setattr(board, "LEAST_PATIENCE", 0.3)
    forever = threading.Event()
    plan = planned(
        spec("a", seconds=9, parallel_safe=False, timeout_seconds=0.1, max_retries=2, backoff={"initial_seconds": 0}),
        spec("gate"),  # so that the other one comes first, whatever the threads of the graph do
        spec("b", seconds=1, after=["gate"], parallel_safe=False, timeout_seconds=0.1),
        strategy=strategy,
    )
    bodies = {"a": lambda _: forever.wait(60), "gate": lambda _: forever.wait(0.05), "b": lambda _: 1}
    agents = run(compile_plan(plan, bodies), how=how)
    forever.set()
    tail = "which was given up on and has not returned; isolation: process lets such bodies be stopped"
    held = "no place within 0.3 s: a pool it needs is held by the thread of"
    assert agents["a"]["reason"] == f"PoolHeldError after 2 attempts: {held} its own earlier attempt, {tail}"
    assert agents["b"]["reason"] == f"PoolHeldError after 1 attempt: {held} 'a', {tail}"


def test_an_attempt_that_waits_for_its_own_thread_has_the_time_of_all_attempts_at_most():
    forever = threading.Event()
    fields: dict[str, Any] = {"timeout_seconds": 0.1, "total_timeout_seconds": 0.5, "backoff": {"initial_seconds": 0}}
    plan = planned(spec("a", parallel_safe=False, **fields), strategy="adaptive")
    begun = time.monotonic()
    record = run(compile_plan(plan, {"a": lambda _: forever.wait(60)}))["a"]
    forever.set()
    assert time.monotonic() - begun < 5
    assert record["reason"].endswith("the 0.5 s of all attempts together leave no time for another")


def test_a_body_in_a_process_of_its_own_is_killed_and_gives_its_pools_back_at_once():
    plan = planned(
        spec("a", seconds=9, parallel_safe=False, timeout_seconds=0.5, max_retries=0, isolation="process"),
        spec("b", seconds=1, parallel_safe=False),
        strategy="adaptive",
    )
    begun = time.monotonic()
    agents = run(compile_plan(plan, {"a": sleeps, "b": lambda _: 1}))
    assert [agents[name]["status"] for name in "ab"] == ["failed", "completed"]
    assert time.monotonic() - begun < 20


def sleeps(_):
    time.sleep(60)


async def holds_the_loop(_):
    time.sleep(0.3)  # noqa: ASYNC251
    return 1


async def holds_it_and_fails(_):
    time.sleep(0.3)  # noqa: ASYNC251
    raise ConnectionError("late")


async def catches_its_cancellation(_):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return 1


async def fails_when_cancelled(_):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("cut off") from None


def is_slow(_):
    time.sleep(0.3)
    return 1


def holding_graph():
    graph = StateGraph(State)
    graph.add_node("node", RunnableLambda(lambda _: {"a": 1}, afunc=holds_the_loop))
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile()


LATE = {
    "holds_the_loop": holds_the_loop,
    "holds_it_and_fails": holds_it_and_fails,
    "catches_its_cancellation": catches_its_cancellation,
    "fails_when_cancelled": fails_when_cancelled,
    "runnable": RunnableLambda(lambda _: 1, afunc=holds_the_loop),
    "sequence": RunnablePassthrough() | RunnableLambda(lambda _: 1, afunc=holds_the_loop),
    "thread": is_slow,
    "sync_runnable": RunnableLambda(is_slow),
    "graph": holding_graph(),
}


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", list(LATE))
def test_what_comes_after_the_limit_of_an_attempt_is_discarded(kind, how):
    plan = planned(spec("a", timeout_seconds=0.1, max_retries=0))
    record = run(compile_plan(plan, {"a": LATE[kind]}), how=how)["a"]
    assert (record["output"], record["reason"]) == (None, "TimeoutError after 1 attempt: no result within 0.1 s")


@pytest.mark.parametrize("kind", list(LATE))
def test_what_comes_after_the_limit_of_all_attempts_is_discarded(kind):
    plan = planned(spec("a", total_timeout_seconds=0.1))
    record = run(compile_plan(plan, {"a": LATE[kind]}), how="ainvoke")["a"]
    assert record["output"] is None
    assert record["error"]["type"] == "AgentTimeoutError"
