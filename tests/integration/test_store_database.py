"""Which database is opened, and what is said when it cannot be."""

import socket
import time
import traceback
import warnings

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from planner_graph.errors import DatabaseUnavailableError, SchemaVersionError
from planner_graph.store import connection, upgrades
from planner_graph.store.database import DSN_VARIABLE, open_database
from planner_graph.store.saver import checkpointer
from planner_graph.store.server import Server
from planner_graph.store.upgrades import SCHEMA_VERSION

SECRET = "hunter2"  # noqa: S105


async def refusal(dsn):
    """What is said about a database, and after how many seconds."""
    start = time.monotonic()
    with pytest.raises(DatabaseUnavailableError) as caught:
        async with open_database(dsn):
            pass
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "\n" not in str(caught.value)
    return str(caught.value), time.monotonic() - start


@pytest.mark.every_postgres
async def test_an_empty_database_is_made_ready(empty_dsn):
    async with open_database(empty_dsn) as database, database.pool.connection() as conn:
        (await upgrades.versions(conn)).check()


@pytest.mark.every_postgres
async def test_runs_and_checkpoints_share_the_pool(database):
    assert await checkpointer(database).aget_tuple({"configurable": {"thread_id": "none"}}) is None
    assert checkpointer(database) is not checkpointer(database)


async def test_the_environment_names_the_database(dsn, monkeypatch):
    monkeypatch.setenv(DSN_VARIABLE, dsn)
    async with open_database() as database, database.pool.connection() as conn:
        assert conn.info.dbname == conninfo_to_dict(dsn)["dbname"]


async def test_what_is_given_goes_before_the_environment(dsn, monkeypatch):
    monkeypatch.setenv(DSN_VARIABLE, "postgresql://nobody.invalid/x")
    async with open_database(dsn) as database, database.pool.connection() as conn:
        await conn.execute("SELECT 1")


async def test_a_database_is_shown_without_its_password(dsn):
    async with open_database(make_conninfo(dsn, password=SECRET)) as database:
        assert SECRET in str(database.pool.conninfo)
        assert SECRET not in repr(database)
        assert SECRET not in database.target


async def test_a_refused_connection_is_told_at_once(unused_tcp_port):
    text, seconds = await refusal(f"postgresql://ann:{SECRET}@127.0.0.1:{unused_tcp_port}/x")
    assert f"database ann@127.0.0.1:{unused_tcp_port}/x: " in text
    assert "Connection refused; check host and port, and that the server is running" in text
    assert seconds < 5


async def test_a_missing_socket_is_told(tmp_path):
    text, _ = await refusal(f"host={tmp_path} user=ann password={SECRET} dbname=x")
    assert "check the socket folder, and that the server is running" in text


async def test_an_unknown_host_is_told():
    text, _ = await refusal(f"postgresql://ann:{SECRET}@no-such-host.invalid/x")
    assert "no-such-host.invalid" in text
    assert text.endswith("; check the host name")


async def test_an_unknown_database_is_told(dsn):
    text, _ = await refusal(make_conninfo(dsn, dbname="nowhere", password=SECRET))
    assert 'database "nowhere" does not exist; create the database with' in text


async def test_an_unknown_user_is_told(dsn):
    text, _ = await refusal(make_conninfo(dsn, user="nobody", password=SECRET))
    assert text.endswith('role "nobody" does not exist; check the user name')


