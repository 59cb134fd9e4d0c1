"""Shows a run while it goes on: bars on a terminal, one line for each event anywhere else. Writes to standard error."""

import sys
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from planner_graph.cli.progress import AgentState, Progress, timer
from planner_graph.cli.screen import console
from planner_graph.clock import Clock
from planner_graph.compiler.events import Event
from planner_graph.planning.contents import PlanContents
from planner_graph.planning.explanation import duration_text
from planner_graph.store.rows import AgentRunRow
from planner_graph.text import one_line
from planner_graph.types import AgentStatus, RunId

STYLES: Mapping[str, str] = {
    AgentStatus.RUNNING: "cyan",
    AgentStatus.RETRYING: "yellow",
    AgentStatus.COMPLETED: "green",
    AgentStatus.FAILED: "red",
}
"""Colours of states; the others are dim."""

FRAMES_PER_SECOND = 8
FRAME_LINES = 4
"""Lines of the terminal that hold no agent: title, overall bar, what is folded, the cursor."""

WIDE = 100
"""Columns from which there is room for longer bars."""


class View(Protocol):
    """Follows one run; used as a context manager around it."""

    def begin(self, run_id: RunId, plan: PlanContents, attempts: Iterable[AgentRunRow]) -> None:
        """Show the run as it stands before anything happens."""

    def on_event(self, event: Event) -> None:
        """Show what happened."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def view(clock: Clock) -> View:
    """Give the view that suits standard error."""
    screen = console(stderr=True)
    return BarsView(screen, clock) if screen.is_terminal and not screen.is_dumb_terminal else LinesView(clock)


class LinesView:
    """Writes one plain line for each event; a reader that goes away does not stop the run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._progress: Progress | None = None
        self._silent = False

    def begin(self, run_id: RunId, plan: PlanContents, attempts: Iterable[AgentRunRow]) -> None:
        """Say what is about to run."""
        self._progress = Progress(plan, attempts)
        done = f", {self._progress.ended} already done" if self._progress.ended else ""
        count = f"{len(plan.steps)} agent{'' if len(plan.steps) == 1 else 's'}"
        self._write(f"run {run_id}: {count}{done}, strategy {plan.strategy}, expected {_expected(plan)}")

    def on_event(self, event: Event) -> None:
        """Write the line of an event."""
        if self._progress is not None:
            agent = self._progress.apply(event)
            self._write(f"{agent.name}: {line(event, agent, self._progress)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing has to be put back."""

    def _write(self, text: str) -> None:
        if self._silent:
            return
        try:
            sys.stderr.write(f"{self._clock.now().astimezone():%H:%M:%S} {one_line(text)}\n")
            sys.stderr.flush()
        except OSError:
            self._silent = True


def line(event: Event, agent: AgentState, progress: Progress) -> str:
    """Say in words what an event tells."""
    match event["event"]:
        case "agent_started":
            again = f"attempt {agent.attempt} " if agent.attempt > 1 else ""
            return f"{again}started, estimate {duration_text(agent.estimate_seconds)}"
        case "attempt_failed":
            wait = event["retry_in_seconds"]
            return agent.note + ("" if wait is None else f"; attempt {event['attempt'] + 1} in {timer(wait)}")
        case "agent_interrupted":
            return f"interrupted: {event['reason']}"
        case "agent_ended":
            seconds = agent.seconds(agent.ended_at) if agent.ended_at else None
            time = f" after {timer(seconds)}" if seconds is not None else ""
            reason = f": {agent.note}" if agent.note else ""
            return f"{agent.status}{time}{reason} ({progress.ended} of {len(progress.agents)})"


class BarsView:
    """Keeps a board with a bar for each agent at the bottom of a terminal, and takes it away at the end."""

    def __init__(self, screen: Console, clock: Clock) -> None:
        self._screen = screen
        self._clock = clock
        self._board: Board | None = None
        self._live: Live | None = None

    def begin(self, run_id: RunId, plan: PlanContents, attempts: Iterable[AgentRunRow]) -> None:
        """Put the board up."""
        self._board = Board(run_id, plan, Progress(plan, attempts), self._clock)
        self._live = Live(
            self._board,
            console=self._screen,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            vertical_overflow="crop",
        )
        self._live.start()

    def on_event(self, event: Event) -> None:
        """Bring the board up to date; it is drawn again in its own rhythm."""
        if self._board is not None:
            self._board.progress.apply(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the board away."""
        if self._live is not None:
            self._live.stop()


class Board:
    """A run as a picture of text that fits the terminal it is drawn on."""

    def __init__(self, run_id: RunId, plan: PlanContents, progress: Progress, clock: Clock) -> None:
        self.progress = progress
        self._title = f"run {run_id[:8]}, {plan.strategy}, campaign {plan.campaign_id}"
        self._expected = _expected(plan)
        self._clock = clock
        self._begun_at = clock.now()

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as it stands now."""
        width = options.max_width
        shown, folded = self.progress.rows(max(1, screen.height - FRAME_LINES))
        yield Text(one_line(self._title), style="bold", no_wrap=True, overflow="ellipsis")
        yield self._overall(width)
        yield self._agents(shown, width)
        if folded:
            text = "and " + ", ".join(f"{count} {status}" for status, count in folded.items())
            yield Text(text, style="dim", no_wrap=True, overflow="ellipsis")

    def _overall(self, width: int) -> Table:
        total, ended = len(self.progress.agents), self.progress.ended
        elapsed = timer((self._clock.now() - self._begun_at).total_seconds())
        grid = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(total=total, completed=ended, width=_bar_width(width) * 2)
        grid.add_row(
            bar, f"{ended} of {total}", f"{elapsed} of about {self._expected}", Text("Ctrl-C pauses", style="dim")
        )
        return grid

    def _agents(self, shown: Iterable[AgentState], width: int) -> Table:
        now = self._clock.now()
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=width // 3)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for agent in shown:
            style = STYLES.get(agent.status, "dim")
            bar = ProgressBar(
                total=1,
                completed=agent.fraction(now),
                width=_bar_width(width),
                complete_style=style,
                finished_style=style,
            )
            seconds = agent.seconds(now)
            time = duration_text(agent.estimate_seconds) if seconds is None else timer(seconds)
            status = Text(agent.status.value, style=style)
            grid.add_row(agent.name, status, bar, Text(time, style=style), Text(one_line(agent.note), style="dim"))
        return grid


def _expected(plan: PlanContents) -> str:
    return duration_text(plan.duration.predicted)


def _bar_width(width: int) -> int:
    return 20 if width >= WIDE else 12
