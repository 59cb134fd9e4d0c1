"""What an agent's models use is counted, however they are called, and told with its cost."""

import asyncio
import json
import sys
import threading
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import ValidationError

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.events import own_event
from planner_graph.compiler.usage import ModelCall, ModelPrice, Tokens, UsageMeter, usage_of
from planner_graph.errors import InvalidInputError
from tests.catalogs import spec
from tests.fakes import INPUT, FakeClock, ScriptedChatModel, planned, run, thread
from tests.subgraphs import subgraph

PRICES = {"small": ModelPrice(input_usd=1, output_usd=10), "large": ModelPrice(input_usd=3, output_usd=15)}


def reply(given: int, taken: int, model: str | None = "small", *, cached: int | None = None) -> AIMessage:
    """Give the answer of a model that tells what it used."""
    usage: Any = {"input_tokens": given, "output_tokens": taken, "total_tokens": given + taken}
    if cached is not None:
        usage["input_token_details"] = {"cache_read": cached}
    return AIMessage("text", usage_metadata=usage, response_metadata={"model_name": model} if model else {})


def scripted(*replies: Any, **fields: Any) -> ScriptedChatModel:
    return ScriptedChatModel(replies=list(replies), **fields)


class Small(ScriptedChatModel):
    """A model that LangChain can name before it answers."""

    model: str = "small"


def tokens(given: int, taken: int, calls: int) -> dict[str, int]:
    return {"input_tokens": given, "output_tokens": taken, "total_tokens": given + taken, "calls": calls}


def usage(cost: float | None, **models: dict[str, int]) -> dict[str, Any]:
    """Give the usage that these models add up to."""
    sums = {key: sum(model[key] for model in models.values()) for key in tokens(0, 0, 0)}
    return {**sums, "cost_usd": cost, "models": models}


def usage_when_run(body, how="ainvoke", **fields):
    """Run a plan of one agent and give its usage."""
    graph = compile_plan(planned(spec("a", **fields)), {"a": body}, clock=FakeClock(), prices=PRICES)
    return run(graph, how=how)["a"]["usage"]


def async_body(model):
    async def body(_):
        return (await model.ainvoke("q")).text

    return body


def sync_body(model):
    return lambda _: model.invoke("q").text


def runnable_body(model):
    return RunnableLambda(lambda _: "q") | model | RunnableLambda(lambda message: message.text)


def async_runnable_body(model):
    async def ask(_, config):
        return (await model.ainvoke("q", config)).text

    return RunnableLambda(ask)


def subgraph_body(model):
    def ask(_):
        return {"a": model.invoke("q").text}

    return subgraph(ask)


def body_that_starts_threads(model):
    return lambda _: [message.text for message in model.batch(["q"])]


def body_that_starts_tasks(model):
    async def body(_):
        return [message.text for message in await asyncio.gather(model.ainvoke("q"))]

    return body


def body_with_callbacks_of_its_own(model):
    return lambda _: model.invoke("q", config={"callbacks": [BaseCallbackHandler()]}).text


def body_that_streams(model):
    return lambda _: "".join(chunk.text for chunk in model.stream("q"))


