"""What events change."""

from datetime import UTC, datetime

import pytest

from planner_graph.compiler.events import moment
from planner_graph.mirror.ledger import Ledger, Standing
from planner_graph.types import AgentName, AgentStatus
from tests.events import ERROR, at, attempt_failed, ended, interrupted, started, warned

ORDERS = {AgentName("planner"): 1, AgentName("writer"): 2, AgentName("editor"): 3}


def new_ledger(attempts=(), **lists):
    return Ledger(Standing(**{"waiting": list(ORDERS)} | lists), attempts, ORDERS)


def after(*events, **settings):
    ledger = new_ledger(**settings)
    ledger.take(events)
    return ledger


def lists(ledger):
    names = (ledger.running, ledger.completed, ledger.failed, ledger.waiting, ledger.skipped)
    return [list(listed) for listed in names]


def standing(ledger):
    running, completed, failed, waiting, skipped = lists(ledger)
    return Standing(
        running=running,
        completed=completed,
        failed=failed,
        waiting=waiting,
        skipped=skipped,
        step=ledger.step,
        sequence=ledger.sequence,
    )


def logged(ledger):
    return [(entry["event"], entry["agent"]) for entry in ledger.log]


def rows(ledger):
    return [(row.agent_name, row.execution, row.attempt, row.status.value) for row in ledger.changed.values()]


def test_an_agent_that_started_is_running():
    ledger = after(started("planner", 1))
    assert lists(ledger) == [["planner"], [], [], ["writer", "editor"], []]
    assert rows(ledger) == [("planner", 1, 1, "running")]
    assert ledger.step == 1


def test_an_agent_that_completed_is_no_longer_running_and_shows_its_output():
    ledger = after(started("planner", 1), ended("planner", 2, since=1))
    assert lists(ledger) == [[], ["planner"], [], ["writer", "editor"], []]
    assert ledger.outputs == {"planner": {"planner": "done"}}
    [row] = ledger.changed.values()
    assert (row.started_at, row.ended_at) == (moment(at(1)), moment(at(2)))


def test_between_attempts_an_agent_waits():
    ledger = after(started("planner", 1), attempt_failed("planner", 2, retry=5.0))
    assert lists(ledger) == [[], [], [], ["writer", "editor", "planner"], []]
    [row] = ledger.changed.values()
    assert (row.status, row.error) == (AgentStatus.FAILED, ERROR)


def test_each_attempt_has_its_own_row():
    ledger = after(
        started("planner", 1),
        attempt_failed("planner", 2, retry=5.0),
        started("planner", 3, 2),
        ended("planner", 4, attempts=2, since=1),
    )
    assert rows(ledger) == [("planner", 1, 1, "failed"), ("planner", 1, 2, "completed")]
    assert [row.started_at for row in ledger.changed.values()] == [moment(at(1)), moment(at(3))]


def test_a_warning_is_logged_and_changes_nothing_else():
    before = after(started("planner", 1))
    warned_of = after(started("planner", 1), warned("planner", 2))
    assert warned_of.rows == before.rows
    assert list(warned_of.running) == ["planner"]
    assert warned_of.log[-1] == warned("planner", 2)


def test_an_agent_whose_last_attempt_failed_has_failed_and_says_why():
    ledger = after(
        started("planner", 1),
        attempt_failed("planner", 2),
        ended("planner", 2, "failed", since=1, error=ERROR, reason="TimeoutError after 1 attempt: too slow"),
    )
    assert lists(ledger) == [[], [], ["planner"], ["writer", "editor"], []]
    [row] = ledger.changed.values()
    assert (row.attempt, row.error, row.reason) == (1, ERROR, "TimeoutError after 1 attempt: too slow")


def test_a_skipped_agent_is_among_the_skipped_and_has_attempt_zero():
    ledger = after(ended("writer", 1, "skipped", attempts=0, reason="hard dependency 'planner' failed"))
    assert lists(ledger) == [[], [], [], ["planner", "editor"], ["writer"]]
    [row] = ledger.changed.values()
    assert (row.attempt, row.started_at, row.reason) == (0, None, "hard dependency 'planner' failed")


def test_the_step_is_the_furthest_that_has_begun():
    assert after(started("writer", 1), started("planner", 1)).step == 2


