"""What a thread keeps, and how a run goes on from it."""

import asyncio
import json
from typing import Any, TypedDict

import ormsgpack
import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import PlanMismatchError
from tests.catalogs import spec
from tests.fakes import INPUT, Notebook, planned, run, step_of, thread
from tests.plans import BLOG, make_plan

HOW = ("invoke", "ainvoke")
STRATEGIES = ("sequential", "parallel")
RECORD_KEYS = ["status", "output", "error", "reason", "replaces", "attempts", "started_at", "ended_at", "usage"]


class State(TypedDict, total=False):
    campaign: dict[str, Any]
    a: str


def ask(inputs):
    return f"{inputs['campaign']['id']}: {interrupt('may I?')}"


async def ask_async(inputs):
    return ask(inputs)


@pytest.mark.parametrize("how", HOW)
def test_everything_a_plan_stores_is_plain_json_without_pickle_or_extension_types(how):
    saver, notes = InMemorySaver(), Notebook()
    bodies = notes.bodies(BLOG, editor=notes.body("editor", raises=[ValueError("no luck")]))
    graph = compile_plan(make_plan(BLOG), bodies, checkpointer=saver)
    run(graph, config=thread(), how=how)
    own = {"campaign", "plan_hash", "result", *BLOG}
    stored = [(channel, data) for (_, _, channel, _), data in saver.blobs.items()]
    stored += [(channel, data) for writes in saver.writes.values() for _, channel, data, _ in writes.values()]
    kinds = {kind for channel, (kind, data) in stored if channel in own and data}
    assert kinds == {"msgpack"}
    for channel, (_, data) in stored:
        if channel in own and data:
            value = ormsgpack.unpackb(data)  # refuses extension types
            assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert list(graph.get_state(thread()).values["writer"]) == RECORD_KEYS


def test_the_state_is_one_channel_per_agent_and_few_others():
    graph = compile_plan(make_plan(BLOG), Notebook().bodies(BLOG), checkpointer=InMemorySaver())
    run(graph, config=thread())
    assert set(graph.get_state(thread()).values) == {"campaign", "plan_hash", "result", *BLOG}


def test_an_agents_record_is_written_once_and_never_again():
    class Counting(InMemorySaver):
        def put(self, config, checkpoint, metadata, new_versions):
            written.extend(new_versions)
            return super().put(config, checkpoint, metadata, new_versions)

    written: list[str] = []
    run(compile_plan(make_plan(BLOG), Notebook().bodies(BLOG), checkpointer=Counting()), config=thread())
    assert {agent: written.count(agent) for agent in BLOG} == dict.fromkeys(BLOG, 1)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("body", [ask, ask_async])
def test_a_body_may_ask_a_human_and_finished_agents_do_not_run_again(how, strategy, body):
    notes, plan = Notebook(), make_plan(BLOG, strategy=strategy)
    graph = compile_plan(plan, notes.bodies(BLOG, writer=body), checkpointer=InMemorySaver())
    assert "result" not in run(graph, config=thread(), how=how)
    assert graph.get_state(thread()).next == ("writer",)
    assert graph.get_state(thread()).interrupts[0].value == "may I?"
    final = run(graph, Command(resume="yes"), thread(), how=how)
    assert final["result"]["status"] == "completed"
    assert final["writer"]["output"] == {"writer": "campaign: yes"}
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


@pytest.mark.parametrize("how", HOW)
def test_siblings_of_an_agent_that_asks_finish_and_two_may_ask_at_once(how):
    notes = Notebook()
    plan = planned(spec("a"), spec("b"), spec("c"), spec("d", after=["a", "b", "c"]))
    graph = compile_plan(plan, notes.bodies(plan.by_agent, a=ask, b=ask_async), checkpointer=InMemorySaver())
    run(graph, config=thread(), how=how)
    questions = graph.get_state(thread()).interrupts
    assert len(questions) == 2
    final = run(graph, Command(resume={q.id: f"answer {n}" for n, q in enumerate(questions)}), thread(), how=how)
    assert {final[agent]["output"][agent] for agent in "ab"} == {"campaign: answer 0", "campaign: answer 1"}
    assert notes.started == ["c", "d"]


@pytest.mark.parametrize("how", HOW)
def test_two_questions_may_be_answered_one_after_the_other(how):
    plan = planned(spec("a"), spec("b"))
    graph = compile_plan(plan, {"a": ask, "b": ask}, checkpointer=InMemorySaver())
    run(graph, config=thread(), how=how)
    first, second = graph.get_state(thread()).interrupts
    run(graph, Command(resume={first.id: "yes"}), thread(), how=how)
    final = run(graph, Command(resume={second.id: "no"}), thread(), how=how)
    assert [final[agent]["output"][agent] for agent in "ab"] == ["campaign: yes", "campaign: no"]