BODIES = (
    async_body,
    sync_body,
    runnable_body,
    async_runnable_body,
    subgraph_body,
    body_that_starts_threads,
    body_that_starts_tasks,
    body_with_callbacks_of_its_own,
    body_that_streams,
)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("body", BODIES)
def test_a_call_is_counted_whatever_makes_it(body, how):
    assert usage_when_run(body(scripted(reply(100, 20))), how) == usage(0.0003, small=tokens(100, 20, 1))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_no_call_is_no_usage(how):
    assert usage_when_run(lambda _: "text", how) is None


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_agent_that_is_skipped_has_no_usage(how):
    def fails(_):
        scripted(reply(1, 1)).invoke("q")
        raise KeyError("k")

    plan = planned(spec("a"), spec("b", after=["a"]))
    records = run(compile_plan(plan, {"a": fails, "b": sync_body(scripted())}, prices=PRICES), how=how)
    assert (records["b"]["status"], records["b"]["usage"]) == ("skipped", None)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_several_models_are_told_apart_and_added_up(how):
    model = scripted(reply(100, 20), reply(1000, 200, "large"), reply(1, 2))

    async def body(_):
        return [(await model.ainvoke("q")).text for _ in range(3)]

    found = usage_when_run(body, how)
    assert found == usage(0.0003 + 0.006 + 0.000021, large=tokens(1000, 200, 1), small=tokens(101, 22, 2))
    assert list(found["models"]) == ["large", "small"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", ["async", "sync", "runnable", "subgraph"])
def test_all_attempts_count_and_so_do_calls_that_failed(kind, how):
    model, texts = Small(replies=[reply(10, 1), ConnectionError("down"), reply(20, 2)]), []

    def ask(_):
        texts.append(model.invoke("q").text)
        if len(texts) == 1:
            raise OSError("bad text")
        return {"a": texts[-1]}

    async def ask_async(_):
        return ask(_)

    bodies = {"async": ask_async, "sync": ask, "runnable": RunnableLambda(ask), "subgraph": subgraph(ask)}
    assert usage_when_run(bodies[kind], how, max_retries=2) == usage(0.00006, small=tokens(30, 3, 3))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_failed_agent_tells_its_usage(how):
    def body(_):
        scripted(reply(10, 1)).invoke("q")
        raise KeyError("k")

    assert usage_when_run(body, how) == usage(0.00002, small=tokens(10, 1, 1))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_agent_that_is_left_tells_what_it_used_in_vain_and_begins_anew(how):
    model = scripted(reply(10, 1), reply(20, 2))

    def body(_):
        text = model.invoke("q").text
        return interrupt("good?") + text

    plan = planned(spec("a"))
    graph = compile_plan(plan, {"a": body}, checkpointer=InMemorySaver(), prices=PRICES)

    async def told(given):
        if how == "invoke":
            return [own_event(item) for item in graph.stream(given, thread(), stream_mode="custom")]
        return [own_event(item) async for item in graph.astream(given, thread(), stream_mode="custom")]

    _, left = asyncio.run(told(INPUT))
    assert left["event"] == "agent_interrupted"
    assert left["usage"] == usage(0.00002, small=tokens(10, 1, 1))
    _, ended = asyncio.run(told(Command(resume="yes")))
    assert ended["record"]["usage"] == usage(0.00004, small=tokens(20, 2, 1))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("body", [async_body, sync_body, runnable_body])
def test_agents_that_run_at_once_do_not_mix(body, how):
    count = 10
    threads, tasks = threading.Barrier(count, timeout=20), asyncio.Barrier(count)

    class Waiting(ScriptedChatModel):
        def _generate(self, *arguments, **options):
            threads.wait()
            return super()._generate(*arguments, **options)

        async def _agenerate(self, *arguments, **options):
            await tasks.wait()
            return super()._generate(*arguments, **options)

    names = [f"a{number}" for number in range(count)]
    bodies = {name: body(Waiting(replies=[reply(number, 1)])) for number, name in enumerate(names)}
    records = run(compile_plan(planned(*map(spec, names)), bodies), how=how)
    assert [records[name]["usage"]["models"] for name in names] == [{"small": tokens(n, 1, 1)} for n in range(count)]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_calls_of_a_plan_inside_an_agent_count_for_its_agents_and_for_the_one_around(how):
    inner = compile_plan(planned(spec("i")), {"i": sync_body(scripted(reply(10, 1)))}, prices=PRICES)
    records = []

    def body(_):
        records.append(run(inner)["i"])
        return scripted(reply(5, 1)).invoke("q").text

    assert usage_when_run(body, how) == usage(0.000035, small=tokens(15, 2, 2))
    assert records[0]["usage"] == usage(0.00002, small=tokens(10, 1, 1))


async def test_calls_outside_of_agents_count_for_nobody():
    graph = compile_plan(planned(spec("a")), {"a": lambda _: "text"})
    graph.invoke(INPUT)
    await graph.ainvoke(INPUT)
    assert CallbackManager.configure().handlers == []


class Streaming(Small):
    """Streams its replies word by word; the usage of a reply comes with its last word."""

    def _stream(self, messages, stop=None, run_manager=None, **_: Any):  # noqa: ARG002
        self.asked.append(messages)
        message = self.replies[len(self.asked) - 1]
        for word in ("one ", "two "):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        last = AIMessageChunk(
            content="three", usage_metadata=message.usage_metadata, response_metadata=message.response_metadata
        )
        yield ChatGenerationChunk(message=last)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_stream_counts_with_its_last_word(how):
    assert usage_when_run(body_that_streams(Streaming(replies=[reply(100, 20)])), how) == usage(
        0.0003, small=tokens(100, 20, 1)
    )


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_the_cost_of_a_stream_that_is_broken_off_is_unknown(how):
    model = Streaming(replies=[reply(100, 20)])

    def body(_):
        words: Any = model.stream("q")
        with closing(words):
            return next(words).text

    assert usage_when_run(body, how) == usage(None, small=tokens(0, 0, 1))


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_the_cost_of_a_stream_that_breaks_is_unknown(how):
    class Breaking(Streaming):
        def _stream(self, *arguments: Any, **options: Any) -> Any:
            yield next(super()._stream(*arguments, **options))
            raise KeyError("k")

    assert usage_when_run(body_that_streams(Breaking(replies=[reply(100, 20)])), how) == usage(
        None, small=tokens(0, 0, 1)
    )


async def ask(model):
    return (await model.ainvoke("q")).text


async def stream(model):
    return [word.text async for word in model.astream("q")]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("call", [ask, stream])
def test_the_cost_of_a_call_that_was_given_up_on_is_unknown(call, how):
    class Slow(Small):
        async def _agenerate(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

        async def _astream(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()
            yield

    async def body(_):
        return await call(Slow(replies=[]))

    found = usage_when_run(body, how, timeout_seconds=0.05, max_retries=0)
    assert found == usage(None, small=tokens(0, 0, 1))


class Tracer(BaseCallbackHandler):
    """Counts answers."""

    def __init__(self):
        self.answers = 0

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        self.answers += 1


@pytest.mark.parametrize("how", ["stream", "astream"])
async def test_a_plan_still_streams_words_and_tells_tracers(how):
    tracer = Tracer()
    graph = compile_plan(planned(spec("a")), {"a": body_that_streams(Streaming(replies=[reply(100, 20)]))})
    config: RunnableConfig = {"callbacks": [tracer]}
    if how == "stream":
        told = list(graph.stream(INPUT, config, stream_mode="messages"))
    else:
        told = [item async for item in graph.astream(INPUT, config, stream_mode="messages")]
    words: Any = [message for message, _ in told]
    assert [word.content for word in words[:3]] == ["one ", "two ", "three"]
    assert tracer.answers == 1


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_model_without_a_name_is_unknown_and_so_is_the_cost(how):
    assert usage_when_run(sync_body(scripted(reply(10, 1, None))), how) == usage(None, unknown=tokens(10, 1, 1))


def test_a_model_that_does_not_name_itself_goes_by_the_name_it_was_called_by():
    assert usage_when_run(sync_body(Small(replies=[reply(10, 1, None)]))) == usage(0.00002, small=tokens(10, 1, 1))


def test_an_answer_under_a_dated_name_costs_what_the_name_it_was_called_by_costs():
    model = Small(replies=[reply(10, 1, "small-2030-01-01")])
    assert usage_when_run(sync_body(model)) == usage(0.00002, **{"small-2030-01-01": tokens(10, 1, 1)})


def test_a_price_for_the_dated_name_goes_first():
    call = ModelCall(model="large", asked="small", tokens=Tokens(input=1_000_000, total=1_000_000))
    assert cost([call]) == 3


def test_a_model_without_a_price_makes_the_cost_unknown():
    model = scripted(reply(10, 1), reply(20, 2, "other"))
    found = usage_when_run(lambda _: [model.invoke("q").text, model.invoke("q").text])
    assert found == usage(None, other=tokens(20, 2, 1), small=tokens(10, 1, 1))


def test_a_call_that_does_not_tell_its_tokens_makes_the_cost_unknown():
    assert usage_when_run(sync_body(Small(replies=["text"]))) == usage(None, small=tokens(0, 0, 1))


def test_completions_count_as_calls():
    assert usage_when_run(lambda _: FakeListLLM(responses=["text"]).invoke("q"))["calls"] == 1


def test_an_answer_from_langchains_cache_is_no_call():
    model = scripted(reply(10, 1), cache=InMemoryCache())
    assert usage_when_run(lambda _: [model.invoke("q").text, model.invoke("q").text]) == usage(
        0.00002, small=tokens(10, 1, 1)
    )


def test_a_failed_call_costs_nothing_though_its_price_is_unknown():
    assert usage_when_run(sync_body(scripted(KeyError("k")))) == usage(0.0, unknown=tokens(0, 0, 1))


def cost(calls, **prices: ModelPrice) -> Any:
    found = usage_of(calls, prices or PRICES)
    return found and found["cost_usd"]


@pytest.mark.parametrize(("cached_usd", "usd"), [(None, 2.0), (0.5, 1.25), (0, 0.5)])
def test_input_tokens_from_the_providers_cache_may_cost_less(cached_usd, usd):
    used = Tokens(input=2_000_000, cached=1_500_000, total=2_000_000)
    price = ModelPrice(input_usd=1, output_usd=9, cached_input_usd=cached_usd)
    assert cost([ModelCall(model="m", asked="m", tokens=used)], m=price) == usd


def test_cached_tokens_are_read_from_the_message():
    price = {"small": ModelPrice(input_usd=1, output_usd=0, cached_input_usd=0)}
    graph = compile_plan(planned(spec("a")), {"a": sync_body(scripted(reply(100, 20, cached=60)))}, prices=price)
    assert run(graph)["a"]["usage"]["cost_usd"] == 0.00004


def test_the_order_of_calls_changes_nothing():
    calls = [
        ModelCall(model=model, asked=asked, tokens=Tokens(input=number, output=7, total=number + 7))
        for number, (model, asked) in enumerate([("small", "x"), ("large", "small"), ("small", "a"), ("small", "b")])
    ]
    assert json.dumps(usage_of(calls, PRICES)) == json.dumps(usage_of(calls[::-1], PRICES))


@pytest.fixture
def _busy_threads():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_busy_threads")
def test_a_meter_may_be_told_and_read_by_many_threads():
    meter, rounds = UsageMeter(), 200
    answer = LLMResult(generations=[[ChatGeneration(message=reply(1, 2))]])

    def tell():
        numbers = [uuid4() for _ in range(rounds)]
        for number in numbers:
            meter.on_chat_model_start({}, [], run_id=number)
            assert len(meter.calls) <= 4 * rounds
        for number in numbers:
            meter.on_llm_end(answer, run_id=number)

    workers = [threading.Thread(target=tell) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert usage_of(meter.calls, PRICES) == usage(0.0168, small=tokens(4 * rounds, 8 * rounds, 4 * rounds))


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), "3", True, None])
def test_a_price_that_is_no_amount_is_refused(amount):
    with pytest.raises(ValidationError, match="input_usd"):
        ModelPrice(input_usd=amount, output_usd=1)


def test_what_is_no_price_is_refused_all_at_once():
    with pytest.raises(InvalidInputError) as caught:
        compile_plan(planned(spec("a")), {"a": lambda _: 1}, prices={"small": 3, "": PRICES["small"]})  # type: ignore[dict-item]
    assert str(caught.value) == (
        "input has 2 problems:\n"
        "  prices['small']: 3 is no price; write ModelPrice(input_usd=..., output_usd=...), in USD per million tokens\n"
        "  prices: '' names no model; use its name as key"
    )
