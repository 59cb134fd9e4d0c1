"""``planner-graph db``: check the database, bring its tables up to date, or remove what is old."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
import typer

from planner_graph.cli import screen
from planner_graph.cli.durations import seconds_of
from planner_graph.cli.figures import bytes_text
from planner_graph.cli.options import AsJson, Dsn
from planner_graph.store import upgrades
from planner_graph.store.connection import unavailable
from planner_graph.store.database import open_database
from planner_graph.store.retention import Removal, remove_audit, remove_checkpoints, remove_idempotency_keys
from planner_graph.store.upgrades import Versions
from planner_graph.text import printable

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def db_commands() -> None:
    """Check the database, bring its tables up to date, or remove what is old."""


@app.command()
def check(*, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """Say which database is used and whether its tables fit this program; nothing is changed."""
    report(*asyncio.run(look(dsn, upgrade=False)), as_json=as_json)


@app.command()
def upgrade(*, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """Create the tables, or bring older ones up to date; does no harm if they are."""
    report(*asyncio.run(look(dsn, upgrade=True)), as_json=as_json)


@app.command()
def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="SPAN", help="Of runs that ended longer ago: 30d, 12h, 90m.")
    ],
    audit_older_than: Annotated[
        str | None,
        typer.Option(
            "--audit-older-than",
            metavar="SPAN",
            help="Remove entries of the audit log that are older, too. By default all are kept.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed; change nothing.", show_default=False)
    ] = False,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Remove the checkpoints of runs that ended long ago.

    What the tables tell of the runs stays, deliverables too. Runs that have not ended are never touched. Idempotency
    keys that count no longer go, too. Stopped in the middle, it goes on the next time.
    """
    seconds = seconds_of(older_than, "--older-than")
    audit_seconds = None if audit_older_than is None else seconds_of(audit_older_than, "--audit-older-than")
    pruned = asyncio.run(remove(dsn, seconds, audit_seconds, dry_run=dry_run))
    if as_json:
        screen.show_json(pruned_json(pruned, dry_run=dry_run))
    else:
        screen.show(*pruned_text(pruned, dry_run=dry_run))


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was removed, or would be: checkpoints, keys, and of the audit log, if that was asked for."""

    removal: Removal
    keys: int
    audit: int | None


async def remove(dsn: str | None, seconds: float, audit_seconds: float | None, *, dry_run: bool) -> Pruned:
    """Remove what is old, or say what would be.

    Raises:
        DatabaseUnavailableError: the database cannot be reached, or became so.
        SchemaVersionError: its tables do not fit this program.
    """
    async with open_database(dsn) as database:
        try:
            removal = await remove_checkpoints(database, seconds, dry_run=dry_run)
            keys = await remove_idempotency_keys(database, dry_run=dry_run)
            audit = None if audit_seconds is None else await remove_audit(database, audit_seconds, dry_run=dry_run)
            return Pruned(removal=removal, keys=keys, audit=audit)
        except psycopg.Error as error:
            raise unavailable(database.target, error) from error


def pruned_text(pruned: Pruned, *, dry_run: bool) -> Iterator[str]:
    """Say what was removed, or would be."""
    removal, verb = pruned.removal, "would remove" if dry_run else "removed"
    count, rows = len(removal.runs), sum(removal.rows.values())
    runs = f"{count} run{'' if count == 1 else 's'} that ended before {removal.before:%Y-%m-%d %H:%M} UTC"
    what = f"{rows} row{'' if rows == 1 else 's'}, {bytes_text(removal.size)}"
    yield f"{verb} the checkpoints of {runs}: {what}"
    if removal.skipped:
        yield f"left for the next time, as somebody has them: {', '.join(removal.skipped)}"
    if pruned.keys:
        yield f"{verb} {pruned.keys} idempotency key{'' if pruned.keys == 1 else 's'} that counted no longer"
    if pruned.audit is not None:
        yield f"{verb} {pruned.audit} entr{'y' if pruned.audit == 1 else 'ies'} of the audit log"


def pruned_json(pruned: Pruned, *, dry_run: bool) -> dict[str, Any]:
    """Give what was removed, or would be, as plain values."""
    removal = pruned.removal
    return {
        "dry_run": dry_run,
        "before": removal.before.isoformat(),
        "runs": list(removal.runs),
        "skipped": list(removal.skipped),
        "rows": dict(removal.rows),
        "bytes": removal.size,
        "idempotency_keys": pruned.keys,
        "audit_entries": pruned.audit,
    }


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
