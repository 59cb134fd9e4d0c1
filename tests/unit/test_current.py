"""What a body finds out about itself, and that what it pays for once is not paid for again."""

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import task
from langgraph.types import Command, interrupt

from planner_graph import AgentContext, current_agent
from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import NoCurrentAgentError
from tests.catalogs import spec
from tests.fakes import INPUT, FakeClock, planned, run, thread
from tests.subgraphs import subgraph

HOW = ("invoke", "ainvoke")


@tool
def deep_inside(word: str) -> str:
    """Say who calls."""
    return f"{word} {current_agent().agent}"


def in_a_tool(_):
    return deep_inside.invoke({"word": "I am"})


async def in_an_async_tool(_):
    return await deep_inside.ainvoke({"word": "I am"})


async def in_threads_and_tasks(_):
    await asyncio.create_task(asyncio.sleep(0))
    return await asyncio.to_thread(in_a_tool, _)


def in_a_thread_with_a_copy_of_the_context(_):
    said = []
    worker = threading.Thread(target=contextvars.copy_context().run, args=[lambda: said.append(in_a_tool(_))])
    worker.start()
    worker.join()
    return said[0]


def node(_):
    return {"a": in_a_tool(_)}


BODIES = {
    "sync function": in_a_tool,
    "async function": in_an_async_tool,
    "threads and tasks": in_threads_and_tasks,
    "thread of its own": in_a_thread_with_a_copy_of_the_context,
    "runnable": RunnableLambda(in_a_tool),
    "chain": RunnableLambda(in_a_tool) | RunnableLambda(str),
    "graph": subgraph(node),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_of_body_can_ask_who_it_is_at_any_depth(kind, how):
    final = run(compile_plan(planned(spec("a"), spec("b")), {"a": BODIES[kind], "b": in_a_tool}), how=how)
    assert final["a"]["output"] == {"a": "I am a"}
    assert final["b"]["output"] == {"b": "I am b"}


def test_it_is_the_same_context_that_a_second_argument_gives():
    seen: list[AgentContext] = []

    def body(_, context):
        seen.extend((context, current_agent()))
        if context.attempt == 1:
            raise ConnectionError

    run(compile_plan(planned(spec("a", max_retries=1)), {"a": body}, clock=FakeClock()), config=thread())
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]
    assert [context.attempt for context in seen] == [1, 1, 2, 2]


async def test_outside_of_an_agent_there_is_none_neither_before_nor_after_a_run():
    with pytest.raises(NoCurrentAgentError) as refused:
        current_agent()
    assert str(refused.value) == (
        "no agent is running here; call current_agent() in the body of an agent or in what it calls, "
        "and start threads of your own in a copy of its context (contextvars.copy_context().run)"
    )
    await compile_plan(planned(spec("a")), {"a": in_an_async_tool}).ainvoke(INPUT)
    with pytest.raises(LookupError):
        current_agent()


def keys_of(config, given=INPUT, *, runs=1, saver=None):
    """Give the keys that the agents a, which fails once and asks a human, and b find in ``runs`` runs of a thread."""
    keys: dict[str, list[str]] = {"a": [], "b": []}
    failed: list[bool] = []

    def a(_):
        keys["a"].append(current_agent().idempotency_key)
        if not failed:
            failed.append(True)
            raise ConnectionError
        return interrupt("may I?")

    def b(_):
        keys["b"].append(current_agent().idempotency_key)

    plan = planned(spec("a", max_retries=1), spec("b", after=["a"]))
    graph = compile_plan(plan, {"a": a, "b": b}, clock=FakeClock(), checkpointer=saver or InMemorySaver())
    for _ in range(runs):
        run(graph, given, config)
        run(graph, Command(resume="yes"), config)
    return keys


def test_the_key_is_the_same_for_all_attempts_and_after_the_run_was_resumed():
    keys = keys_of(thread())
    assert len(keys["a"]) == 3
    assert len(set(keys["a"])) == 1
    assert set(keys["a"]).isdisjoint(keys["b"])


