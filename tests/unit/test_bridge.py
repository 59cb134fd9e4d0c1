"""Sync callers and sync bodies around one async implementation: threads, signals, ends."""

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph

from planner_graph.compiler.bridge import BackgroundLoop, in_thread
from planner_graph.compiler.compiler import compile_plan
from tests.catalogs import spec
from tests.fakes import INPUT, Notebook, planned, run
from tests.plans import make_plan

ASKED_FOR = contextvars.ContextVar("ASKED_FOR", default="nothing")


def loops():
    return [thread for thread in threading.enumerate() if thread.name == "planner-graph-loop"]


def open_files():
    """Count this process's open files, where the system tells."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def ends(threads, within=30):
    """Wait until these threads have ended; what keeps them may be garbage that only another collection finds."""
    deadline = time.monotonic() + within
    while alive := [thread for thread in threads if thread.is_alive()]:
        if time.monotonic() > deadline:
            return False
        gc.collect()
        alive[0].join(0.1)
    return True


async def answer():
    await asyncio.sleep(0)
    return ASKED_FOR.get()


async def broken():
    raise LookupError("no luck")


def test_a_sync_caller_gets_the_result_and_its_context_is_kept():
    loop = BackgroundLoop()
    token = ASKED_FOR.set("an answer")
    try:
        assert loop.run(answer()) == "an answer"
    finally:
        ASKED_FOR.reset(token)
    assert loop.run(answer()) == "nothing"


def test_a_sync_caller_gets_the_error():
    with pytest.raises(LookupError, match="no luck"):
        BackgroundLoop().run(broken())


def test_many_threads_share_one_loop():
    before, loop, seen = set(loops()), BackgroundLoop(), []

    async def note():
        seen.append(asyncio.get_running_loop())

    threads = [threading.Thread(target=lambda: loop.run(note())) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert ends(threads)
    assert len(seen) == 10
    assert len(set(seen)) == 1
    assert len(set(loops()) - before) == 1


def test_no_thread_is_started_before_it_is_needed():
    before = set(loops())
    graph = compile_plan(make_plan({"a": []}), Notebook().bodies("a"))
    asyncio.run(graph.ainvoke(INPUT))
    assert set(loops()) <= before


def test_the_loop_ends_with_its_owner_and_ends_what_still_runs_there():
    told = threading.Event()

    async def leave_something_behind():
        async def wait():
            try:
                await asyncio.Event().wait()
            finally:
                told.set()

        return asyncio.create_task(wait())

    before, loop = set(loops()), BackgroundLoop()
    task = loop.run(leave_something_behind())
    started = set(loops()) - before
    assert len(started) == 1
    del loop, task
    gc.collect()
    assert told.wait(30)
    assert ends(started)


@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
def test_graphs_that_are_no_longer_used_leave_no_threads_and_no_open_files(strategy):
    gc.collect()
    before, files = set(loops()), open_files()

    async def body(_):
        return 1

    for _ in range(50):
        plan = make_plan({"a": [], "b": ["a"]}, strategy=strategy)
        compile_plan(plan, {"a": body, "b": lambda _: 1}).invoke(INPUT)
    gc.collect()
    assert ends(set(loops()) - before)
    assert open_files() <= files + 3


class State(TypedDict, total=False):
    campaign: dict[str, Any]


def test_a_keyboard_interrupt_deep_inside_an_async_body_does_not_take_the_loop_with_it():
    notes = Notebook()

    async def node(state):
        notes.begin("node", state)
        if len(notes.started) == 1:
            raise KeyboardInterrupt
        return {}

    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    graph = compile_plan(planned(spec("a", max_retries=0)), {"a": builder.compile()})
    assert graph.invoke(INPUT)["result"]["agents"]["a"]["reason"].startswith("KeyboardInterrupt after 1 attempt")
    assert graph.invoke(INPUT)["result"]["status"] == "completed"


def interrupted(graph, running, *, how):
    """Run the graph in this thread and press Ctrl-C as soon as two bodies run.

    As a human would, press again where nothing happens: a signal that comes just before a thread falls asleep does not
    wake it. Without garbage collection, for an interrupt that hits a finalizer is reported instead of raised.
    """
    ended = threading.Event()

    def press():
        running.acquire()
        running.acquire()
        while True:
            os.kill(os.getpid(), signal.SIGINT)
            if ended.wait(5):
                return

    gc.disable()
    try:
        threading.Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            run(graph, how=how)
    finally:
        ended.set()
        gc.enable()


@pytest.mark.parametrize("how", ["invoke", "stream"])
@pytest.mark.parametrize("kind", ["async", "sync", "runnable"])
def test_ctrl_c_ends_a_sync_run_while_several_agents_are_at_work(kind, how):
    running, release, cancelled = threading.Semaphore(0), threading.Event(), []

    def sync(_):
        running.release()
        release.wait(60)

    async def on_loop(_):
        running.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    body: Any = {"async": on_loop, "sync": sync, "runnable": RunnableLambda(sync, on_loop)}[kind]
    graph = compile_plan(make_plan({"a": [], "b": [], "c": ["a"]}), {"a": body, "b": body, "c": Notebook().body("c")})
    try:
        interrupted(graph, running, how=how)
    finally:
        release.set()
    assert cancelled == ([] if kind == "sync" else [True, True])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_after_ctrl_c_the_graph_can_be_run_again():
    running, notes = threading.Semaphore(0), Notebook()

    async def body(inputs):
        notes.begin("a", inputs)
        if len(notes.started) <= 2:
            running.release()
            await asyncio.Event().wait()
        return 1

    graph = compile_plan(make_plan({"a": [], "b": []}), {"a": body, "b": body})
    interrupted(graph, running, how="invoke")
    assert graph.invoke(INPUT)["result"]["status"] == "completed"


def test_after_ctrl_c_agents_that_wait_for_a_free_worker_do_not_start():
    running, notes = threading.Semaphore(0), Notebook()

    async def body(inputs):
        notes.begin(inputs["campaign"]["id"], inputs)
        running.release()
        await asyncio.Event().wait()

    agents = [f"agent{n}" for n in range(6)]
    graph = compile_plan(make_plan({agent: [] for agent in agents}), dict.fromkeys(agents, body))
    interrupted(graph.with_config(max_concurrency=2), running, how="invoke")
    assert len(notes.started) == 2


def test_a_ctrl_c_that_python_swallowed_is_raised_in_place_of_what_it_led_to():
    def fail(*, pressed):
        with BackgroundLoop().stopped_by_ctrl_c():
            with contextlib.suppress(KeyboardInterrupt):  # as happens inside a finalizer
                if pressed:
                    signal.raise_signal(signal.SIGINT)
            raise RuntimeError("an agent was cancelled")

    with pytest.raises(KeyboardInterrupt):
        fail(pressed=True)
    with pytest.raises(RuntimeError):
        fail(pressed=False)


def test_a_program_that_handles_ctrl_c_itself_is_not_disturbed():
    told = []
    before = signal.signal(signal.SIGINT, lambda *_: told.append("mine"))
    try:

        def body(_):
            os.kill(os.getpid(), signal.SIGINT)
            return 1

        graph = compile_plan(make_plan({"a": [], "b": []}), {"a": body, "b": lambda _: 1})
        assert graph.invoke(INPUT)["result"]["status"] == "completed"
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == ["mine"]


def test_outside_the_main_thread_signals_are_left_alone():
    seen = []

    class Listener(BaseCallbackHandler):
        def on_chain_start(self, *_, **__):
            seen.append(signal.getsignal(signal.SIGINT))

    def go():
        compile_plan(make_plan({"a": []}), {"a": lambda _: 1}).invoke(INPUT, {"callbacks": [Listener()]})

    thread = threading.Thread(target=go)
    thread.start()
    assert ends([thread])
    assert set(seen) == {signal.default_int_handler}


def test_a_stream_that_is_not_read_to_its_end_gives_the_signal_back():
    stream: Any = compile_plan(make_plan({"a": []}), {"a": lambda _: 1}).stream(INPUT)
    next(stream)
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    stream.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


GIVEN_UP_ON = """
    import asyncio, sys, time
    from planner_graph.compiler.compiler import compile_plan
    from tests.catalogs import spec
    from tests.fakes import INPUT, planned

    plan = planned(spec("a", timeout_seconds=0.05, max_retries=0))
    graph = compile_plan(plan, {"a": lambda _: time.sleep(300)})
    result = graph.invoke(INPUT) if sys.argv[1] == "invoke" else asyncio.run(graph.ainvoke(INPUT))
    print(result["result"]["agents"]["a"]["reason"])
