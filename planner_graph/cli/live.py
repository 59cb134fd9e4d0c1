"""Shows a run while it goes on: bars on a terminal, one line for each event anywhere else. Writes to standard error."""

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from planner_graph.cli.bars import Bars
from planner_graph.cli.figures import timer
from planner_graph.cli.progress import AgentState, Progress
from planner_graph.cli.screen import console
from planner_graph.clock import Clock
from planner_graph.compiler.events import AgentWarning, Event
from planner_graph.planning.explanation import duration_text
from planner_graph.text import folded, one_line
from planner_graph.types import RunStatus

FRAMES_PER_SECOND = 8


class View(Protocol):
    """Follows one run; used as a context manager around it."""

    def begin(self, progress: Progress) -> None:
        """Show the run, which is about to begin or go on."""

    def on_event(self, event: Event) -> None:
        """Show what happened."""

    def on_stop(self, status: RunStatus, text: str) -> None:
        """Show that the run is about to stop; ``text`` says what happens now, in one line or more."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def view(clock: Clock) -> View:
    """Give the view that suits standard error."""
    screen = console(stderr=True)
    return BarsView(screen, clock) if screen.is_terminal and not screen.is_dumb_terminal else LinesView(clock)


def drawn_live(bars: Bars, screen: Console) -> Live:
    """Give bars that are drawn again and again at the bottom of a terminal, and go away at the end."""
    return Live(bars, console=screen, refresh_per_second=FRAMES_PER_SECOND, transient=True, vertical_overflow="crop")


class LinesView:
    """Writes one plain line for each event; a reader that goes away does not stop the run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._progress: Progress | None = None
        self._silent = False

    def begin(self, progress: Progress) -> None:
        """Say what is about to run."""
        self._progress = progress
        self._write(f"run {progress.run.run_id}: {begun(progress)}")

    def on_event(self, event: Event) -> None:
        """Write the line of an event."""
        if self._progress is not None:
            agent = self._progress.apply(event)
            self._write(f"{agent.name}: {line(event, agent, self._progress)}")

    def on_stop(self, status: RunStatus, text: str) -> None:  # noqa: ARG002  # the text begins with it
        """Write that the run is about to stop."""
        self._write(text.replace("\n", "; "))

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


def begun(progress: Progress) -> str:
    """Say what is about to run."""
    plan, count = progress.plan, len(progress.agents)
    done = f", {progress.ended} already done" if progress.ended else ""
    agents = f"{count} agent{'' if count == 1 else 's'}"
    return f"{agents}{done}, strategy {plan.strategy}, expected {duration_text(plan.duration.predicted)}"


def line(event: Event, agent: AgentState, progress: Progress) -> str:
    """Say in words what an event tells."""
    match event["event"]:
        case "agent_started":
            again = f"attempt {agent.attempt} " if agent.attempt > 1 else ""
            return f"{again}started, estimate {duration_text(agent.estimate_seconds)}"
        case "attempt_failed":
            wait = event["retry_in_seconds"]
            return folded(agent.note) + ("" if wait is None else f"; attempt {event['attempt'] + 1} in {timer(wait)}")
        case "agent_warning":
            return warning(event)
        case "agent_interrupted":
            return f"interrupted: {event['reason']}"
        case "agent_ended":
            seconds = agent.seconds(agent.ended_at) if agent.ended_at else None
            time = f" after {timer(seconds)}" if seconds is not None else ""
            reason = f": {folded(agent.note)}" if agent.note else ""
            return f"{agent.status}{time}{reason} ({progress.ended} of {len(progress.agents)})"


def warning(event: AgentWarning) -> str:
    """Return the line of a warning, without the agent's name."""
    return f"warning: {event['message']}"


class BarsView:
    """Keeps a bar for each agent at the bottom of a terminal, and takes them away at the end."""

    def __init__(self, screen: Console, clock: Clock) -> None:
        self._screen = screen
        self._clock = clock
        self._bars: Bars | None = None
        self._live: Live | None = None

    def begin(self, progress: Progress) -> None:
        """Put the bars up."""
        self._bars = Bars(progress, self._clock, hint="Ctrl-C pauses")
        self._live = drawn_live(self._bars, self._screen)
        self._live.start(refresh=True)  # a first frame drawn beside what an agent prints would be drawn twice

    def on_event(self, event: Event) -> None:
        """Bring the bars up to date; they are drawn again in their own rhythm. A warning is printed above them."""
        if self._bars is not None:
            self._bars.progress.apply(event)
        if event["event"] == "agent_warning":
            self._screen.print(one_line(f"{event['agent']}: {warning(event)}"), markup=False, highlight=False)

    def on_stop(self, status: RunStatus, text: str) -> None:
        """Show it in the header and above the bars, and draw them at once."""
        if self._bars is not None and self._live is not None:
            self._bars.stopping(status, text, hint="Ctrl-C stops at once")
            self._live.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars away."""
        if self._live is not None:
            self._live.stop()
