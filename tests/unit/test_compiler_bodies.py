"""Whatever kind of body an agent has, it runs alike under every way to run the graph."""

import asyncio
import functools
import operator
import threading
from typing import TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import task
from langgraph.graph import END, START, StateGraph

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.current import AgentContext
from tests.catalogs import spec
from tests.fakes import INPUT, WAYS, ScriptedChatModel, planned, run, thread

PLAN = planned(spec("upper", gives=["shout"], needs=["word"]), provided={"word": "cats"})
CAMPAIGN = {"campaign": {"id": "campaign", "provided": {"word": "cats"}}}


async def async_function(inputs):
    return inputs["word"].upper()


def sync_function(inputs):
    return inputs["word"].upper()


def with_context(inputs, context):
    assert isinstance(context, AgentContext)
    return inputs["word"].upper()


async def async_with_context(inputs, context):
    assert isinstance(context, AgentContext)
    return inputs["word"].upper()


def gives_a_coroutine(inputs):
    return async_function(inputs)


class Shouter:
    def __call__(self, inputs):
        return inputs["word"].upper()

    def method(self, inputs):
        return inputs["word"].upper()

    async def async_method(self, inputs, context):
        return await async_with_context(inputs, context)

    @classmethod
    def of_the_class(cls, inputs):
        return inputs["word"].upper()


class AsyncShouter:
    async def __call__(self, inputs):
        return inputs["word"].upper()


def joined(prefix, inputs):
    return prefix + inputs["word"].upper()


async def async_joined(inputs, context, *, prefix):
    return prefix + (await async_with_context(inputs, context))


class Shout(TypedDict, total=False):
    word: str
    shout: str


def subgraph(node):
    builder = StateGraph(Shout)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()


def sync_node(state):
    return {"shout": state["word"].upper()}


async def async_node(state):
    return {"shout": state["word"].upper()}


def chain():
    prompt = ChatPromptTemplate.from_messages([("human", "shout {word}")])
    return prompt | ScriptedChatModel(replies=["CATS"]) | StrOutputParser()


BODIES = {
    "async function": lambda: async_function,
    "sync function": lambda: sync_function,
    "function that takes the context": lambda: with_context,
    "async function that takes the context": lambda: async_with_context,
    "function that gives a coroutine": lambda: gives_a_coroutine,
    "lambda": lambda: lambda inputs: inputs["word"].upper(),
    "callable object": Shouter,
    "async callable object": AsyncShouter,
    "bound method": lambda: Shouter().method,
    "async bound method": lambda: Shouter().async_method,
    "class method": lambda: Shouter.of_the_class,
    "partial": lambda: functools.partial(joined, ""),
    "partial of an async function": lambda: functools.partial(async_joined, prefix=""),
    "partial of an async callable object": lambda: functools.partial(AsyncShouter()),
    "built-in without signature": lambda: operator.itemgetter("word"),
    "sync runnable": lambda: RunnableLambda(sync_function),
    "async runnable": lambda: RunnableLambda(async_function),
    "runnable of both kinds": lambda: RunnableLambda(sync_function, async_function),
    "runnables side by side": lambda: RunnableParallel(shout=RunnableLambda(sync_function)),
    "prompt, model and parser": chain,
    "subgraph with a sync node": lambda: subgraph(sync_node),
    "subgraph with an async node": lambda: subgraph(async_node),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_of_body_runs_under_every_way_to_run_the_graph(kind, how):
    expected = "cats" if kind == "built-in without signature" else "CATS"
    final = run(compile_plan(PLAN, {"upper": BODIES[kind]()}), CAMPAIGN, how=how)
    assert final["upper"]["output"] == {"shout": expected}


def test_a_chain_gets_its_variables_by_name_and_the_model_is_asked_once():
    model = ScriptedChatModel(replies=["CATS"])
    body = ChatPromptTemplate.from_messages([("human", "shout {word}")]) | model | StrOutputParser()
    run(compile_plan(PLAN, {"upper": body}), CAMPAIGN)
    assert model.asked == [[HumanMessage("shout cats")]]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_model_that_fails_once_is_asked_again(how):
    model = ScriptedChatModel(replies=[ConnectionError("reset by peer"), "CATS"])
    body = ChatPromptTemplate.from_messages([("human", "shout {word}")]) | model | StrOutputParser()
    steps = planned(
        spec("upper", gives=["shout"], max_retries=1, backoff={"initial_seconds": 0}, needs=["word"]),
        provided={"word": "cats"},
    )
    final = run(compile_plan(steps, {"upper": body}), CAMPAIGN, how=how)
    assert (final["upper"]["status"], final["upper"]["attempts"]) == ("completed", 2)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_sync_bodies_run_off_the_event_loop_and_async_ones_on_it(how):
    threads = {}

    def sync(_):
        threads["sync"] = threading.current_thread()
        return 1

    async def on_loop(_):
        threads["async"] = threading.current_thread()
        return 1

    run(compile_plan(planned(spec("a"), spec("b")), {"a": sync, "b": on_loop}), how=how)
    assert threads["sync"] is not threads["async"]
    assert threads["sync"].daemon


def test_callbacks_of_the_caller_reach_the_models_inside_bodies():
    class Listener(BaseCallbackHandler):
        def __init__(self):
            self.metadata = []

        def on_chat_model_start(self, *_, metadata=None, **__):
            self.metadata.append(metadata or {})

    listener = Listener()
    run(compile_plan(PLAN, {"upper": chain()}), CAMPAIGN, {"callbacks": [listener]})
    assert [metadata["planner_graph_agent"] for metadata in listener.metadata] == ["upper"]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_sync_body_may_journal_its_work_with_langgraphs_task(how):
    paid = []

    @task
    def expensive(word):
        paid.append(word)
        return word.upper()

    graph = compile_plan(
        PLAN, {"upper": lambda inputs: expensive(inputs["word"]).result()}, checkpointer=InMemorySaver()
    )
    assert run(graph, CAMPAIGN, thread(), how=how)["upper"]["output"] == {"shout": "CATS"}
    assert paid == ["cats"]


def test_one_async_client_serves_all_bodies_of_a_sync_run():
    loops = set()

    async def body(_):
        loops.add(asyncio.get_running_loop())
        return 1

    graph = compile_plan(planned(spec("a"), spec("b", after=["a"]), spec("c")), dict.fromkeys("abc", body))
    graph.invoke(INPUT)
    graph.invoke(INPUT)
    assert len(loops) == 1