def test_the_same_events_again_change_nothing():
    events = [
        started("planner", 1),
        attempt_failed("planner", 2, retry=1.0),
        started("planner", 3, 2),
        ended("planner", 4, attempts=2, since=1),
        ended("writer", 5, "skipped", attempts=0, reason="because"),
        started("editor", 6),
    ]
    ledger = after(*events)
    for end in range(1, len(events) + 1):
        again = Ledger(standing(ledger), ledger.changed.values(), ORDERS)
        again.take(events[:end])
        assert (rows(again), again.log, again.outputs, again.withdrawn) == ([], [], {}, {})
        assert lists(again) == lists(ledger)


def test_attempts_at_the_same_instant_are_still_two():
    ledger = after(started("planner", 1), attempt_failed("planner", 1, retry=0.0), started("planner", 1, 2))
    assert rows(ledger) == [("planner", 1, 1, "failed"), ("planner", 1, 2, "running")]


def test_a_resumed_run_executes_an_unfinished_agent_anew():
    """The process died in the second attempt; the first one's row stays as it was."""
    before = after(started("planner", 1), attempt_failed("planner", 2, retry=1.0), started("planner", 3, 2))
    ledger = after(started("planner", 9), attempts=before.changed.values(), running=["planner"], waiting=[])
    assert rows(ledger) == [("planner", 1, 2, "interrupted"), ("planner", 2, 1, "running")]
    assert lists(ledger)[0] == ["planner"]


def test_a_result_that_was_lost_no_longer_counts():
    """Killed after the agent completed and before its checkpoint landed: the resumed run executes it again."""
    before = after(started("planner", 1), ended("planner", 2, since=1))
    ledger = after(
        started("planner", 8),
        ended("planner", 9, since=8),
        attempts=before.changed.values(),
        completed=["planner"],
        waiting=[],
    )
    assert rows(ledger) == [("planner", 1, 1, "interrupted"), ("planner", 2, 1, "completed")]
    assert lists(ledger)[1] == ["planner"]


def test_an_attempt_whose_start_was_never_told_starts_when_its_record_says():
    [row] = after(ended("planner", 4, attempts=2, since=3)).changed.values()
    assert (row.attempt, row.started_at) == (2, moment(at(3)))


def test_a_clock_that_was_set_back_lets_no_attempt_end_before_it_started():
    [row] = after(started("planner", 5), ended("planner", 2, since=5)).changed.values()
    assert row.started_at == row.ended_at == moment(at(5))


def test_a_reason_is_never_missing_for_a_skip():
    [row] = after(ended("writer", 1, "skipped", attempts=0)).changed.values()
    assert row.reason == "no reason was given"


def test_an_agent_that_asks_a_human_waits_and_keeps_what_it_used():
    usage = {"total_tokens": 7}
    ledger = after(started("planner", 1), interrupted("planner", 2, usage=usage))
    assert lists(ledger) == [[], [], [], ["writer", "editor", "planner"], []]
    [row] = ledger.changed.values()
    assert (row.status, row.reason, row.usage) == (AgentStatus.INTERRUPTED, "asks a human", usage)
    assert (row.started_at, row.ended_at) == (moment(at(1)), moment(at(2)))


def test_an_answered_agent_begins_its_next_execution():
    ledger = after(
        started("planner", 1), interrupted("planner", 2), started("planner", 8), ended("planner", 9, since=8)
    )
    assert rows(ledger) == [("planner", 1, 1, "interrupted"), ("planner", 2, 1, "completed")]
    assert lists(ledger)[1] == ["planner"]


@pytest.mark.parametrize("before", [(), (started("planner", 1), ended("planner", 2, since=1))])
def test_an_interruption_of_an_attempt_that_does_not_run_changes_nothing(before):
    ledger = after(*before)
    ledger.saved()
    ledger.take([interrupted("planner", 3)])
    assert (rows(ledger), ledger.log) == ([], [])


def test_events_are_logged_as_they_are_told():
    told = [started("planner", 1), ended("planner", 2, since=1)]
    assert after(*told).log == told


def test_a_time_without_an_offset_is_logged_as_utc():
    [logged] = after(started("planner", 1) | {"at": "2030-01-01T12:00:01"}).log
    assert logged == started("planner", 1) | {"at": "2030-01-01T12:00:01.000000+00:00"}


