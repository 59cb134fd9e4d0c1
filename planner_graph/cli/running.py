"""Carries a run out for the commands ``run`` and ``resume``: follows it, writes what it gave, says how it ended."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import typer

from planner_graph.cli import delivery, interruptible, screen
from planner_graph.cli.account import Account, read_account
from planner_graph.cli.exits import ExitCode, exit_code
from planner_graph.cli.live import View, view
from planner_graph.cli.progress import Progress
from planner_graph.clock import SystemClock
from planner_graph.errors import DatabaseUnavailableError, PlannerGraphError
from planner_graph.mirror.handler import MirrorReport
from planner_graph.planning.explanation import duration_text
from planner_graph.runtime.brake import Grace, Stop, StopKind
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.store.connection import unavailable
from planner_graph.text import one_line
from planner_graph.types import RunId, RunStatus

STOPPED = "stopped from outside; resume it to go on"
"""Why a run is paused that is stopped by a signal."""

_STOPPING = {StopKind.PAUSE: RunStatus.PAUSING, StopKind.CANCEL: RunStatus.CANCELLING}
"""What a run is called between a stop and its end; other stops end it at once."""


LONGEST_ACCOUNT_SECONDS = 5.0
"""How long to wait for the account of a run that was stopped; the database may be away."""


@dataclass(kw_only=True)
class Session:
    """One run as a command follows it; what is known of it outlives the work when that is stopped."""

    view: View
    run_id: RunId | None = None
    folder: Path | None = None
    account: Account | None = None
    mirror: MirrorReport | None = None
    orchestrator: CampaignOrchestrator | None = None
    stopping: bool = False
    by_signal: bool = False

    def pause(self) -> bool:
        """Pause the run when its running agents have ended; ``False`` if there is none, or it is stopping already."""
        if self.orchestrator is None or self.stopping:
            return False
        self.by_signal = True  # before the stop is shown, which pause_all does
        self.by_signal = self.orchestrator.pause_all(STOPPED) > 0
        return self.by_signal

    def on_stop(self, stop: Stop) -> None:
        """Show at once that the run is about to stop, whether a signal or another process asks for it."""
        if self.orchestrator is not None and stop.kind in _STOPPING:
            self.stopping = True
            reason = None if self.by_signal and stop.kind is StopKind.PAUSE else stop.reason
            self.view.on_stop(_STOPPING[stop.kind], stopping_text(stop.kind, self.orchestrator.grace, reason))

    async def execute(
        self, orchestrator: CampaignOrchestrator, run_id: RunId, folder: Path | None, *, take_over: bool = False
    ) -> None:
        """Execute a run that is stored, and take account of it when it ends or is stopped."""
        repository = orchestrator.repository
        plan, row = await repository.load_plan(run_id), await repository.get_run(run_id)
        progress = Progress(plan, row, await repository.agent_runs(run_id))
        progress.begin(SystemClock().now())
        self.view.begin(progress)
        self.run_id, self.folder, self.orchestrator = run_id, folder, orchestrator
        try:
            outcome = await orchestrator.execute(
                run_id, take_over=take_over, on_event=self.view.on_event, on_stop=self.on_stop
            )
        except asyncio.CancelledError:
            with suppress(psycopg.Error, DatabaseUnavailableError, TimeoutError):  # the user wants to leave
                async with asyncio.timeout(LONGEST_ACCOUNT_SECONDS):
                    self.account = await read_account(orchestrator.database, run_id, SystemClock().now())
            raise
        except psycopg.Error as error:
            raise unavailable(orchestrator.database.target, error) from error
        self.mirror = outcome.mirror
        self.account = await read_account(orchestrator.database, run_id, SystemClock().now())


def stopping_text(kind: StopKind, grace: Grace, reason: str | None = None) -> str:
    """Say what a stop has begun, and what a signal does now; the ``reason``, too, if it was asked for elsewhere."""
    what, seconds = ("cancelling", grace.cancel) if kind is StopKind.CANCEL else ("pausing", grace.pause)
    text = f"{what}: running agents may finish, for {duration_text(seconds)} at most\n"
    if reason is None:
        return f"{text}once more to stop at once"
    return f"{text}Ctrl-C to stop at once\nreason: {one_line(reason)}"


def conduct(work: Callable[[Session], Coroutine[Any, Any, None]], *, as_json: bool) -> None:
    """Carry a run out, write its deliverables, show its account, and end the command with the exit code that fits."""
    session = Session(view=view(SystemClock()))
    busy = False
    with screen.only_results(wanted=as_json):
        try:
            with session.view:
                interruptible.run(work(session), session.pause)
        except interruptible.Interrupted as stop:
            busy = stop.busy
        except Exception as error:
            if session.run_id and (
                isinstance(error, DatabaseUnavailableError) or not isinstance(error, PlannerGraphError)
            ):
                error.add_note(f"go on with the run: planner-graph resume {session.run_id}")
            raise
    code = conclude(session, as_json=as_json)
    if busy:
        interruptible.leave(code)
    raise typer.Exit(code)


def conclude(session: Session, *, as_json: bool) -> ExitCode:
    """Write and show what came of a run, and give the exit code that fits."""
    account = session.account
    if account is None:
        then = f"go on with it: planner-graph resume {session.run_id}" if session.run_id else "nothing was run"
        screen.tell(f"stopped; {then}")
        return ExitCode.STOPPED
    if account.row.status.ended and session.folder is not None:
        account = delivery.write(account, session.folder)
    delivery.show(account, as_json=as_json)
    if session.mirror is not None and not session.mirror.caught_up:
        screen.tell(behind(session.mirror), style="yellow")
    return exit_code(account.row.status)


def behind(mirror: MirrorReport) -> str:
    """Say that the tables do not tell all of a run, and what to do."""
    one = mirror.missing == 1
    problem = f" ({one_line(mirror.problem)})" if mirror.problem else ""
    return (
        f"{mirror.missing} of {mirror.told} entries {'is' if one else 'are'} missing in the tables{problem}; "
        f"what is shown above may be out of date. Mend it: planner-graph reconcile {mirror.run_id}"
    )
