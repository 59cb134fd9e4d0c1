"""Delivers batches of entries to the tables, each exactly once, through outages and past runs that are refused."""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import zip_longest

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PipelineStatus, TransactionStatus

from planner_graph.compiler.events import Event
from planner_graph.errors import DatabaseUnavailableError, LeaseLostError, PlannerGraphError
from planner_graph.mirror import tables
from planner_graph.mirror.entries import Change, Entry, Known, Track
from planner_graph.mirror.ledger import Ledger
from planner_graph.redaction import redacted
from planner_graph.store import leases
from planner_graph.store.connection import connect
from planner_graph.store.database import Database
from planner_graph.store.outages import FIRST_WAIT, may_pass, waits
from planner_graph.store.plain import jsonb
from planner_graph.store.queries import query
from planner_graph.store.transitions import Connection

log = logging.getLogger(__name__)

Batch = Mapping[Track, Sequence[Entry]]

SIGNS_OF_LIFE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""How a connection finds out that nobody is at its other end any more; by default it takes hours."""

STANDBY, IDLE = "25006", "25P03"
"""The database is a standby just now, or has waited too long for us: another connection may do better."""


class Delivery:
    """The connection of a mirror, and what is under way on it.

    A batch is one transaction. Where its outcome is unknown, because the connection broke in the middle, the database
    is asked; where it was not committed, it is sent again. A batch that the database refuses is sent run by run, and a
    run that is refused alone is given up: it is the only one that loses anything, and it is said so.

    ``obstacle`` says why nothing can be written at present.
    """

    def __init__(self, database: Database, *, patience_seconds: float) -> None:
        self._database = database
        self._patience = patience_seconds
        self._conn: Connection | None = None
        self._transaction: str | None = None
        self._away_since: float | None = None
        self.obstacle: str | None = None

    async def deliver(self, batch: Batch) -> None:
        """Write a batch; returns when it is written or given up."""
        wait, self._transaction = waits(), None
        while batch := {track: entries for track, entries in batch.items() if _alive(track, entries)}:
            try:
                if await self._committed() or await self._write(batch):
                    break
            except Exception as error:  # noqa: BLE001  # one run with something odd in it must not stop all others
                if not await self._passes(error):
                    await self._part(batch, error)
                    return
                if self._out_of_patience(error):
                    for track, entries in batch.items():
                        track.lose(len(entries), self.obstacle or "")
                    return
                await asyncio.sleep(next(wait))
        for track, entries in batch.items():
            if track.problem is None:
                track.written += len(entries)
            else:
                track.lose(len(entries), track.problem)

    async def touch(self, estimates: Mapping[Track, datetime | None]) -> None:
        """Show that these runs are followed, and keep those that are ours; an outage is not waited for."""
        rows = [
            {"workflow_execution_id": track.run_id, "estimated_end": end.isoformat() if end else None}
            for track, end in estimates.items()
        ]
        own = {track.lease: track for track in estimates if track.lease and track.own}
        with suppress(psycopg.Error, DatabaseUnavailableError):
            conn = await self._connected()
            await conn.execute(query("heartbeat"), {"rows": jsonb(rows)})
            held = await leases.renew(conn, own)
            for lease, track in own.items():
                if lease not in held:
                    track.refuse(LeaseLostError(lease.run_id))

    async def close(self) -> None:
        """Give the connection back."""
        if self._conn is not None:
            await self._conn.close()

    async def _part(self, batch: Batch, error: Exception) -> None:
        """Write the runs of a refused batch one by one."""
        _forget(batch)
        if len(batch) > 1:
            for track, entries in batch.items():
                await self.deliver({track: entries})
            return
        for track, entries in batch.items():
            fenced = leases.is_fenced(error)
            if fenced:
                track.held = LeaseLostError(track.run_id)
            track.lose(len(entries), _fenced_words(track) if fenced else _words(error))

    async def _write(self, batch: Batch) -> bool:
        conn = await self._connected()
        try:
            async with conn.transaction():
                cursor = await conn.execute(query("transaction_number"))
                self._transaction = (await cursor.fetchone() or {}).get("number")
                for turn in zip_longest(*(_turns(track, entries) for track, entries in batch.items())):
                    await _apply(conn, [item for item in turn if item is not None])
        except BaseException:
            _forget(batch)
            raise
        self._back()
        return True

    async def _committed(self) -> bool:
        """Tell whether the transaction that was under way when the connection broke has been committed after all."""
        while self._transaction is not None:
            conn = await self._connected()
            cursor = await conn.execute(query("transaction_status"), {"transaction": self._transaction})
            status = (await cursor.fetchone() or {}).get("status")
            if status != "in progress":
                self._back()
                return bool(status == "committed")
            await asyncio.sleep(FIRST_WAIT)
        return False

    async def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            given = self._database.conninfo
            missing = {name: value for name, value in SIGNS_OF_LIFE.items() if name not in conninfo_to_dict(given)}
            self._conn = await connect(make_conninfo(given, **missing), self._database.target)
        return self._conn

    async def _passes(self, error: Exception) -> bool:
        """Tell whether the same may be done later; a connection that will not do any more is closed."""
        conn = self._conn
        cut_off = isinstance(error, psycopg.Error) and (conn is None or conn.closed)
        if conn is not None and (_needs_another(error) or not _usable(conn)):
            await conn.close()
        return cut_off or may_pass(error)

    def _out_of_patience(self, error: Exception) -> bool:
        self.obstacle = f"the database is away: {_words(error)}"
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("the mirror cannot write, and tries again: %s", _words(error))
        return time.monotonic() - self._away_since > self._patience

    def _back(self) -> None:
        """Take note that the database has answered."""
        self._transaction = self._away_since = self.obstacle = None


Told = Event | Known
"""Concerns the agents of a run."""

Turn = tuple[Track, Change | list[Told]]
"""What comes next for a run: one change of the run itself, or what its agents did in a row."""


async def _apply(conn: Connection, turns: Sequence[Turn]) -> None:
    """Write the next turn of each run: changes one by one, events of all runs together."""
    told: dict[Track, list[Told]] = {}
    for track, what in turns:
        if track.problem is not None:
            continue
        if isinstance(what, list):
            told[track] = what
            continue
        try:
            await what.apply(conn, track)
        except PlannerGraphError as error:  # raised before it wrote anything
            track.refuse(error)
    if told:
        await _take(conn, told)


async def _take(conn: Connection, told: Mapping[Track, Sequence[Told]]) -> None:
    """Let ledgers take what the agents of their runs did, and write what that changed."""
    await leases.fence_all(conn, [track.lease for track in told if track.lease])
    locked = await tables.lock(conn, [track.run_id for track in told])
    for track in told:
        known = locked.get(track.run_id)
        if known is None:
            track.problem = f"there is no run {track.run_id!r} any more"
        elif known.status.ended:
            track.problem = f"run {track.run_id!r} has ended as {known.status.value!r}"
        elif track.ledger is None or track.ledger.sequence != known.sequence:
            track.ledger = None
    writable = [track for track in told if track.problem is None]
    loaded = await tables.load(conn, [track.run_id for track in writable if track.ledger is None])
    for track in writable:
        track.ledger = track.ledger or loaded[track.run_id]
        _enter(track.ledger, told[track])
    await tables.save(conn, {track.run_id: track.ledger for track in writable if track.ledger})


def _enter(ledger: Ledger, told: Sequence[Told]) -> None:
    for entry in told:
        if isinstance(entry, Known):
            ledger.reconcile(entry.records, datetime.now(UTC), resumed=True)
        else:
            ledger.take([entry])


def _turns(track: Track, entries: Sequence[Entry]) -> Iterator[Turn]:
    told: list[Told] = []
    for entry in entries:
        if not isinstance(entry, Change):
            told.append(entry)
            continue
        if told:
            yield track, told
            told = []
        yield track, entry
    if told:
        yield track, told


def _alive(track: Track, entries: Sequence[Entry]) -> bool:
    if track.problem is None:
        return True
    track.lose(len(entries), track.problem)
    return False


def _needs_another(error: Exception) -> bool:
    """Tell whether the connection that gave this error may be to blame, although it is ready for more."""
    state = getattr(error, "sqlstate", None)
    silent = state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return silent or state in {STANDBY, IDLE}


def _usable(conn: Connection) -> bool:
    """Tell whether a connection is ready for the next transaction; one that broke within a pipeline never is."""
    idle = conn.info.transaction_status is TransactionStatus.IDLE
    return idle and conn.info.pipeline_status is PipelineStatus.OFF


def _fenced_words(track: Track) -> str:
    return f"run {track.run_id!r} is held by another process, or there is no such run any more"


def _words(error: Exception) -> str:
    return redacted(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _forget(batch: Batch) -> None:
    """Read the ledgers anew next time: what is in memory was not written."""
    for track in batch:
        track.ledger = None
