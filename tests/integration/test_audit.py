"""The audit log: an entry before the action, its outcome after it."""

import asyncio
from datetime import UTC

import pytest

from planner_graph.errors import CommandRefusedError
from planner_graph.store import audit
from planner_graph.store.audit import Action, Actor, Entry, Outcome
from planner_graph.types import Role, RunId

RUN = RunId("00000000-0000-4000-8000-000000000001")
ANN = Actor(principal="ann", role=Role.OPERATOR, remote_address="127.0.0.1", request_id="42")
PAUSE = Entry(actor=ANN, action=Action.PAUSE, run_id=RUN, reason="lunch")


async def test_what_is_under_way_has_begun_and_then_it_is_done(database):
    async with audit.recorded(database, PAUSE):
        [under_way] = await audit.latest(database)
    [row] = await audit.latest(database)

    assert (under_way.entry, under_way.outcome) == (PAUSE, Outcome.BEGUN)
    assert (row.entry, row.outcome, row.detail) == (PAUSE, Outcome.DONE, None)
    assert row.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (
            CommandRefusedError(RUN, "pause", "no\0"),
            Outcome.REFUSED,
            f"cannot pause run {RUN!r}: no\N{REPLACEMENT CHARACTER}",
        ),
        (ZeroDivisionError("pg_secret"), Outcome.FAILED, "ZeroDivisionError"),
        (asyncio.CancelledError(), Outcome.FAILED, "CancelledError"),
    ],
)
async def test_what_raises_was_refused_or_has_failed(database, error, outcome, detail):
    with pytest.raises(type(error)):
        async with audit.recorded(database, PAUSE):
            raise error
    [row] = await audit.latest(database)

    assert row.outcome is outcome
    assert (row.detail or "").split(";")[0] == detail


async def test_entries_are_read_newest_first_and_page_by_page(database):
    async with database.pool.connection() as conn:
        for number in range(5):
            await audit.write(conn, Entry(actor=ANN, action=Action.START, subject=str(number)))

    first = await audit.latest(database, limit=3)
    second = await audit.latest(database, before=first[-1].number, limit=3)

    assert [row.entry.subject for row in [*first, *second]] == ["4", "3", "2", "1", "0"]


async def test_long_texts_and_characters_that_cannot_be_stored_are_mended(database):
    async with database.pool.connection() as conn:
        await audit.write(conn, Entry(actor=ANN, action=Action.CANCEL, reason="\0" + "x" * 10_000))
    [row] = await audit.latest(database)

    assert row.entry.reason == "\N{REPLACEMENT CHARACTER}" + "x" * 999
