"""Observers among the callbacks of a plan's graph: what they are told, when, and what they cannot do to a run."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.observing import Beginning, Ending, Follower, PlanObserver, observers
from planner_graph.errors import CampaignError
from tests.fakes import INPUT, WAYS, Notebook, run, within
from tests.plans import make_plan

PAIR = {"a": [], "b": ["a"]}
STRATEGIES = ("sequential", "parallel", "adaptive")


class Watcher(PlanObserver):
    """An observer that takes notes, of one invocation after the other."""

    def __init__(self):
        self.invocations: list[Note] = []
        self.called: list[str] = []
        self.holds_up = False

    def follow(self, invocation):
        note = Note(self, invocation)
        self.invocations.append(note)
        return note

    def on_interrupt(self, event):
        self.called.append("interrupt")
        assert event.run_id == self.invocations[-1].invocation

    def on_resume(self, event):
        self.called.append("resume")
        assert event.run_id == self.invocations[-1].invocation

    def on_chain_start(self, *_: Any, **__: Any) -> None:
        self.called.append("chain")


class Note(Follower):
    def __init__(self, watcher, invocation):
        self.watcher, self.invocation = watcher, invocation
        self.beginnings: list[Beginning] = []
        self.events: list[str] = []
        self.endings: list[Ending] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.done: Future[None] = Future()

    def begin(self, beginning):
        self.beginnings.append(beginning)

    async def tell(self, event):
        self.loops.add(asyncio.get_running_loop())
        self.events.append(f"{event['event']} {event['agent']}")

    def end(self, ending):
        self.endings.append(ending)
        if not self.watcher.holds_up:
            self.done.set_result(None)
        return self.done


def graph_of(strategy="adaptive", **others):
    bodies = Notebook().bodies(PAIR, **others)
    return compile_plan(make_plan(PAIR, strategy=strategy), bodies, checkpointer=InMemorySaver())


def watched_by(*watchers, **configurable) -> Any:
    return {"callbacks": [*watchers], "configurable": {"thread_id": "thread", **configurable}}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_observer_is_told_the_beginning_each_event_and_the_end(how, strategy):
    watcher = Watcher()
    run(graph_of(strategy), INPUT, watched_by(watcher, workflow_execution_id="x"), how=how)

    [note] = watcher.invocations
    [beginning], [ending] = note.beginnings, note.endings
    assert (beginning.run_id, beginning.thread_id, beginning.namespace) == ("x", "thread", "")
    assert (beginning.fresh, beginning.records, beginning.campaign) == (True, {}, INPUT["campaign"])
    assert note.events == ["agent_started a", "agent_ended a", "agent_started b", "agent_ended b"]
    assert ending.error is None
    assert ending.result is not None
    assert ending.result["status"] == "completed"
    assert len(note.loops) == 1
    assert watcher.called == []


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_invocation_that_goes_on_begins_with_the_records_there_are(how, strategy):
    watcher = Watcher()
    graph = graph_of(strategy, b=lambda _: interrupt("?"))
    run(graph, INPUT, watched_by(watcher), how=how)
    run(graph, Command(resume=1), watched_by(watcher), how=how)

    first, second = watcher.invocations
    [asked], [beginning], [ending] = first.endings, second.beginnings, second.endings
    assert (asked.result, asked.error) == (None, None)
    assert first.events[-1] == "agent_interrupted b"
    assert not beginning.fresh
    assert {agent: record["status"] for agent, record in beginning.records.items()} == {"a": "completed"}
    assert second.events == ["agent_started b", "agent_ended b"]
    assert ending.result is not None
    assert watcher.called == ["interrupt", "resume"]


@pytest.mark.parametrize("how", WAYS)
def test_an_invocation_that_is_refused_has_an_end_only(how):
    watcher = Watcher()
    with pytest.raises(CampaignError):
        run(graph_of(), {"campaign": 1}, watched_by(watcher), how=how)

    [note] = watcher.invocations
    [ending] = note.endings
    assert (note.beginnings, note.events) == ([], [])
    assert isinstance(ending.error, CampaignError)


@pytest.mark.parametrize("how", WAYS)
def test_the_result_comes_when_all_observers_are_done(how):
    slow, quick = Watcher(), Watcher()
    slow.holds_up = True
    ended = threading.Event()

    def go():
        result = run(graph_of(), INPUT, watched_by(slow, quick), how=how)
        ended.set()
        return result

    thread = threading.Thread(target=go)
    thread.start()
    while not (slow.invocations and slow.invocations[0].endings):
        thread.join(0.001)
    assert quick.invocations[0].endings
    assert not ended.wait(0.1)
    slow.invocations[0].done.set_result(None)
    within(20, thread.join)
    assert ended.is_set()


class Closed(PlanObserver):
    def follow(self, invocation):  # noqa: ARG002
        raise RuntimeError("closed")


@pytest.mark.parametrize("how", WAYS)
def test_if_one_observer_cannot_follow_the_others_are_told_that_it_is_over(how):
    watcher = Watcher()
    with pytest.raises(RuntimeError, match="closed"):
        run(graph_of(), INPUT, watched_by(watcher, Closed()), how=how)

    [note] = watcher.invocations
    [ending] = note.endings
    assert (note.beginnings, str(ending.error)) == ([], "closed")


def test_observers_are_found_in_lists_and_managers_each_once():
    watcher, other = Watcher(), Watcher()
    handlers: list[BaseCallbackHandler] = [watcher, BaseCallbackHandler(), other, watcher]
    assert observers({}) == observers({"callbacks": None}) == []
    assert observers({"callbacks": handlers}) == [watcher, other]
    assert observers({"callbacks": CallbackManager(handlers)}) == [watcher, other]
    assert observers({"callbacks": AsyncCallbackManager(handlers)}) == [watcher, other]


async def test_a_plan_run_by_an_agent_of_a_plan_has_neither_its_id_nor_its_place():
    watcher = Watcher()
    inner = compile_plan(make_plan({"x": []}), Notebook().bodies("x"))
    graph = graph_of(b=lambda _: inner.invoke(INPUT)["result"]["status"])
    await graph.ainvoke(INPUT, watched_by(watcher, workflow_execution_id="outer"))

    outer, own = (note.beginnings[0] for note in watcher.invocations)
    assert (outer.run_id, outer.namespace) == ("outer", "")
    assert (own.run_id, own.thread_id) == (None, "thread")
    assert own.namespace.startswith("b:")
    assert watcher.invocations[0].events[-1] == "agent_ended b"
