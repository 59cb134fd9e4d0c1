"""Connection strings: what is wrong with one is said without ever repeating it."""

import traceback

import pytest

from planner_graph.errors import DatabaseUnavailableError
from planner_graph.store.connection import describe, read_dsn

SECRET = "hunter2"  # noqa: S105


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        ("postgresql://ann:hunter2@db.example:6543/campaigns", "ann@db.example:6543/campaigns"),
        ("postgresql://ann@db.example", "ann@db.example:5432/ann"),
        ("host=/run/pg user=ann password=hunter2 dbname=x", "ann@/run/pg:5432/x"),
        ("postgresql://ann:h%40nter2@a:1,b:2/x", "ann@a,b:1,2/x"),
        ("postgresql://ann:x#hunter2@db/x", "ann@db:5432/x"),
        ("postgresql://ann:x?hunter2@db/x", "ann@db:5432/x"),
        ("postgresql://db/x?user=ann&password=hunter2", "ann@db:5432/x"),
        ("dbname=x", "local socket:5432/x"),
    ],
)
def test_a_database_is_named_without_its_password(dsn, name, monkeypatch):
    for variable in ("PGUSER", "PGHOST", "PGPORT", "PGDATABASE"):
        monkeypatch.delenv(variable, raising=False)
    assert describe(read_dsn(dsn, "given")) == name


@pytest.mark.parametrize(
    "dsn",
    [
        SECRET,
        f"mysql://ann:{SECRET}@db/x",
        f"postgresql://ann:{SECRET} x@db/x",
        f"postgresql://ann:{SECRET}%zz@db/x",
        f"postgresql://ann:x@{SECRET}@db/x",
        f"postgresql://ann:x/{SECRET}@db/x",
        f"postgresql://ann:x@db:{SECRET}/x",
        f"postgresql://ann:x@db/x?{SECRET}=1",
        f"host=db password={SECRET} {SECRET}=1",
        f"host=db port={SECRET}",
    ],
)
def test_a_malformed_connection_string_is_refused_without_repeating_it(dsn):
    with pytest.raises(DatabaseUnavailableError) as caught:
        read_dsn(dsn, "named by --dsn")
    assert str(caught.value).startswith("database named by --dsn: the connection string ")
    assert "postgresql://user:password@host:5432/database" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_what_the_user_says_of_time_and_name_counts():
    conninfo = read_dsn("postgresql://db/x?connect_timeout=1&application_name=mine", "given")
    assert "connect_timeout=1" in conninfo
    assert "application_name=mine" in conninfo


def test_connecting_has_a_time_limit(monkeypatch):
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    assert "connect_timeout=5" in read_dsn("postgresql://db/x", "given")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    assert "connect_timeout" not in read_dsn("postgresql://db/x", "given")
