"""A mirror among the callbacks of a graph that is invoked alone: the tables tell what happened, in whatever way."""

import asyncio
import gc
import os
import signal
import threading
import uuid
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import CampaignError, MirrorNotOpenError, MirrorOpenError, RunIdError
from planner_graph.mirror.follower import asked
from planner_graph.mirror.handler import PlanMirror
from planner_graph.store.database import open_database
from tests.databases import TEMPLATE, fresh
from tests.fakes import INPUT, WAYS, run, thread
from tests.followed import DIAMOND, Tables
from tests.plans import make_plan

STRATEGIES = ("sequential", "parallel", "adaptive")


async def work(_):
    await asyncio.sleep(0)
    return 1


def bodies(names=DIAMOND, **others):
    """A sync body for each second agent, an async one for the others."""
    return {name: others.get(name) or (work if place % 2 else lambda _: 1) for place, name in enumerate(names)}


def diamond(strategy="adaptive", saver=None, **others):
    return compile_plan(make_plan(DIAMOND, strategy=strategy), bodies(**others), checkpointer=saver or InMemorySaver())


def ask(_):
    return interrupt("which title?")


def followed_by(mirror, name="thread", **configurable) -> Any:
    return {"callbacks": [mirror], "configurable": {"thread_id": name, **configurable}}


async def invoke(graph, how, given, config, **options):
    if how == "ainvoke":
        return await graph.ainvoke(given, config, **options)
    return await asyncio.to_thread(graph.invoke, given, config, **options)


@asynccontextmanager
async def opened(how, dsn):
    if how == "with":
        with PlanMirror(dsn) as mirror:
            yield mirror
    elif how == "async with":
        async with PlanMirror(dsn) as mirror:
            yield mirror
    else:
        async with open_database(dsn) as database, PlanMirror(database) as mirror:
            yield mirror


@pytest.fixture
def tables(dsn):
    return Tables(dsn)


@pytest.fixture
def mirror(dsn):
    with PlanMirror(dsn) as opened:
        yield opened


@pytest.fixture
def other_dsn(postgres):
    yield from fresh(postgres, TEMPLATE)


@pytest.mark.parametrize("opening", ["with", "async with", "given database"])
@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_however_it_is_opened_and_the_graph_is_invoked_the_tables_tell_the_run(tables, opening, how, strategy):
    async with opened(opening, tables.dsn) as mirror:
        result = await invoke(diamond(strategy), how, INPUT, followed_by(mirror))
        report = mirror.report("thread")

        tables.check_complete(report.run_id)  # all is there when the graph gives its result
    assert result["result"]["status"] == "completed"
    assert tables.runs() == [report.run_id]
    assert tables.plan(report.run_id)["result"] == result["result"]
    assert (report.told, report.missing, report.problem, report.caught_up) == (3 + 2 * len(DIAMOND), 0, None, True)
    assert tables.plan(report.run_id)["thread_id"] == "thread"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("modes", ["custom", "updates", ["values", "custom", "messages"], ["debug", "tasks"]])
@pytest.mark.parametrize("how", ["stream", "astream"])
async def test_streams_of_every_mode_are_followed(tables, mirror, strategy, modes, how):
    graph = diamond(strategy)
    if how == "stream":
        items = await asyncio.to_thread(lambda: [*graph.stream(INPUT, followed_by(mirror), stream_mode=modes)])
    else:
        items = [item async for item in graph.astream(INPUT, followed_by(mirror), stream_mode=modes)]

    assert items
    tables.check_complete(tables.runs()[0])


@pytest.mark.parametrize("how", WAYS)
def test_a_mirror_may_be_bound_to_the_graph_and_come_in_managers_and_is_followed_once(tables, mirror, how):
    bound = diamond().with_config({"callbacks": [mirror]})
    run(bound, INPUT, thread("bound"), how=how)
    run(bound, INPUT, followed_by(mirror, "twice"), how=how)
    for manager in (CallbackManager, AsyncCallbackManager):
        config: Any = {"callbacks": manager([mirror, BaseCallbackHandler()]), **thread(manager.__name__)}
        run(diamond(), INPUT, config, how=how)

    runs = tables.runs()
    assert len(runs) == 4
    for one in runs:
        tables.check_complete(one)


