"""LangGraph's checkpoints in the same database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from planner_graph.errors import LeaseLostError
from planner_graph.store.database import Database
from planner_graph.store.leases import Lease, is_fenced
from planner_graph.store.outages import Patience
from planner_graph.store.queries import query


def checkpointer(database: Database) -> AsyncPostgresSaver:
    """Give a checkpoint saver over the shared pool, to read with, or for graphs that nobody else runs.

    Make one for each run: a saver lets one query through at a time, so runs that shared one would wait for each other.
    """
    return AsyncPostgresSaver(database.pool)


class RunSaver(AsyncPostgresSaver):
    """Saves the checkpoints of one run for as long as its lease is ours, and through outages of the database.

    What is given first is stored first, and after something that could not be stored nothing is: no agent's record is
    ever there without the records that it was made from.

    ``on_failure`` is told the error when something cannot be stored: LangGraph would say so only at the end of the
    superstep, after more agents have run in vain.

    Raises:
        LeaseLostError: from whatever writes, once another process has taken the run over.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        patience: Patience | None = None,
        on_failure: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        super().__init__(database.pool)
        self._lease = lease
        self._patience = patience or Patience(repair=database.pool.check)
        self._on_failure = on_failure
        self._landings: dict[str, asyncio.Future[None]] = {}
        self._last: asyncio.Future[Any] | None = None

    def landing(self, task_id: str) -> asyncio.Future[None]:
        """Give a future that is done when what a task wrote is stored; see ``durability="sync"``."""
        return self._landings.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint."""
        read = super().aget_tuple
        return await self._patience.persist(lambda: read(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        put = super().aput
        with_error_told = self._telling(lambda: put(config, checkpoint, metadata, new_versions))
        stored: RunnableConfig = await with_error_told
        return stored

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote."""
        put = super().aput_writes
        await self._telling(lambda: put(config, writes, task_id, task_path))
        landing = self.landing(task_id)
        if not landing.done():
            landing.set_result(None)

    async def _telling(self, call: Callable[[], Any]) -> Any:
        writing = self._last = asyncio.ensure_future(self._after(self._last, call))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:  # what an agent has finished is stored, however the run is stopped
            await asyncio.wait({writing})
            if not writing.cancelled():
                writing.exception()
            raise
        except psycopg.Error as error:
            self._patience.give_up()  # the run stops: what else is on its way need not wait for better times
            if is_fenced(error):
                lost = LeaseLostError(self._lease.run_id)
                self._on_failure(lost)
                raise lost from error
            self._on_failure(error)
            raise

    async def _after(self, before: asyncio.Future[Any] | None, call: Callable[[], Any]) -> Any:
        """Write once what was given ``before`` is stored; fails with its error if that could not be."""
        if before is not None:
            await asyncio.wait({before})
            before.result()
        return await self._patience.persist(call)

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """Give a cursor; LangGraph writes in pipelines and reads without, so a pipeline begins with the fence."""
        async with super()._cursor(pipeline=pipeline) as cur:
            if not pipeline:
                yield cur
                return
            async with cur.connection.transaction():
                await cur.execute(query("fence"), {"run_id": self._lease.run_id, "token": self._lease.token})
                yield cur
