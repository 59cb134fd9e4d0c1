"""Opens connections, and says in words what is wrong with one that cannot be opened, never showing the password."""

import os
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

from planner_graph.errors import DatabaseUnavailableError

CONNECT_TIMEOUT_SECONDS = 5
IDLE_SECONDS = 10.0
"""How long a transaction may wait for its client.

One that is frozen in the middle would keep others from taking its run over, so this is shorter than a lease lasts.
"""

OLDEST_SERVER = 150_000
"""Oldest PostgreSQL that will do, as ``server_version_num``."""

CONNECTION: Final[dict[str, Any]] = {"autocommit": True, "row_factory": dict_row, "prepare_threshold": 0}
"""How every connection is made: what LangGraph's checkpoint saver asks for."""

_REMEDIES = (
    ("password authentication failed", "check user and password; percent-encode special characters in a URI"),
    ("no password supplied", "put the password into the connection string, PGPASSWORD or ~/.pgpass"),
    ("role ", "check the user name"),
    ("does not exist", "create the database with 'createdb', or name another one"),
    ("pg_hba.conf", "let the server accept this user and host in pg_hba.conf"),
    ("resolve host", "check the host name"),
    ("timeout", "check host, port and firewall"),
    ("connection refused", "check host and port, and that the server is running"),
    ("no such file", "check the socket folder, and that the server is running"),
    ("too many", "raise max_connections, or close other clients"),
    ("starting up", "try again in a moment"),
    ("shutting down", "try again when the server is back"),
    ("permission denied", "let its owner run 'planner-graph db upgrade', or grant CREATE on the schema"),
    ("read-only", "name the primary server, not a standby"),
    ("ssl", "check sslmode and the certificates"),
)


def read_dsn(dsn: str, source: str) -> str:
    """Check a connection string and complete it with our defaults; ``source`` is where it came from, in words.

    Raises:
        DatabaseUnavailableError: it cannot be read. What it says is not repeated: any part may be the password.
    """
    remedy = (
        "write postgresql://user:password@host:5432/database, with special characters percent-encoded, "
        "or 'host=... dbname=... user=...'"
    )
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise DatabaseUnavailableError(source, "the connection string cannot be read", remedy) from None
    ports = str(given.get("port") or "").split(",")
    names = f"{given.get('host') or ''} {given.get('dbname') or ''} {given.get('user') or ''}"
    if not all(port.isdigit() or not port for port in ports) or ("://" in dsn and "@" in names):
        raise DatabaseUnavailableError(source, "the connection string has a misplaced ':', '/' or '@'", remedy)
    defaults: dict[str, Any] = {"application_name": "planner_graph", "client_encoding": "utf8"}
    if not os.environ.get("PGCONNECT_TIMEOUT"):
        defaults["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
    options = [str(given.get("options") or os.environ.get("PGOPTIONS") or "")]
    if "idle_in_transaction_session_timeout" not in options[0]:
        options.append(f"-c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000:.0f}")
    return make_conninfo(**{**defaults, **given, "options": " ".join(options).strip()})


def describe(conninfo: str) -> str:
    """Name the database of a connection string, without the password: ``user@host:port/database``."""
    given = conninfo_to_dict(conninfo)

    def value(key: str, variable: str, default: str) -> str:
        return str(given.get(key) or os.environ.get(variable) or default)

    user = value("user", "PGUSER", "")
    host = value("host", "PGHOST", "local socket")
    place = f"{host}:{value('port', 'PGPORT', '5432')}/{value('dbname', 'PGDATABASE', user)}"
    return f"{user}@{place}" if user else place


async def connect(conninfo: str, target: str) -> AsyncConnection[DictRow]:
    """Open one connection to a server that will do.

    Raises:
        DatabaseUnavailableError: there is none, it refuses, it is too old, or its database is not UTF-8.
    """
    try:
        connection = await AsyncConnection.connect(conninfo, **CONNECTION)
    except psycopg.Error as error:
        raise unavailable(target, error) from error
    version = connection.info.server_version
    encoding = connection.info.parameter_status("server_encoding")
    if version >= OLDEST_SERVER and encoding == "UTF8":
        return connection
    await connection.close()
    if version < OLDEST_SERVER:
        problem, remedy = f"PostgreSQL {version / 10_000:.4g} is too old", "use PostgreSQL 15 or newer"
    else:
        problem, remedy = f"its encoding is {encoding}", "create the database with ENCODING 'UTF8'"
    raise DatabaseUnavailableError(target, problem, remedy)


def unavailable(target: str, error: psycopg.Error) -> DatabaseUnavailableError:
    """Say in one line what a driver's error means, and what to do."""
    lines = str(error).strip().splitlines()
    problem = (lines[0] if lines else type(error).__name__).removeprefix("connection failed: ")
    problem = problem.removeprefix("connection is bad: ")
    lower = problem.lower()
    fallback = "check the connection string and that the server is running"
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in lower), fallback)
    return DatabaseUnavailableError(target, problem, remedy)
