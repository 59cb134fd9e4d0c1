"""Real PostgreSQL for tests: servers of the test session's own, and a fresh database, cloned from a template, per test.

``dsn`` is the connection string of a fresh database with all tables, ``database`` is that database opened, and
``empty_dsn`` one without tables. They are on the embedded PostgreSQL; a test marked ``every_postgres`` runs on it and
on the system's own PostgreSQL, where there is one. ``embedded_home`` is a folder for an embedded server of one's own.
"""

import os
import pwd
import shutil
import subprocess
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
from planner_graph.store.database import DSN_VARIABLE, Database, open_database
from planner_graph.store.server import Server, let_through
from planner_graph.store.upgrades import schema

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15
MEMORY = Path("/dev/shm")  # noqa: S108  # mkdtemp makes a folder nobody else can have made
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
    base = new_folder()
    running = Servers(base)
    yield running
    running.stop()
    shutil.rmtree(base)


@pytest.fixture
def new_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for an embedded server, not made yet; a server in it or beside it is stopped even if the test fails."""
    monkeypatch.delenv(DSN_VARIABLE, raising=False)
    base = new_folder()
    yield base / "home"
    for mark in base.glob("*/data/postmaster.pid"):
        embedded.join(mark.parents[1]).leave()
    shutil.rmtree(base)


@pytest.fixture
def embedded_home(new_home: Path, used_home: Path) -> Path:
    """A folder in which an embedded server has run before, as most starts find it; without tables."""
    subprocess.run(["cp", "-a", str(used_home), str(new_home)], check=True)
    return new_home


@pytest.fixture(scope="session")
def used_home() -> Iterator[Path]:
    """What ``embedded_home`` is copied from."""
    base = new_folder()
    embedded.join(base / "home").leave()
    yield base / "home"
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


def new_folder() -> Path:
    """Make a folder for servers, in memory where there is room.

    Not in pytest's own folders: they are too deep for a socket, and closed to the server's user when root runs the
    tests.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**31
    return Path(tempfile.mkdtemp(prefix="planner-graph-test-", dir=MEMORY if roomy else None))


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
    with psycopg.connect(make_conninfo(server, dbname=TEMPLATE), autocommit=True) as conn:
        conn.execute(schema(), prepare=False)
