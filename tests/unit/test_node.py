"""One agent: its attempts, their time limit, the record they leave, and what is let through."""

import asyncio
import threading
from datetime import timedelta

import pytest
from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.failure import ERROR_TEXT_LIMIT
from planner_graph.compiler.node import describe
from planner_graph.compiler.obstacle import find_obstacle
from tests.catalogs import spec
from tests.fakes import INPUT, START, FakeClock, HastyLoop, Notebook, planned, run, step_of

AT_ONCE = {"initial_seconds": 0}


def record_of(body, *, how="invoke", clock=None, **fields):
    """Run a plan of one agent and give the record it leaves."""
    return run(compile_plan(planned(spec("a", **fields)), {"a": body}, clock=clock or FakeClock()), how=how)["a"]


def test_a_completed_agents_record():
    clock = FakeClock()

    def body(_):
        clock.time += timedelta(seconds=2, microseconds=5)
        return "text"

    assert record_of(body, clock=clock) == {
        "status": "completed",
        "output": {"a": "text"},
        "error": None,
        "reason": None,
        "replaces": None,
        "attempts": 1,
        "started_at": "2030-01-01T00:00:00.000000+00:00",
        "ended_at": "2030-01-01T00:00:02.000005+00:00",
        "usage": None,
    }


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_declared_retries_are_used_up_and_then_the_agent_has_failed(how):
    notes, clock = Notebook(), FakeClock()
    body = notes.body("a", raises=[ConnectionError(f"try {n}") for n in (1, 2, 3, 4)])
    assert record_of(body, how=how, clock=clock, max_retries=2) == {
        "status": "failed",
        "output": None,
        "error": {"type": "ConnectionError", "message": "try 3"},
        "reason": "ConnectionError after 3 attempts: try 3",
        "replaces": None,
        "attempts": 3,
        "started_at": "2030-01-01T00:00:00.000000+00:00",
        "ended_at": "2030-01-01T00:00:03.000000+00:00",
        "usage": None,
    }
    assert len(notes.started) == 3


def test_an_agent_that_succeeds_at_last_is_completed():
    notes = Notebook()
    record = record_of(notes.body("a", raises=[OSError(), ValueError(), TimeoutError()]), max_retries=3)
    assert (record["status"], record["attempts"], record["reason"], record["error"]) == ("completed", 4, None, None)


@pytest.mark.parametrize(
    ("backoff", "luck", "waits"),
    [
        ({}, 0.0, [1, 2, 4, 8]),
        ({"initial_seconds": 0.5, "factor": 3}, 0.0, [0.5, 1.5, 4.5, 13.5]),
        ({"initial_seconds": 10, "max_seconds": 25}, 0.0, [10, 20, 25, 25]),
        ({"initial_seconds": 100, "max_seconds": 25}, 0.0, [25, 25, 25, 25]),
        ({"jitter": 0.5}, 0.5, [0.75, 1.5, 3, 6]),
        ({"jitter": 0}, 0.9, [1, 2, 4, 8]),
        ({"initial_seconds": 0}, 0.0, [0, 0, 0, 0]),
    ],
)
def test_waits_between_attempts_grow_as_declared(backoff, luck, waits):
    clock, notes = FakeClock(luck=luck), Notebook()
    record_of(notes.body("a", raises=[OSError()] * 9), clock=clock, max_retries=4, backoff=backoff)
    assert clock.slept == pytest.approx(waits)


@pytest.mark.parametrize("error", [KeyError("k"), TypeError("t"), ZeroDivisionError()], ids=repr)
def test_errors_of_the_program_get_no_second_attempt(error):
    notes, clock = Notebook(), FakeClock()
    record = record_of(notes.body("a", raises=[error]), clock=clock, max_retries=5)
    assert (record["status"], record["attempts"], clock.slept) == ("failed", 1, [])


def test_no_retries_declared_means_one_attempt():
    assert (
        record_of(Notebook().body("a", raises=[OSError("x")]), max_retries=0)["reason"] == "OSError after 1 attempt: x"
    )


