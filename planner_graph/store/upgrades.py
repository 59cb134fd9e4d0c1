"""Brings a database's tables to what this program needs, and says whether they are."""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from planner_graph.errors import DatabaseUnavailableError, ForeignTablesError, SchemaVersionError
from planner_graph.store.queries import query

SCHEMA_VERSION = 5
"""The version that ``schema.sql`` describes."""

CHECKPOINT_VERSION = len(AsyncPostgresSaver.MIGRATIONS) - 1
"""The version of LangGraph's own tables that the installed saver needs."""

UPGRADE_SECONDS = 60.0
"""How long to wait for another process that is upgrading the same database."""

_POLL_SECONDS = 0.05
_SCRIPT = re.compile(r"(\d+)_\w+\.sql")
_TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """Versions of our tables and of LangGraph's in a database; ``None`` where there are none."""

    schema: int | None
    checkpoints: int | None

    @property
    def older(self) -> bool:
        """Whether our tables are there, in an older version."""
        return self.schema is not None and self.schema < SCHEMA_VERSION

    @property
    def behind(self) -> bool:
        """Whether anything is missing or older, ours or LangGraph's."""
        return (self.schema or 0) < SCHEMA_VERSION or (self.checkpoints or -1) < CHECKPOINT_VERSION

    def check(self) -> None:
        """Do nothing if this program can work with them.

        Raises:
            SchemaVersionError: they are missing, older or newer; newer tables of LangGraph are LangGraph's business.
        """
        if self.schema != SCHEMA_VERSION:
            raise SchemaVersionError(found=self.schema, expected=SCHEMA_VERSION)
        if self.checkpoints is None or self.checkpoints < CHECKPOINT_VERSION:
            raise SchemaVersionError(found=self.checkpoints, expected=CHECKPOINT_VERSION, tables="LangGraph")


async def versions(conn: AsyncConnection[DictRow]) -> Versions:
    """Read which versions the tables have."""
    found = {}
    for name in ("schema", "checkpoint"):
        cursor = await conn.execute(query(f"{name}_table_exists"))
        exists = (await cursor.fetchone() or {}).get("exists")
        cursor = await conn.execute(query(f"{name}_version")) if exists else cursor
        found[name] = (await cursor.fetchone() or {}).get("version") if exists else None
    return Versions(schema=found["schema"], checkpoints=found["checkpoint"])


async def upgrade(
    conn: AsyncConnection[DictRow], *, target: str = "upgrade", scripts: Traversable | None = None
) -> None:
    """Bring the tables to this program's version; does nothing harmful if they are already there.

    Tables of an older version go through the numbered scripts (``0002_leases.sql`` leads to version 2) in the folder
    ``upgrades`` beside this module, or in ``scripts``; then ``schema.sql`` adds what is missing, all in one
    transaction. ``conn`` must be in autocommit mode. Any number of processes may do this at the same time.

    Raises:
        SchemaVersionError: the tables are newer than this program.
        ForeignTablesError: tables of another program have the names of ours.
        DatabaseUnavailableError: another process has been upgrading for longer than a minute.
    """
    await _lock(conn, target)
    try:
        found = (await versions(conn)).schema
        if found is None and (foreign := await _tables_in_the_way(conn)):
            raise ForeignTablesError(target, foreign)
        if found is not None and found > SCHEMA_VERSION:
            raise SchemaVersionError(found=found, expected=SCHEMA_VERSION)
        async with conn.transaction():  # prepare=False: files hold many statements, a prepared one is single
            for script in _scripts_after(found, scripts):
                await conn.execute(script, prepare=False)
            await conn.execute(schema(), prepare=False)
        await AsyncPostgresSaver(conn).setup()
    finally:
        await conn.execute(query("unlock_upgrade"))


def schema() -> bytes:
    """Give ``schema.sql``: from the installed package, or from the top of the source tree."""
    packaged = resources.files(__package__).joinpath("schema.sql")
    return packaged.read_bytes() if packaged.is_file() else (Path(__file__).parents[2] / "schema.sql").read_bytes()


async def _tables_in_the_way(conn: AsyncConnection[DictRow]) -> list[str]:
    """Return which names of our tables are taken, in a database without our tables."""
    names = _TABLE.findall(schema().decode())
    cursor = await conn.execute(query("tables_in_the_way"), {"names": names})
    return [row["name"] for row in await cursor.fetchall()]


async def _lock(conn: AsyncConnection[DictRow], target: str) -> None:
    """Take the upgrade lock, by trying again and again.

    A query that waited for it would hold a snapshot, for which CREATE INDEX CONCURRENTLY in LangGraph's set-up waits:
    a deadlock.
    """
    deadline = time.monotonic() + UPGRADE_SECONDS
    while True:
        cursor = await conn.execute(query("try_lock_upgrade"))
        if (await cursor.fetchone() or {}).get("granted"):
            return
        if time.monotonic() > deadline:
            problem = f"another process has been upgrading its tables for {UPGRADE_SECONDS:g} seconds"
            raise DatabaseUnavailableError(target, problem, "wait for it or end it, then try again")
        await asyncio.sleep(_POLL_SECONDS)


def _scripts_after(version: int | None, folder: Traversable | None) -> Iterator[bytes]:
    """Give the scripts that lead on from ``version``, in order; fresh tables need none."""
    folder = folder or resources.files(__package__).joinpath("upgrades")
    if version is None or not folder.is_dir():
        return
    numbered = {}
    for file in folder.iterdir():
        if match := _SCRIPT.fullmatch(file.name):
            numbered[int(match[1])] = file
    for number in sorted(numbered):
        if version < number <= SCHEMA_VERSION:
            yield numbered[number].read_bytes()
