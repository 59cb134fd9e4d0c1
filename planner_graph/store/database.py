"""The database a program works with: which one, and a pool of connections to it."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool

from planner_graph.serializer import type_name
from planner_graph.store.connection import CONNECTION, connect, describe, read_dsn, unavailable
from planner_graph.store.embedded import embedded_server, home_folder
from planner_graph.store.upgrades import upgrade, versions

DSN_VARIABLE = "PLANNER_GRAPH_DSN"
TYPES_VARIABLE = "PLANNER_GRAPH_ALLOWED_TYPES"
MAX_CONNECTIONS = 10

RECONNECT_SECONDS = 5.0
"""How long the pool tries to connect, at growing intervals, before whoever wants a connection lets it begin anew.

By default it goes on for minutes, and finds a server that was away for one only after another one.
"""

WAIT_SECONDS = 10.0
"""How long to wait for a connection of the pool."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """An open database; ``target`` names it without a password, ``conninfo`` is how to connect to it.

    ``allowed_types`` are classes that may be built when its checkpoints are read, beside plain data.
    """

    conninfo: str = field(repr=False)
    pool: AsyncConnectionPool[AsyncConnection[DictRow]]
    target: str
    allowed_types: tuple[type | str, ...] = ()

    def allowing(self, types: Iterable[type | str]) -> "Database":
        """Return the same open database with further allowed types."""
        return replace(self, allowed_types=tuple(dict.fromkeys((*self.allowed_types, *types))))


@asynccontextmanager
async def open_database(
    dsn: str | None = None,
    *,
    home: Path | None = None,
    prepare: bool = True,
    max_connections: int = MAX_CONNECTIONS,
    allowed_types: Iterable[type | str] = (),
) -> AsyncIterator[Database]:
    """Open the database at ``dsn``, else the one that ``PLANNER_GRAPH_DSN`` names, else the embedded one.

    ``home`` is the folder of the embedded server and asks for it whatever the environment says. Tables that are missing
    are made: who names an empty database wants to use it. Older tables of the embedded server, which is this user's
    alone, are upgraded; those of a database that others may be using are not, as that would lock out every program of
    the older version: ``planner-graph db upgrade`` does so when its operator decides. With ``prepare=False`` tables are
    neither made nor looked at. ``allowed_types`` are classes, or texts such as ``"shop.models:Draft"``, that may be
    built when checkpoints are read; those in ``PLANNER_GRAPH_ALLOWED_TYPES``, separated by commas, are allowed, too.

    Raises:
        AllowedTypeError: one of these is no type.
        DatabaseUnavailableError: it cannot be reached or used.
        SchemaVersionError: its tables are newer than this program, or older and not ours to upgrade.
    """
    allowed = (*allowed_types, *_allowed_by_environment())
    for allowed_type in allowed:
        type_name(allowed_type)
    if dsn is None and home is None:
        dsn = os.environ.get(DSN_VARIABLE) or None
        source = f"named by {DSN_VARIABLE}"
    else:
        source = "named by --dsn"
    if dsn:
        conninfo = read_dsn(dsn, source)
        async with _open(
            conninfo, describe(conninfo), prepare=prepare, ours=False, max_connections=max_connections
        ) as database:
            yield database.allowing(allowed)
    else:
        target = f"embedded in {home_folder(home)}"
        async with (
            embedded_server(home) as address,
            _open(
                read_dsn(address, target), target, prepare=prepare, ours=True, max_connections=max_connections
            ) as database,
        ):
            yield database.allowing(allowed)


def _allowed_by_environment() -> list[str]:
    named = os.environ.get(TYPES_VARIABLE, "").split(",")
    return [name.strip() for name in named if name.strip()]


@asynccontextmanager
async def _open(
    conninfo: str, target: str, *, prepare: bool, ours: bool, max_connections: int
) -> AsyncIterator[Database]:
    connection = await connect(conninfo, target)
    async with connection:
        if prepare:
            await _prepare(connection, target, ours=ours)
    async with _pooled(conninfo, target, max_connections) as database:
        yield database


@asynccontextmanager
async def beside(database: Database) -> AsyncIterator[Database]:
    """Open an open database once more, with as many connections at most, for use in another event loop."""
    async with _pooled(database.conninfo, database.target, database.pool.max_size) as other:
        yield other


@asynccontextmanager
async def _pooled(conninfo: str, target: str, max_connections: int) -> AsyncIterator[Database]:
    pool = AsyncConnectionPool(
        conninfo,
        connection_class=AsyncConnection[DictRow],
        kwargs=CONNECTION,
        min_size=1,
        max_size=max_connections,
        timeout=WAIT_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
        name="planner_graph",
    )
    async with pool:
        yield Database(conninfo=conninfo, pool=pool, target=target)


async def _prepare(connection: AsyncConnection[DictRow], target: str, *, ours: bool) -> None:
    """Make the tables, upgrade them, or refuse them, as :func:`open_database` says."""
    try:
        found = await versions(connection)
        if found.behind and (ours or not found.older):
            await upgrade(connection, target=target)
        else:
            found.check()
    except psycopg.Error as error:
        raise unavailable(target, error) from error
