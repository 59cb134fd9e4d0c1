"""Idempotency keys: a request that is sent twice starts one run, even if both arrive at the same instant."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from planner_graph.errors import KeyReusedError, RequestRepeatedError
from planner_graph.store.queries import query
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId

KEY_SECONDS = 7 * 86_400
"""How long a key counts; after that, it starts a new run."""

LONGEST_KEY = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyedRequest:
    """A request that may be sent again: the key its client gave it, whose keys these are, the hash of what it asks."""

    principal: str
    key: str
    request_hash: bytes

    @classmethod
    def of(cls, principal: str, key: str, body: Any) -> Self:
        """Make it of the ``body`` of a request, as plain JSON values; the order of names in it does not count."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(principal=principal, key=key, request_hash=hashlib.sha256(text.encode()).digest())


async def find(conn: Connection, request: KeyedRequest) -> RunId | None:
    """Give the run that this request has started, or ``None`` if it is new.

    Raises:
        KeyReusedError: another request has started one with this key.
    """
    values = {"principal": request.principal, "key": request.key, "seconds": KEY_SECONDS}
    row = await (await conn.execute(query("find_idempotency_key"), values)).fetchone()
    if row is None:
        return None
    run_id = RunId(str(row["workflow_execution_id"]))
    if bytes(row["request_hash"]) != request.request_hash:
        raise KeyReusedError(request.key, run_id)
    return run_id


async def claim(conn: Connection, request: KeyedRequest, run_id: RunId) -> None:
    """Let the request start this run, which must be stored later in the same transaction.

    Whoever claims the same key meanwhile waits until that transaction ends.

    Raises:
        RequestRepeatedError: this request has started a run already.
        KeyReusedError: another request has started one with this key.
    """
    values = {
        "principal": request.principal,
        "key": request.key,
        "hash": request.request_hash,
        "run_id": run_id,
        "seconds": KEY_SECONDS,
    }
    while await (await conn.execute(query("claim_idempotency_key"), values)).fetchone() is None:
        earlier = await find(conn, request)
        if earlier is not None:  # else it was removed just now
            raise RequestRepeatedError(request.key, earlier)