async def test_a_server_that_does_not_answer_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text, seconds = await refusal(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x?connect_timeout=2")
    assert text.endswith("; check host, port and firewall")
    assert seconds < 5


@pytest.fixture
def password_port(servers, unused_tcp_port):
    """The port of a server that asks user 'ann' for the password 'right'."""
    base = servers.server("embedded")
    server = servers.prepare(f"password-{unused_tcp_port}", base.programs)
    server = Server(
        folder=server.folder,
        programs=server.programs,
        owner=server.owner,
        settings={**server.settings, "listen_addresses": "127.0.0.1", "port": str(unused_tcp_port)},
    )
    server.create()
    rules = server.data / "pg_hba.conf"
    rules.write_text("local all all trust\nhost all ann 127.0.0.1/32 scram-sha-256\n")
    with psycopg.connect(server.start(), autocommit=True) as admin:
        admin.execute("CREATE ROLE ann LOGIN PASSWORD 'right'")
    yield unused_tcp_port
    server.stop()


async def test_a_wrong_or_missing_password_is_told(password_port):
    address = f"127.0.0.1:{password_port}/postgres"
    text, _ = await refusal(f"postgresql://ann:{SECRET}@{address}")
    assert text == (
        f'database ann@{address}: connection to server at "127.0.0.1", port {password_port} failed: FATAL:  password '
        'authentication failed for user "ann"; check user and password; percent-encode special characters in a URI'
    )
    text, _ = await refusal(f"postgresql://ann@{address}")
    assert text.endswith("put the password into the connection string, PGPASSWORD or ~/.pgpass")
    text, _ = await refusal(f"postgresql://bob:{SECRET}@{address}")
    assert text.endswith("let the server accept this user and host in pg_hba.conf")
    async with open_database(f"postgresql://ann:right@{address}", prepare=False) as database:
        assert database.target == f"ann@{address}"
    text, _ = await refusal(f"postgresql://ann:right@{address}")
    assert "permission denied for schema public; let its owner run" in text


async def test_an_old_server_is_refused(dsn, monkeypatch):
    monkeypatch.setattr(connection, "OLDEST_SERVER", 990_000)
    text, _ = await refusal(dsn)
    assert text.endswith(" is too old; use PostgreSQL 15 or newer")


async def test_a_database_that_is_not_utf8_is_refused(postgres):
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        text, _ = await refusal(make_conninfo(postgres, dbname="latin"))
        admin.execute("DROP DATABASE latin")
    assert text.endswith("its encoding is LATIN1; create the database with ENCODING 'UTF8'")


async def test_older_tables_of_a_shared_database_are_left_to_its_operator(dsn, monkeypatch):
    newer = SCHEMA_VERSION + 1
    monkeypatch.setattr(upgrades, "SCHEMA_VERSION", newer)
    older = f"version {SCHEMA_VERSION}, this program needs {newer}; run 'planner-graph db upgrade'"
    with pytest.raises(SchemaVersionError, match=older):
        async with open_database(dsn):
            pass
    async with open_database(dsn, prepare=False):
        pass


async def test_newer_tables_are_refused(dsn):
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO planner_graph_schema (version) VALUES (1000)")
    with pytest.raises(
        SchemaVersionError, match=f"version 1000, this program needs {SCHEMA_VERSION}; upgrade the program"
    ):
        async with open_database(dsn):
            pass


async def test_tables_of_langgraph_that_are_behind_are_brought_forward(dsn):
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DELETE FROM checkpoint_migrations WHERE v > 4")
    async with open_database(dsn) as database, database.pool.connection() as conn:
        (await upgrades.versions(conn)).check()


async def test_a_user_who_may_only_read_and_write_rows_can_work(dsn):
    name = conninfo_to_dict(dsn)["dbname"]
    user = sql.Identifier(f"clerk_{name}")
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(user))
        admin.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}").format(user))
        clerk = make_conninfo(dsn, user=f"clerk_{name}")
        async with open_database(clerk) as database, database.pool.connection() as conn:
            await conn.execute("SELECT count(*) FROM execution_plans")
        admin.execute(sql.SQL("DROP OWNED BY {}").format(user))
        admin.execute(sql.SQL("DROP ROLE {}").format(user))


async def test_an_open_database_leaves_nothing_behind(dsn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with open_database(dsn):
            pass
    with psycopg.connect(dsn) as conn:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert conn.execute(count).fetchone() == (1,)
