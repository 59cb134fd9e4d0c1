"""The mirror: a callback handler that keeps the live tables of every plan it follows."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from langgraph.callbacks import GraphInterruptEvent, GraphResumeEvent

from planner_graph.compiler.bridge import in_thread
from planner_graph.compiler.observing import PlanObserver
from planner_graph.errors import MirrorNotOpenError, MirrorOpenError
from planner_graph.mirror.entries import Note, Track
from planner_graph.mirror.follower import RunFollower, asked
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.mirror.writer import MirrorWriter, OpenDatabase
from planner_graph.store.database import Database, open_database
from planner_graph.store.leases import Lease
from planner_graph.types import RunId

MOST_REPORTS = 10_000
"""Runs of which a mirror can still report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MirrorReport:
    """What a mirror did for one run: how many entries it was told of, how many of them the tables do not have, and why.

    Entries that are missing without a problem are still on their way; they may be so with one, if the database is away.
    ``run_id`` is ``None`` for a thread that was not followed.
    """

    run_id: RunId | None
    told: int
    missing: int
    problem: str | None

    @property
    def caught_up(self) -> bool:
        """Whether the tables say all that happened."""
        return not self.missing


class PlanMirror(PlanObserver):
    """Keeps the live tables of every plan it follows: pass it in ``config["callbacks"]``.

    ``with PlanMirror() as mirror: graph.invoke(given, {"callbacks": [mirror], "configurable": {"thread_id": "1"}})``

    ``database`` is an open database, or its DSN, else the one that :func:`open_database` finds. One mirror follows any
    number of invocations, of any plans, under ``invoke`` and ``ainvoke``; open it with ``with`` or ``async with``. A
    run is known by ``workflow_execution_id`` in ``configurable`` (a UUID), else it gets an id of its own and is found
    again by its thread. Agents never wait for the database, unless it is so far behind that the queue is full.
    """

    raise_error = True
    run_inline = True

    def __init__(self, database: Database | str | None = None, *, settings: MirrorSettings | None = None) -> None:
        self.settings = settings or MirrorSettings()
        self._database = database
        self._writer: MirrorWriter | None = None
        self._followers: dict[uuid.UUID, RunFollower] = {}
        self._tracks: deque[Track] = deque(maxlen=MOST_REPORTS)
        self._managed: dict[RunId, Lease] = {}

    def __enter__(self) -> Self:
        opening = self._started()
        try:
            opening.result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        opening = self._started()
        try:
            await asyncio.wrap_future(opening)
        except BaseException:
            await in_thread(self.close)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await in_thread(self.close)

    def close(self) -> None:
        """Write what is left, and end."""
        if self._writer is not None:
            self._writer.close()

    def hasten(self) -> None:
        """Let nobody wait for the tables for long any more; for who is stopped while the database is away."""
        if self._writer is not None:
            self._writer.hasten()

    def follow(self, invocation: uuid.UUID) -> RunFollower:
        """Follow an invocation.

        Raises:
            MirrorNotOpenError: the mirror is not open.
        """
        if self._writer is None or not self._writer.open:
            raise MirrorNotOpenError
        follower = RunFollower(
            self._writer,
            self.settings,
            managed=self._managed.get,
            on_begin=self._tracks.append,
            on_end=lambda: self._forget(invocation),
        )
        self._followers[invocation] = follower
        return follower

    def on_interrupt(self, event: GraphInterruptEvent) -> None:
        """Log what is asked of a person."""
        self._note(event.run_id, asked(event.interrupts, event.checkpoint_id))

    def on_resume(self, event: GraphResumeEvent) -> None:
        """Log that a run goes on from a checkpoint."""
        self._note(event.run_id, Note(event="run_resumed", data={"checkpoint_id": event.checkpoint_id}))

    def report(self, run: str) -> MirrorReport:
        """Give what was done for a run, by its id or its thread, in the last invocation that was followed."""
        tracks = reversed(self._tracks.copy())  # agents in other threads may begin meanwhile
        track = next((track for track in tracks if run in {track.run_id, track.thread_id}), None)
        if track is None:
            return MirrorReport(run_id=None, told=0, missing=0, problem=None)
        missing, problem = track.told - track.written, track.problem
        if missing and self._writer is not None:
            problem = problem or self._writer.obstacle
        return MirrorReport(run_id=track.run_id, told=track.told, missing=missing, problem=problem)

    @contextmanager
    def managed(self, lease: Lease) -> Iterator[None]:
        """Within this block, follow only the agents of a run: its start and end are the holder's to record."""
        self._managed[lease.run_id] = lease
        try:
            yield
        finally:
            if self._managed.get(lease.run_id) == lease:  # else another one has taken the run over
                del self._managed[lease.run_id]

    @property
    def broken(self) -> bool:
        """Whether it does not follow anything any more, by a fault of its own; reports say so."""
        return self._writer is not None and self._writer.broken

    def _started(self) -> Future[None]:
        if self._writer is not None and self._writer.open:
            raise MirrorOpenError
        self._writer = MirrorWriter(self._opener(), self.settings)
        return self._writer.start()

    def _opener(self) -> OpenDatabase:
        given = self._database
        if not isinstance(given, Database):
            return lambda: open_database(given, max_connections=1)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Database]:
            yield given

        return opened

    def _note(self, invocation: uuid.UUID | None, note: Note) -> None:
        follower = self._followers.get(invocation) if invocation else None
        if follower is not None:  # a mirror that is among the callbacks twice is called twice
            follower.note(note, key=note.event)

    def _forget(self, invocation: uuid.UUID) -> None:
        self._followers.pop(invocation, None)