"""


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_sync_body_that_was_given_up_on_does_not_keep_the_process_from_ending(how):
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(GIVEN_UP_ON), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "TimeoutError after 1 attempt: no result within 0.05 s\n"


async def test_a_function_in_a_thread_sees_the_callers_context():
    token = ASKED_FOR.set("an answer")
    assert await in_thread(ASKED_FOR.get) == "an answer"
    ASKED_FOR.reset(token)


async def test_a_function_in_a_thread_may_raise_anything():
    def fails(error):
        raise error

    with pytest.raises(LookupError):
        await in_thread(fails, LookupError())
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await in_thread(fails, StopIteration(1))
    with pytest.raises(GeneratorExit):
        await in_thread(fails, GeneratorExit())


async def test_a_thread_that_ends_after_nobody_waits_any_more_disturbs_nobody():
    release, told = threading.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(in_thread(release.wait, 60), 0.02)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "planner-graph-body":
            await asyncio.to_thread(thread.join, 30)
    await asyncio.sleep(0)
    assert told == []


def test_a_thread_that_ends_after_its_loop_disturbs_nobody():
    release, ended = threading.Event(), threading.Event()

    def late():
        release.wait(60)
        ended.set()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(late), 0.02)

    asyncio.run(give_up())
    release.set()
    assert ended.wait(30)
    assert ends([thread for thread in threading.enumerate() if thread.name == "planner-graph-body"])
