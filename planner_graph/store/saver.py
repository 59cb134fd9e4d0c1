"""LangGraph's checkpoints in the same database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.errors import GraphInterrupt
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from planner_graph.errors import (
    CheckpointFault,
    CheckpointUnreadableError,
    LeaseLostError,
    PlannerGraphError,
    UnstorableValueError,
)
from planner_graph.serializer import CheckpointSerializer
from planner_graph.store.database import Database
from planner_graph.store.leases import Lease, is_fenced
from planner_graph.store.outages import Patience
from planner_graph.store.queries import query
from planner_graph.text import one_line

_OF_DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, NotImplementedError)
"""Errors that code raises when it takes data for what they are not."""


class CheckpointSaver(AsyncPostgresSaver):
    """Saves checkpoints over the shared pool, and reads them as data that anyone may have changed.

    Nothing is built of the bytes but what :class:`CheckpointSerializer` allows, and the types that ``database`` does.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database.pool, serde=CheckpointSerializer(database.allowed_types))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint.

        Raises:
            CheckpointUnreadableError: it is damaged, or holds what may not be read.
        """
        with reading_thread(str(config["configurable"]["thread_id"])):
            found = await super().aget_tuple(config)
            if found is not None:
                _require_whole(found)
        return found

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # the name is LangGraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Read checkpoints, newest first; see :meth:`aget_tuple`."""
        thread_id = (config or {}).get("configurable", {}).get("thread_id")
        with reading_thread(thread_id):
            async for found in super().alist(config, filter=filter, before=before, limit=limit):
                _require_whole(found)
                yield found

    async def require_readable_within(self, thread_id: str, tasks: Iterable[str]) -> None:
        """Read the latest checkpoints that graphs within these tasks of a thread have left; each is ``name:id``.

        Raises:
            CheckpointUnreadableError: one is damaged, or holds what may not be read.
        """
        pending = frozenset(tasks)
        async with self._cursor() as cur:
            await cur.execute(query("list_namespaces"), {"thread_id": thread_id})
            namespaces = [row["checkpoint_ns"] for row in await cur.fetchall()]
        for namespace in namespaces:
            if namespace.partition("|")[0] in pending:
                await self.aget_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace}})


@contextmanager
def reading_thread(thread_id: str | None) -> Iterator[None]:
    """Turn whatever a damaged checkpoint makes its readers raise in the block into one error.

    Raises:
        CheckpointUnreadableError: something in it cannot be what was stored.
    """
    try:
        yield
    except CheckpointUnreadableError as error:
        raise CheckpointUnreadableError(error.code, error.problem, thread_id=thread_id) from error
    except (PlannerGraphError, GraphInterrupt):
        raise
    except (psycopg.DataError, *_OF_DAMAGE) as error:
        problem = f"it is damaged ({type(error).__name__}: {one_line(str(error))[:200]})"
        raise CheckpointUnreadableError(CheckpointFault.DAMAGED, problem, thread_id=thread_id) from error


def _require_whole(found: CheckpointTuple) -> None:
    """Refuse a checkpoint of a plan's own graph that lacks a value it refers to.

    Such an agent would seem never to have run, and would run again. Only channels of LangGraph's own, which are for
    one superstep, have versions without values. What graphs within keep cannot be known.
    """
    if found.config["configurable"].get("checkpoint_ns"):
        return
    checkpoint = found.checkpoint
    for channel in checkpoint["channel_versions"]:
        if not channel.startswith("__") and ":" not in channel and channel not in checkpoint["channel_values"]:
            problem = f"the value of {channel!r} is missing"
            raise CheckpointUnreadableError(CheckpointFault.MISSING, problem)


def checkpointer(database: Database) -> CheckpointSaver:
    """Give a checkpoint saver over the shared pool, to read with, or for graphs that nobody else runs.

    Make one for each run: a saver lets one query through at a time, so runs that shared one would wait for each other.
    """
    return CheckpointSaver(database)


class RunSaver(CheckpointSaver):
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
        super().__init__(database)
        self._lease = lease
        self._patience = patience or Patience(repair=database.pool.check)
        self._on_failure = on_failure
        self._landings: dict[str, asyncio.Future[None]] = {}
        self._known: set[str] = set()
        self._before_their_checkpoint: dict[str, list[asyncio.Future[None]]] = {}
        self._last: asyncio.Future[Any] | None = None

    def landing(self, task_id: str) -> asyncio.Future[None]:
        """Give a future that is done when what a task wrote is stored, and the checkpoint that it belongs to.

        LangGraph may be a few checkpoints behind; without its checkpoint, what a task wrote is lost. See
        ``durability="sync"``.
        """
        return self._landings.setdefault(task_id, asyncio.get_running_loop().create_future())

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint."""
        read = super().aget_tuple
        found = await self._patience.persist(lambda: read(config))
        if found is not None:
            self._has(found.checkpoint["id"])
        return found

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
        self._has(checkpoint["id"])
        return stored

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote."""
        put = super().aput_writes
        await self._telling(lambda: put(config, writes, task_id, task_path))
        checkpoint_id, landing = config["configurable"]["checkpoint_id"], self.landing(task_id)
        self._before_their_checkpoint.setdefault(checkpoint_id, []).append(landing)
        if checkpoint_id in self._known:
            self._has(checkpoint_id)

    def _has(self, checkpoint_id: str) -> None:
        """Note that a checkpoint is stored, and with it what tasks wrote before that was."""
        self._known.add(checkpoint_id)
        for landing in self._before_their_checkpoint.pop(checkpoint_id, ()):
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
            if not isinstance(before.exception(), UnstorableValueError):  # which fails one agent, and no other
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
