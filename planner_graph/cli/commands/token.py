"""``planner-graph token``: create, list and revoke the tokens that open the server."""

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from planner_graph.cli import screen
from planner_graph.cli.control import requester
from planner_graph.cli.durations import seconds_of
from planner_graph.cli.options import AsJson, Dsn
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.store import audit, tokens
from planner_graph.store.audit import Action, Actor, Entry
from planner_graph.store.database import open_database
from planner_graph.store.tokens import LOCAL, NAME_PATTERN, TokenRow
from planner_graph.text import one_line
from planner_graph.types import Role

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def token_commands() -> None:
    """Create, list and revoke the tokens that open the server."""


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose token it is; the audit log names it.", show_default=False)
    ],
    *,
    role: Annotated[
        Role,
        typer.Option(
            "--role", help="A viewer reads, an operator runs and controls, an admin sees tokens and the audit log."
        ),
    ] = Role.VIEWER,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="SPAN",
            help="For how long it is good: 90d, 12h, 30m. By default for ever.",
            show_default=False,
        ),
    ] = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Create a token and write it to standard output, this once.

    Only its hash is kept, so nobody can read it later.
    """
    seconds = checked(name, expires)
    made, secret = asyncio.run(create_token(dsn, name, role, seconds))
    if as_json:
        screen.show_json({**token_json(made), "token": secret})
        return
    until = f"until {made.expires_at:%Y-%m-%d %H:%M} UTC" if made.expires_at else "until it is revoked"
    screen.tell(f"token {made.name!r}, role {made.role.value}, good {until}; it is not shown again:")
    screen.show(secret)


@app.command("list")
def list_command(*, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """List all tokens, oldest first; the tokens themselves are not kept."""
    rows = asyncio.run(list_tokens(dsn))
    if as_json:
        screen.show_json({"tokens": [token_json(row) for row in rows]})
    elif rows:
        screen.show(overview(rows))
    else:
        screen.tell("no tokens yet; create one with: planner-graph token create NAME --role operator")


@app.command()
def revoke(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="Its name, its id as 'token list' shows it, or itself.", show_default=False
        ),
    ],
    *,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Let a token open nothing any more, from the next request on."""
    row = asyncio.run(revoke_token(dsn, token))
    if as_json:
        screen.show_json(token_json(row))
    else:
        screen.show(one_line(f"token {row.name!r} is revoked since {row.revoked_at:%Y-%m-%d %H:%M:%S} UTC"))


def checked(name: str, expires: str | None) -> int | None:
    """Give the seconds after which the token expires.

    Raises:
        InvalidInputError: it may not have this name, or expires before it is used.
    """
    findings = []
    if re.fullmatch(NAME_PATTERN, name) is None or name == LOCAL:
        remedy = f"use at most 100 letters, digits and . _ @ - from A to Z, and not {LOCAL!r}, which is who needs none"
        findings.append(Finding(problem=f"{name!r} cannot be the name of a token", remedy=remedy, key="NAME"))
    seconds = None
    if expires is not None:
        try:
            seconds = seconds_of(expires, "--expires")
        except InvalidInputError as error:
            findings += error.findings
        if seconds == 0:
            problem, remedy = f"{expires!r} is over at once", "use at least 1m, or leave the option out"
            findings.append(Finding(problem=problem, remedy=remedy, key="--expires"))
    if findings:
        raise InvalidInputError(findings)
    return seconds


async def create_token(dsn: str | None, name: str, role: Role, seconds: int | None) -> tuple[TokenRow, str]:
    """Make a token, and log that.

    Raises:
        TokenNameTakenError: there is one of that name.
    """
    async with open_database(dsn) as database, database.pool.connection() as conn, conn.transaction():
        made = await tokens.create(conn, name, role, expires_in_seconds=seconds)
        await audit.write(conn, entry(Action.CREATE_TOKEN, name))
        return made


async def list_tokens(dsn: str | None) -> list[TokenRow]:
    """Read all tokens."""
    async with open_database(dsn) as database:
        return await tokens.list_all(database)


async def revoke_token(dsn: str | None, token: str) -> TokenRow:
    """Revoke a token, and log that.

    Raises:
        TokenNotFoundError: there is none of that name or id.
    """
    async with open_database(dsn) as database, database.pool.connection() as conn, conn.transaction():
        row = await tokens.revoke(conn, token)
        await audit.write(conn, entry(Action.REVOKE_TOKEN, row.name))
        return row


def entry(action: Action, name: str) -> Entry:
    """Give what the audit log tells: whoever can write to the database may do anything."""
    return Entry(
        actor=Actor(principal=LOCAL, role=Role.ADMIN), action=action, subject=name, reason=f"asked for by {requester()}"
    )


def overview(rows: Iterable[TokenRow]) -> RenderableType:
    """Give a table with a line for each token; times of day are local."""
    table = screen.table("name", "role", "state", "created", "expires", "last used", "id")
    for row in rows:
        times = (row.created_at, row.expires_at, row.last_used_at)
        table.add_row(*screen.cells(row.name, row.role.value, row.state.value, *map(_minute, times), row.token_id))
    return table


def token_json(row: TokenRow) -> dict[str, Any]:
    """Give what is known of a token as plain values; times are ISO 8601 in UTC."""
    return {
        "id": row.token_id,
        "name": row.name,
        "role": row.role.value,
        "state": row.state.value,
        "created_at": _iso(row.created_at),
        "expires_at": _iso(row.expires_at),
        "revoked_at": _iso(row.revoked_at),
        "last_used_at": _iso(row.last_used_at),
    }


def _minute(time: datetime | None) -> str | None:
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else None


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