def test_what_is_saved_is_not_told_again_and_stays_known():
    ledger = after(started("planner", 1), attempt_failed("planner", 2, retry=1.0))
    ledger.saved()
    assert (rows(ledger), ledger.outputs, ledger.withdrawn, ledger.log) == ([], {}, {}, [])
    ledger.take([attempt_failed("planner", 2, retry=1.0), started("planner", 3, 2)])
    assert rows(ledger) == [("planner", 1, 2, "running")]
    assert logged(ledger) == [("agent_started", "planner")]


def test_an_output_that_does_not_count_any_more_is_withdrawn():
    ledger = after(started("planner", 1), ended("planner", 2, since=1))
    ledger.saved()
    ledger.take([started("planner", 3)])
    assert (ledger.outputs, list(ledger.withdrawn)) == ({}, ["planner"])
    ledger.take([ended("planner", 4, since=3, output={"planner": "again"})])
    assert ledger.outputs == {"planner": {"planner": "again"}}


def test_usage_is_that_of_all_attempts():
    first, second = ({"total_tokens": tokens, "calls": 1, "cost_usd": 0.5} for tokens in (3, 4))
    ledger = after(
        started("planner", 1),
        interrupted("planner", 2, usage=first),
        started("planner", 3),
        ended("planner", 4, since=3, usage=second),
    )
    ledger.saved()
    assert ledger.usage is not None
    assert (ledger.usage["total_tokens"], ledger.usage["calls"], ledger.usage["cost_usd"]) == (7, 2, 1.0)
    assert after(started("planner", 1)).usage is None


def record(event):
    """The record of an agent that ended, by its name."""
    return {AgentName(event["agent"]): event["record"]}


def test_a_checkpoint_says_what_was_never_told():
    ledger = after(started("planner", 1))
    ledger.saved()
    ledger.reconcile(record(ended("planner", 2, since=1)), moment(at(9)), resumed=True)
    assert rows(ledger) == [("planner", 1, 1, "completed")]
    assert lists(ledger) == [[], ["planner"], [], ["writer", "editor"], []]
    assert logged(ledger) == [("agent_ended", "planner")]


def test_a_result_of_an_execution_nobody_told_of_is_one_of_its_own():
    """An agent was interrupted, ran again unseen and completed: both executions are kept."""
    ledger = after(started("planner", 1), interrupted("planner", 2))
    ledger.reconcile(record(ended("planner", 9, since=8)), moment(at(20)), resumed=True)
    assert rows(ledger) == [("planner", 1, 1, "interrupted"), ("planner", 2, 1, "completed")]


def test_a_result_that_the_checkpoint_does_not_hold_is_taken_back():
    events = [started("planner", 1), ended("planner", 2, since=1), ended("writer", 3, "skipped", attempts=0)]
    ledger = after(*events)
    ledger.saved()
    ledger.reconcile({}, moment(at(9)), resumed=True)
    assert lists(ledger) == [[], [], [], ["editor", "planner", "writer"], []]
    assert rows(ledger) == [("planner", 1, 1, "interrupted"), ("writer", 1, 0, "cancelled")]
    assert logged(ledger) == [("agent_reopened", "planner"), ("agent_reopened", "writer")]
    assert list(ledger.withdrawn) == ["planner", "writer"]


def test_agents_that_run_are_left_alone_unless_the_run_is_resumed():
    ledger = after(started("planner", 1))
    ledger.saved()
    ledger.reconcile({}, moment(at(9)), resumed=False)
    assert (lists(ledger)[0], ledger.log) == (["planner"], [])
    ledger.reconcile({}, moment(at(9)), resumed=True)
    assert (lists(ledger)[0], logged(ledger)) == ([], [("agent_reopened", "planner")])
    [row] = ledger.changed.values()
    assert (row.status, row.ended_at, row.reason) == (
        AgentStatus.INTERRUPTED,
        moment(at(9)),
        "its process ended before it did",
    )


def test_a_time_without_an_offset_is_utc():
    assert moment("2030-01-01T12:00:00") == datetime(2030, 1, 1, 12, tzinfo=UTC)