def test_a_mirror_in_two_places_logs_a_question_once(tables, mirror):
    graph = diamond(b=ask).with_config({"callbacks": [mirror]})
    graph.invoke(INPUT, followed_by(mirror))
    graph.invoke(Command(resume="1"), followed_by(mirror))

    [one] = tables.runs()
    counts = Counter(tables.log(one))
    assert (counts["run_interrupted"], counts["run_resumed"]) == (1, 1)


def test_without_a_checkpointer_and_a_thread_each_invocation_is_a_run(tables, mirror):
    graph = compile_plan(make_plan(DIAMOND), bodies())
    graph.invoke(INPUT, {"callbacks": [mirror]})
    graph.invoke(INPUT, {"callbacks": [mirror]})

    assert len(tables.runs()) == 2
    for one in tables.runs():
        tables.check_complete(one)


class Outer(TypedDict, total=False):
    campaign: dict[str, Any]
    result: dict[str, Any]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_plans_within_another_graph_are_runs_of_their_own_and_its_questions_are_theirs(
    tables, mirror, strategy, how
):
    graph = compile_plan(make_plan(DIAMOND, strategy=strategy), bodies(b=ask))
    builder = StateGraph(Outer)
    builder.add_node("one", graph)
    builder.add_node("two", graph)
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    builder.add_edge("two", END)
    outer = builder.compile(checkpointer=InMemorySaver())

    await invoke(outer, how, INPUT, followed_by(mirror))
    [one] = tables.runs()
    assert (tables.plan(one)["status"], tables.plan(one)["status_reason"]) == ("paused", "waiting for an answer to: b")
    assert [row["value"] for row in questions(tables, one)] == ["which title?"]

    await invoke(outer, how, Command(resume="1"), followed_by(mirror))
    await invoke(outer, how, Command(resume="2"), followed_by(mirror))

    assert tables.runs()[0] == one
    assert len(tables.runs()) == 2
    for inner in tables.runs():
        log = Counter(tables.log(inner))
        assert tables.plan(inner)["status"] == "completed"
        assert (log["run_interrupted"], log["run_resumed"], log["agent_ended a"], log["agent_ended b"]) == (1, 1, 1, 1)
    assert mirror.report("thread").run_id == tables.runs()[1]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_a_plan_within_an_agent_of_a_plan_does_not_touch_the_run_it_is_in(tables, mirror, how):
    inner = compile_plan(make_plan({"x": [], "y": ["x"]}), bodies("xy"))
    graph = diamond(b=lambda _: inner.invoke(INPUT)["result"]["status"])
    run_id = str(uuid.uuid4())

    await invoke(graph, how, INPUT, followed_by(mirror, workflow_execution_id=run_id))

    tables.check_complete(run_id)
    [other] = set(tables.runs()) - {run_id}
    tables.check_complete(other, {"x": [], "y": []})


def test_one_mirror_follows_one_graph_in_many_threads_at_once(tables, mirror):
    graph = diamond()
    together = threading.Barrier(8)

    def one(number):
        together.wait(30)
        return graph.invoke(INPUT, followed_by(mirror, f"thread {number}"))["result"]["status"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(8))) == {"completed"}

    assert len(tables.runs()) == 8
    for run_id in tables.runs():
        tables.check_complete(run_id)


async def test_two_mirrors_fill_two_databases(tables, other_dsn):
    async with PlanMirror(tables.dsn) as one, PlanMirror(other_dsn) as other:
        config = {"callbacks": [one, other], "configurable": {"thread_id": "thread"}}
        await diamond().ainvoke(INPUT, config)

    for database in (tables, Tables(other_dsn)):
        [found] = database.runs()
        database.check_complete(found)


