"""How past runs add up to figures, and how these read on a terminal."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from planner_graph.cli.performance import MOST_LISTED, Detail, detail_json, detail_text, overview
from planner_graph.mirror.figures import performance_json
from planner_graph.mirror.history import PastExecution, PastUsage, Spread, sum_up
from planner_graph.types import AgentName, AgentStatus, RunId
from tests.events import ERROR, NOON
from tests.past_runs import usage

WRITER = AgentName("writer")
DONE = PastExecution(
    agent=WRITER,
    run_id=RunId("0123456789abcdef"),
    status=AgentStatus.COMPLETED,
    attempts=1,
    started_at=NOON,
    ended_at=NOON + timedelta(seconds=12.34),
    queue_seconds=0.5,
    error=None,
    usage=usage(12_345, 0.0123),
)
FAILED = replace(DONE, status=AgentStatus.FAILED, attempts=3, error=ERROR, usage=None, queue_seconds=None)
LARGEST = replace(
    DONE,
    status=AgentStatus.FAILED,
    attempts=11,
    ended_at=NOON + timedelta(hours=9, minutes=59),
    queue_seconds=35_999.0,
    error={"type": "TimeoutError", "message": "the model did not answer " * 9},
    usage=usage(999_900, 1234.5),
)


def lines(*items, width=80):
    screen = Console(width=width, force_terminal=True, color_system=None, markup=False, highlight=False, emoji=False)
    with screen.capture() as captured:
        screen.print(*items, sep="\n")
    return [line.rstrip() for line in captured.get().splitlines()]


def table(*performances, **options):
    return lines(overview(performances), **options)


def test_a_spread_lies_between_the_values_at_hand():
    assert Spread.of([]) is None
    assert Spread.of([3.0]) == Spread(median=3.0, p90=3.0)
    assert Spread.of([5.0, 1.0, 4.0, 2.0, 3.0]) == Spread(median=3.0, p90=4.6)


def test_usage_without_some_of_its_figures_is_still_added_up():
    assert PastUsage.of([None, None]) is None
    assert PastUsage.of([{}, {"total_tokens": 5, "calls": None}]) == PastUsage(
        runs=2, calls=0, input_tokens=0, output_tokens=0, total_tokens=5, priced_runs=0, cost_usd=None
    )


def test_an_agent_that_never_ran_has_no_figures_rather_than_zeros():
    figures = performance_json(sum_up(WRITER, [], skipped=2))
    assert {name for name, value in figures.items() if value is not None} == {"agent", "runs", "succeeded", "skipped"}
    assert figures["skipped"] == 2


def test_the_latest_failure_is_told_even_if_a_retry_made_up_for_it():
    retried = replace(DONE, attempts=2, error=ERROR)
    assert sum_up(WRITER, [DONE, retried, FAILED]).latest_failure is retried


def test_figures_as_json_are_plain_values():
    document = detail_json(Detail(performance=sum_up(WRITER, [DONE, FAILED], 1), executions=[DONE, FAILED]))
    assert json.loads(json.dumps(document)) == document
    assert {name: document[name] for name in ("runs", "succeeded", "success_rate", "skipped", "attempts")} == {
        "runs": 2,
        "succeeded": 1,
        "success_rate": 0.5,
        "skipped": 1,
        "attempts": {"mean": 2.0, "most": 3},
    }
    assert document["duration_seconds"] == {"median": 12.34, "p90": 12.34}
    assert document["queue_seconds"] == {"median": 0.5, "p90": 0.5}
    assert (document["usage"]["total_tokens"], document["usage"]["mean_cost_usd"]) == (12_345, 0.0123)
    assert document["latest_error"] == {
        **ERROR,
        "workflow_execution_id": FAILED.run_id,
        "at": "2030-01-01T12:00:12.340000+00:00",
    }
    assert [run["status"] for run in document["latest_runs"]] == ["completed", "failed"]


def test_each_agent_has_a_line():
    assert table(sum_up(WRITER, [DONE, FAILED]), sum_up(AgentName("seo"), [], skipped=1)) == [
        "agent   runs  success  attempts  median     P90   wait  tokens    cost",
        "writer     2     50 %         2  12.3 s  12.3 s  0.5 s   12.3k  $0.012",
        "seo        0",
    ]


def test_where_nobody_called_a_model_there_are_no_columns_for_it():
    [header, _] = table(sum_up(WRITER, [replace(DONE, usage=None)]))
    assert header.split() == ["agent", "runs", "success", "attempts", "median", "P90", "wait"]


def test_nothing_is_cut_at_eighty_columns():
    name = AgentName("a_rather_long_name_of_an_agent_for_social_media")
    shown = table(sum_up(name, [replace(LARGEST, status=AgentStatus.COMPLETED)] * 1000))
    assert max(map(len, shown)) <= 80
    assert "…" not in "".join(shown)
    figures = "1000 100 % 11 9:59:00 9:59:00 9:59:59 999.9k $1,234.50"
    assert " ".join(shown[1].split()[1:]) == figures
    assert "".join(line.split()[0] for line in shown[1:]) == name


def test_one_agent_is_shown_in_detail():
    performance = sum_up(WRITER, [DONE, replace(FAILED, usage=usage(655, None))], 3)
    shown = lines(*detail_text(Detail(performance=performance, executions=[DONE, FAILED])))
    local = f"{DONE.ended_at.astimezone():%Y-%m-%d %H:%M:%S}"
    assert shown == [
        "agent         writer",
        "runs          2, 1 successful (50 %), skipped in 3 more",
        "attempts      2 a run, 3 at most",
        "duration      median 12.3 s, P90 12.3 s",
        "queue wait    median 0.5 s, P90 0.5 s",
        "tokens        6,500 a run, 13,000 together (12,998 in, 2 out)",
        "model calls   1 a run, 2 together",
        "cost          $0.012 a run, $0.012 together; that of 1 more is not known",
        f"last run      {local}",
        "latest error  TimeoutError: slow (run 0123456789abcdef)",
        "",
        "run       status     attempts    time   wait  error",
        "01234567  completed         1  12.3 s  0.5 s",
        "01234567  failed            3  12.3 s         TimeoutError: slow",
    ]


def test_in_detail_nothing_is_cut_at_eighty_columns():
    shown = lines(*detail_text(Detail(performance=sum_up(WRITER, [LARGEST]), executions=[LARGEST])))
    assert max(map(len, shown)) <= 80
    assert "…" not in "".join(shown)
    assert "".join("".join(shown).split()).count("themodeldidnotanswer") >= 9


def test_of_many_runs_the_latest_are_listed():
    executions = [replace(DONE, run_id=RunId(f"{number:08}")) for number in range(MOST_LISTED + 5)]
    shown = lines(*detail_text(Detail(performance=sum_up(WRITER, executions), executions=executions)))
    listed = [line.split()[0] for line in shown if "completed" in line]
    assert listed == [f"{number:08}" for number in range(MOST_LISTED)]
    assert shown[-1] == "and 5 before; --json lists them all"


def test_what_agents_say_cannot_steer_the_terminal():
    hostile = replace(FAILED, error={"type": "Error", "message": "a\x1b[2J\nb"})
    shown = lines(*detail_text(Detail(performance=sum_up(WRITER, [hostile]), executions=[hostile])))
    assert "\x1b" not in "".join(shown)
    assert any(line.endswith("Error: a\\x1b[2J b") for line in shown)


@pytest.mark.parametrize(("succeeded", "of", "shown"), [(999, 1000, "99 %"), (1, 1000, "1 %"), (1000, 1000, "100 %")])
def test_only_all_is_a_hundred_percent(succeeded, of, shown):
    performance = sum_up(WRITER, [DONE] * succeeded + [FAILED] * (of - succeeded))
    assert shown in table(performance)[1]
