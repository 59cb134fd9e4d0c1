"""The live view of a run: bars on a terminal, plain lines where there is none."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from planner_graph.cli.live import BarsView, LinesView, view
from tests.events import warned
from tests.plans import make_plan
from tests.unit.test_cli_progress import attempt, ended, failed, going, started


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


def test_where_there_is_no_terminal_each_event_is_a_line(capsys):
    plan = make_plan({"a": [], "b": ["a"]}, seconds={"a": 90})
    lines = LinesView(StoppedClock())
    with lines:
        lines.begin(going(plan))
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
        "run run: 2 agents, strategy parallel, expected 2 min 30 s",
        "a: started, estimate 1 min 30 s",
        "a: attempt 1 failed: TimeoutError: too slow; attempt 2 in 2.0 s",
        "a: attempt 2 started, estimate 1 min 30 s",
        "a: failed after 9.0 s: TimeoutError after 2 attempts: too slow (1 of 2)",
        "b: skipped: hard dependency 'a' failed (2 of 2)",
    ]


def test_a_warning_is_a_line_and_changes_no_bar(capsys):
    lines, progress = LinesView(StoppedClock()), going(make_plan({"a": []}))
    lines.begin(progress)
    lines.on_event(started("a", 0))
    before = progress.agents
    lines.on_event(warned("a", 1))
    assert progress.agents == before
    assert capsys.readouterr().err.splitlines()[-1].partition(" ")[2] == "a: warning: key 'age' is not declared"


def test_a_warning_is_printed_above_the_bars():
    text = io.StringIO()
    bars = BarsView(Console(file=text, force_terminal=True, width=60), StoppedClock())
    with bars:
        bars.begin(going(make_plan({"a": []})))
        bars.on_event(warned("a", 1) | {"message": "key '[red]\x1b' is not declared"})
    assert "a: warning: key '[red]\\x1b' is not declared" in text.getvalue()


def test_a_long_error_is_folded(capsys):
    lines = LinesView(StoppedClock())
    lines.begin(going(make_plan({"a": []})))
    lines.on_event(ended("a", 9, "failed", "ValueError after 1 attempt: " + "word " * 1000, attempts=1))
    last = capsys.readouterr().err.splitlines()[-1]
    assert len(last) < 400
    assert last.endswith("... (4,728 more characters) (1 of 1)")


def test_a_run_that_goes_on_says_what_is_done(capsys):
    plan = make_plan({"a": [], "b": ["a"]})
    LinesView(StoppedClock()).begin(going(plan, attempt("a", "completed")))
    assert "run run: 2 agents, 1 already done, strategy parallel, expected 2 min\n" in capsys.readouterr().err


def test_a_reader_that_goes_away_does_not_stop_the_run(monkeypatch):
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    lines = LinesView(StoppedClock())
    lines.begin(going(make_plan({"a": []})))
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