def test_the_key_is_the_same_where_another_process_goes_on_with_the_run():
    saver = InMemorySaver()
    assert keys_of(thread(), saver=saver) == keys_of(thread(), saver=InMemorySaver())


def test_the_key_is_another_one_for_other_runs_and_other_inputs():
    keys = [keys_of(thread()), keys_of(thread("other")), keys_of(thread(), {"campaign": {"id": "other"}})]
    assert len({found["a"][0] for found in keys}) == 3


def test_the_key_stays_when_an_agent_before_it_is_repeated_and_answers_differently():
    """36 of 100 repeated effects had another key before it left the inputs out; the key of the inputs differs."""
    found, answers = [], iter("xy")

    def effect(_, context):
        found.append((context.idempotency_key, context.inputs_key))

    def once(config):
        plan = planned(spec("a"), spec("effect", needs=["a"]))
        run(compile_plan(plan, {"a": lambda _: next(answers), "effect": effect}), config=config)

    config: Any = {"configurable": {"thread_id": "t", "workflow_execution_id": "w"}}
    once(config)
    once(config)
    (first, of_x), (second, of_y) = found
    assert first == second
    assert len({first, of_x, of_y}) == 3


class Shop:
    """Somewhere money is spent: ``paid`` lists for what; ``fails`` is how often a body fails after it has paid."""

    def __init__(self, fails=0):
        self.paid = []
        self.fails = fails
        self.buy = task(self._buy)

    def _buy(self, what):
        self.paid.append(what)
        if what == "ink" and self.paid.count("ink") == 1:
            raise ConnectionError("out of stock")
        return what.upper()

    def fail(self):
        if self.fails:
            self.fails -= 1
            raise ConnectionError("after it has paid")

    def body(self, _):
        bought = [self.buy(what).result() for what in ("paper", "paper", "ink")]
        self.fail()
        return [*bought, interrupt("enough?")]

    async def async_body(self, _):
        bought = [await self.buy(what) for what in ("paper", "paper", "ink")]
        self.fail()
        return [*bought, interrupt("enough?")]


@pytest.mark.parametrize("strategy", ["sequential", "parallel", "adaptive"])
@pytest.mark.parametrize(("how", "kind"), [("invoke", "body"), ("ainvoke", "body"), ("ainvoke", "async_body")])
def test_a_journaled_call_is_paid_once_over_retries_an_answer_and_a_restart(how, kind, strategy):
    """A call that failed is made again, for it gave nothing."""
    shop, saver = Shop(fails=2), InMemorySaver()
    plan = planned(spec("a", max_retries=3), strategy=strategy)
    first = compile_plan(plan, {"a": getattr(shop, kind)}, clock=FakeClock(), checkpointer=saver)
    run(first, config=thread(), how=how)
    assert shop.paid == ["paper", "paper", "ink", "ink"]
    again = compile_plan(plan, {"a": getattr(shop, kind)}, clock=FakeClock(), checkpointer=saver)
    run(again, None, thread(), how=how)
    final = run(again, Command(resume="yes"), thread(), how=how)
    assert final["a"]["output"] == {"a": ["PAPER", "PAPER", "INK", "yes"]}
    assert shop.paid == ["paper", "paper", "ink", "ink"]


def test_an_attempt_that_was_given_up_on_and_goes_on_buying_does_not_mix_up_the_next_one():
    """Calls are known by their number; those of a thread that nobody can stop must not be taken for others."""
    late, done = threading.Event(), threading.Event()

    @task
    def buy(what: str) -> str:
        return what.upper()

    def body(_, context):
        if context.attempt == 1:
            given = buy("paper").result()
            late.wait(60)
            buy("pens").result()
            done.set()
            return given
        first = buy("ink").result()
        late.set()
        done.wait(60)
        return [first, buy("glue").result()]

    plan = planned(spec("a", max_retries=1, timeout_seconds=0.5))
    graph = compile_plan(plan, {"a": body}, clock=FakeClock(), checkpointer=InMemorySaver())
    assert run(graph, config=thread())["a"]["output"] == {"a": ["INK", "GLUE"]}
