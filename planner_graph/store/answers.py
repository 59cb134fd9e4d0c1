"""What people answer to agents that ask: kept in the database until whoever executes the run goes on with it.

SQL on a connection whose transaction the caller holds. The lock of the run decides what comes first: an answer, or the
pause of a run that found none.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from planner_graph.errors import AnswerRefusedError, RunEndedError
from planner_graph.redaction import redacted, redacted_json
from planner_graph.store import leases, transitions
from planner_graph.store.plain import exact_number, jsonb, plain_json
from planner_graph.store.queries import query
from planner_graph.store.rows import in_utc
from planner_graph.store.transitions import Connection
from planner_graph.text import storable
from planner_graph.types import AgentName, RunId, RunStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAnswer:
    """What somebody answered to one question; ``taken_at`` is when a process first went on with it."""

    interrupt_id: str
    agent: AgentName
    value: Any
    by: str
    reason: str | None
    answered_at: datetime
    taken_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the table ``run_answers``, whose answer is read as text."""
        return cls(
            interrupt_id=row["interrupt_id"],
            agent=row["agent_name"],
            value=json.loads(row["answer"], parse_int=exact_number),
            by=row["answered_by"],
            reason=row["reason"],
            answered_at=in_utc(row["answered_at"]) or row["answered_at"],
            taken_at=in_utc(row["taken_at"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What came of an answer: whether it ``changed`` anything, and which process executes the run, if one does."""

    answer: GivenAnswer
    changed: bool
    status: RunStatus
    holder: str | None


async def give(  # noqa: PLR0913  # what there is to say about an answer
    conn: Connection,
    run_id: RunId,
    *,
    interrupt_id: str,
    agent: AgentName,
    value: Any,
    by: str,
    reason: str | None = None,
) -> Answered:
    """Keep an answer, and log who gave it.

    To say the same again changes nothing. Something else replaces what was said, until a process goes on with that.

    Raises:
        RunNotFoundError: there is no such run.
        RunEndedError: it has ended.
        AnswerRefusedError: the run is being cancelled, or a process went on with another answer.
    """
    status = await transitions.lock(conn, run_id)
    if status.ended:
        raise RunEndedError(run_id, status.value)
    if status is RunStatus.CANCELLING:
        raise AnswerRefusedError(run_id, agent, "the run is being cancelled", "start a new run")
    before = (await of_run(conn, run_id)).get(interrupt_id)
    values = {
        "run_id": run_id,
        "interrupt_id": interrupt_id,
        "agent": agent,
        "answer": jsonb(plain_json(value)),
        "by": storable(by),
        "reason": storable(reason) if reason else None,
    }
    changed = await (await conn.execute(query("put_answer"), values)).fetchone() is not None
    now = (await of_run(conn, run_id))[interrupt_id]
    if now.taken_at is not None and _text(now.value) != _text(plain_json(value)):
        raise _too_late(run_id, now)
    if changed:
        told = {
            "id": interrupt_id,
            "answer": redacted_json(value),
            "by": by,
            "reason": reason and redacted(reason),
            "replaces": before and before.value,
        }
        await transitions.log(conn, run_id, "agent_answered", told, agent=agent)
    holder = (await leases.holders(conn, [run_id])).get(run_id)
    return Answered(answer=now, changed=changed, status=status, holder=holder.name if holder and holder.alive else None)


async def of_run(conn: Connection, run_id: RunId) -> dict[str, GivenAnswer]:
    """Give all answers in a run by the questions' ids, in the order they were given."""
    rows = await (await conn.execute(query("get_answers"), {"run_id": transitions.full_id(run_id)})).fetchall()
    return {row["interrupt_id"]: GivenAnswer.of(row) for row in rows}


async def take(conn: Connection, run_id: RunId, interrupt_ids: Collection[str], token: int) -> dict[str, GivenAnswer]:
    """Give the answers to these questions, which may not be replaced any more; taking them again gives the same.

    Raises:
        RunNotFoundError: there is no such run.
        LeaseLostError: another process holds it.
    """
    await transitions.lock(conn, run_id, token)
    values = {"run_id": run_id, "interrupt_ids": list(interrupt_ids)}
    rows = await (await conn.execute(query("take_answers"), values)).fetchall()
    return {row["interrupt_id"]: GivenAnswer.of(row) for row in rows}


async def take_or_pause(  # noqa: PLR0913  # the run, its questions, and what to say if it pauses
    conn: Connection, run_id: RunId, interrupt_ids: Collection[str], reason: str, *, known: Collection[str], token: int
) -> tuple[RunStatus, dict[str, GivenAnswer]]:
    """Give the answers to these questions if the run can go on with one that is not ``known``; else let it pause.

    Also gives the status that the run has now: still running with answers, else paused, or cancelled if that was asked
    for. Whoever answers later finds it so, and no answer is left to a process that does not look any more.

    Raises:
        RunNotFoundError, LeaseLostError: see :func:`take`.
        RunEndedError: the run has ended.
    """
    status = await transitions.lock(conn, run_id, token)
    if status is RunStatus.PAUSED:  # the commit of an earlier try was not heard of
        return status, {}
    if status is RunStatus.RUNNING:
        found = await take(conn, run_id, interrupt_ids, token)
        if any(interrupt_id not in known for interrupt_id in found):
            return status, found
    return await transitions.pause(conn, run_id, reason, token), {}


def _too_late(run_id: RunId, answer: GivenAnswer) -> AnswerRefusedError:
    said = json.dumps(answer.value, ensure_ascii=False)
    problem = f"{answer.by} has answered {said} already, and the run goes on with that"
    return AnswerRefusedError(run_id, answer.agent, problem, f"'planner-graph status {run_id}' shows how it stands")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
