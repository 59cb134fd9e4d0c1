"""Writes the events of one run into the live tables, in order, beside the run rather than in its way."""

import asyncio
from types import TracebackType
from typing import Self

from planner_graph.compiler.events import Event
from planner_graph.store.repository import Repository
from planner_graph.types import RunId


class EventRecorder:
    """Takes events without waiting and writes them in batches; all are written when the ``async with`` block ends."""

    def __init__(self, repository: Repository, run_id: RunId) -> None:
        self._repository = repository
        self._run_id = run_id
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    def put(self, event: Event) -> None:
        """Take one event."""
        self._queue.put_nowait(event)

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write(), name=f"event recorder of {self._run_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put_nowait(None)
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def _write(self) -> None:
        more = True
        while more:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            more = batch[-1] is not None
            events = [event for event in batch if event is not None]
            if events:
                await self._repository.record_events(self._run_id, events)
