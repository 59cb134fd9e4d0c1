"""The audit log of the server: who asked for what, and what came of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from planner_graph.errors import PlannerGraphError
from planner_graph.redaction import redacted
from planner_graph.store.database import Database
from planner_graph.store.queries import query
from planner_graph.store.transitions import Connection
from planner_graph.text import storable
from planner_graph.types import Role, RunId

NEWEST = 2**63 - 1
"""What no entry has as its number: all come before it."""

_LONGEST = 1_000
"""Characters that are kept of any text."""


class Action(StrEnum):
    """What is logged when somebody asks for it."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"
    CREATE_TOKEN = "create_token"  # noqa: S105  # the name of an action
    REVOKE_TOKEN = "revoke_token"  # noqa: S105  # the name of an action


class Outcome(StrEnum):
    """What came of it; ``begun`` stays if the process died before that was known."""

    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who asks: the name of the token or ``local``, with which role, from where, in which request."""

    principal: str
    role: Role
    remote_address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What somebody asks for; ``subject`` is the agent or the token it is about."""

    actor: Actor
    action: Action
    run_id: RunId | None = None
    subject: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRow:
    """An entry of the log; ``number`` grows with each. ``detail`` says why something was refused or failed."""

    number: int
    at: datetime
    entry: Entry = field(repr=False)
    outcome: Outcome
    detail: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the table ``audit_log``."""
        actor = Actor(
            principal=row["principal"],
            role=Role(row["role"]),
            remote_address=row["remote_address"],
            request_id=row["request_id"],
        )
        run = row["workflow_execution_id"]
        entry = Entry(
            actor=actor,
            action=Action(row["action"]),
            run_id=RunId(str(run)) if run else None,
            subject=row["subject"],
            reason=row["reason"],
        )
        outcome = Outcome(row["outcome"])
        return cls(number=row["id"], at=row["at"].astimezone(UTC), entry=entry, outcome=outcome, detail=row["detail"])


async def write(conn: Connection, entry: Entry, outcome: Outcome = Outcome.DONE, detail: str | None = None) -> int:
    """Add an entry in the transaction of ``conn``, and give its number."""
    actor = entry.actor
    values = {
        "principal": actor.principal,
        "role": actor.role.value,
        "action": entry.action.value,
        "run_id": entry.run_id,
        "subject": _text(entry.subject),
        "reason": _text(entry.reason),
        "outcome": outcome.value,
        "detail": _text(detail),
        "remote_address": _text(actor.remote_address),
        "request_id": _text(actor.request_id),
    }
    [row] = await (await conn.execute(query("insert_audit"), values)).fetchall()
    return int(row["id"])


@asynccontextmanager
async def recorded(database: Database, entry: Entry) -> AsyncIterator[None]:
    """Add an entry before its action is done, and then what came of it: nothing is ever done without a trace.

    What raises an error of this package was refused, what raises another one has failed.
    """
    async with database.pool.connection() as conn:
        number = await write(conn, entry, Outcome.BEGUN)
    try:
        yield
    except PlannerGraphError as error:
        await _settle(database, number, Outcome.REFUSED, str(error))
        raise
    except BaseException as error:
        await _settle(database, number, Outcome.FAILED, type(error).__name__)
        raise
    await _settle(database, number, Outcome.DONE)


async def latest(database: Database, *, before: int = NEWEST, limit: int = 100) -> list[AuditRow]:
    """Give the entries that came before the one with this number, newest first."""
    async with database.pool.connection() as conn:
        rows = await (await conn.execute(query("list_audit"), {"before": before, "limit": limit})).fetchall()
    return [AuditRow.of(row) for row in rows]


async def _settle(database: Database, number: int, outcome: Outcome, detail: str | None = None) -> None:
    async with database.pool.connection() as conn:
        values = {"id": number, "outcome": outcome.value, "detail": _text(detail)}
        await conn.execute(query("settle_audit"), values)


def _text(text: str | None) -> str | None:
    return None if text is None else storable(redacted(text)[:_LONGEST])
