"""A run as a picture of text that fits the terminal it is drawn on: a bar for each agent, and when it will all end."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from planner_graph.cli.figures import share, timer
from planner_graph.cli.outlook import brief_reason, eta_text, overdue_text, path_text
from planner_graph.cli.progress import AgentState, Progress
from planner_graph.cli.styles import AGENT_STYLES
from planner_graph.clock import Clock
from planner_graph.mirror.progress import ProgressReport
from planner_graph.planning.explanation import duration_text
from planner_graph.text import one_line
from planner_graph.types import AgentStatus, RunStatus

LAST_LINES = 2
"""Lines of the terminal below the agents: what is folded, the cursor."""

ECHO = 2
"""Columns kept free at the right: a terminal echoes Ctrl-C as ``^C`` after the last line, which must not wrap."""

SHORTEST_BAR = 4

WIDE = 100
"""Columns from which there is room for longer bars."""

REPORT_SECONDS, SOONEST_SECONDS = 1.0, 0.5
"""How old a forecast may be, and how old where agents have ended since; of a large plan each takes 50 ms."""


class Bars:
    """Draws a run as it stands at that moment.

    ``hint`` says what Ctrl-C does, ``notice`` what else there is to know, in one line or more; while there is something
    to know of a run that should go on, nothing is said of its end.
    """

    def __init__(self, progress: Progress, clock: Clock, *, hint: str) -> None:
        self.progress = progress
        self.notice = ""
        self._hint = hint
        self._clock = clock
        self._report: tuple[datetime, tuple[RunStatus, int], ProgressReport] | None = None

    def stopping(self, status: RunStatus, notice: str, *, hint: str) -> None:
        """Show that the run is about to stop: what it is called now, what that means, and what Ctrl-C does now."""
        self.progress.stopping(status)
        self.notice, self._hint = notice, hint

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        now = self._clock.now()
        report = self._reported(now)
        width = options.max_width
        yield self._title()
        yield self._overall(report, now, width)
        details = [_line(text, style) for text, style in self._details(report, now)]
        yield from details
        shown, folded = self.progress.rows(max(1, screen.height - len(details) - 2 - LAST_LINES))
        yield self._agents(shown, report, now, width)
        if folded:
            yield _line("and " + ", ".join(f"{count} {status}" for status, count in folded.items()), "dim")

    def _reported(self, now: datetime) -> ProgressReport:
        stands = self.progress.run.status, self.progress.ended
        if self._report is not None:
            at, stood, report = self._report
            if abs((now - at).total_seconds()) < (REPORT_SECONDS if stood == stands else SOONEST_SECONDS):
                return report
        report = self.progress.report(now)
        self._report = (now, stands, report)
        return report

    def _title(self) -> Text:
        run, plan = self.progress.run, self.progress.plan
        status = "" if run.status is RunStatus.RUNNING else f", {run.status.value}"
        return _line(f"run {run.run_id[:8]}{status}, {plan.strategy}, campaign {plan.campaign_id}", "bold")

    def _overall(self, report: ProgressReport, now: datetime, width: int) -> Table:
        progress, run = self.progress, self.progress.run
        until = run.updated_at if run.status is RunStatus.PAUSED else run.ended_at or now
        elapsed = timer(max((until - progress.since).total_seconds(), 0.0)) if progress.since else ""
        ended = f"{progress.ended} of {len(progress.agents)}"
        words = [share(report["weighted_progress"]), ended, elapsed, self._hint]
        left = width - ECHO - sum(len(word) + 2 for word in words)
        room = max(SHORTEST_BAR, min(_bar_width(width) * 2, left))  # the words matter more than the bar
        bar = ProgressBar(total=1.0, completed=report["weighted_progress"], width=room)
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(5):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        grid.add_row(bar, *words[:-1], Text(self._hint, style="dim"))
        return grid

    def _details(self, report: ProgressReport, now: datetime) -> Iterator[tuple[str, str]]:
        halted = bool(self.notice) and self.progress.run.status is RunStatus.RUNNING
        path = report["remaining_critical_path"]
        if report["eta"] and path and not halted:
            yield eta_text(report["eta"], now.astimezone()), ""
        if path:
            yield path_text(path), "dim"
        for line in self.notice.splitlines():
            yield line, "yellow"

    def _agents(self, shown: Iterable[AgentState], report: ProgressReport, now: datetime, width: int) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.width = width - ECHO
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 3)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for agent in shown:
            style = AGENT_STYLES.get(agent.status, "dim")
            bar = ProgressBar(
                total=1,
                completed=agent.fraction(now),
                width=_bar_width(width),
                complete_style=style,
                finished_style=style,
            )
            seconds = agent.seconds(now)
            expected = "" if agent.status.ended else duration_text(agent.estimate_seconds)
            time = expected if seconds is None else timer(seconds)
            status, note = Text(agent.status.value, style=style), Text(_note(agent, report), style="dim")
            grid.add_row(one_line(agent.name), status, bar, Text(time, style=style), note)
        return grid


def _note(agent: AgentState, report: ProgressReport) -> str:
    why, late = report["blocked"].get(agent.name), report["overdue"].get(agent.name)
    if late and agent.status is AgentStatus.RUNNING:
        return overdue_text(late)
    return one_line(brief_reason(why) if why and agent.status is AgentStatus.WAITING else agent.note)


def _line(text: str, style: str) -> Text:
    return Text(one_line(text), style=style, no_wrap=True, overflow="ellipsis")


def _bar_width(width: int) -> int:
    return 20 if width >= WIDE else 12
