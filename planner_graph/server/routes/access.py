"""Who is asking, which tokens there are, and who asked for what."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import Field

from planner_graph.server.context import Asking, Shared
from planner_graph.server.openapi import documented
from planner_graph.server.problems import ProblemError
from planner_graph.server.responses import Answer
from planner_graph.store import audit, tokens
from planner_graph.store.audit import NEWEST, Action, AuditRow, Entry, Outcome
from planner_graph.store.tokens import TokenRow, TokenState
from planner_graph.types import Role

router = APIRouter(tags=["access"])

AT = "2026-03-01T09:30:00Z"
TOKEN_ID = "9b2f4c1e-6a57-4f0b-8a5c-2f4f6d1f7f10"  # noqa: S105  # the number of a token, in examples
MOST = 500


class Me(Answer):
    """Who is asking: the name of the token, or ``local`` where none is asked for."""

    name: str = Field(examples=["ann"])
    role: Role


class Token(Answer):
    """A token, but for the token itself, which is not kept."""

    id: str = Field(examples=[TOKEN_ID])
    name: str = Field(examples=["ann"])
    role: Role
    state: TokenState
    created_at: datetime = Field(examples=[AT])
    expires_at: datetime | None = Field(examples=[None])
    revoked_at: datetime | None = Field(examples=[None])
    last_used_at: datetime | None = Field(examples=[AT])

    @classmethod
    def of(cls, row: TokenRow) -> Self:
        """Make it of what the store gives."""
        return cls(
            id=row.token_id,
            name=row.name,
            role=row.role,
            state=row.state,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )


class TokenList(Answer):
    """All tokens that there ever were, oldest first."""

    items: list[Token]


class AuditEntry(Answer):
    """Something that was asked for, and what came of it; ``detail`` says why it was refused or failed."""

    at: datetime = Field(examples=[AT])
    principal: str = Field(examples=["ann"])
    role: Role
    action: Action
    workflow_execution_id: str | None
    subject: str | None = Field(description="The agent or the token it is about.", examples=[None])
    reason: str | None = Field(examples=["the brief has changed"])
    outcome: Outcome
    detail: str | None = Field(examples=[None])
    remote_address: str | None = Field(examples=["127.0.0.1"])
    request_id: str | None = Field(examples=["5f3c0c1be0c44b8f9a2a6a0f7d9e1c55"])

    @classmethod
    def of(cls, row: AuditRow) -> Self:
        """Make it of what the store gives."""
        entry, actor = row.entry, row.entry.actor
        return cls(
            at=row.at,
            principal=actor.principal,
            role=actor.role,
            action=entry.action,
            workflow_execution_id=entry.run_id,
            subject=entry.subject,
            reason=entry.reason,
            outcome=row.outcome,
            detail=row.detail,
            remote_address=actor.remote_address,
            request_id=actor.request_id,
        )


class AuditPage(Answer):
    """Entries of the audit log, latest first; ``next_cursor`` asks for the next page, ``null`` on the last."""

    items: list[AuditEntry]
    next_cursor: str | None = Field(examples=["1207"])


@router.get("/me", summary="Who am I?")
async def me(actor: Asking) -> Me:
    """Give the name and role of whoever asks."""
    return Me(name=actor.principal, role=actor.role)


@router.get("/tokens", summary="List the tokens")
async def list_tokens(context: Shared) -> TokenList:
    """List all tokens; needs the role admin."""
    return TokenList(items=[Token.of(row) for row in await tokens.list_all(context.database)])


@router.delete("/tokens/{token}", summary="Revoke a token", responses=documented("not-found"))
async def revoke(token: str, context: Shared, actor: Asking) -> Token:
    """Let the token of this id or name open nothing any more; doing so again changes nothing. Needs the role admin."""
    entry = Entry(actor=actor, action=Action.REVOKE_TOKEN, subject=token)
    async with audit.recorded(context.database, entry), context.database.pool.connection() as conn:
        return Token.of(await tokens.revoke(conn, token))


@router.get("/audit", summary="Read the audit log", responses=documented("bad-cursor"))
async def read_audit(
    context: Shared,
    cursor: Annotated[str | None, Query(description="The next_cursor of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many entries to give at most.")] = 100,
) -> AuditPage:
    """Give entries page by page; needs the role admin."""
    rows = await audit.latest(context.database, before=_number(cursor), limit=limit + 1)
    page = rows[:limit]
    following = str(page[-1].number) if len(rows) > len(page) else None
    return AuditPage(items=[AuditEntry.of(row) for row in page], next_cursor=following)


def _number(cursor: str | None) -> int:
    """Read a cursor, which is the number of the last entry that was given.

    Raises:
        ProblemError: it is none.
    """
    if cursor is None:
        return NEWEST
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(NEWEST))) or int(cursor) > NEWEST:
        raise ProblemError("bad-cursor", f"{cursor[:100]!r} is no cursor of the audit log; leave it out to begin anew")
    return int(cursor)