async def never_ends(_):
    await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_async_body_is_cancelled_when_its_time_is_up(how):
    cancelled = []

    async def body(_):
        try:
            await never_ends(_)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    record = record_of(body, how=how, timeout_seconds=0.02, max_retries=1)
    assert record["reason"] == "TimeoutError after 2 attempts: no result within 0.02 s"
    assert record["error"] == {"type": "TimeoutError", "message": "no result within 0.02 s"}
    assert cancelled == [True, True]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_sync_body_is_given_up_on_when_its_time_is_up(how):
    release = threading.Event()
    try:
        record = record_of(lambda _: release.wait(60), how=how, timeout_seconds=0.02, max_retries=0)
    finally:
        release.set()
    assert record["reason"] == "TimeoutError after 1 attempt: no result within 0.02 s"


def test_the_late_result_of_an_attempt_that_was_given_up_on_changes_nothing():
    release, late = threading.Event(), threading.Event()

    def body(_, context):
        if context.attempt == 1:
            release.wait(60)
            late.set()
            return "late"
        release.set()
        late.wait(60)
        return "in time"

    record = record_of(body, timeout_seconds=0.2, max_retries=1)
    assert (record["output"], record["attempts"]) == ({"a": "in time"}, 2)


def test_the_time_limit_holds_for_each_attempt_by_itself():
    notes = Notebook()

    async def body(inputs):
        notes.begin("a", inputs)
        if len(notes.started) < 3:
            await never_ends(inputs)
        return "text"

    assert record_of(body, timeout_seconds=0.02, max_retries=2)["attempts"] == 3


def test_a_timeout_error_of_the_bodys_own_keeps_its_own_message():
    record = record_of(Notebook().body("a", raises=[TimeoutError("the server is slow")]), max_retries=0)
    assert record["reason"] == "TimeoutError after 1 attempt: the server is slow"
    assert (
        record_of(Notebook().body("a", raises=[TimeoutError()]), max_retries=0)["reason"]
        == "TimeoutError after 1 attempt"
    )


def test_what_a_body_gives_when_it_is_cancelled_comes_too_late():
    async def body(_):
        try:
            await never_ends(_)
        except asyncio.CancelledError:
            return "what there is so far"

    record = record_of(body, timeout_seconds=0.02, max_retries=0)
    assert (record["output"], record["reason"]) == (None, "TimeoutError after 1 attempt: no result within 0.02 s")


def test_a_record_keeps_the_beginning_of_a_very_long_error_text():
    record = record_of(Notebook().body("a", raises=[ValueError("x" * 5_000_000)]), max_retries=0)
    assert record["error"]["message"] == "x" * ERROR_TEXT_LIMIT + "... (4998000 more characters)"


def test_error_texts_hold_only_what_can_be_stored():
    assert describe(ValueError("a\0b\ud800c")) == {"type": "ValueError", "message": "a\\x00b\\ud800c"}


def test_an_error_that_cannot_be_written_is_recorded_all_the_same():
    class Broken(Exception):  # noqa: N818
        def __str__(self):
            raise RuntimeError("no text")

    record = record_of(Notebook().body("a", raises=[Broken()]), max_retries=0)
    assert record["reason"] == "Broken after 1 attempt: (its message cannot be read)"


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_body_that_raises_stop_iteration_has_failed(how, kind):
    async def async_body(_):
        raise StopIteration

    body = async_body if kind == "async" else Notebook().body("a", raises=[StopIteration()])
    record = record_of(body, how=how, max_retries=0)
    assert (record["status"], record["error"]["type"]) == ("failed", "RuntimeError")


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("code", [None, 0, 3, "no ink"])
def test_a_body_that_exits_fails_alone(how, code):
    def sync_body(_):
        raise SystemExit(code)

    async def async_body(_):
        raise SystemExit(code)

    for body in (sync_body, async_body):
        record = record_of(body, how=how, max_retries=0)
        message = f"agent 'a' called exit({'' if code is None else repr(code)}); raise an error instead"
        assert record["status"] == "failed"
        assert record["error"] == {"type": "BodyExitedError", "message": message}


