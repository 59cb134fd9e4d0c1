"""``planner-graph db``: check the database, or bring its tables up to date."""

import asyncio

import psycopg
import typer

from planner_graph.cli import screen
from planner_graph.cli.options import AsJson, Dsn
from planner_graph.store import upgrades
from planner_graph.store.connection import unavailable
from planner_graph.store.database import open_database
from planner_graph.store.upgrades import Versions
from planner_graph.text import printable

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def db_commands() -> None:
    """Check the database, or bring its tables up to date."""


@app.command()
def check(*, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """Say which database is used and whether its tables fit this program; nothing is changed."""
    report(*asyncio.run(look(dsn, upgrade=False)), as_json=as_json)


@app.command()
def upgrade(*, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """Create the tables, or bring older ones up to date; does no harm if they are."""
    report(*asyncio.run(look(dsn, upgrade=True)), as_json=as_json)


async def look(dsn: str | None, *, upgrade: bool) -> tuple[str, Versions]:
    """Give the database's name without password and the versions of its tables, after an upgrade if asked for.

    Raises:
        DatabaseUnavailableError: it cannot be reached or used.
        SchemaVersionError: its tables are newer than this program.
    """
    async with open_database(dsn, prepare=False) as database, database.pool.connection() as connection:
        try:
            await connection.set_autocommit(True)
            if upgrade:
                await upgrades.upgrade(connection, target=database.target)
            return database.target, await upgrades.versions(connection)
        except psycopg.Error as error:
            raise unavailable(database.target, error) from error


def report(target: str, found: Versions, *, as_json: bool) -> None:
    """Say what was found.

    Raises:
        SchemaVersionError: the tables do not fit this program.
    """
    if as_json:
        screen.show_json(
            {
                "database": target,
                "schema_version": found.schema,
                "needed_version": upgrades.SCHEMA_VERSION,
                "checkpoint_version": found.checkpoints,
                "needed_checkpoint_version": upgrades.CHECKPOINT_VERSION,
            }
        )
    found.check()
    if not as_json:
        screen.show(printable(f"database {target}: version {found.schema}, fits this program"))