def questions(tables, run_id):
    [event] = [event for event in tables.events(run_id) if event["event"] == "run_interrupted"]
    return event["data"]["interrupts"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("known_by", ["thread", "id"])
async def test_a_question_pauses_the_run_and_an_answer_lets_the_same_run_go_on(tables, mirror, strategy, how, known_by):
    graph = diamond(strategy, b=ask)
    given = {"workflow_execution_id": str(uuid.uuid4())} if known_by == "id" else {}

    await invoke(graph, how, INPUT, followed_by(mirror, **given))

    [one] = tables.runs()
    assert (tables.plan(one)["status"], tables.plan(one)["status_reason"]) == ("paused", "waiting for an answer to: b")
    assert ("b", 1, 1, "interrupted") in tables.attempts(one)
    assert "b" in tables.live(one)["waiting_agents"]
    assert tables.live(one)["current_agents_running"] == []
    assert [question["value"] for question in questions(tables, one)] == ["which title?"]
    assert tables.log(one)[-2:] == ["run_interrupted", "run_paused"]

    result = await invoke(graph, how, Command(resume="Cats"), followed_by(mirror, **given))

    assert result["result"]["status"] == "completed"
    assert tables.runs() == [one]
    assert tables.plan(one)["status"] == "completed"
    assert Counter(tables.log(one))["run_resumed"] == 1
    assert tables.attempts(one) == [
        ("a", 1, 1, "completed"),
        ("b", 1, 1, "interrupted"),
        ("b", 2, 1, "completed"),
        ("c", 1, 1, "completed"),
        ("d", 1, 1, "completed"),
    ]
    assert not given or one == given["workflow_execution_id"]


def test_a_breakpoint_pauses_the_run(tables, mirror):
    graph = diamond("parallel")
    graph.invoke(INPUT, followed_by(mirror), interrupt_before=["d"])

    [one] = tables.runs()
    assert (tables.plan(one)["status"], tables.plan(one)["status_reason"]) == ("paused", "stopped at a breakpoint")
    assert questions(tables, one) == []

    graph.invoke(None, followed_by(mirror))
    assert tables.runs() == [one]
    assert tables.plan(one)["status"] == "completed"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_drain_pauses_the_run_with_its_reason(tables, mirror, strategy):
    control = RunControl()

    def pause(_):
        control.request_drain("new version")
        return 1

    graph = diamond(strategy, a=pause)
    with pytest.raises(GraphDrained):
        await graph.ainvoke(INPUT, followed_by(mirror), control=control)

    [one] = tables.runs()
    assert tables.plan(one)["status"] == "paused"
    assert tables.plan(one)["status_reason"].startswith("paused: ")
    assert tables.attempts(one) == [("a", 1, 1, "completed")]

    await graph.ainvoke(None, followed_by(mirror))
    assert tables.runs() == [one]
    assert tables.plan(one)["status"] == "completed"


@pytest.mark.parametrize("how", WAYS)
def test_a_campaign_that_is_refused_leaves_no_run(tables, mirror, how):
    with pytest.raises(CampaignError):
        run(diamond(), {"campaign": 3}, followed_by(mirror), how=how)

    assert tables.runs() == []
    assert mirror.report("thread").told == 0
    assert mirror.report("thread").run_id is None


@pytest.mark.parametrize("known_by", ["thread", "id"])
def test_new_input_on_a_thread_begins_a_new_run_and_the_old_one_keeps_its_history(tables, mirror, known_by):
    graph = diamond()
    given = [{"workflow_execution_id": str(uuid.uuid4())} if known_by == "id" else {} for _ in range(2)]
    graph.invoke(INPUT, followed_by(mirror, **given[0]))
    before = tables.events(tables.runs()[0])

    graph.invoke(INPUT, followed_by(mirror, **given[1]))

    old, new = tables.runs()
    for one in (old, new):
        tables.check_complete(one)
    assert tables.events(old) == before
    assert tables.plan(new)["thread_id"] == "thread"
    assert mirror.report("thread").run_id == new


@pytest.mark.parametrize("how", WAYS)
def test_an_id_that_is_no_uuid_is_refused(tables, mirror, how):
    with pytest.raises(RunIdError, match="workflow_execution_id 'mine' is no UUID"):
        run(diamond(), INPUT, followed_by(mirror, workflow_execution_id="mine"), how=how)

    assert tables.runs() == []


def test_a_thread_need_not_be_text(tables, mirror):
    diamond().invoke(INPUT, followed_by(mirror, 17))

    [one] = tables.runs()
    tables.check_complete(one)
    assert mirror.report("17").run_id == one


def test_a_run_that_has_ended_is_left_as_it_is_and_the_report_says_so(tables, mirror):
    run_id = str(uuid.uuid4())
    diamond().invoke(INPUT, followed_by(mirror, workflow_execution_id=run_id))
    before = tables.events(run_id)

    result = diamond().invoke(INPUT, followed_by(mirror, workflow_execution_id=run_id))

    report = mirror.report(run_id)
    assert result["result"]["status"] == "completed"
    assert tables.events(run_id) == before
    assert not report.caught_up
    shows = f"'planner-graph status {run_id}' shows how it stands"
    assert report.problem == f"run {run_id} cannot be resumed: it has ended as 'completed'; {shows}"


def test_a_run_of_another_plan_is_left_as_it_is_and_the_report_says_so(tables, mirror):
    run_id = str(uuid.uuid4())
    diamond(b=ask).invoke(INPUT, followed_by(mirror, workflow_execution_id=run_id))
    before = tables.events(run_id)
    other = compile_plan(make_plan({"x": []}), bodies("x"))

    result = other.invoke(INPUT, followed_by(mirror, workflow_execution_id=run_id))

    assert result["result"]["status"] == "completed"
    assert tables.events(run_id) == before
    assert "plan" in str(mirror.report(run_id).problem)


def test_a_thread_that_goes_on_is_not_taken_from_its_run(tables, mirror):
    graph = diamond(b=ask)
    graph.invoke(INPUT, followed_by(mirror))
    [one] = tables.runs()
    other = str(uuid.uuid4())

    result = graph.invoke(Command(resume="1"), followed_by(mirror, workflow_execution_id=other))

    assert result["result"]["status"] == "completed"
    assert tables.runs() == [one]
    problem = mirror.report(other).problem
    assert problem is not None
    assert problem.startswith(f"run {other} cannot be resumed: what goes on in its thread is run {one};")


class Stage:
    """A graph whose agent ``b`` says that it runs, and then waits for ever."""

    def __init__(self, strategy):
        self.running, self.stopped = threading.Event(), threading.Event()
        self.here = asyncio.Event()
        self.graph = diamond(strategy, b=self.body)
        self.again = 0

    async def body(self, _):
        if self.again:
            return 1
        self.again += 1
        self.running.set()
        self.here.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()

    def check_paused(self, tables):
        [one] = tables.runs()
        assert self.stopped.is_set()
        plan = tables.plan(one)
        assert (plan["status"], plan["status_reason"]) == ("paused", "stopped from outside; resume it to go on")
        assert tables.live(one)["current_agents_running"] == []
        assert ("b", 1, 1, "interrupted") in tables.attempts(one)
        assert tables.log(one)[-1] == "run_paused"
        return one


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_consumer_that_goes_away_pauses_the_run(tables, mirror, strategy):
    stage = Stage(strategy)
    async with aclosing(stage.graph.astream(INPUT, followed_by(mirror), stream_mode="custom")) as items:
        async for item in items:
            if (item["event"], item["agent"]) == ("agent_started", "b"):
                await stage.here.wait()
                break

    one = stage.check_paused(tables)
    await stage.graph.ainvoke(None, followed_by(mirror))
    assert tables.runs() == [one]
    assert tables.plan(one)["status"] == "completed"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_cancelled_task_pauses_the_run(tables, mirror, strategy):
    stage = Stage(strategy)
    task = asyncio.create_task(stage.graph.ainvoke(INPUT, followed_by(mirror)))
    await stage.here.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    stage.check_paused(tables)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ctrl_c_pauses_the_run(tables, mirror, strategy):
    stage = Stage(strategy)

    def press():
        stage.running.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        stage.graph.invoke(INPUT, followed_by(mirror))
    pressing.join()

    stage.check_paused(tables)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_odd_errors_and_outputs_reach_the_tables(tables, mirror, how):
    def fail(_):
        raise ValueError("half\0way \ud800")

    graph = compile_plan(
        make_plan({"raises": [], "no json": [], 'large "ü" \N{SNOWMAN}': []}),
        {"raises": fail, "no json": lambda _: object(), 'large "ü" \N{SNOWMAN}': lambda _: "x" * 5_000_000},
        checkpointer=InMemorySaver(),
    )
    await invoke(graph, how, INPUT, followed_by(mirror))

    [one] = tables.runs()
    plan, live = tables.plan(one), tables.live(one)
    assert (plan["status"], mirror.report(one).caught_up) == ("failed", True)
    assert sorted(live["failed_agents"]) == ["no json", "raises"]
    errors = {event["agent_name"]: event["data"]["record"]["error"] for event in tables.events(one) if ended(event)}
    assert errors["raises"] == {"type": "ValueError", "message": "half\\x00way \\ud800"}
    assert errors["no json"]["type"] == "OutputError"
    shown = live["intermediate_outputs"]['large "ü" \N{SNOWMAN}']
    assert shown["truncated"] is True
    assert len(shown["preview"]) == 1000
    assert shown["reference"] == {"thread_id": "thread", "channel": 'large "ü" \N{SNOWMAN}'}


def ended(event):
    return event["event"] == "agent_ended"


class Odd:
    """Something that no JSON holds, and that is not even to be shown."""

    def __str__(self):
        raise RuntimeError("do not look")


def test_a_question_that_cannot_be_written_costs_no_other_run_its_place_in_the_tables(tables, mirror, monkeypatch):
    def asked_oddly(interrupts, checkpoint_id=None):
        note = asked(interrupts, checkpoint_id)
        return replace(note, data={**note.data, "interrupts": [{"id": "1", "value": Odd()}]})

    monkeypatch.setattr("planner_graph.mirror.handler.asked", asked_oddly)
    graph = compile_plan(make_plan(DIAMOND), bodies(b=lambda _: interrupt("well?")), checkpointer=InMemorySaver())
    graph.invoke(INPUT, followed_by(mirror, "odd"))
    diamond().invoke(INPUT, followed_by(mirror, "other"))

    assert mirror.report("odd").problem == "RuntimeError: do not look"
    assert not mirror.broken
    tables.check_complete(mirror.report("other").run_id)


def test_a_very_large_question_is_cut_to_a_preview(tables, mirror):
    graph = diamond(b=lambda _: interrupt("x" * 3_000_000))
    graph.invoke(INPUT, followed_by(mirror))

    shown = questions(tables, tables.runs()[0])
    assert shown["truncated"] is True
    assert len(shown["preview"]) == 10_000


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_nothing_of_an_invocation_is_kept_when_it_has_ended(mirror, how):
    class Body:
        async def __call__(self, _):
            return 1

    body = Body()
    graph = diamond(b=body)
    kept = [weakref.ref(graph), weakref.ref(body)]
    async with aclosing(graph.astream(INPUT, followed_by(mirror))) as items:
        async for _ in items:
            kept += [weakref.ref(follower) for follower in mirror._followers.values()]
    await invoke(graph, how, INPUT, followed_by(mirror))

    del graph, body
    for _turn in range(3):  # what has a finalizer is gone with the collection after
        gc.collect()
    assert len(kept) > 2
    assert {ref() for ref in kept} == {None}
    assert {(track.plan, track.ledger) for track in mirror._tracks} == {(None, None)}
    assert mirror.report("thread").caught_up


def test_its_thread_ends_with_it(dsn):
    before = set(threading.enumerate())
    with PlanMirror(dsn) as mirror:
        assert "planner-graph-mirror" in {thread.name for thread in set(threading.enumerate()) - before}
        diamond().invoke(INPUT, followed_by(mirror))

    assert not any(thread.name.startswith("planner-graph-mirror") for thread in set(threading.enumerate()) - before)


def test_a_mirror_is_used_while_it_is_open_and_may_be_opened_again(tables):
    mirror = PlanMirror(tables.dsn)
    for _turn in range(2):
        with pytest.raises(MirrorNotOpenError):
            diamond().invoke(INPUT, followed_by(mirror))
        with mirror:
            with pytest.raises(MirrorOpenError):
                mirror.__enter__()
            diamond().invoke(INPUT, followed_by(mirror))
    assert len(tables.runs()) == 2


def test_if_one_of_two_mirrors_is_not_open_the_other_forgets_the_invocation(tables, mirror):
    config = {"callbacks": [mirror, PlanMirror(tables.dsn)], "configurable": {"thread_id": "thread"}}
    with pytest.raises(MirrorNotOpenError):
        diamond().invoke(INPUT, config)

    assert mirror._followers == {}
    assert tables.runs() == []