async def test_cancelling_the_run_cancels_the_body_and_leaves_no_record_of_failure():
    running, told = asyncio.Event(), []

    async def body(_):
        running.set()
        try:
            await never_ends(_)
        except asyncio.CancelledError:
            told.append(True)
            raise

    graph = compile_plan(planned(spec("a", max_retries=5)), {"a": body})
    run_of_it = asyncio.create_task(graph.ainvoke(INPUT))
    await running.wait()
    run_of_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run_of_it
    assert told == [True]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_body_cancelled_by_its_own_doing_has_failed_and_can_be_tried_again(how):
    async def body(_, context):
        if context.attempt == 1:
            other = asyncio.ensure_future(never_ends(_))
            asyncio.get_running_loop().call_soon(other.cancel)
            await other
        return 1

    assert record_of(body, how=how, max_retries=1, backoff=AT_ONCE)["attempts"] == 2
    record = record_of(body, how=how, max_retries=0)
    message = "agent 'a' was cancelled from within, by its own code or by something it awaited"
    assert record["error"] == {"type": "BodyCancelledError", "message": message}


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_langgraphs_own_signals_are_let_through_at_the_first_attempt(how):
    class Signal(GraphBubbleUp):
        pass

    notes = Notebook()
    graph = compile_plan(planned(spec("a", max_retries=5)), {"a": notes.body("a", raises=[Signal()] * 5)})
    with pytest.raises(Signal):
        run(graph, how=how)
    assert len(notes.started) == 1


def test_a_command_for_the_parent_graph_is_refused():
    error = ParentCommand(Command(graph=Command.PARENT, goto="b"))
    record = record_of(Notebook().body("a", raises=[error]))
    problem = "output of agent 'a': a Command for the parent graph cannot steer a plan; return outputs"
    assert record["error"] == {"type": "OutputError", "message": problem}


def test_events_tell_each_attempt_each_failure_and_the_end():
    clock, notes = FakeClock(), Notebook()
    graph = compile_plan(planned(spec("a", max_retries=1)), {"a": notes.body("a", raises=[OSError("x")])}, clock=clock)
    events = list(graph.stream(INPUT, stream_mode="custom"))
    assert events[:3] == [
        {"event": "agent_started", "agent": "a", "attempt": 1, "at": "2030-01-01T00:00:00.000000+00:00"},
        {
            "event": "attempt_failed",
            "agent": "a",
            "attempt": 1,
            "at": "2030-01-01T00:00:00.000000+00:00",
            "error": {"type": "OSError", "message": "x"},
            "retry_in_seconds": 1.0,
        },
        {"event": "agent_started", "agent": "a", "attempt": 2, "at": "2030-01-01T00:00:01.000000+00:00"},
    ]
    (last,) = events[3:]
    assert (last["event"], last["record"]["status"]) == ("agent_ended", "completed")


async def test_the_last_failure_announces_no_retry():
    graph = compile_plan(planned(spec("a", max_retries=0)), {"a": Notebook().body("a", raises=[OSError()])})
    events = [event async for event in graph.astream(INPUT, stream_mode="custom")]
    assert [event["event"] for event in events] == ["agent_started", "attempt_failed", "agent_ended"]
    assert events[1]["retry_in_seconds"] is None


def test_a_skipped_agent_tells_only_its_end():
    plan = planned(spec("a", max_retries=0), spec("b", after=["a"]))
    graph = compile_plan(plan, {"a": Notebook().body("a", raises=[OSError()]), "b": Notebook().body("b")})
    events = [event["event"] for event in graph.stream(INPUT, stream_mode="custom") if event["agent"] == "b"]
    assert events == ["agent_ended"]


