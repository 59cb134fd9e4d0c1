"""Bars: a run as a picture of text that fits its terminal."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from planner_graph.cli.bars import Bars
from planner_graph.cli.progress import Progress
from planner_graph.types import RunId
from tests.plans import make_plan
from tests.unit.test_cli_live import StoppedClock
from tests.unit.test_cli_progress import START, ended, failed, logged, retried, started
from tests.unit.test_progress_report import run_row

RUN = RunId("3f2a8c1e-0000-4000-8000-000000000000")


def draw(bars, width, height, **settings):
    screen = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=height,
        legacy_windows=False,
        _environ={},
        **settings,
    )
    with screen.capture() as captured:
        screen.print(bars)
    return captured.get()


def plain(bars, width=80, height=24):
    return draw(bars, width, height, color_system=None, no_color=True).splitlines()


def bars(plan, *events, clock=None):
    clock = clock or StoppedClock()
    progress = Progress(plan, run_row(plan, "pending", run_id=RUN))
    progress.begin(START)
    made = Bars(progress, clock, hint="Ctrl-C pauses")
    for event in events:
        made.progress.apply(event)
    clock.time += timedelta(seconds=30)
    return made


def test_each_agent_has_a_bar_its_state_and_its_time():
    plan = make_plan(
        {"writer": [], "editor": ["writer"], "seo": ["editor"]}, seconds={"editor": 60}, campaign_id="launch"
    )
    lines = plain(bars(plan, started("writer", 0), ended("writer", 12.3), started("editor", 15)), width=120)
    assert lines[0].rstrip() == "run 3f2a8c1e, parallel, campaign launch"
    assert lines[1].strip("━╸ ").split("  ") == ["41 %", "1 of 3", "30.0 s", "Ctrl-C pauses"]
    assert [line.split() for line in lines[4:]] == [
        ["writer", "completed", "━" * 20, "12.3", "s"],
        ["editor", "running", "━" * 5, "15.0", "s"],
        ["seo", "waiting", "1", "min", "waits", "for", "editor"],
    ]


def test_a_retrying_agent_says_why():
    lines = plain(bars(retried(), started("a", 0), failed("a", 5, retry_in=2)), width=120)
    assert "retrying" in lines[-1]
    assert "attempt 1 failed: TimeoutError: too slow" in lines[-1]


def test_a_hundred_agents_fit_a_small_terminal_with_the_running_on_top():
    names = [f"agent_with_a_rather_long_name_{number:03}" for number in range(100)]
    failure = ended(names[40], 2, "failed", "ValueError after 1 attempt: " + "long " * 50)
    events = [*(ended(name, 1) for name in names[:40]), failure, *(started(name, 3) for name in names[41:46])]
    lines = plain(bars(make_plan({name: [] for name in names}), *events))
    assert len(lines) < 24
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[1] for line in lines[4:11]] == ["running"] * 5 + ["failed", "waiting"]
    assert lines[-1].strip() == "and 42 waiting, 40 completed"


def test_names_are_made_safe_for_the_terminal():
    text = draw(bars(make_plan({"a": []}), ended("a", 1, "failed", "bad \x1b[2Jthing\x07")), 120, 24, color_system=None)
    assert "bad \\x1b[2Jthing\\x07" in text


def test_without_colours_the_bars_have_none():
    assert "\x1b" not in draw(bars(make_plan({"a": []}), started("a", 0)), 80, 24, no_color=True, color_system=None)
    assert "\x1b[36m" in draw(bars(make_plan({"a": []}), started("a", 0)), 80, 24, color_system="standard")


def test_the_bars_say_when_it_will_all_end_and_what_decides_over_that(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    plan = make_plan({"writer": [], "editor": ["writer"], "seo": ["editor"]}, strategy="adaptive")
    lines = plain(bars(plan, started("writer", 0), ended("writer", 12.3), started("editor", 15)))
    assert lines[2].startswith("ends about ")
    assert "9 times of 10 by" in lines[2]
    assert lines[3].rstrip() == "decided by editor -> seo"


def test_a_forecast_is_made_once_a_second_and_when_agents_have_ended():
    class Counting(Progress):
        reports = 0

        def report(self, now):
            self.reports += 1
            return super().report(now)

    plan, clock = make_plan({"a": [], "b": []}), StoppedClock()
    progress = Counting(plan, run_row(plan, "pending"))
    progress.begin(START)
    drawn = Bars(progress, clock, hint="")
    counts = []
    for seconds, event in (
        (0, None),
        (0.5, started("a", 0)),
        (0.4, None),
        (0.2, None),
        (0.3, ended("a", 1)),
        (0.3, None),
    ):
        clock.time += timedelta(seconds=seconds)
        if event:
            progress.apply(event)
        plain(drawn)
        counts.append(progress.reports)
    assert counts == [1, 1, 1, 2, 2, 3]


def test_a_paused_run_stands_still_and_says_how_long_it_will_take():
    drawn = bars(make_plan({"a": [], "b": ["a"]}), started("a", 0))
    drawn.progress.take(logged("run_paused", seconds=5, reason="Ctrl-C"))
    drawn.notice = "paused: Ctrl-C\ngo on with it: planner-graph resume 3f2a8c1e"
    lines = plain(drawn)
    assert lines[0].rstrip() == "run 3f2a8c1e, paused, parallel, campaign campaign"
    assert "  5.0 s  " in lines[1]
    assert lines[2].startswith("takes about 2 min 0 s more; 9 times of 10 within ")
    assert [line.rstrip() for line in lines[4:6]] == drawn.notice.splitlines()


def test_of_a_run_that_shows_no_life_no_end_is_promised():
    drawn = bars(make_plan({"a": []}), started("a", 0))
    drawn.notice = "no process is executing it"
    assert "ends about" not in "".join(plain(drawn))


def test_of_a_run_that_has_nothing_left_to_do_no_end_is_told():
    lines = plain(bars(make_plan({"a": []}), ended("a", 1)))
    assert len(lines) == 3
    assert "100 %" in lines[1]


def test_what_was_skipped_has_no_time():
    drawn = bars(
        make_plan({"a": [], "b": ["a"]}), ended("a", 1, "failed", "bad"), ended("b", 1, "skipped", "why", attempts=0)
    )
    assert plain(drawn, width=120)[-1].split() == ["b", "skipped", "why"]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("height", [5, 10, 24])
def test_the_bars_fit_any_terminal(width, height):
    names = [f"agent_with_a_rather_long_name_{number:03}" for number in range(30)]
    drawn = bars(make_plan({name: names[:place] for place, name in enumerate(names)}), started(names[0], 0))
    drawn.notice = "no sign of life\ngo on"
    lines = plain(drawn, width, height)
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= max(height - 1, 8)
