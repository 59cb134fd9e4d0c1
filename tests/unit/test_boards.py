"""Runs that are left and go on: questions, pauses, cancellation, forks, subgraphs; one board each."""

import asyncio
import gc
import threading
import weakref
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

from planner_graph.compiler.board import Board
from planner_graph.compiler.compiler import compile_plan
from tests.catalogs import spec
from tests.fakes import INPUT, FakeClock, Notebook, planned, run, thread, within
from tests.plans import BLOG, make_plan

BOTH = ("invoke", "ainvoke")
PATIENCE = 30
TWO = {"a": [], "left": ["a"], "right": ["a"], "other": [], "join": ["left", "right", "other"]}


def adaptive(edges):
    return make_plan(edges, strategy="adaptive")


def asks(name):
    """Give an async and a sync body that ask a human."""

    async def body(_):
        return interrupt(f"{name}?")

    return body


def asks_in_thread(name):
    def body(_):
        return interrupt(f"{name}?")

    return body


def go(graph, given, *, how, config=None, **options):
    def work():
        if how == "ainvoke":
            return asyncio.run(graph.ainvoke(given, config or thread(), **options))
        return graph.invoke(given, config or thread(), **options)

    return within(PATIENCE, work)


@pytest.fixture(params=["same graph", "compiled anew"])
def again(request):
    """Go on with the same compiled graph, or with a fresh one as after a restart."""
    fresh = request.param == "compiled anew"

    def compiled(plan, bodies, saver):
        first = compile_plan(plan, bodies, checkpointer=saver)
        return first, (compile_plan(plan, bodies, checkpointer=saver) if fresh else first)

    return compiled


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("asker", [asks, asks_in_thread], ids=["async", "sync"])
@pytest.mark.parametrize("agent", BLOG)
def test_an_agent_that_asks_stops_only_those_that_need_it_and_goes_on_with_the_answer(again, agent, asker, how):
    notes = Notebook()
    first, second = again(adaptive(BLOG), notes.bodies(BLOG, **{agent: asker(agent)}), InMemorySaver())
    given = go(first, INPUT, how=how)
    assert [question.value for question in given["__interrupt__"]] == [f"{agent}?"]
    before = list(notes.started)
    final = go(second, Command(resume="yes"), how=how)
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {agent}), "each other agent ran exactly once"
    assert all(agent not in ancestors(name) for name in before)


def ancestors(name):
    return {name} | {other for before in BLOG[name] for other in ancestors(before)}


@pytest.mark.parametrize("how", BOTH)
def test_two_questions_at_once_answered_one_by_one(again, how):
    notes = Notebook()
    first, second = again(adaptive(TWO), notes.bodies(TWO, left=asks("left"), right=asks("right")), InMemorySaver())
    questions = go(first, INPUT, how=how)["__interrupt__"]
    assert sorted(question.value for question in questions) == ["left?", "right?"]
    assert sorted(notes.started) == ["a", "other"]
    one, two = questions
    left = go(second, Command(resume={one.id: 1}), how=how)["__interrupt__"]
    assert [question.id for question in left] == [two.id]
    assert "join" not in notes.started
    assert go(second, Command(resume={two.id: 2}), how=how)["result"]["status"] == "completed"
    assert sorted(notes.started) == ["a", "join", "other"]


@pytest.mark.parametrize("how", BOTH)
def test_two_questions_at_once_answered_together(again, how):
    notes = Notebook()
    first, second = again(adaptive(TWO), notes.bodies(TWO, left=asks("left"), right=asks("right")), InMemorySaver())
    questions = go(first, INPUT, how=how)["__interrupt__"]
    final = go(second, Command(resume={question.id: question.value for question in questions}), how=how)
    assert final["result"]["status"] == "completed"
    assert notes.inputs["join"][0]["left"] == "left?"
    assert notes.inputs["join"][0]["right"] == "right?"


