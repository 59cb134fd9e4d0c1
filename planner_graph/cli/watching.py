"""Follows a run that any process executes: bars on a terminal, one line for each event anywhere else."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from planner_graph.cli import screen
from planner_graph.cli.account import Account, find_run, read_account
from planner_graph.cli.bars import Bars
from planner_graph.cli.live import begun, drawn_live, line
from planner_graph.cli.outlook import overdue_text, silence_text
from planner_graph.cli.progress import Progress, agent_event
from planner_graph.cli.summary import how_to_go_on
from planner_graph.clock import Clock
from planner_graph.errors import DatabaseUnavailableError
from planner_graph.mirror.feed import RunFeed
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import EventRow
from planner_graph.text import folded, one_line, utf8
from planner_graph.types import AgentName, RunId, RunStatus

LIFE_SECONDS = 3.0
"""How often to look whether the run still shows life."""


class Watcher(Protocol):
    """Shows what happens in one run."""

    def begin(self, progress: Progress) -> None:
        """Show the run as it stood before anything happened."""

    def on_event(self, row: EventRow) -> None:
        """Show what happened."""

    def notice(self, text: str) -> None:
        """Show what else there is to know, until it is told anew; an empty text takes it back."""

    def end(self) -> None:
        """Take away what must not stay."""


def watcher(clock: Clock, *, after: int, as_json: bool) -> Watcher:
    """Give the watcher that suits standard output."""
    if as_json:
        return JsonWatcher(after=after)
    on = screen.console()
    return BarsWatcher(clock) if on.is_terminal and not on.is_dumb_terminal else LinesWatcher(after=after)


@dataclass(kw_only=True)
class Watch:
    """One run as it is watched; what is known of it outlives the watching when that is stopped."""

    watcher: Watcher
    clock: Clock
    run_id: RunId | None = None

    async def follow(self, database: Database, run: str | None) -> Account:
        """Follow a run, the latest one if none is named, until it ends; gives how it ended."""
        repository = Repository(database)
        row = await find_run(repository, run)
        self.run_id = row.run_id
        if row.status.ended and isinstance(self.watcher, BarsWatcher):  # there is nothing left to see live
            return await read_account(database, row.run_id, self.clock.now())
        progress = Progress.unbegun(await repository.load_plan(row.run_id), row)
        with ExitStack() as stack:
            stack.callback(self.watcher.end)
            async with RunFeed(database) as feed:
                self.watcher.begin(progress)
                looking = asyncio.create_task(self._look_for_life(feed, repository, progress))
                try:
                    async for event in feed.follow(row.run_id):
                        if event.event == "run_replanned":
                            progress.replan(await repository.load_plan(row.run_id))
                        self.watcher.on_event(event)
                finally:
                    looking.cancel()
        return await read_account(database, row.run_id, self.clock.now())

    async def _look_for_life(self, feed: RunFeed, repository: Repository, progress: Progress) -> None:
        """Report when the run is paused or shows no life any more, and, where no bar does, which agents are overdue."""
        told, late = "", set[tuple[str, int]]()
        while True:
            with suppress(psycopg.Error, DatabaseUnavailableError):
                text = await self._notice(feed, repository, progress.run.run_id)
                if text != told:
                    self.watcher.notice(text)
                    told = text
            if isinstance(self.watcher, LinesWatcher):
                late |= self._report_overdue(self.watcher, progress, late)
            await asyncio.sleep(LIFE_SECONDS)

    def _report_overdue(
        self, lines: "LinesWatcher", progress: Progress, known: set[tuple[str, int]]
    ) -> set[tuple[str, int]]:
        """Write a line for each attempt that has become overdue; return these."""
        found = progress.report(self.clock.now())["overdue"]
        new = {(agent, progress.agents[AgentName(agent)].attempt) for agent in found} - known
        for agent, _ in sorted(new):
            lines.notice(f"{agent}: {overdue_text(found[agent])}")
        return new

    async def _notice(self, feed: RunFeed, repository: Repository, run_id: RunId) -> str:
        if feed.problem:
            return f"the database is away, trying again: {one_line(feed.problem)}"
        row, vitals = await repository.get_run(run_id), await repository.vitals(run_id)
        go_on = how_to_go_on(row)
        if row.status is RunStatus.PENDING:
            return f"not started yet\n{go_on}"
        if row.status is RunStatus.PAUSED:
            return f"paused: {row.status_reason or 'no reason was given'}\n{go_on}"
        if vitals.left_behind:
            return f"no process is executing it\n{go_on}"
        return silence_text(vitals.silent_seconds) if row.status.going_on else ""


class BarsWatcher:
    """Keeps a bar for each agent at the bottom of the terminal, and takes them away at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stack = ExitStack()

    def begin(self, progress: Progress) -> None:
        """Put the bars up."""
        self._bars = Bars(progress, self._clock, hint="Ctrl-C stops watching")
        self._stack.enter_context(drawn_live(self._bars, screen.console()))

    def on_event(self, row: EventRow) -> None:
        """Bring the bars up to date; they are drawn again in their own rhythm."""
        self._bars.progress.take(row)

    def notice(self, text: str) -> None:
        """Show it above the bars."""
        self._bars.notice = text

    def end(self) -> None:
        """Take the bars away."""
        self._stack.close()


