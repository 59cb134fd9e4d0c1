"""Tokens with which people and programs use the server; a token itself is not kept, and can be read but once."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from psycopg.errors import UniqueViolation

from planner_graph.errors import TokenNameTakenError, TokenNotFoundError
from planner_graph.redaction import redacted
from planner_graph.store.database import Database
from planner_graph.store.queries import query
from planner_graph.store.rows import in_utc
from planner_graph.store.transitions import Connection
from planner_graph.text import storable
from planner_graph.types import Role

PREFIX = "pg_"
"""What every token begins with, so that one that was left somewhere is found."""

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}"
"""What a token may be called, but for :data:`LOCAL`."""

LOCAL = "local"
"""Who needs no token; the name of none."""

USE_SECONDS = 60.0
"""For how long a use of a token is not noted again."""

_RANDOM_BYTES = 32


class TokenState(StrEnum):
    """Whether a token opens anything."""

    USABLE = "usable"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRow:
    """A token, without the token itself. It expires never if ``expires_at`` is ``None``."""

    token_id: str
    name: str
    role: Role
    state: TokenState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the table ``api_tokens``, with its state by the clock of the database."""
        return cls(
            token_id=str(row["id"]),
            name=row["name"],
            role=Role(row["role"]),
            state=TokenState(row["state"]),
            created_at=row["created_at"].astimezone(UTC),
            expires_at=in_utc(row["expires_at"]),
            revoked_at=in_utc(row["revoked_at"]),
            last_used_at=in_utc(row["last_used_at"]),
        )


async def create(
    conn: Connection, name: str, role: Role, *, expires_in_seconds: float | None = None
) -> tuple[TokenRow, str]:
    """Make a token and give it: the only time that it can be read.

    Raises:
        TokenNameTakenError: there is one of that name.
    """
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    values = {"name": name, "role": role.value, "hash": _hash(token), "seconds": expires_in_seconds}
    try:
        [row] = await (await conn.execute(query("insert_token"), values)).fetchall()
    except UniqueViolation as error:
        raise TokenNameTakenError(name) from error
    return TokenRow.of(row), token


async def list_all(database: Database) -> list[TokenRow]:
    """Give all tokens that there ever were, oldest first."""
    async with database.pool.connection() as conn:
        rows = await (await conn.execute(query("list_tokens"))).fetchall()
    return [TokenRow.of(row) for row in rows]


async def revoke(conn: Connection, token: str) -> TokenRow:
    """Let a token open nothing any more, by its id, its name or itself; doing so again changes nothing.

    Raises:
        TokenNotFoundError: there is none.
    """
    values = {"token": storable(token), "hash": _hash(token)}
    found = await (await conn.execute(query("find_token_to_revoke"), values)).fetchone()
    if found is None:
        raise TokenNotFoundError(redacted(token))
    [row] = await (await conn.execute(query("revoke_token"), {"id": found["id"]})).fetchall()
    return TokenRow.of(row)


async def find(database: Database, token: str) -> TokenRow | None:
    """Give what is known of a token, usable or not, and note that it was used if it is usable."""
    values = {"hash": _hash(token), "seconds": USE_SECONDS}
    async with database.pool.connection() as conn:
        row = await (await conn.execute(query("find_token"), values)).fetchone()
        if row is None:
            return None
        found = TokenRow.of(row)
        if row["use_is_news"] and found.state is TokenState.USABLE:
            await conn.execute(query("note_token_use"), {"id": row["id"]})
    return found


async def any_usable(database: Database) -> bool:
    """Tell whether there is a token that opens anything."""
    async with database.pool.connection() as conn:
        row = await (await conn.execute(query("has_usable_token"))).fetchone()
    return bool((row or {}).get("found"))


def _hash(token: str) -> bytes:
    """Give the SHA-256 of a token. It is as random as its hash, so neither salt nor a slow hash would add anything."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
