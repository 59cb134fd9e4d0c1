"""Reports on how far a run is."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from planner_graph.mirror.blocking import span
from planner_graph.mirror.ledger import Ledger, Standing
from planner_graph.mirror.progress import progress_report
from planner_graph.store.rows import AgentRunRow, RunRow
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus, Strategy
from tests.catalogs import spec
from tests.events import NOON, attempt_failed, ended, interrupted, started
from tests.fakes import planned
from tests.plans import BLOG, BLOG_SECONDS, make_plan

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "calls": 1, "cost_usd": 0.5, "models": {}}


REJECTED = [started("a", 1), interrupted("a", 2), ended("a", 5, "skipped", attempts=0, reason="rejected by ann")]


def later(seconds):
    return NOON + timedelta(seconds=seconds)


def blog(strategy="adaptive"):
    return make_plan(BLOG, seconds=BLOG_SECONDS, strategy=strategy)


def run_row(plan, status="running", **fields):
    row = RunRow(
        run_id=RunId("run"),
        plan_id="plan",
        campaign_key="campaign",
        campaign_name="campaign",
        strategy=Strategy(plan.strategy),
        status=RunStatus(status),
        status_reason=None,
        total_agents=len(plan.steps),
        estimated_duration_minutes=None,
        current_step=2,
        completed_agents=(),
        failed_agents=(),
        planning_reasoning=None,
        plan_hash=plan.hash,
        plan_revision=1,
        thread_id="run:1",
        agents_reference=None,
        output_folder=None,
        result=None,
        usage=None,
        created_at=NOON,
        updated_at=NOON,
        started_at=None if status == "pending" else NOON,
        ended_at=None,
    )
    return replace(row, **fields)


def attempt(agent, status, start=None, end=None, *, number=1, execution=1, **fields):  # noqa: PLR0913  # columns
    return AgentRunRow(
        agent_name=AgentName(agent),
        execution=execution,
        attempt=number,
        status=AgentStatus(status),
        started_at=None if start is None else later(start),
        ended_at=None if end is None else later(end),
        **fields,
    )


def report(plan, *attempts, at=0.0, status="running", **fields):
    found = progress_report(plan, run_row(plan, status, **fields), attempts, later(at))
    assert json.loads(json.dumps(found)) == found, "not plain JSON"
    return found


def after(plan, *events, at=0.0, status="running"):
    """Report on a run of which these events have been told."""
    ledger = Ledger(Standing(waiting=[step.agent for step in plan.steps]))
    ledger.take(events)
    lists = {"completed_agents": tuple(ledger.completed), "failed_agents": tuple(ledger.failed)}
    return report(plan, *ledger.changed.values(), at=at, status=status, **lists)


def counted(**counts):
    """Give the counts of a report, zero where nothing is said."""
    names = ("running", "completed", "failed", "waiting", "skipped", "cancelled", "interrupted")
    return {"total": sum(counts.values()), **dict.fromkeys(names, 0), **counts}


def why(found, agent):
    return found["blocked"][agent]["reason"]


DONE = (attempt("planner", "completed", 0, 120), attempt("researcher", "completed", 120, 300))


def test_the_report_has_the_shape_that_dashboards_know():
    found = report(blog(), *DONE, attempt("writer", "running", 300), at=312)
    assert found["workflow_execution_id"] == "run"
    assert found["status"] == "running"
    assert found["current_step"] == 2
    assert found["progress_percentage"] == 28
    assert found["agents_status"] == {
        "running": ["writer"],
        "completed": ["planner", "researcher"],
        "failed": [],
        "waiting": ["editor", "seo", "image", "social_media"],
        "skipped": [],
        "cancelled": [],
        "interrupted": [],
    }
    info = dict(found["execution_info"])
    assert info.pop("estimated_completion") == found["eta"]["p50"]
    assert info == {"start_time": "2030-01-01T12:00:00+00:00", "strategy": "adaptive", "total_agents": 7}
    assert found["counts"] == counted(running=1, completed=2, waiting=4)


def test_the_end_is_as_far_from_now_as_the_seconds_say():
    found = report(blog(), *DONE, attempt("writer", "running", 300), at=312)
    eta = found["eta"]
    assert eta["p50_seconds"] == pytest.approx(288 + 180 + 120, rel=0.05)
    assert eta["p50_seconds"] < eta["p90_seconds"]
    for name in ("p50", "p90"):
        assert datetime.fromisoformat(eta[name]) == later(312) + timedelta(seconds=eta[f"{name}_seconds"])
    assert found["remaining_critical_path"] == ["writer", "editor", "seo"]


def test_the_time_zone_of_now_does_not_matter():
    plan, abroad = blog(), timezone(timedelta(hours=5))
    reports = [progress_report(plan, run_row(plan), DONE, now) for now in (later(310), later(310).astimezone(abroad))]
    assert reports[0] == reports[1]
    assert str(reports[0]["execution_info"]["estimated_completion"]).endswith("+00:00")


def test_the_order_of_the_rows_does_not_matter():
    rows = [*DONE, attempt("writer", "running", 310, number=2), attempt("writer", "failed", 300, 305)]
    assert report(blog(), *rows, at=320) == report(blog(), *reversed(rows), at=320)


def test_a_late_agent_shows_no_past_end():
    found = report(blog(), *DONE, attempt("writer", "running", 300), at=300_000)
    assert found["eta"]["p50_seconds"] > 300
    assert datetime.fromisoformat(found["eta"]["p50"]) > later(300_000)


def test_progress_by_weight_counts_what_running_agents_have_done_but_never_all_of_it():
    plan = make_plan({"a": [], "b": []}, seconds={"a": 300, "b": 100}, strategy="adaptive")
    running = attempt("a", "running", 0)
    assert report(plan)["weighted_progress"] == 0
    shares = [report(plan, running, at=seconds)["weighted_progress"] for seconds in (30, 150, 300, 3000, 1e9)]
    assert shares == sorted(shares)
    assert shares[:2] == pytest.approx([0.075, 0.375], abs=0.01)
    assert shares[2] > 0.6
    assert shares[-1] < 0.75
    b = attempt("b", "completed", 0, 100)
    assert report(plan, running, b, at=1e9)["weighted_progress"] < 1
    assert report(plan, attempt("a", "completed", 0, 9), b, at=100)["weighted_progress"] == 1


def test_skipped_agents_are_no_work_and_failed_ones_are_over():
    plan = make_plan({"a": [], "b": ["a"], "c": []}, seconds={"a": 100, "b": 1000, "c": 100}, strategy="adaptive")
    failed = attempt("a", "failed", 0, 50, reason="TimeoutError after 1 attempt")
    skipped = attempt("b", "skipped", None, 50, number=0, reason="hard dependency 'a' failed")
    found = report(plan, failed, skipped, at=60, failed_agents=("a",))
    assert found["weighted_progress"] == 0.5
    assert found["agents_status"]["skipped"] == ["b"]
    assert found["agents_status"]["failed"] == ["a"]
    assert found["counts"] == counted(failed=1, waiting=1, skipped=1)
    before_the_skip = report(plan, failed, at=60, failed_agents=("a",))
    assert before_the_skip["weighted_progress"] == 0.5
    assert why(before_the_skip, "b") == "will be skipped: hard dependency 'a' failed"


def retry_plan():
    backoff = {"initial_seconds": 10, "jitter": 0}
    return planned(spec("a", max_retries=1, backoff=backoff), spec("b", after=["a"]), strategy="adaptive")


def test_a_failed_attempt_is_not_the_end_of_its_agent():
    found = after(retry_plan(), started("a", 0), attempt_failed("a", 30, retry=10), at=33)
    assert found["agents_status"]["failed"] == []
    assert found["agents_status"]["waiting"] == ["a", "b"]
    assert found["blocked"] == {
        "a": {"waits_for": [], "reason": "retrying: attempt 2 in 7 s after TimeoutError"},
        "b": {
            "waits_for": ["a"],
            "reason": "waits for 'a' (hard), which is retrying: attempt 2 in 7 s after TimeoutError",
        },
    }
    assert found["eta"]["p50_seconds"] > 110
    overdue = after(retry_plan(), started("a", 0), attempt_failed("a", 30, retry=10), at=50)
    assert why(overdue, "a") == "retrying: attempt 2 now after TimeoutError"


def test_a_place_is_free_between_two_attempts_and_waited_for_after_the_pause():
    plan = planned(
        *(spec(name, resources={"gpu": 1}, backoff={"initial_seconds": 10, "jitter": 0}) for name in "ab"),
        strategy="adaptive",
        limits={"resources": {"gpu": 1}},
    )
    told = [started("a", 0), attempt_failed("a", 30, retry=10)]
    assert why(after(plan, *told, at=33), "b") == "ready, starts next"
    waiting = after(plan, *told, started("b", 34), at=50)
    assert why(waiting, "a") == "retrying: attempt 2 waits for a free slot of 'gpu'"


def test_the_last_failed_attempt_is_the_end_of_its_agent():
    told = [started("a", 0), attempt_failed("a", 30, retry=10), started("a", 40, 2), attempt_failed("a", 50, 2)]
    found = after(retry_plan(), *told, at=51)
    assert found["agents_status"]["failed"] == ["a"]
    assert found["eta"]["p50_seconds"] == 0
    assert found["remaining_critical_path"] == []


def test_an_error_that_no_retry_can_mend_is_the_end_of_its_agent():
    found = after(retry_plan(), started("a", 0), attempt_failed("a", 30), at=31)
    assert found["agents_status"]["failed"] == ["a"]


def test_the_second_attempt_starts_its_own_clock():
    told = [started("a", 0), attempt_failed("a", 30, retry=10), started("a", 40, 2)]
    found = after(retry_plan(), *told, at=41)
    assert found["agents_status"]["running"] == ["a"]
    assert found["eta"]["p50_seconds"] > 110


def test_an_agent_begun_anew_is_judged_by_its_latest_execution():
    rows = [
        attempt("planner", "interrupted", 0, 50, reason="stopped"),
        attempt("planner", "running", 100, execution=2),
    ]
    found = report(blog(), *rows, at=110)
    assert found["agents_status"]["running"] == ["planner"]


def test_a_first_attempt_of_a_later_execution_counts_more_than_a_third_of_an_earlier_one():
    rows = [
        attempt("planner", "interrupted", 0, 50, number=3, reason="stopped"),
        attempt("planner", "completed", 60, 90, execution=2),
    ]
    assert report(blog(), *rows, at=100)["agents_status"]["completed"] == ["planner"]


def test_an_agent_that_was_rejected_after_it_asked_is_skipped():
    found = after(make_plan({"a": []}), *REJECTED, at=6, status="completed")
    assert (found["agents_status"]["skipped"], found["counts"]["skipped"]) == (["a"], 1)


def test_who_failed_an_attempt_before_a_pause_begins_anew():
    failed = attempt("a", "failed", 0, 30, error={"type": "TimeoutError", "message": "slow"})
    found = report(retry_plan(), failed, at=33, status="paused")
    assert why(found, "a") == "ready, the run is paused"


def test_a_failure_that_was_not_stored_does_not_count():
    found = report(retry_plan(), attempt("a", "failed", 0, 30, reason="TimeoutError after 2 attempts"), at=33)
    assert found["agents_status"]["failed"] == []
    assert why(found, "a") == "ready, starts next"


@pytest.mark.parametrize("status", ["cancelling", "pausing"])
def test_who_runs_may_end_while_the_run_is_being_stopped(status):
    found = report(blog(), attempt("planner", "running", 0), at=12, status=status)
    assert found["agents_status"]["running"] == ["planner"]
    assert found["execution_info"]["estimated_completion"] is None
    assert (found["eta"] is None) == (status == "cancelling")


def test_all_is_not_over_while_an_agent_without_weight_runs():
    plan = make_plan({"a": [], "b": []}, seconds={"a": 100, "b": 0}, strategy="adaptive")
    found = report(plan, attempt("a", "completed", 0, 9), attempt("b", "running", 0), at=10)
    assert 0.99 < found["weighted_progress"] < 1


def test_reasons_name_who_is_waited_for_and_what_they_do():
    found = report(blog(), *DONE, attempt("writer", "running", 300), at=312)
    assert found["blocked"]["editor"] == {
        "waits_for": ["writer"],
        "reason": "waits for 'writer' (hard), which is running for 12 s",
    }
    assert why(found, "seo").endswith("; 'editor' (hard), which waits itself")


def test_a_reason_names_a_few_agents_and_counts_the_others():
    plan = make_plan({**{f"a{place}": [] for place in range(9)}, "z": [f"a{place}" for place in range(9)]})
    found = report(plan)
    assert why(found, "z").endswith("; and 6 more")
    assert len(found["blocked"]["z"]["waits_for"]) == 9


def test_an_agent_that_asked_a_human_says_so():
    asked = attempt("writer", "interrupted", 300, 310, reason="it waits for an answer")
    for status in ("running", "paused"):
        found = report(blog(), *DONE, asked, at=312, status=status)
        assert found["agents_status"]["waiting"][0] == "writer"
        assert why(found, "writer") == "interrupted, to begin anew: it waits for an answer"
        assert "which is interrupted" in why(found, "editor")


@pytest.mark.parametrize(
    ("fields", "limits", "reason"),
    [
        ({}, {"max_parallel": 1}, "ready, waits for one of 1 places (max_parallel)"),
        ({"resources": {"llm": 1}}, {"resources": {"llm": 1}}, "ready, waits for a free slot of 'llm'"),
        ({"parallel_safe": False}, {}, "ready, waits until 'a' has ended: neither is parallel safe"),
        (
            {"resources": {"calls_per_minute": 1}},
            {"resources": {"calls_per_minute": 1}},
            "ready, waits for a free slot of 'calls_per_minute'",
        ),
        ({}, {}, "ready, starts next"),
    ],
)
@pytest.mark.parametrize("strategy", ["adaptive", "parallel"])
def test_a_ready_agent_says_what_it_lacks(fields, limits, reason, strategy):
    plan = planned(spec("a", **fields), spec("b", **fields), strategy=strategy, limits=limits)
    assert why(report(plan, attempt("a", "running", 0), at=10), "b") == reason


def test_a_rate_frees_up_with_time():
    rate = {"calls_per_minute": 1}
    agents = [spec(name, resources=rate) for name in "ab"]
    plan = planned(*agents, strategy="adaptive", limits={"resources": rate})
    assert why(report(plan, attempt("a", "completed", 0, 5), at=61), "b") == "ready, starts next"


def test_strategies_that_let_others_go_first_say_so():
    before = {"a": [], "slow": [], "b": ["a"], "c": []}
    rows = [attempt("a", "completed", 0, 5), attempt("slow", "running", 0)]
    levels = report(make_plan(before, strategy="parallel"), *rows, attempt("c", "completed", 0, 1), at=10)
    assert levels["blocked"]["b"] == {"waits_for": ["slow"], "reason": "waits for level 0 to end: 'slow'"}
    chain = report(make_plan(before, strategy="sequential"), *rows, at=10)
    last = chain["agents_status"]["waiting"][-1]
    assert why(chain, last).startswith("waits for its turn, which comes after ")


def test_a_fallback_waits_for_a_failure():
    plan = planned(
        spec("a", gives=["x"], fallback="b"),
        spec("b", gives=["x"]),
        spec("c", needs=["x"], gives=["y"]),
        strategy="adaptive",
        type=None,
        deliverables=["y"],
    )
    running = report(plan, attempt("a", "running", 0), at=12)
    assert why(running, "b") == "stands in for 'a' if that fails, which is running for 12 s"
    assert running["blocked"]["c"]["waits_for"] == ["a"]
    failed = attempt("a", "failed", 0, 5, reason="TimeoutError after 1 attempt")
    stands_in = report(plan, failed, attempt("b", "running", 5), at=12, failed_agents=("a",))
    assert stands_in["blocked"]["c"]["waits_for"] == ["b"]
    completed = report(plan, attempt("a", "completed", 0, 5), at=12)
    assert why(completed, "b") == "will be skipped: 'a', for which it would stand in, completed"


def test_while_no_clock_is_running_only_the_seconds_from_its_start_are_known():
    rows = [*DONE, attempt("writer", "interrupted", 300, 350, reason="stopped")]
    paused = [report(blog(), *rows, at=at, status="paused") for at in (400, 400_000)]
    assert paused[0] == paused[1]
    assert paused[0]["eta"]["p50"] is paused[0]["eta"]["p90"] is None
    assert paused[0]["eta"]["p50_seconds"] == pytest.approx(600, rel=0.05)
    assert paused[0]["execution_info"]["estimated_completion"] is None
    pending = report(blog(), status="pending")
    assert pending["execution_info"]["start_time"] is None
    assert pending["eta"]["p50_seconds"] == pytest.approx(900, rel=0.05)
    assert why(pending, "planner") == "ready, the run has not started"


def test_agents_left_running_by_a_run_that_does_not_go_on_are_not_running():
    found = report(blog(), attempt("planner", "running", 0), at=60, status="paused")
    assert found["agents_status"]["running"] == []
    assert found["agents_status"]["waiting"][0] == "planner"


def test_a_run_that_has_ended_ended_when_it_did():
    plan = blog()
    rows = [attempt(step.agent, "completed", 0, 100) for step in plan.steps]
    found = report(plan, *rows, at=9999, status="completed", ended_at=later(1000))
    assert found["eta"] is None
    assert found["execution_info"]["estimated_completion"] == "2030-01-01T12:16:40+00:00"
    assert found["weighted_progress"] == 1
    assert found["progress_percentage"] == 100
    assert found["blocked"] == {}


def test_a_cancelled_run_says_how_far_it_came_and_nobody_waits():
    rows = [*DONE, attempt("writer", "cancelled", 300, 350, reason="the run ended as 'cancelled'")]
    found = report(blog(), *rows, at=9999, status="cancelled", ended_at=later(350))
    assert found["agents_status"]["waiting"] == []
    assert found["agents_status"]["cancelled"] == ["writer", "editor", "seo", "image", "social_media"]
    assert found["counts"] == counted(completed=2, cancelled=5)
    assert found["eta"] is None
    assert found["remaining_critical_path"] == []
    assert found["blocked"] == {}
    assert found["progress_percentage"] == 28
    assert found["weighted_progress"] == pytest.approx(300 / 1230, abs=1e-3)


@pytest.mark.parametrize("status", [*RunStatus])
def test_each_agent_is_in_one_list_and_the_counts_add_up(status):
    rows = [
        attempt("planner", "completed", 0, 9),
        attempt("researcher", "failed", 9, 12, reason="ValueError after 1 attempt"),
        attempt("writer", "running", 9),
        attempt("image", "interrupted", 9, 12, reason="stopped"),
        attempt("seo", "cancelled", None, 12, number=0, reason="its skip was not stored"),
        attempt("editor", "skipped", None, 12, number=0, reason="no"),
    ]
    ended_at = later(20) if status.ended else None
    found = report(blog(), *rows, at=30, status=status, failed_agents=("researcher",), ended_at=ended_at)
    listed = [agent for agents in found["agents_status"].values() for agent in agents]
    assert sorted(listed) == sorted(BLOG)
    counts = dict(found["counts"])
    assert counts.pop("total") == sum(counts.values()) == len(BLOG)
    assert not (status.ended and (counts["running"] or counts["waiting"]))
    assert counts["cancelled"] == (4 if status == "cancelled" else counts["cancelled"])


FAILED_HALF = (
    attempt("a", "completed", 0, 100),
    attempt("b", "failed", 0, 50, reason="ValueError after 1 attempt"),
    attempt("c", "skipped", None, 50, number=0, reason="'b' failed", error={"type": "DependencyFailed"}),
)


def thirds():
    seconds = {"a": 100, "b": 100, "c": 100}
    return make_plan({"a": [], "b": [], "c": ["b"]}, seconds=seconds, strategy="adaptive")


@pytest.mark.parametrize(("status", "share"), [("failed", 0.3333), ("partial_success", 0.3333), ("completed", 1.0)])
def test_what_failed_or_was_skipped_for_it_was_not_done(status, share):
    found = report(thirds(), *FAILED_HALF, at=60, status=status, failed_agents=("b",), ended_at=later(100))
    assert found["weighted_progress"] == share
    just_before = report(thirds(), *FAILED_HALF, at=60, failed_agents=("b",))
    assert just_before["weighted_progress"] == 0.9999


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_came_to_nothing_never_shows_all_of_its_work_as_done(status):
    rows = [attempt(agent, "completed", 0, 100) for agent in "abc"]
    found = report(thirds(), *rows, at=200, status=status, ended_at=later(100))
    assert (found["progress_percentage"], found["weighted_progress"]) == (99, 0.9999)


def with_fallback():
    first = spec("a", gives=["x"], fallback="b", estimate_seconds=10, max_retries=0)
    return planned(first, spec("b", gives=["x"]), strategy="adaptive", type=None, deliverables=["x"])


def test_what_a_fallback_made_up_for_does_not_count_against_the_run():
    plan = with_fallback()
    rows = [
        attempt("a", "failed", 0, 5, reason="ValueError after 1 attempt"),
        attempt("b", "completed", 5, 9),
    ]
    assert report(plan, *rows, at=10, failed_agents=("a",))["weighted_progress"] == 1.0
    assert report(plan, rows[0], at=10, failed_agents=("a",))["weighted_progress"] < 1.0


def test_an_agent_beyond_its_p90_is_marked_with_what_happens_next():
    plan = planned(spec("a", estimate_seconds=60, timeout_seconds=1800, max_retries=3), strategy="adaptive")
    on_time = report(plan, attempt("a", "running", 0), at=114)
    assert on_time["overdue"] == {}
    late = report(plan, attempt("a", "running", 0), at=200)
    assert late["overdue"] == {
        "a": {"running_seconds": 200.0, "expected_seconds": 114.0, "next": "stops at 30 min, then attempt 2 of 4"}
    }
    paused = report(plan, attempt("a", "running", 0), at=200, status="paused")
    assert paused["overdue"] == {}


@pytest.mark.parametrize(
    ("fields", "number", "following"),
    [
        ({}, 1, "stops at 30 min, then attempt 2 of 4"),
        ({"max_retries": 0}, 1, "stops at 30 min, then it has failed"),
        ({}, 4, "stops at 30 min, then it has failed"),
        ({"do_not_retry": ["TimeoutError"]}, 1, "stops at 30 min, then it has failed"),
        ({"total_timeout_seconds": 1200.0}, 1, "stops at 20 min, then it has failed"),
        ({"total_timeout_seconds": 7200.0}, 2, "stops at 30 min at the latest, then attempt 3 of 4"),
        ({"timeout_seconds": 90.0}, 1, "should have stopped at 1 min 30 s; its process may hang"),
    ],
)
def test_what_happens_next_is_what_the_step_says(fields, number, following):
    plan = planned(spec("a", **{"estimate_seconds": 10, "max_retries": 3, **fields}), strategy="adaptive")
    found = report(plan, attempt("a", "running", 0, number=number), at=100)
    assert found["overdue"]["a"]["next"] == following


def test_an_overdue_agent_with_a_fallback_says_so():
    found = report(with_fallback(), attempt("a", "running", 0), at=100)
    assert found["overdue"]["a"]["next"] == "stops at 30 min, then 'b' stands in for it"


def test_usage_is_that_of_all_attempts():
    rows = [attempt("planner", "failed", 0, 5, usage=USAGE), attempt("planner", "running", 6, number=2, usage=USAGE)]
    found = report(blog(), *rows, at=7)
    assert found["usage"]["total_tokens"] == 30
    assert found["usage"]["cost_usd"] == 1.0
    assert report(blog())["usage"] is None


def test_an_empty_plan_is_no_division_by_zero():
    found = report(make_plan({}))
    assert (found["progress_percentage"], found["weighted_progress"]) == (0, 1.0)


def test_lengths_of_time_are_in_words():
    assert [span(seconds) for seconds in (-1, 0.94, 59.4, 59.6, 3599.9, 86_400)] == [
        "0.0 s",
        "0.9 s",
        "59 s",
        "1 min 0 s",
        "1 h 0 min",
        "24 h 0 min",
    ]