@pytest.mark.parametrize("how", HOW)
def test_a_question_answered_before_an_attempt_failed_is_not_asked_again(how):
    answers = []

    def body(_):
        answers.append((interrupt("first?"), interrupt("second?")))
        if len(answers) < 3:
            raise ConnectionError
        return answers[-1]

    plan = planned(spec("a", max_retries=2, backoff={"initial_seconds": 0}))
    graph = compile_plan(plan, {"a": body}, checkpointer=InMemorySaver())
    run(graph, config=thread(), how=how)
    run(graph, Command(resume="one"), thread(), how=how)
    final = run(graph, Command(resume="two"), thread(), how=how)
    assert final["a"]["attempts"] == 3
    assert answers == [("one", "two")] * 3


@pytest.mark.parametrize("how", HOW)
def test_a_run_that_was_interrupted_goes_on_where_it_was(how):
    notes = Notebook()
    bodies = notes.bodies(BLOG, editor=notes.interrupted("editor"))
    graph = compile_plan(make_plan(BLOG, strategy="sequential"), bodies, checkpointer=InMemorySaver())
    with pytest.raises(KeyboardInterrupt):
        run(graph, config=thread(), how=how)
    assert graph.get_state(thread()).next == ("editor",)
    assert run(graph, None, thread(), how=how)["result"]["status"] == "completed"
    assert {agent: notes.started.count(agent) for agent in BLOG} == {**dict.fromkeys(BLOG, 1), "editor": 2}


async def test_work_journalled_with_langgraphs_task_is_not_paid_twice():
    paid = []

    @task
    async def expensive(word):
        paid.append(word)
        return word.upper()

    async def body(_):
        return [await expensive("cats"), interrupt("publish?")]

    graph = compile_plan(planned(spec("a")), {"a": body}, checkpointer=InMemorySaver())
    await graph.ainvoke(INPUT, thread())
    final = await graph.ainvoke(Command(resume="yes"), thread())
    assert final["result"]["deliverables"] == {"a": ["CATS", "yes"]}
    assert paid == ["cats"]


@pytest.mark.parametrize("how", HOW)
def test_a_finished_run_is_not_run_again_by_resuming_it(how):
    notes = Notebook()
    graph = compile_plan(make_plan(BLOG), notes.bodies(BLOG), checkpointer=InMemorySaver())
    first = run(graph, config=thread(), how=how)
    assert run(graph, None, thread(), how=how)["result"] == first["result"]
    assert len(notes.started) == len(BLOG)


@pytest.mark.parametrize("how", HOW)
def test_new_input_on_a_finished_thread_is_a_new_run(how):
    notes = Notebook()
    plan = planned(spec("a"), spec("b", after=["a"]))
    graph = compile_plan(
        plan, notes.bodies("ab", a=lambda inputs: inputs["campaign"]["id"]), checkpointer=InMemorySaver()
    )
    run(graph, {"campaign": {"id": "one"}}, thread(), how=how)
    final = run(graph, {"campaign": {"id": "two"}}, thread(), how=how)
    assert final["a"]["output"] == {"a": "two"}
    assert notes.inputs["b"][1]["a"] == "two"


@pytest.mark.parametrize("how", HOW)
def test_a_new_run_on_a_thread_sees_nothing_of_the_run_before(how):
    notes = Notebook()
    plan = planned(
        spec("user", after={"optional": ["late"]}), spec("late"), spec("asks", after=["user"]), strategy="sequential"
    )
    bodies = notes.bodies(plan.by_agent, asks=lambda inputs: inputs["campaign"].get("ask") and interrupt("?"))
    graph = compile_plan(plan, bodies, checkpointer=InMemorySaver())
    assert step_of(plan, "user").order < step_of(plan, "late").order
    run(graph, config=thread(), how=how)
    final = run(graph, {"campaign": {"ask": True}}, thread(), how=how)
    assert "late" not in notes.inputs["user"][1]
    assert final["result"] is None  # the second run waits; the first one's result is not its


def test_new_input_on_a_thread_that_waits_for_an_answer_starts_over():
    notes = Notebook()
    bodies = notes.bodies(BLOG, seo=lambda inputs: inputs["campaign"].get("ask") and interrupt("?"))
    graph = compile_plan(make_plan(BLOG), bodies, checkpointer=InMemorySaver())
    run(graph, {"campaign": {"ask": True}}, thread())
    assert run(graph, {"campaign": {}}, thread())["result"]["status"] == "completed"
    assert notes.started.count("planner") == 2


def waiting(plan, saver):
    """Leave a run of ``plan`` at its agent ``b``."""
    run(compile_plan(plan, {"a": lambda _: 1, "b": ask}, checkpointer=saver), config=thread())


