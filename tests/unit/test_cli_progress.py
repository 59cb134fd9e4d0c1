"""What a run looks like while it goes on: events in, rows out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from planner_graph.cli.progress import Progress
from planner_graph.compiler.events import AgentEnded, AgentStarted, AttemptFailed
from planner_graph.compiler.state import AgentRecord, ErrorInfo
from planner_graph.store.rows import AgentRunRow
from planner_graph.types import AgentName, AgentStatus
from tests.plans import make_plan

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def started(agent: str, seconds: float, attempt: int = 1) -> AgentStarted:
    return AgentStarted(event="agent_started", agent=agent, attempt=attempt, at=at(seconds).isoformat())


def failed(agent: str, seconds: float, retry_in: float | None) -> AttemptFailed:
    error = ErrorInfo(type="TimeoutError", message="too slow")
    return AttemptFailed(
        event="attempt_failed",
        agent=agent,
        attempt=1,
        at=at(seconds).isoformat(),
        error=error,
        retry_in_seconds=retry_in,
    )


def ended(agent: str, seconds: float, status: str = "completed", reason: str | None = None, attempts=1) -> AgentEnded:
    record = AgentRecord(
        status=status,
        output=None,
        error=None,
        reason=reason,
        replaces=None,
        attempts=attempts,
        started_at=START.isoformat(),
        ended_at=at(seconds).isoformat(),
        usage=None,
    )
    return AgentEnded(event="agent_ended", agent=agent, at=at(seconds).isoformat(), record=record)


def attempt(agent: str, status: str, number: int = 1) -> AgentRunRow:
    return AgentRunRow(
        agent_name=AgentName(agent),
        execution=1,
        attempt=number,
        status=AgentStatus(status),
        started_at=at(number),
        ended_at=None if status == "running" else at(number + 1),
    )


def test_everyone_waits_before_anything_happened():
    progress = Progress(make_plan({"a": [], "b": ["a"]}))
    assert [(agent.name, agent.status) for agent in progress.agents.values()] == [("a", "waiting"), ("b", "waiting")]
    assert progress.ended == 0


def test_a_running_agent_shows_its_time_against_its_estimate():
    progress = Progress(make_plan({"a": []}, seconds={"a": 10}))
    agent = progress.apply(started("a", 0))
    assert (agent.status, agent.seconds(at(4)), agent.fraction(at(4))) == ("running", 4, 0.4)


def test_time_alone_never_fills_the_bar():
    progress = Progress(make_plan({"a": []}, seconds={"a": 10}))
    assert progress.apply(started("a", 0)).fraction(at(1000)) == 0.95
    assert progress.apply(ended("a", 1000)).fraction(at(2000)) == 1


def test_a_failed_attempt_that_is_followed_by_another_shows_as_retrying_with_the_error():
    progress = Progress(make_plan({"a": []}))
    progress.apply(started("a", 0))
    agent = progress.apply(failed("a", 5, retry_in=2))
    assert (agent.status, agent.note) == ("retrying", "attempt 1 failed: TimeoutError: too slow")


def test_the_time_of_an_agent_counts_from_its_first_attempt():
    progress = Progress(make_plan({"a": []}))
    for event in (started("a", 0), failed("a", 5, retry_in=2), started("a", 7, attempt=2), ended("a", 9, attempts=2)):
        agent = progress.apply(event)
    assert (agent.status, agent.attempt, agent.seconds(at(100))) == ("completed", 2, 9)


def test_a_skipped_agent_has_its_reason_and_no_time():
    agent = Progress(make_plan({"a": []})).apply(ended("a", 1, "skipped", "hard dependency 'b' failed", attempts=0))
    assert (agent.status, agent.note) == ("skipped", "hard dependency 'b' failed")
    assert agent.fraction(at(2)) == 0


def test_all_agents_are_shown_in_execution_order_where_there_is_room():
    progress = Progress(make_plan({"a": [], "b": ["a"], "c": ["b"]}))
    progress.apply(started("b", 0))
    shown, folded = progress.rows(3)
    assert ([agent.name for agent in shown], folded) == (["a", "b", "c"], {})


def test_where_room_is_short_the_running_come_first_and_the_rest_is_counted():
    progress = Progress(make_plan({name: [] for name in "abcdefgh"}))
    for event in (ended("a", 1), ended("b", 2, "failed", "broken"), ended("c", 3), started("f", 3), started("h", 4)):
        progress.apply(event)
    shown, folded = progress.rows(5)
    assert [agent.name for agent in shown] == ["f", "h", "b", "d", "e"]
    assert folded == {AgentStatus.WAITING: 1, AgentStatus.COMPLETED: 2}


def test_among_the_finished_the_last_one_comes_first():
    progress = Progress(make_plan({name: [] for name in "abc"}))
    for event in (ended("b", 1), ended("c", 3), ended("a", 2)):
        progress.apply(event)
    assert [agent.name for agent in progress.rows(2)[0]] == ["c", "a"]


def test_a_resumed_run_shows_what_has_ended_and_lets_the_interrupted_wait():
    attempts = [
        attempt("a", "failed"),
        attempt("a", "completed", 2),
        attempt("b", "interrupted"),
        attempt("c", "running"),
    ]
    progress = Progress(make_plan({"a": [], "b": [], "c": [], "d": []}), attempts)
    assert [agent.status for agent in progress.agents.values()] == ["completed", "waiting", "waiting", "waiting"]
    assert progress.agents[AgentName("a")].seconds(at(100)) == 2


def test_a_run_can_be_shown_as_it_is_stored():
    attempts = [attempt("a", "running"), attempt("b", "interrupted")]
    progress = Progress(make_plan({"a": [], "b": []}), attempts, as_stored=True)
    assert [agent.status for agent in progress.agents.values()] == ["running", "interrupted"]


def test_time_before_an_interruption_does_not_count():
    attempts = [
        attempt("a", "interrupted"),
        replace(attempt("a", "completed"), execution=2, started_at=at(50), ended_at=at(53)),
    ]
    progress = Progress(make_plan({"a": []}), attempts, as_stored=True)
    assert progress.agents[AgentName("a")].seconds(at(100)) == 3


def test_an_agent_run_anew_after_an_interruption_counts_from_its_new_start():
    progress = Progress(make_plan({"a": []}), [attempt("a", "interrupted")])
    assert progress.apply(started("a", 50)).seconds(at(60)) == 10


def test_an_agent_whose_result_was_lost_runs_again_from_the_start():
    progress = Progress(make_plan({"a": []}), [attempt("a", "completed")])
    agent = progress.apply(started("a", 50))
    assert (agent.status, agent.seconds(at(60)), progress.ended) == ("running", 10, 0)
