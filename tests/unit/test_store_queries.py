import re
from pathlib import Path

import pytest

from planner_graph.store.queries import load, parse, query
from planner_graph.store.retention import TABLES

PACKAGE = Path(__file__).parents[2] / "planner_graph"
STORE = PACKAGE / "store"
USERS = [*STORE.glob("*.py"), *(PACKAGE / "mirror").glob("*.py")]
MENTION = re.compile(r'"([a-z_]+)"')
COMPOSED = {
    *("schema_table_exists", "schema_version", "checkpoint_table_exists", "checkpoint_version"),
    *(f"{verb}_{table}" for verb in ("measure", "remove") for table in TABLES),
    *(f"{verb}_{what}" for verb in ("count", "remove") for what in ("audit", "idempotency_keys")),
}
"""Names that are put together of a part and a table's name."""


def test_blocks_are_found_by_name():
    assert parse("-- words\n\n-- name: a\nSELECT 1\n\n-- name: b\n-- about b\nSELECT 2;\n") == {
        "a": b"SELECT 1",
        "b": b"-- about b\nSELECT 2;",
    }


def test_a_name_used_twice_is_refused():
    with pytest.raises(ValueError, match="query 'a' stands twice"):
        parse("-- name: a\nSELECT 1\n-- name: a\nSELECT 2")


def test_an_empty_block_is_refused():
    with pytest.raises(ValueError, match="query 'a' is empty"):
        parse("-- name: a\n-- name: b\nSELECT 2")


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="no_such_query"):
        query("no_such_query")


def test_every_query_is_used_and_every_query_that_is_used_exists():
    sources = "".join(module.read_text() for module in USERS)
    mentioned = set(MENTION.findall(sources)) | COMPOSED
    assert set(load()) <= mentioned
    called = set(re.findall(r'(?:query|_fetch|_one|_id_of)\((?:cur, )?"([a-z_]+)"', sources))
    assert called <= set(load())


def test_no_sql_stands_outside_the_sql_files():
    statement = re.compile(r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")
    assert [module.name for module in USERS if statement.search(module.read_text())] == []