OTHERS = {
    "another campaign id": make_plan({"a": [], "b": ["a"]}, campaign_id="another"),
    "the pending agent renamed": make_plan({"a": [], "c": ["a"]}),
    "all agents renamed": make_plan({"x": [], "y": ["x"]}),
    "another strategy": make_plan({"a": [], "b": ["a"]}, strategy="sequential"),
}


@pytest.mark.parametrize("how", [*HOW, "stream", "astream"])
@pytest.mark.parametrize("given", [None, Command(resume="yes"), INPUT], ids=["None", "Command", "new input"])
@pytest.mark.parametrize("other", OTHERS)
def test_another_plan_refuses_to_touch_the_thread_naming_both(other, given, how):
    plan, saver, notes = make_plan({"a": [], "b": ["a"]}), InMemorySaver(), Notebook()
    waiting(plan, saver)
    graph = compile_plan(OTHERS[other], notes.bodies(OTHERS[other].by_agent), checkpointer=saver)
    with pytest.raises(PlanMismatchError) as caught:
        run(graph, given, thread(), how=how)
    assert str(caught.value) == (
        f"the checkpoint was written by plan {plan.hash}, but this graph was compiled from plan {OTHERS[other].hash}; "
        "resume it with the plan it was started with, or start a new run"
    )
    assert notes.started == []


async def test_another_plan_refuses_to_read_the_thread():
    plan, saver = make_plan({"a": [], "b": ["a"]}), InMemorySaver()
    waiting(plan, saver)
    graph = compile_plan(make_plan({"a": []}), {"a": ask}, checkpointer=saver)
    with pytest.raises(PlanMismatchError):
        graph.get_state(thread())
    with pytest.raises(PlanMismatchError):
        await graph.aget_state(thread())


def test_the_same_plan_compiled_anew_goes_on():
    plan, saver = make_plan({"a": [], "b": ["a"]}), InMemorySaver()
    waiting(plan, saver)
    again = type(plan).from_json(plan.canonical_json())
    graph = compile_plan(again, {"a": ask, "b": ask}, checkpointer=saver)
    assert run(graph, Command(resume="yes"), thread())["result"]["status"] == "completed"


def test_threads_of_one_graph_keep_apart():
    graph = compile_plan(planned(spec("a")), {"a": ask}, checkpointer=InMemorySaver())
    for name in ("one", "two"):
        run(graph, {"campaign": {"id": name}}, thread(name))
    for name in ("two", "one"):
        assert run(graph, Command(resume="yes"), thread(name))["a"]["output"] == {"a": f"{name}: yes"}


class SyncOnlySaver(BaseCheckpointSaver[Any]):
    """A saver without async methods, as LangGraph's own sync ones for databases are."""

    def __init__(self):
        super().__init__()
        self.memory = InMemorySaver()

    def get_tuple(self, config):
        return self.memory.get_tuple(config)

    def list(self, *arguments, **options):
        return self.memory.list(*arguments, **options)

    def put(self, *arguments):
        return self.memory.put(*arguments)

    def put_writes(self, *arguments, **options):
        return self.memory.put_writes(*arguments, **options)

    def get_next_version(self, current, channel):
        return self.memory.get_next_version(current, channel)


@pytest.mark.parametrize("body", [ask, ask_async])
def test_a_saver_without_async_methods_serves_sync_runs(body):
    graph = compile_plan(make_plan({"a": [], "b": ["a"]}), {"a": body, "b": ask}, checkpointer=SyncOnlySaver())
    run(graph, config=thread())
    run(graph, Command(resume="yes"), thread())
    assert run(graph, Command(resume="yes"), thread())["result"]["status"] == "completed"


def test_an_agent_that_is_a_graph_may_ask_a_human_under_a_saver_without_async_methods():
    def think(state):
        return {"a": ask({"campaign": state["campaign"]})}

    builder = StateGraph(State)
    builder.add_node("think", think)
    builder.add_edge(START, "think")
    builder.add_edge("think", END)
    graph = compile_plan(make_plan({"a": []}), {"a": builder.compile()}, checkpointer=SyncOnlySaver())
    run(graph, config=thread())
    assert run(graph, Command(resume="yes"), thread())["a"]["output"] == {"a": "campaign: yes"}


async def test_a_cancelled_run_goes_on_from_its_thread():
    running = asyncio.Event()

    async def body(_):
        if not running.is_set():
            running.set()
            await asyncio.Event().wait()
        return 1

    notes = Notebook()
    graph = compile_plan(
        make_plan({"a": [], "b": ["a"]}), {"a": notes.body("a"), "b": body}, checkpointer=InMemorySaver()
    )
    first = asyncio.create_task(graph.ainvoke(INPUT, thread()))
    await running.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await graph.ainvoke(None, thread()))["result"]["status"] == "completed"
    assert notes.started == ["a"]
