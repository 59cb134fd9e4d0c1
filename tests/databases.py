"""Real PostgreSQL for tests: servers of the test session's own, and a fresh database, cloned from a template, per test.

``dsn`` is the connection string of a fresh database with all tables, ``database`` is that database opened, and
``empty_dsn`` one without tables. They are on the embedded PostgreSQL; a test marked ``every_postgres`` runs on it and on
the system's own PostgreSQL, where there is one.
"""

import os
import pwd
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import sql
from psycopg.conninfo import make_conninfo

from planner_graph.store import embedded
from planner_graph.store.database import Database, open_database
from planner_graph.store.server import Server, let_through
from planner_graph.store.upgrades import schema

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15
TEMPLATE = "template_with_tables"
# Nothing here has to survive a power cut.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


class Servers:
    """The servers of a test session, each started when it is first needed."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._running: dict[str, tuple[Server, str]] = {}

    def address(self, name: str) -> str:
        """Give the connection string of the server called ``embedded`` or ``system``."""
        if name not in self._running:
            programs = embedded.find_programs(self._base) if name == "embedded" else system_programs()
            assert programs is not None
            server = self.prepare(name, programs)
            server.create()
            self._running[name] = (server, server.start())
            create_template(self._running[name][1])
        return self._running[name][1]

    def server(self, name: str) -> Server:
        """Give the running server of that name."""
        self.address(name)
        return self._running[name][0]

    def prepare(self, name: str, programs: Path) -> Server:
        """Give a server in a folder of its own, neither created nor started."""
        folder = self._base / name
        folder.mkdir()
        owner = embedded.server_user() if os.geteuid() == 0 else None
        if owner is not None:
            let_through(folder / "data", pwd.getpwnam(owner).pw_uid)
        return Server(folder=folder, programs=programs, owner=owner, settings=SETTINGS)

    def stop(self) -> None:
        """Stop them all."""
        for server, _ in self._running.values():
            server.stop()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_postgres: run on the embedded PostgreSQL and on the system's own")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres" in metafunc.fixturenames and metafunc.definition.get_closest_marker("every_postgres"):
        missing = pytest.mark.skipif(system_programs() is None, reason=f"no PostgreSQL in {SYSTEM_POSTGRES}")
        metafunc.parametrize("postgres", ["embedded", pytest.param("system", marks=missing)], indirect=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    base = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's own folders are too deep for a socket
    running = Servers(base)
    yield running
    running.stop()
    shutil.rmtree(base)


@pytest.fixture
def postgres(servers: Servers, request: pytest.FixtureRequest) -> str:
    """The connection string of the server a test runs on."""
    return servers.address(getattr(request, "param", "embedded"))


@pytest.fixture
def dsn(postgres: str) -> Iterator[str]:
    """The connection string of a fresh database with all tables."""
    yield from fresh(postgres, TEMPLATE)


@pytest.fixture
def empty_dsn(postgres: str) -> Iterator[str]:
    """The connection string of a fresh database without tables."""
    yield from fresh(postgres, "template1")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A fresh database with all tables, opened."""
    async with open_database(dsn) as opened:
        yield opened


def system_programs() -> Path | None:
    """The programs of the system's oldest PostgreSQL that will do."""
    folders = {int(folder.name): folder / "bin" for folder in SYSTEM_POSTGRES.glob("[0-9]*") if folder.name.isdigit()}
    usable = [major for major in folders if major >= OLDEST_MAJOR and (folders[major] / "initdb").exists()]
    return folders[min(usable)] if usable else None


def fresh(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    yield make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def create_template(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    with PostgresSaver.from_conn_string(make_conninfo(server, dbname=TEMPLATE)) as saver:
        saver.setup()
        saver.conn.execute(schema(), prepare=False)
