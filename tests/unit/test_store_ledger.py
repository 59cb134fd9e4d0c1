"""What events change."""

from datetime import UTC, datetime

from planner_graph.store.ledger import ALL_PREVIEWS, OUTPUT_PREVIEW, Ledger, Standing, moment
from planner_graph.types import AgentName, AgentStatus
from tests.events import ERROR, at, attempt_failed, ended, started

ORDERS = {AgentName("planner"): 1, AgentName("writer"): 2, AgentName("editor"): 3}


def new_ledger(total=3, attempts=(), **lists):
    standing = {"running": [], "completed": [], "failed": [], "waiting": list(ORDERS), "step": 0, "total": total}
    return Ledger(Standing(**standing | lists), attempts, ORDERS)


def after(*events, **settings):
    ledger = new_ledger(**settings)
    ledger.take(events)
    return ledger


def lists(ledger):
    return [list(names) for names in (ledger.running, ledger.completed, ledger.failed, ledger.waiting)]


def rows(ledger):
    return [(row.agent_name, row.execution, row.attempt, row.status.value) for row in ledger.changed.values()]


def test_an_agent_that_started_is_running():
    ledger = after(started("planner", 1))
    assert lists(ledger) == [["planner"], [], [], ["writer", "editor"]]
    assert rows(ledger) == [("planner", 1, 1, "running")]
    assert ledger.step == 1


def test_an_agent_that_completed_is_no_longer_running_and_shows_its_output():
    ledger = after(started("planner", 1), ended("planner", 2, since=1))
    assert lists(ledger) == [[], ["planner"], [], ["writer", "editor"]]
    assert ledger.outputs == {"planner": {"planner": "done"}}
    [row] = ledger.changed.values()
    assert (row.started_at, row.ended_at) == (moment(at(1)), moment(at(2)))


def test_between_attempts_an_agent_waits():
    ledger = after(started("planner", 1), attempt_failed("planner", 2, retry=5.0))
    assert lists(ledger) == [[], [], [], ["writer", "editor", "planner"]]
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


def test_an_agent_whose_last_attempt_failed_has_failed_and_says_why():
    ledger = after(
        started("planner", 1),
        attempt_failed("planner", 2),
        ended("planner", 2, "failed", error=ERROR, reason="TimeoutError after 1 attempt: too slow"),
    )
    assert lists(ledger) == [[], [], ["planner"], ["writer", "editor"]]
    [row] = ledger.changed.values()
    assert (row.attempt, row.error, row.reason) == (1, ERROR, "TimeoutError after 1 attempt: too slow")


def test_a_skipped_agent_is_in_no_list_and_has_attempt_zero():
    ledger = after(ended("writer", 1, "skipped", attempts=0, reason="hard dependency 'planner' failed"))
    assert lists(ledger) == [[], [], [], ["planner", "editor"]]
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
        again = Ledger(
            Standing(
                running=list(ledger.running),
                completed=list(ledger.completed),
                failed=list(ledger.failed),
                waiting=list(ledger.waiting),
                step=ledger.step,
                total=3,
            ),
            ledger.changed.values(),
            ORDERS,
        )
        again.take(events[:end])
        assert rows(again) == []
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
    before = after(started("planner", 1), ended("planner", 2))
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
    [row] = after(started("planner", 5), ended("planner", 2)).changed.values()
    assert row.started_at == row.ended_at == moment(at(5))


def test_a_reason_is_never_missing_for_a_skip():
    [row] = after(ended("writer", 1, "skipped", attempts=0)).changed.values()
    assert row.reason == "no reason was given"


def test_errors_and_reasons_are_made_fit_for_the_database():
    error = {"type": "E", "message": "a\x00b"}
    ledger = after(ended("writer", 1, "failed", error=error, reason="c\x00d"))
    [row] = ledger.changed.values()
    assert (row.error, row.reason) == ({"type": "E", "message": "a\ufffdb"}, "c\ufffdd")


def test_the_more_agents_a_run_has_the_less_is_shown_of_each():
    output = {"text": "x" * 2 * OUTPUT_PREVIEW}
    few = after(ended("planner", 1, output=output), total=3).outputs["planner"]
    many = after(ended("planner", 1, output=output), total=1000).outputs["planner"]
    assert len(few["preview"]) == OUTPUT_PREVIEW
    assert len(many["preview"]) == ALL_PREVIEWS // 1000


def test_a_time_without_an_offset_is_utc():
    assert moment("2030-01-01T12:00:00") == datetime(2030, 1, 1, 12, tzinfo=UTC)
