"""What a run looks like while it goes on: events in, rows out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from planner_graph.cli.progress import Progress
from planner_graph.compiler.events import AgentEnded, AgentStarted, AttemptFailed
from planner_graph.compiler.state import AgentRecord, ErrorInfo
from planner_graph.store.rows import AgentRunRow, EventRow
from planner_graph.types import AgentName, AgentStatus, RunStatus
from tests.plans import make_plan
from tests.unit.test_progress_report import REJECTED, run_row

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


def stored(plan, *attempts, status="pending", **fields) -> Progress:
    """Give a run as the tables have it."""
    given = {"updated_at": START, "started_at": None if status == "pending" else START, **fields}
    return Progress(plan, run_row(plan, status, **given), attempts)


def going(plan, *attempts) -> Progress:
    """Give a run that has just begun, or gone on after these attempts."""
    progress = stored(plan, *attempts, status="paused" if attempts else "pending")
    progress.begin(START)
    return progress


def logged(event, sequence=1, seconds=0.0, **data) -> EventRow:
    """Give an event as the log of a run has it: of an agent, or by its name one of the run."""
    if isinstance(event, str):
        agent, kind, time = data.pop("agent", None), event, at(seconds)
    else:
        agent, kind, time = event["agent"], event["event"], datetime.fromisoformat(event["at"])
        data = {key: value for key, value in event.items() if key not in {"event", "agent", "at"}}
    return EventRow(
        sequence=sequence, event=kind, agent_name=agent and AgentName(agent), at=time, recorded_at=time, data=data
    )


def test_everyone_waits_before_anything_happened():
    progress = going(make_plan({"a": [], "b": ["a"]}))
    assert [(agent.name, agent.status) for agent in progress.agents.values()] == [("a", "waiting"), ("b", "waiting")]
    assert progress.ended == 0


def test_a_running_agent_shows_its_time_against_its_estimate():
    progress = going(make_plan({"a": []}, seconds={"a": 10}))
    agent = progress.apply(started("a", 0))
    assert (agent.status, agent.seconds(at(4)), agent.fraction(at(4))) == ("running", 4, 0.4)


def test_time_alone_never_fills_the_bar():
    progress = going(make_plan({"a": []}, seconds={"a": 10}))
    assert progress.apply(started("a", 0)).fraction(at(1000)) == 0.95
    assert progress.apply(ended("a", 1000)).fraction(at(2000)) == 1


def test_a_failed_attempt_that_is_followed_by_another_shows_as_retrying_with_the_error():
    progress = going(retried())
    progress.apply(started("a", 0))
    agent = progress.apply(failed("a", 5, retry_in=2))
    assert (agent.status, agent.note) == ("retrying", "attempt 1 failed: TimeoutError: too slow")


def test_the_time_of_an_agent_counts_from_its_first_attempt():
    progress = going(make_plan({"a": []}))
    for event in (started("a", 0), failed("a", 5, retry_in=2), started("a", 7, attempt=2), ended("a", 9, attempts=2)):
        agent = progress.apply(event)
    assert (agent.status, agent.attempt, agent.seconds(at(100))) == ("completed", 2, 9)


def test_an_agent_that_was_kept_after_several_attempts_keeps_its_time():
    progress = stored(make_plan({"a": []}), attempt("a", "completed", 3), status="pending")
    assert progress.agents[AgentName("a")].seconds(at(99)) == 1.0


def test_a_skipped_agent_has_its_reason_and_no_time():
    agent = going(make_plan({"a": []})).apply(ended("a", 1, "skipped", "hard dependency 'b' failed", attempts=0))
    assert (agent.status, agent.note) == ("skipped", "hard dependency 'b' failed")
    assert agent.fraction(at(2)) == 0


def test_an_agent_that_was_rejected_after_it_asked_is_skipped():
    progress = going(make_plan({"a": []}))
    for event in REJECTED:
        agent = progress.apply(event)
    assert (agent.status, agent.note, agent.seconds(at(100))) == ("skipped", "rejected by ann", None)
    assert progress.report(at(100))["agents_status"]["skipped"] == ["a"]


def test_all_agents_are_shown_in_execution_order_where_there_is_room():
    progress = going(make_plan({"a": [], "b": ["a"], "c": ["b"]}))
    progress.apply(started("b", 0))
    shown, folded = progress.rows(3)
    assert ([agent.name for agent in shown], folded) == (["a", "b", "c"], {})


def test_where_room_is_short_the_running_come_first_and_the_rest_is_counted():
    progress = going(make_plan({name: [] for name in "abcdefgh"}))
    for event in (ended("a", 1), ended("b", 2, "failed", "broken"), ended("c", 3), started("f", 3), started("h", 4)):
        progress.apply(event)
    shown, folded = progress.rows(5)
    assert [agent.name for agent in shown] == ["f", "h", "b", "d", "e"]
    assert folded == {AgentStatus.WAITING: 1, AgentStatus.COMPLETED: 2}


def test_among_the_finished_the_last_one_comes_first():
    progress = going(make_plan({name: [] for name in "abc"}))
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
    progress = going(make_plan({"a": [], "b": [], "c": [], "d": []}), *attempts)
    assert [agent.status for agent in progress.agents.values()] == ["completed", "waiting", "waiting", "waiting"]
    assert progress.agents[AgentName("a")].seconds(at(100)) == 2


def test_a_run_can_be_shown_as_it_is_stored():
    attempts = [attempt("a", "running"), attempt("b", "interrupted")]
    progress = stored(make_plan({"a": [], "b": []}), *attempts, status="running")
    assert [agent.status for agent in progress.agents.values()] == ["running", "interrupted"]


def test_time_before_an_interruption_does_not_count():
    attempts = [
        attempt("a", "interrupted"),
        replace(attempt("a", "completed"), execution=2, started_at=at(50), ended_at=at(53)),
    ]
    progress = stored(make_plan({"a": []}), *attempts, status="completed")
    assert progress.agents[AgentName("a")].seconds(at(100)) == 3


def test_an_agent_run_anew_after_an_interruption_counts_from_its_new_start():
    progress = going(make_plan({"a": []}), attempt("a", "interrupted"))
    assert progress.apply(started("a", 50)).seconds(at(60)) == 10


def test_an_agent_whose_result_was_lost_runs_again_from_the_start():
    progress = going(make_plan({"a": []}), attempt("a", "completed"))
    agent = progress.apply(started("a", 50))
    assert (agent.status, agent.seconds(at(60)), progress.ended) == ("running", 10, 0)


ERROR = {"type": "TimeoutError", "message": "too slow"}
USED = {"input_tokens": 8, "output_tokens": 2, "total_tokens": 10, "calls": 1, "cost_usd": 0.5, "models": {}}


def retried(**settings):
    """Give a plan whose agent may be tried three times."""
    plan = make_plan({"a": []}, **settings)
    return plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"max_retries": 2}),)})


def test_an_agent_between_two_attempts_is_retrying_in_a_run_that_goes_on_and_waits_in_one_that_does_not():
    broken = replace(attempt("a", "failed"), error=ERROR)
    for status, shown in (("running", "retrying"), ("paused", "waiting")):
        [agent] = stored(retried(), broken, status=status).agents.values()
        assert (agent.status, agent.note) == (shown, "attempt 1 failed: TimeoutError: too slow")


def test_an_agent_that_failed_for_good_stays_failed_when_the_run_goes_on():
    plan = make_plan({"a": []})
    progress = stored(plan, replace(attempt("a", "failed"), reason="broken"), status="paused", failed_agents=("a",))
    progress.begin(at(100))
    assert (progress.agents[AgentName("a")].status, progress.run.status) == ("failed", "running")


def test_the_time_of_an_agent_whose_process_died_does_not_go_on():
    progress = stored(make_plan({"a": []}), attempt("a", "running"), status="paused", updated_at=at(5))
    [agent] = progress.agents.values()
    assert (agent.status, agent.seconds(at(1000))) == ("interrupted", 4)


def test_what_models_were_used_for_is_added_up_over_attempts_and_events():
    progress = going(make_plan({"a": []}), replace(attempt("a", "interrupted"), usage=USED))
    progress.apply(started("a", 1))
    agent = progress.apply({**ended("a", 2), "record": {**ended("a", 2)["record"], "usage": USED}})
    twice = {"input_tokens": 16, "output_tokens": 4, "total_tokens": 20, "calls": 2, "cost_usd": 1.0, "models": {}}
    assert agent.usage == twice
    assert progress.report(at(3))["usage"] == twice


def test_what_was_used_before_a_run_went_on_counts_as_well():
    used = {"input_tokens": 4, "output_tokens": 1, "total_tokens": 5, "calls": 1, "cost_usd": 0.5, "models": {}}
    plan = make_plan({"a": []})
    progress = stored(plan, replace(attempt("a", "interrupted"), usage=used), status="paused")
    progress.begin(at(10))
    assert progress.report(at(11))["usage"] == used


def test_the_report_of_a_run_that_is_followed_is_that_of_the_tables():
    plan = make_plan({"a": [], "b": ["a"], "c": ["b"]}, strategy="adaptive")
    live, rows = going(plan), [attempt("a", "completed"), attempt("b", "running")]
    for event in (started("a", 1), ended("a", 2), started("b", 1)):
        live.apply(event)
    assert live.report(at(30)) == stored(plan, *rows, status="running").report(at(30))
    assert live.report(at(30))["remaining_critical_path"] == ["b", "c"]
    assert live.report(at(30))["blocked"]["c"]["waits_for"] == ["b"]


def test_an_agent_that_retries_is_reported_as_one_that_goes_on_soon():
    progress = going(retried())
    progress.apply(started("a", 0))
    progress.apply(failed("a", 5, retry_in=1))
    assert "retrying: attempt 2" in progress.report(at(5))["blocked"]["a"]["reason"]


def test_an_agent_that_failed_for_good_is_reported_so_even_if_it_might_have_been_tried_again():
    progress = going(retried())
    progress.apply(started("a", 0))
    progress.apply(ended("a", 1, "failed"))
    assert progress.report(at(2))["agents_status"]["failed"] == ["a"]


def test_a_run_is_told_by_its_log_alone():
    plan = make_plan({"a": [], "b": ["a"]})
    progress = Progress.unbegun(plan, run_row(plan, "completed", failed_agents=("b",), ended_at=at(100)))
    assert (progress.run.status, progress.since, progress.counts()) == ("pending", None, {AgentStatus.WAITING: 2})
    progress.take(logged("run_accepted"))
    progress.take(logged("run_started", seconds=1, again=False))
    assert (progress.run.status, progress.since) == (RunStatus.RUNNING, at(1))
    progress.take(logged(started("a", 2)))
    assert progress.agents[AgentName("a")].status == "running"
    progress.take(logged("run_paused", seconds=5, reason="Ctrl-C"))
    [a, b] = progress.agents.values()
    assert (a.status, a.note, a.seconds(at(100)), b.status) == ("interrupted", "Ctrl-C", 3, "waiting")
    eta = progress.report(at(6))["eta"]
    assert eta is not None
    assert eta["p50"] is None
    progress.take(logged("run_started", seconds=50, again=True))
    [a, _] = progress.agents.values()
    assert (a.status, a.note, progress.since) == ("waiting", "", at(50))
    for event in (started("a", 51), ended("a", 52), started("b", 53)):
        progress.take(logged(event))
    progress.take(logged("run_ended", seconds=60, status="cancelled", reason="enough"))
    assert [agent.status for agent in progress.agents.values()] == ["completed", "cancelled"]
    assert progress.ended == 2
    assert (progress.run.status, progress.run.ended_at) == (RunStatus.CANCELLED, at(60))
    assert progress.report(at(100))["eta"] is None


def test_one_between_two_attempts_waits_when_the_run_is_paused_and_one_at_work_is_interrupted():
    """As the tables say of them, whose pause only stops attempts that go on."""
    progress = going(retried())
    progress.take(logged(started("a", 1)))
    progress.take(logged(failed("a", 2, retry_in=60)))
    progress.take(logged("run_paused", seconds=3, reason="Ctrl-C"))
    [agent] = progress.agents.values()
    assert (agent.status, agent.note) == ("waiting", "attempt 1 failed: TimeoutError: too slow")
    assert agent.seconds(at(100)) == 1


def test_an_agent_whose_result_was_lost_waits_again_and_says_why():
    progress = going(make_plan({"a": []}), attempt("a", "completed"))
    agent = progress.take(logged("agent_reopened", agent="a", reason="it was cut off"))
    assert agent is progress.agents[AgentName("a")]
    assert (agent.status, agent.note, agent.latest, progress.ended) == ("waiting", "it was cut off", None, 0)


def test_what_a_log_may_tell_one_day_is_no_reason_to_stop():
    progress = going(make_plan({"a": []}))
    assert progress.take(logged("run_reconciled", differences=0)) is None
    assert progress.take(logged("agent_praised", agent="a")) is None


def test_agents_that_were_in_an_earlier_plan_only_are_left_out():
    progress = Progress(make_plan({"a": []}), run_row(make_plan({"a": []})), [attempt("gone", "completed")])
    assert list(progress.agents) == ["a"]
    assert progress.take(logged("agent_started", agent="gone", attempt=1)) is None


def test_under_another_plan_agents_stand_as_they_stood_and_new_ones_wait():
    old, new = make_plan({"a": [], "b": ["a"]}), make_plan({"a": [], "c": ["a"]}, seconds={"c": 7})
    progress = Progress(old, run_row(old))
    progress.begin(START)
    progress.apply(started("a", 0))
    progress.apply(ended("a", 5))

    progress.replan(new)

    assert [(name, agent.status.value) for name, agent in progress.agents.items()] == [
        ("a", "completed"),
        ("c", "waiting"),
    ]
    assert progress.agents[AgentName("c")].estimate_seconds == 7
    assert progress.report(at(6))["counts"]["total"] == 2