def test_a_hard_dependency_without_a_record_is_an_obstacle():
    step = step_of(planned(spec("a"), spec("b", after=["a"])), "b")
    for state in ({}, {"a": None}):
        obstacle = find_obstacle(step, state)
        assert obstacle is not None
        assert obstacle[0] == "hard dependency 'a' left no record"
        assert obstacle[1] == {"type": "DependencyFailed", "message": "agent 'a' left no record"}


def test_times_are_utc():
    assert START.tzinfo is not None
    assert record_of(lambda _: 1)["started_at"].endswith("+00:00")


HOURS = {"timeout_seconds": 3600, "total_timeout_seconds": 3600}


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_attempt_ends_when_the_time_of_all_attempts_is_up(kind, how):
    release = threading.Event()
    try:
        body = never_ends if kind == "async" else (lambda _: release.wait(60))
        record = record_of(body, how=how, timeout_seconds=60, total_timeout_seconds=0.02, max_retries=5)
    finally:
        release.set()
    message = "no result within 0.02 s, the limit of all attempts together"
    assert record["error"] == {"type": "AgentTimeoutError", "message": message}
    assert record["reason"] == f"AgentTimeoutError after 1 attempt: {message}"


def test_the_last_attempt_has_only_what_the_others_and_their_waits_have_left():
    times = []

    async def body(_):
        times.append(asyncio.get_running_loop().time())
        await never_ends(_)

    plan = planned(
        spec(
            "a",
            timeout_seconds=40,
            total_timeout_seconds=100,
            max_retries=9,
            backoff={"initial_seconds": 5, "factor": 1},
        )
    )
    graph = compile_plan(plan, {"a": body})
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        final = runner.run(graph.ainvoke(INPUT, output_keys=["a"]))
        assert runner.get_loop().time() == pytest.approx(100, abs=0.1)
    assert final["a"]["error"]["type"] == "AgentTimeoutError"
    assert final["a"]["attempts"] == len(times) == 3
    assert times[1] - times[0] == pytest.approx(45, abs=0.6)  # an attempt, and a wait of which a tenth is chance


def test_a_wait_for_which_there_is_no_time_is_not_begun():
    notes, clock = Notebook(), FakeClock()
    body = notes.body("a", raises=[OSError("x")] * 9)
    record = record_of(body, clock=clock, max_retries=9, **HOURS, backoff={"initial_seconds": 3600, "max_seconds": 1e5})
    assert (clock.slept, record["attempts"]) == ([], 1)
    assert record["error"] == {"type": "OSError", "message": "x"}
    reason = "OSError after 1 attempt: x; the 3600 s of all attempts together leave no time for another"
    assert record["reason"] == reason


def test_an_error_that_gets_no_further_attempt_anyway_says_nothing_of_time():
    record = record_of(Notebook().body("a", raises=[KeyError("x")]), max_retries=9, total_timeout_seconds=30)
    assert record["reason"] == "KeyError after 1 attempt: 'x'"


def test_the_answer_of_a_busy_service_says_how_long_to_wait():
    class RateLimitError(Exception):
        status_code, retry_after = 429, 20

    clock, notes = FakeClock(), Notebook()
    record = record_of(notes.body("a", raises=[RateLimitError()] * 2), clock=clock, max_retries=2)
    assert (record["attempts"], clock.slept) == (3, [20, 20])


def test_a_spec_says_which_errors_are_worth_another_attempt():
    def attempts(error, **fields):
        body = Notebook().body("a", raises=[error] * 9)
        return record_of(body, max_retries=2, backoff=AT_ONCE, **fields)["attempts"]

    assert attempts(KeyError("k"), retry_on=["LookupError"]) == 3
    assert attempts(ConnectionError(), do_not_retry=["OSError"]) == 1
    assert attempts(TimeoutError(), do_not_retry=["TimeoutError"]) == 1
    assert attempts(ConnectionError(), do_not_retry=["Exception"], retry_on=["TimeoutError"]) == 1
