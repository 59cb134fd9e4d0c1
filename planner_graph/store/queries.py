"""The SQL of the store, by name; all of it stands in ``queries.sql``.

A block begins with a line ``-- name: insert_plan`` and ends where the next one begins.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def query(name: str) -> bytes:
    """Give the SQL called ``name``, as psycopg takes it.

    Raises:
        KeyError: there is none of that name.
    """
    return load()[name]


@cache
def load() -> Mapping[str, bytes]:
    """Read all queries, by name."""
    return parse(resources.files(__package__).joinpath("queries.sql").read_text("utf-8"))


def parse(text: str) -> Mapping[str, bytes]:
    """Split a file of named blocks.

    Raises:
        ValueError: a name is used twice, or a block is empty.
    """
    _, *parts = _HEADING.split(text)
    blocks: dict[str, bytes] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        sql = body.strip()
        if name in blocks:
            raise ValueError(f"query {name!r} stands twice; rename one")
        if not sql:
            raise ValueError(f"query {name!r} is empty; write its SQL or remove it")
        blocks[name] = sql.encode()
    return MappingProxyType(blocks)
