"""Making and upgrading the tables."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, open_database
from planner_graph.errors import DatabaseUnavailableError, ForeignTablesError, SchemaVersionError
from planner_graph.store import upgrades
from planner_graph.store.connection import CONNECTION
from planner_graph.store.repository import Repository
from planner_graph.store.upgrades import CHECKPOINT_VERSION, SCHEMA_VERSION, upgrade, versions
from planner_graph.types import RunStatus
from tests.catalogs import catalog, spec

pytestmark = pytest.mark.every_postgres

ROOT = Path(__file__).parents[2]
UPGRADE = """
import asyncio, sys
from psycopg import AsyncConnection
from planner_graph.store.connection import CONNECTION
from planner_graph.store.upgrades import upgrade

async def main():
    async with await AsyncConnection.connect(sys.argv[1], **CONNECTION) as conn:
        print("ready", flush=True)
        sys.stdin.readline()
        await upgrade(conn)

asyncio.run(main())
"""


@asynccontextmanager
async def connected(dsn):
    async with await AsyncConnection.connect(dsn, **CONNECTION) as conn:
        yield conn


async def test_an_empty_database_gets_our_tables_and_those_of_langgraph(empty_dsn):
    async with connected(empty_dsn) as conn:
        assert (await versions(conn)).schema is None
        await upgrade(conn)
        found = await versions(conn)
        assert (found.schema, found.checkpoints) == (SCHEMA_VERSION, CHECKPOINT_VERSION)
        (await versions(conn)).check()


async def test_upgrading_again_keeps_everything(dsn):
    async with connected(dsn) as conn:
        await conn.execute("INSERT INTO campaigns (campaign_key, definition) VALUES ('kept', '{}')")
        await upgrade(conn)
        cursor = await conn.execute("SELECT campaign_key FROM campaigns")
        assert await cursor.fetchall() == [{"campaign_key": "kept"}]


async def test_upgrading_gives_back_what_was_lost(dsn):
    async with connected(dsn) as conn:
        await conn.execute("DROP INDEX idx_execution_plans_status")
        await upgrade(conn)
        cursor = await conn.execute("SELECT to_regclass('idx_execution_plans_status') IS NOT NULL AS found")
        assert await cursor.fetchone() == {"found": True}


async def test_eight_upgrades_at_once_in_one_process_all_succeed(empty_dsn):
    async def one():
        async with connected(empty_dsn) as conn:
            await upgrade(conn)

    await asyncio.gather(*(one() for _ in range(8)))
    async with connected(empty_dsn) as conn:
        (await versions(conn)).check()


async def test_upgrades_of_three_processes_at_once_all_succeed(empty_dsn):
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", UPGRADE, empty_dsn), stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [errors for _, errors in told] == [b"", b"", b""]
    assert [process.returncode for process in processes] == [0, 0, 0]


async def test_missing_tables_are_told(empty_dsn):
    async with connected(empty_dsn) as conn:
        with pytest.raises(SchemaVersionError, match="no planner_graph tables; run 'planner-graph db upgrade'"):
            (await versions(conn)).check()


async def test_newer_tables_are_refused_and_left_alone(dsn):
    async with connected(dsn) as conn:
        await conn.execute("INSERT INTO planner_graph_schema (version) VALUES (%s)", [SCHEMA_VERSION + 1])
        newer = f"version {SCHEMA_VERSION + 1}, this program needs {SCHEMA_VERSION}; upgrade the program"
        with pytest.raises(SchemaVersionError, match=newer):
            (await versions(conn)).check()
        with pytest.raises(SchemaVersionError, match=newer):
            await upgrade(conn)


@pytest.fixture
def two_versions_on(monkeypatch):
    """A program whose tables are two versions ahead of those that are there."""
    monkeypatch.setattr(upgrades, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    return SCHEMA_VERSION + 2


def write_script(folder, version, statement):
    """Write the script that leads to a version of the tables."""
    noted = "INSERT INTO planner_graph_schema SELECT max(version) + 1 FROM planner_graph_schema"
    (folder / f"{version:04}_step.sql").write_text(f"{statement}; {noted}")


async def test_older_tables_are_told_and_upgraded_by_the_scripts_in_between(dsn, tmp_path, two_versions_on):
    write_script(tmp_path, SCHEMA_VERSION, "not run: it leads to where we are")
    write_script(tmp_path, SCHEMA_VERSION + 1, "CREATE TABLE two ()")
    write_script(tmp_path, SCHEMA_VERSION + 2, "ALTER TABLE two ADD x INT")
    write_script(tmp_path, SCHEMA_VERSION + 3, "not run: the program does not know it")
    (tmp_path / "notes.txt").write_text("no script")
    older = f"version {SCHEMA_VERSION}, this program needs {two_versions_on}; run 'planner-graph db upgrade'"
    async with connected(dsn) as conn:
        with pytest.raises(SchemaVersionError, match=older):
            (await versions(conn)).check()
        await upgrade(conn, scripts=tmp_path)
        assert (await versions(conn)).schema == two_versions_on
        await conn.execute("SELECT x FROM two")


@pytest.mark.usefixtures("two_versions_on")
async def test_a_script_that_fails_changes_nothing(dsn, tmp_path):
    write_script(tmp_path, SCHEMA_VERSION + 1, "CREATE TABLE two ()")
    write_script(tmp_path, SCHEMA_VERSION + 2, "ALTER TABLE no_such_table ADD x INT")
    async with connected(dsn) as conn:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await upgrade(conn, scripts=tmp_path)
        assert (await versions(conn)).schema == SCHEMA_VERSION
        cursor = await conn.execute("SELECT to_regclass('two') IS NULL AS gone")
        assert await cursor.fetchone() == {"gone": True}
        await upgrade(conn, scripts=Path("/no/such/folder"))  # the lock was given back


async def test_missing_tables_of_langgraph_are_told(dsn):
    async with connected(dsn) as conn:
        await conn.execute("DELETE FROM checkpoint_migrations WHERE v > 4")
        with pytest.raises(SchemaVersionError, match="LangGraph tables in the database are version 4"):
            (await versions(conn)).check()
        await conn.execute("DROP TABLE checkpoint_migrations")
        with pytest.raises(SchemaVersionError, match="the database has no LangGraph tables"):
            (await versions(conn)).check()


async def test_an_upgrade_does_not_wait_for_ever_for_another_one(dsn, monkeypatch):
    monkeypatch.setattr(upgrades, "UPGRADE_SECONDS", 0.1)
    async with connected(dsn) as holder, connected(dsn) as conn:
        await holder.execute("SELECT pg_advisory_lock(hashtextextended('planner_graph upgrade', 0))")
        with pytest.raises(DatabaseUnavailableError, match="another process has been upgrading its tables"):
            await upgrade(conn)


async def test_tables_of_another_program_are_named_with_the_remedy_which_works(empty_dsn):
    async with connected(empty_dsn) as conn:
        await conn.execute("CREATE TABLE campaigns (id int)")
        await conn.execute("CREATE VIEW audit_log AS SELECT 1 AS id")
    with pytest.raises(ForeignTablesError) as caught:
        async with open_database(empty_dsn):
            pass
    assert caught.value.tables == ("campaigns", "audit_log")
    told = str(caught.value)
    assert "the tables campaigns, audit_log belong to another program; use a schema of its own: CREATE SCHEMA" in told
    assert "?options=-csearch_path%3Dplanner_graph" in told
    async with connected(empty_dsn) as conn:
        await conn.execute("CREATE SCHEMA planner_graph")
    async with open_database(make_conninfo(empty_dsn, options="-csearch_path=planner_graph")) as database:
        planner = MasterPlanner(catalog(spec("a")))
        outcome = await CampaignOrchestrator(database, {"a": lambda _: 1}, planner=planner).run(
            Campaign(deliverables=("a",))
        )
        assert outcome.status is RunStatus.COMPLETED
        assert (await Repository(database).get_run(outcome.run_id)).completed_agents == ("a",)