@dataclass(kw_only=True)
class LinesWatcher:
    """Writes one plain line for each event that came after a certain one."""

    after: int
    _progress: Progress | None = field(default=None, init=False)

    def begin(self, progress: Progress) -> None:
        """Take note of what it is about."""
        self._progress = progress

    def on_event(self, row: EventRow) -> None:
        """Write the line of an event."""
        if self._progress is None:
            raise AssertionError("the run is told before its events")
        text = told(row, self._progress)
        if row.sequence > self.after:
            sys.stdout.write(f"{row.at.astimezone():%H:%M:%S} {one_line(text)}\n")
            sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Write it to standard error."""
        if text:
            screen.tell(text.replace("\n", "; "))

    def end(self) -> None:
        """Nothing has to be taken away."""


@dataclass(kw_only=True)
class JsonWatcher(LinesWatcher):
    """Writes one JSON object for each event that came after a certain one, each on a line of its own."""

    def begin(self, progress: Progress) -> None:
        """Take note of what it is about."""
        self._run_id = progress.run.run_id

    def on_event(self, row: EventRow) -> None:
        """Write an event with all that it tells."""
        if row.sequence > self.after:
            text = json.dumps(event_json(self._run_id, row), ensure_ascii=False)
            screen.show_bytes(utf8(f"{text}\n"))


def told(row: EventRow, progress: Progress) -> str:
    """Take an event, and say in words what it tells."""
    agent, event = progress.take(row), agent_event(row)
    if agent is not None and event is not None:
        return f"{agent.name}: {line(event, agent, progress)}"
    reason = f": {folded(str(row.data['reason']))}" if row.data.get("reason") else ""
    match row.event:
        case "run_accepted":
            return f"run {progress.run.run_id}: {begun(progress)}"
        case "run_started" if row.data.get("again"):
            return f"the run goes on, {progress.ended} of {len(progress.agents)} agents already done"
        case "run_replanned":
            what = "; ".join(map(str, row.data.get("differences", ())))
            return f"{row.data.get('by')} gave the run another plan, revision {row.data.get('revision')}: {what}"
        case "run_ended":
            return f"the run has ended: {row.data.get('status')}{reason}"
        case _:
            what = _answer(row) if row.event == "agent_answered" else _PLAIN.get(row.event, row.event.replace("_", " "))
            return f"{row.agent_name}: {what}{reason}" if row.agent_name else f"{what}{reason}"


def _answer(row: EventRow) -> str:
    return f"{row.data.get('by')} answered {json.dumps(row.data.get('answer'), ensure_ascii=False)}"


_PLAIN: Mapping[str, str] = {
    "run_started": "the run starts",
    "run_paused": "the run is paused",
    "agent_reopened": "has to run again",
}


def event_json(run_id: RunId, row: EventRow) -> dict[str, Any]:
    """Give an event as plain values, by the names of its columns; times are ISO 8601 in UTC."""
    return {
        "workflow_execution_id": run_id,
        "sequence": row.sequence,
        "event": row.event,
        "agent_name": row.agent_name,
        "at": row.at.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
        "data": row.data,
    }