@pytest.mark.parametrize("how", BOTH)
def test_an_agent_that_asks_twice_is_asked_once_each_and_finds_its_answers(again, how):
    async def twice(_):
        return [interrupt("one?"), interrupt("two?")]

    first, second = again(adaptive(TWO), Notebook().bodies(TWO, left=twice), InMemorySaver())
    assert go(first, INPUT, how=how)["__interrupt__"][0].value == "one?"
    assert go(second, Command(resume=1), how=how)["__interrupt__"][0].value == "two?"
    go(second, Command(resume=2), how=how)
    assert second.get_state(thread()).values["left"]["output"] == {"left": [1, 2]}


@pytest.mark.parametrize("how", BOTH)
def test_others_go_on_while_a_question_is_open(how):
    """The agent beside the one that asks ends only after the question has been put."""
    asked = threading.Event()

    async def left(_):
        asked.set()
        return interrupt("left?")

    async def other(_):
        return await asyncio.to_thread(asked.wait, PATIENCE)

    graph = compile_plan(adaptive(TWO), Notebook().bodies(TWO, left=left, other=other), checkpointer=InMemorySaver())
    go(graph, INPUT, how=how)
    ended = {task.name for task in graph.get_state(thread()).tasks if task.result}
    assert ended == {"a", "right", "other"}


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("limit", [1, 2])
def test_a_question_under_langgraphs_own_limit(again, how, limit):
    notes = Notebook()
    first, second = again(adaptive(BLOG), notes.bodies(BLOG, writer=asks("writer")), InMemorySaver())
    config = {**thread(), "max_concurrency": limit}
    go(first, INPUT, how=how, config=config)
    assert go(second, Command(resume=1), how=how, config=config)["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


@pytest.mark.parametrize("kind", ["hard", "soft", "optional"])
def test_what_an_open_question_means_for_each_kind_of_dependency(kind):
    """Who waits for the agent waits for the answer; who does not wait has run."""
    notes = Notebook()
    plan = make_plan({"asks": [], "user": ["asks"]}, strategy="adaptive", kinds={("user", "asks"): kind})
    graph = compile_plan(plan, notes.bodies(plan.by_agent, asks=asks("asks")), checkpointer=InMemorySaver())
    go(graph, INPUT, how="ainvoke")
    assert notes.started == (["user"] if kind == "optional" else [])
    final = go(graph, Command(resume="answer"), how="ainvoke")
    assert final["result"]["status"] == "completed"
    assert notes.started == ["user"]
    assert notes.inputs["user"][0].get("asks") == (None if kind == "optional" else "answer")


@pytest.mark.parametrize("how", BOTH)
def test_a_drained_run_starts_nobody_else_and_goes_on_later(again, how):
    notes, control = Notebook(), RunControl()

    def writer(_):
        control.request_drain("shutdown of the machine")
        return 1

    first, second = again(adaptive(BLOG), notes.bodies(BLOG, writer=writer), InMemorySaver())
    with pytest.raises(GraphDrained):
        go(first, INPUT, how=how, control=control)
    assert notes.started == ["planner", "researcher"]
    assert go(second, None, how=how)["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


@pytest.mark.parametrize("how", BOTH)
def test_a_drain_is_noticed_while_all_wait_for_a_rate(how):
    control = RunControl()
    plan = planned(
        *(spec(name, resources={"calls_per_hour": 1}) for name in "ab"),
        strategy="adaptive",
        limits={"resources": {"calls_per_hour": 1}},
    )
    notes = Notebook()
    graph = compile_plan(plan, notes.bodies("ab"), checkpointer=InMemorySaver())
    timer = threading.Timer(0.1, control.request_drain)
    timer.start()
    with pytest.raises(GraphDrained):
        go(graph, INPUT, how=how, control=control)
    timer.join()
    assert notes.started == ["a"]


async def hangs(_):
    await asyncio.Event().wait()


@pytest.mark.parametrize("state", ["waiting", "running", "in back-off", "queueing for a pool", "queueing for a rate"])
@pytest.mark.parametrize("saver", [InMemorySaver, None], ids=["checkpoints", "no checkpoints"])
async def test_a_run_cancelled_in_any_state_ends_at_once_and_goes_on_later(state, saver):
    notes, there = Notebook(), asyncio.Event()

    async def blocks(_):
        there.set()
        await asyncio.Event().wait()

    class NoTime(FakeClock):
        async def sleep(self, _):
            there.set()
            await asyncio.Event().wait()

    needs: dict[str, Any] = {"queueing for a pool": {"gpu": 1}, "queueing for a rate": {"n_per_hour": 1}}.get(state, {})
    plan = planned(
        spec("a", resources=needs),
        spec("b", after=["a"] if state == "waiting" else [], resources=needs),
        strategy="adaptive",
        limits={"resources": {"gpu": 1, "n_per_hour": 1}},
    )
    body = notes.body("a", raises=[OSError()]) if state == "in back-off" else blocks
    saved = saver and saver()
    broken = compile_plan(plan, notes.bodies("ab", a=body), checkpointer=saved, clock=NoTime())
    running = asyncio.create_task(broken.ainvoke(INPUT, thread()))
    async with asyncio.timeout(PATIENCE):
        await there.wait()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    if saved:
        mended = compile_plan(plan, notes.bodies("ab"), checkpointer=saved)
        if state == "queueing for a rate":
            assert [task.name for task in mended.get_state(thread()).tasks] == ["a", "b"]
            return
        final = await mended.ainvoke(None, thread())
        assert final["result"]["status"] == "completed"
        assert notes.started.count("b") == 1


async def test_what_had_ended_before_a_cancellation_does_not_run_again():
    notes, there = Notebook(), asyncio.Event()

    async def blocks(_):
        there.set()
        await asyncio.Event().wait()

    saver = InMemorySaver()
    broken = compile_plan(adaptive(BLOG), notes.bodies(BLOG, writer=blocks), checkpointer=saver)
    running = asyncio.create_task(broken.ainvoke(INPUT, thread()))
    await there.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    final = await compile_plan(adaptive(BLOG), notes.bodies(BLOG), checkpointer=saver).ainvoke(None, thread())
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(BLOG)


@pytest.mark.parametrize("how", BOTH)
def test_one_control_for_many_invocations_mixes_nothing(how):
    """Neither a control nor the lack of a thread tells invocations apart."""
    control, meet = RunControl(), threading.Barrier(3)

    async def body(inputs):
        await asyncio.to_thread(meet.wait, PATIENCE)
        return inputs["campaign"]["id"]

    graph = compile_plan(adaptive({"a": [], "b": ["a"]}), {"a": body, "b": body})

    def one(name):
        given: Any = {"campaign": {"id": name}}
        if how == "invoke":
            return graph.invoke(given, control=control)
        return asyncio.run(graph.ainvoke(given, control=control))

    found = {}
    threads = [
        threading.Thread(target=lambda name=name: found.update({name: one(name)}), daemon=True) for name in "xyz"
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
    assert {name: given["result"]["deliverables"] for name, given in found.items()} == {
        name: {"b": name} for name in "xyz"
    }


async def test_two_invocations_in_one_event_loop_do_not_meet():
    meet = asyncio.Barrier(2)

    async def body(inputs):
        async with asyncio.timeout(PATIENCE):
            await meet.wait()
        return inputs["campaign"]["id"]

    graph = compile_plan(adaptive({"a": [], "b": ["a"]}), {"a": body, "b": body}, checkpointer=InMemorySaver())
    given = await asyncio.gather(*(graph.ainvoke({"campaign": {"id": name}}, thread(name)) for name in ("one", "two")))
    assert [each["result"]["deliverables"]["b"] for each in given] == ["one", "two"]


@pytest.mark.parametrize("how", BOTH)
def test_a_thread_that_ended_can_be_used_again_with_new_input(how):
    notes = Notebook()
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG), checkpointer=InMemorySaver())
    for turn in (1, 2, 3):
        assert go(graph, {"campaign": {"id": str(turn)}}, how=how)["result"]["status"] == "completed"
        assert sorted(notes.started) == sorted([*BLOG] * turn)
    assert [given["campaign"]["id"] for given in notes.inputs["seo"]] == ["1", "2", "3"]


@pytest.mark.parametrize("how", BOTH)
def test_new_input_on_a_thread_with_an_open_question_starts_over(how):
    notes = Notebook()
    asking = compile_plan(adaptive(TWO), notes.bodies(TWO, left=asks("left")), checkpointer=InMemorySaver())
    go(asking, INPUT, how=how)
    again = go(asking, {"campaign": {"id": "new"}}, how=how)
    assert [question.value for question in again["__interrupt__"]] == ["left?"]
    go(asking, Command(resume="answer"), how=how)
    assert notes.inputs["join"][0]["campaign"] == {"id": "new"}
    assert notes.started.count("a") == 2


@pytest.mark.parametrize("how", BOTH)
def test_a_fork_from_an_earlier_checkpoint_runs_from_there(how):
    notes = Notebook()
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG), checkpointer=InMemorySaver())
    go(graph, INPUT, how=how)
    history = list(graph.get_state_history(thread()))
    before_agents = next(state for state in history if set(state.next) == set(BLOG))
    before_entry = next(state for state in history if state.next == ("plan",))
    for count, state in enumerate((before_agents, before_entry), start=2):
        assert go(graph, None, how=how, config=state.config)["result"]["status"] == "completed"
        assert sorted(notes.started) == sorted([*BLOG] * count)


