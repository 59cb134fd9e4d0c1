"""The live view: a board that fits its terminal, plain lines where there is none."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from planner_graph.cli.live import BarsView, Board, LinesView, view
from planner_graph.cli.progress import Progress
from planner_graph.types import RunId
from tests.plans import make_plan
from tests.unit.test_cli_progress import ended, failed, started

RUN = RunId("3f2a8c1e-0000-4000-8000-000000000000")


class StoppedClock:
    """A clock that tests move."""

    def __init__(self):
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)

    def chance(self):
        return 0.0


def draw(board, width, height, **settings):
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
        screen.print(board)
    return captured.get()


def plain(board, width=80, height=24):
    return draw(board, width, height, color_system=None, no_color=True).splitlines()


def board(plan, *events, clock=None):
    clock = clock or StoppedClock()
    made = Board(RUN, plan, Progress(plan), clock)
    for event in events:
        made.progress.apply(event)
    clock.time += timedelta(seconds=30)
    return made


def test_each_agent_has_a_bar_its_state_and_its_time():
    plan = make_plan(
        {"writer": [], "editor": ["writer"], "seo": ["editor"]}, seconds={"editor": 60}, campaign_id="launch"
    )
    lines = plain(board(plan, started("writer", 0), ended("writer", 12.3), started("editor", 15)), width=120)
    assert lines[0].rstrip() == "run 3f2a8c1e, parallel, campaign launch"
    assert "1 of 3" in lines[1]
    assert "30.0 s of about 3 min" in lines[1]
    assert [line.split() for line in lines[2:]] == [
        ["writer", "completed", "━" * 20, "12.3", "s"],
        ["editor", "running", "━" * 5, "15.0", "s"],
        ["seo", "waiting", "1", "min"],
    ]


def test_a_retrying_agent_says_why():
    lines = plain(board(make_plan({"a": []}), started("a", 0), failed("a", 5, retry_in=2)), width=120)
    assert "retrying" in lines[2]
    assert "attempt 1 failed: TimeoutError: too slow" in lines[2]


def test_a_hundred_agents_fit_a_small_terminal_with_the_running_on_top():
    names = [f"agent_with_a_rather_long_name_{number:03}" for number in range(100)]
    failure = ended(names[40], 2, "failed", "ValueError after 1 attempt: " + "long " * 50)
    events = [*(ended(name, 1) for name in names[:40]), failure, *(started(name, 3) for name in names[41:46])]
    lines = plain(board(make_plan({name: [] for name in names}), *events))
    assert len(lines) < 24
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[1] for line in lines[2:9]] == ["running"] * 5 + ["failed", "waiting"]
    assert lines[-1].strip() == "and 40 waiting, 40 completed"


def test_names_are_made_safe_for_the_terminal():
    text = draw(
        board(make_plan({"a": []}), ended("a", 1, "failed", "bad \x1b[2Jthing\x07")), 120, 24, color_system=None
    )
    assert "bad \\x1b[2Jthing\\x07" in text


def test_without_colours_the_board_has_none():
    assert "\x1b" not in draw(board(make_plan({"a": []}), started("a", 0)), 80, 24, no_color=True, color_system=None)
    assert "\x1b[36m" in draw(board(make_plan({"a": []}), started("a", 0)), 80, 24, color_system="standard")


def test_where_there_is_no_terminal_each_event_is_a_line(capsys):
    plan = make_plan({"a": [], "b": ["a"]}, seconds={"a": 90})
    lines = LinesView(StoppedClock())
    with lines:
        lines.begin(RUN, plan, [])
        for event in (
            started("a", 0),
            failed("a", 5, retry_in=2),
            started("a", 7, attempt=2),
            ended("a", 9, "failed", "TimeoutError after 2 attempts: too\nslow", attempts=2),
            ended("b", 9, "skipped", "hard dependency 'a' failed", attempts=0),
        ):
            lines.on_event(event)
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(" ")[2] for line in told.err.splitlines()] == [
        f"run {RUN}: 2 agents, strategy parallel, expected 2 min 30 s",
        "a: started, estimate 1 min 30 s",
        "a: attempt 1 failed: TimeoutError: too slow; attempt 2 in 2.0 s",
        "a: attempt 2 started, estimate 1 min 30 s",
        "a: failed after 9.0 s: TimeoutError after 2 attempts: too slow (1 of 2)",
        "b: skipped: hard dependency 'a' failed (2 of 2)",
    ]


def test_a_reader_that_goes_away_does_not_stop_the_run(monkeypatch):
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    lines = LinesView(StoppedClock())
    lines.begin(RUN, make_plan({"a": []}), [])
    lines.on_event(started("a", 0))


@pytest.mark.parametrize(("terminal", "kind"), [("xterm", BarsView), ("dumb", LinesView)])
def test_the_view_suits_the_terminal(monkeypatch, terminal, kind):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(view(StoppedClock()), kind)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(view(StoppedClock()), LinesView)
