"""Tokens of the server: made once, kept as hashes, looked up, revoked."""

import re

import pytest

from planner_graph.errors import TokenNameTakenError, TokenNotFoundError
from planner_graph.store import tokens
from planner_graph.store.tokens import NAME_PATTERN, TokenState
from planner_graph.types import Role


async def execute(database, sql, *values):
    async with database.pool.connection() as conn:
        return await conn.execute(sql, values)


async def make(database, name="ann", role=Role.OPERATOR, **options):
    async with database.pool.connection() as conn:
        return await tokens.create(conn, name, role, **options)


async def find(database, token):
    found = await tokens.find(database, token)
    assert found is not None
    return found


async def revoke(database, token):
    async with database.pool.connection() as conn:
        return await tokens.revoke(conn, token)


async def test_a_token_is_found_by_itself_and_is_nowhere_in_the_database(database):
    made, token = await make(database)

    found = await find(database, token)
    stored = await (await execute(database, "SELECT to_jsonb(t)::TEXT AS row FROM api_tokens t")).fetchone()

    assert re.fullmatch(r"pg_[A-Za-z0-9_-]{43}", token)
    assert (found.name, found.role, found.state, found.expires_at) == ("ann", Role.OPERATOR, TokenState.USABLE, None)
    assert found.token_id == made.token_id
    assert token not in stored["row"]
    assert token.removeprefix("pg_") not in stored["row"]
    assert token not in repr(made)


@pytest.mark.parametrize("wrong", ["", "pg_", "ann", "\ud800", "pg_" + "A" * 43, "'; DROP TABLE api_tokens; --", "\0"])
async def test_no_other_text_is_a_token(database, wrong):
    await make(database)
    assert await tokens.find(database, wrong) is None


async def test_a_token_expires_by_the_clock_of_the_database(database):
    made, token = await make(database, expires_in_seconds=3600)
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).total_seconds() == 3600
    assert await tokens.any_usable(database)

    await execute(database, "UPDATE api_tokens SET created_at = created_at - INTERVAL '2 hours', expires_at = NOW()")

    assert (await find(database, token)).state is TokenState.EXPIRED
    assert not await tokens.any_usable(database)


async def test_a_revoked_token_opens_nothing_and_its_name_may_be_given_again(database):
    made, token = await make(database)
    with pytest.raises(TokenNameTakenError, match=r"there is a token 'ann' already; .* token revoke ann"):
        await make(database)

    first, again = await revoke(database, "ann"), await revoke(database, made.token_id)
    other, _ = await make(database)

    assert first == again
    assert (first.state, first.revoked_at is not None) == (TokenState.REVOKED, True)
    assert (await find(database, token)).state is TokenState.REVOKED
    assert [row.state for row in await tokens.list_all(database)] == [TokenState.REVOKED, TokenState.USABLE]
    assert (await revoke(database, "ann")).token_id == other.token_id  # the one of that name that was usable
    assert not await tokens.any_usable(database)


async def test_a_token_that_was_found_somewhere_is_revoked_by_itself(database):
    made, token = await make(database)

    assert (await revoke(database, token)).token_id == made.token_id
    with pytest.raises(TokenNotFoundError, match=r"no token 'pg_\*\*\*' in this database"):
        await revoke(database, "pg_" + "A" * 43)


async def test_a_token_that_never_was_cannot_be_revoked(database):
    with pytest.raises(TokenNotFoundError, match=r"no token 'bob\\x00' in this database"):
        await revoke(database, "bob\0")


async def test_a_use_is_noted_at_most_once_a_minute_and_only_of_a_usable_token(database):
    _, token = await make(database)
    used = []
    for age in (None, 59, 61):
        if age is not None:
            aging = "UPDATE api_tokens SET last_used_at = NOW() - make_interval(secs => %s)"
            await execute(database, aging, age)
        before = (await find(database, token)).last_used_at
        [after] = [row.last_used_at for row in await tokens.list_all(database)]
        used.append(after != before)
    await revoke(database, "ann")
    await execute(database, "UPDATE api_tokens SET last_used_at = NULL")
    await find(database, token)

    assert used == [True, False, True]
    assert [row.last_used_at for row in await tokens.list_all(database)] == [None]


@pytest.mark.parametrize("name", ["a", "ann@example.com", "ci-1_x.y", "A" * 100])
async def test_names_that_fit_the_pattern_are_taken(database, name):
    assert re.fullmatch(NAME_PATTERN, name)
    assert (await make(database, name))[0].name == name


def test_a_role_may_do_what_the_ones_before_it_may():
    assert [[role.includes(other) for other in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