class Hesitant(InMemorySaver):
    """A saver that stores a checkpoint only after others have had time to look for it."""

    hesitates = False

    def put(self, *arguments, **options):
        if self.hesitates:
            threading.Event().wait(0.05)
        return super().put(*arguments, **options)

    async def aput(self, *arguments, **options):
        if self.hesitates:
            await asyncio.sleep(0.05)
        return super().put(*arguments, **options)


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
def test_a_fork_does_not_look_for_a_checkpoint_that_is_not_stored_yet(how, durability):
    notes, saver = Notebook(), Hesitant()
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG), checkpointer=saver)
    go(graph, INPUT, how=how)
    before_agents = next(state for state in graph.get_state_history(thread()) if set(state.next) == set(BLOG))
    saver.hesitates = True
    final = go(graph, None, how=how, config=before_agents.config, durability=durability)
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted([*BLOG] * 2)


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
@pytest.mark.parametrize("how", BOTH)
def test_each_durability_brings_a_run_through_a_question(again, how, durability):
    notes = Notebook()
    first, second = again(adaptive(BLOG), notes.bodies(BLOG, writer=asks("writer")), InMemorySaver())
    go(first, INPUT, how=how, durability=durability)
    final = go(second, Command(resume="yes"), how=how, durability=durability)
    assert final["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


@pytest.mark.parametrize("breakpoint_at", ["interrupt_before", "interrupt_after"])
@pytest.mark.parametrize("how", BOTH)
def test_a_breakpoint_holds_the_whole_superstep_and_the_run_goes_on(how, breakpoint_at):
    notes = Notebook()
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG), checkpointer=InMemorySaver())
    go(graph, INPUT, how=how, **{breakpoint_at: ["writer"]})
    assert len(notes.started) == (0 if breakpoint_at == "interrupt_before" else len(BLOG))
    assert go(graph, None, how=how)["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(BLOG)


@pytest.mark.parametrize("how", BOTH)
def test_state_changed_from_outside_is_taken_up(how):
    """A human starts the run over with another campaign."""
    notes = Notebook()
    graph = compile_plan(adaptive({"a": []}), {"a": notes.body("a", gives=1)}, checkpointer=InMemorySaver())
    go(graph, INPUT, how=how)
    graph.update_state(thread(), {"campaign": {"id": "changed"}}, as_node="__start__")
    assert go(graph, None, how=how)["result"]["status"] == "completed"
    assert notes.inputs["a"][-1]["campaign"] == {"id": "changed"}


class Unreadable(InMemorySaver):
    """A saver whose database is away when the first agent of a resumed run looks."""

    def __init__(self, error):
        super().__init__()
        self.error = error
        self.reads_left: int | None = None

    def _count(self):
        if self.reads_left is not None:
            self.reads_left -= 1
            if self.reads_left < 0:
                raise self.error

    def get_tuple(self, config):
        self._count()
        return super().get_tuple(config)

    async def aget_tuple(self, config):
        self._count()
        return super().get_tuple(config)


@pytest.mark.parametrize("how", BOTH)
def test_a_board_that_cannot_be_filled_is_the_invocations_error_and_the_next_one_goes_on(how):
    notes, saver = Notebook(), Unreadable(ConnectionError("the database is away"))
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG, writer=asks("writer")), checkpointer=saver)
    go(graph, INPUT, how=how)
    saver.reads_left = 1  # LangGraph's own look at the thread
    with pytest.raises(ConnectionError, match="the database is away"):
        go(graph, Command(resume="yes"), how=how)
    saver.reads_left = None
    assert go(graph, None, how=how)["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


async def test_a_run_cancelled_while_its_board_is_filled_goes_on_later():
    looked = asyncio.Event()

    class Slow(InMemorySaver):
        slow = False

        async def aget_tuple(self, config):
            if self.slow and config["configurable"].get("checkpoint_id"):
                looked.set()
                await asyncio.Event().wait()
            return await super().aget_tuple(config)

    notes, saver = Notebook(), Slow()
    graph = compile_plan(adaptive(BLOG), notes.bodies(BLOG, writer=asks("writer")), checkpointer=saver)
    await graph.ainvoke(INPUT, thread())
    saver.slow = True
    running = asyncio.create_task(graph.ainvoke(Command(resume="yes"), thread()))
    async with asyncio.timeout(PATIENCE):
        await looked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    saver.slow = False
    assert (await graph.ainvoke(None, thread()))["result"]["status"] == "completed"
    assert sorted(notes.started) == sorted(set(BLOG) - {"writer"})


@pytest.mark.parametrize("how", BOTH)
def test_nothing_is_kept_of_invocations_that_have_ended_or_were_left(how, monkeypatch):
    boards: weakref.WeakSet[Board] = weakref.WeakSet()
    born = Board.__init__

    def noted(self, *arguments, **options):
        born(self, *arguments, **options)
        boards.add(self)

    monkeypatch.setattr(Board, "__init__", noted)
    graph = compile_plan(adaptive(BLOG), Notebook().bodies(BLOG, writer=asks("writer")), checkpointer=InMemorySaver())
    for number in range(5):
        go(graph, INPUT, how=how, config=thread(str(number)))
    assert len(boards) <= 5
    for _turn in range(3):  # what has a finalizer is gone with the collection after
        gc.collect()
    assert not boards


def in_a_bigger_graph(plan_graph, saver):
    """Put a compiled plan between two nodes of a user's own graph."""

    class Outer(TypedDict, total=False):
        campaign: dict[str, Any]
        result: dict[str, Any]
        said: str

    builder = StateGraph(Outer)
    builder.add_node("before", lambda _: {"campaign": {"id": "outer"}})
    builder.add_node("campaigns", plan_graph)
    builder.add_node("after", lambda state: {"said": state["result"]["status"]})
    builder.add_edge(START, "before")
    builder.add_edge("before", "campaigns")
    builder.add_edge("campaigns", "after")
    builder.add_edge("after", END)
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("saver", [InMemorySaver, None], ids=["checkpoints", "no checkpoints"])
def test_as_a_subgraph(how, saver):
    notes = Notebook()
    outer = in_a_bigger_graph(compile_plan(adaptive(BLOG), notes.bodies(BLOG)), saver and saver())
    assert go(outer, {}, how=how)["said"] == "completed"
    assert sorted(notes.started) == sorted(BLOG)


@pytest.mark.parametrize("how", BOTH)
def test_as_a_subgraph_with_two_questions_through_the_parent(how):
    notes, saver = Notebook(), InMemorySaver()
    bodies = notes.bodies(TWO, left=asks("left"), right=asks_in_thread("right"))
    outer = in_a_bigger_graph(compile_plan(adaptive(TWO), bodies), saver)
    one, two = go(outer, {}, how=how)["__interrupt__"]
    assert [each.id for each in go(outer, Command(resume={one.id: 1}), how=how)["__interrupt__"]] == [two.id]
    outer = in_a_bigger_graph(compile_plan(adaptive(TWO), bodies), saver)
    assert go(outer, Command(resume={two.id: 2}), how=how)["said"] == "completed"
    assert sorted(notes.started) == ["a", "join", "other"]


@pytest.mark.parametrize("how", BOTH)
def test_several_times_inside_one_node_of_a_users_graph(how):
    """Called as a function, one after the other and side by side, each call meets only its own agents."""

    async def body(inputs):
        await asyncio.sleep(0)
        return inputs["campaign"]["id"]

    plan_graph = compile_plan(adaptive({"a": [], "b": ["a"]}), {"a": body, "b": body})

    def given(name):
        return {"campaign": {"id": name}}

    async def calls(_):
        found = await asyncio.gather(*(plan_graph.ainvoke(given(name)) for name in "xy"))
        found.append(await plan_graph.ainvoke(given("z")))
        return {"said": [each["result"]["deliverables"]["b"] for each in found]}

    def calls_sync(_):
        return {"said": [plan_graph.invoke(given(name))["result"]["deliverables"]["b"] for name in "xyz"]}

    builder = StateGraph(TypedDict("S", {"said": list[str]}))  # type: ignore[operator]
    builder.add_node("calls", calls if how == "ainvoke" else calls_sync)
    builder.add_edge(START, "calls")
    outer = builder.compile(checkpointer=InMemorySaver())
    assert go(outer, {"said": []}, how=how)["said"] == ["x", "y", "z"]


def small_graph():
    """A user's graph of two steps, of which the second asks a human; notes how often each step runs."""
    runs = []

    class Inner(TypedDict, total=False):
        campaign: dict[str, Any]
        draft: str
        review: str

    def write(_):
        runs.append("write")
        return {"draft": "draft"}

    def review(_):
        runs.append("review")
        return {"review": interrupt("good?")}

    builder = StateGraph(Inner)
    builder.add_node("write", write)
    builder.add_node("review", review)
    builder.add_edge(START, "write")
    builder.add_edge("write", "review")
    return builder.compile(), runs


@pytest.mark.parametrize("how", BOTH)
def test_an_agent_that_is_a_graph_goes_on_inside(again, how):
    inner, runs = small_graph()
    notes = Notebook()
    plan = planned(
        spec("a"),
        spec("graph", after=["a"], gives=["draft", "review"]),
        spec("b", after=["graph"]),
        strategy="adaptive",
    )
    first, second = again(plan, notes.bodies("ab") | {"graph": inner}, InMemorySaver())
    assert [each.value for each in go(first, INPUT, how=how)["__interrupt__"]] == ["good?"]
    final = go(second, Command(resume="very good"), how=how)
    assert final["result"]["status"] == "completed"
    assert notes.inputs["b"][0]["review"] == "very good"
    assert runs == ["write", "review", "review"]
    assert notes.started == ["a", "b"]


@pytest.mark.parametrize("how", BOTH)
def test_a_plan_may_be_an_agent_of_another_plan(how):
    notes = Notebook()
    inner = compile_plan(adaptive(TWO), notes.bodies(TWO, left=asks("left")))
    plan = planned(spec("first"), spec("inner", after=["first"], gives=["result"]), strategy="adaptive")
    graph = compile_plan(plan, notes.bodies(["first"]) | {"inner": inner}, checkpointer=InMemorySaver())
    assert go(graph, INPUT, how=how)["__interrupt__"][0].value == "left?"
    final = go(graph, Command(resume="yes"), how=how)
    assert final["result"]["deliverables"]["result"]["status"] == "completed"
    assert sorted(notes.started) == ["a", "first", "join", "other", "right"]


@pytest.mark.parametrize("strategy", ["sequential", "parallel", "adaptive"])
@pytest.mark.parametrize("how", BOTH)
def test_a_graph_with_checkpoints_says_what_the_config_lacks(how, strategy):
    graph = compile_plan(make_plan(BLOG, strategy=strategy), Notebook().bodies(BLOG), checkpointer=InMemorySaver())
    with pytest.raises(ValueError, match="thread_id"):
        run(graph, how=how)
