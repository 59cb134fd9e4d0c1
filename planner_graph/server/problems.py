"""Problem details (RFC 9457): the one shape of every error that the server answers, and the one place that makes them.

Each kind of problem has a name, which is the end of its ``type``; ``docs/server.md`` explains each of them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice
from types import MappingProxyType
from typing import Any

import psycopg
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from planner_graph.documents import key_text
from planner_graph.errors import (
    AmbiguousRunError,
    AnswerRefusedError,
    BadCursorError,
    CampaignNotFoundError,
    CheckpointUnreadableError,
    CommandRefusedError,
    DatabaseUnavailableError,
    Finding,
    InvalidInputError,
    KeyReusedError,
    LeaseLostError,
    OutputNotStoredError,
    PlanChangedError,
    PlanMismatchError,
    PlannerGraphError,
    RunEndedError,
    RunHeldError,
    RunNotFoundError,
    RunNotResumableError,
    SchemaVersionError,
    TokenNotFoundError,
    UnboundAgentsError,
)
from planner_graph.mirror.log import FeedClosedError
from planner_graph.redaction import MARGIN, redacted, redacted_json
from planner_graph.server.live import TooManyClientsError

MEDIA_TYPE = "application/problem+json"

MOST_FINDINGS = 1_000
"""Findings that a problem lists; a megabyte may hold many more faults, and to tell all of them would take seconds."""

LONGEST_SHOWN = 200
"""Characters of a value that a problem quotes."""

LONGEST_DETAIL = 4_000
"""Characters of a problem's description; what it quotes may be a request's own text."""

LONGEST_INSTANCE = 500
"""Characters of the path in a problem; a request's head may hold 64 KiB of it."""

KINDS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "malformed-request": (400, "The request cannot be read"),
        "bad-cursor": (400, "The cursor is none that this server gave"),
        "unauthorized": (401, "A token is needed"),
        "forbidden": (403, "This is not allowed"),
        "not-found": (404, "There is no such thing"),
        "run-not-found": (404, "There is no such run"),
        "agent-not-found": (404, "There is no such agent"),
        "campaign-not-found": (404, "There is no such campaign"),
        "method-not-allowed": (405, "The resource has no such method"),
        "not-acceptable": (406, "The resource has no such representation"),
        "request-timeout": (408, "The request takes too long to come"),
        "ambiguous-run": (409, "More than one run is meant"),
        "action-not-allowed": (409, "In its state the run does not allow this"),
        "run-held": (409, "Another process executes the run"),
        "plan-changed": (409, "The plan of the run is another one"),
        "checkpoint-unreadable": (409, "The checkpoint of the run cannot be read"),
        "body-too-large": (413, "The body is too large"),
        "uri-too-long": (414, "The target of the request is too long"),
        "unsupported-media-type": (415, "The body is in no format that the resource takes"),
        "invalid-request": (422, "The request says something that it cannot"),
        "invalid-campaign": (422, "The campaign cannot be planned"),
        "unbound-agents": (422, "Agents of the plan have no code here"),
        "idempotency-key-reused": (422, "The idempotency key was used for another request"),
        "too-many-requests": (429, "Too many requests"),
        "head-too-large": (431, "The head of the request is too large"),
        "internal-error": (500, "The server has failed"),
        "unavailable": (503, "The server cannot answer just now"),
    }
)
"""Of each kind of problem its status and title."""

OF_STATUS: Mapping[int, str] = MappingProxyType(
    {
        400: "malformed-request",
        401: "unauthorized",
        403: "forbidden",
        404: "not-found",
        405: "method-not-allowed",
        406: "not-acceptable",
        408: "request-timeout",
        413: "body-too-large",
        415: "unsupported-media-type",
        422: "invalid-request",
        429: "too-many-requests",
        503: "unavailable",
    }
)
"""The kind of a problem of which only the status is known, as with those of the framework."""


OF_ERRORS: tuple[tuple[type[PlannerGraphError], str, Mapping[str, str]], ...] = (
    (RunNotFoundError, "run-not-found", {}),
    (AmbiguousRunError, "ambiguous-run", {"candidates": "matches"}),
    (BadCursorError, "bad-cursor", {}),
    (CampaignNotFoundError, "campaign-not-found", {"campaign": "campaign"}),
    (KeyReusedError, "idempotency-key-reused", {"workflow_execution_id": "run_id"}),
    (RunHeldError, "run-held", {"holder": "holder"}),
    (LeaseLostError, "run-held", {}),
    (UnboundAgentsError, "unbound-agents", {"agents": "agents"}),
    (PlanChangedError, "plan-changed", {"differences": "differences"}),
    (PlanMismatchError, "plan-changed", {}),
    (CheckpointUnreadableError, "checkpoint-unreadable", {"reason_code": "code"}),
    (OutputNotStoredError, "not-found", {}),
    (TokenNotFoundError, "not-found", {}),
    (RunEndedError, "action-not-allowed", {}),
    (RunNotResumableError, "action-not-allowed", {}),
    (CommandRefusedError, "action-not-allowed", {}),
    (AnswerRefusedError, "action-not-allowed", {}),
    (SchemaVersionError, "unavailable", {}),
    (FeedClosedError, "unavailable", {}),
    (TooManyClientsError, "unavailable", {}),
)
"""Of the package's errors the kind of problem, and which of their fields are evidence, by member."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One error as clients see it; ``evidence`` are further members, ``headers`` go with the answer."""

    kind: str
    detail: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The status code."""
        return KINDS[self.kind][0]

    def members(self, instance: str) -> dict[str, Any]:
        """Return what the body says; ``instance`` is the path that was asked for. Long ones are cut, secrets hidden."""
        status, title = KINDS[self.kind]
        own = {
            "type": f"/problems/{self.kind}",
            "title": title,
            "status": status,
            "detail": _cut(self.detail, LONGEST_DETAIL),
            "instance": _cut(instance, LONGEST_INSTANCE),
        }
        return own | {name: redacted_json(value) for name, value in self.evidence.items() if name not in own}

    def response(self, instance: str) -> Response:
        """Make the answer."""
        text = json.dumps(self.members(instance), ensure_ascii=False, default=str)
        return Response(text.encode("utf-8", "replace"), self.status, headers=dict(self.headers), media_type=MEDIA_TYPE)


class ProblemError(PlannerGraphError):
    """A problem that the server itself finds; ``problem`` is what it answers."""

    def __init__(self, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **evidence: Any) -> None:
        self.problem = Problem(kind=kind, detail=detail, evidence=evidence, headers=headers or {})
        super().__init__(detail)


def problem_of(error: Exception) -> Problem:  # noqa: PLR0911  # one for each kind of error
    """Give what clients are told of an error; of one that nobody foresaw they learn nothing."""
    match error:
        case ProblemError():
            return error.problem
        case InvalidInputError():
            return _invalid("invalid-campaign", error.findings)
        case RequestValidationError():
            return _of_request(error)
        case HTTPException():
            return _of_framework(error)
        case psycopg.OperationalError() | psycopg.InterfaceError() | DatabaseUnavailableError():
            return Problem(kind="unavailable", detail="the database does not answer; try again in a moment")
    for cause, kind, members in OF_ERRORS:
        if isinstance(error, cause):
            evidence = {member: getattr(error, name) for member, name in members.items()}
            return Problem(kind=kind, detail=without_commands(str(error)), evidence=evidence)
    return Problem(kind="internal-error", detail="what went wrong is in the server's log")


def without_commands(text: str) -> str:
    """Leave out remedies that need the command line, which whoever asks over HTTP may not have.

    >>> without_commands("no run 'a' in this database; 'planner-graph runs' lists them")
    "no run 'a' in this database"
    """
    said, *others = text.split("; ")
    return "; ".join([said, *(other for other in others if "planner-graph " not in other)])


def finding_json(finding: Finding) -> dict[str, Any]:
    """Give a finding as plain values."""
    return {"problem": finding.problem, "remedy": finding.remedy, "key": finding.key, "agents": list(finding.agents)}


def _invalid(kind: str, findings: Iterable[Finding]) -> Problem:
    told = list(islice(findings, MOST_FINDINGS))
    detail = "; ".join(finding.problem for finding in told[:3]) + ("; and more" if len(told) > 3 else "")  # noqa: PLR2004
    return Problem(kind=kind, detail=detail, evidence={"findings": [finding_json(finding) for finding in told]})


def _of_request(error: RequestValidationError) -> Problem:
    """Name everything that is wrong with a request; a body that is no JSON at all cannot be read."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem(kind="malformed-request", detail=f"the body is not valid JSON: {_reason(faults[0])}")
    findings = [
        Finding(problem=fault["msg"].removeprefix("Value error, "), key=key_text(_place(fault["loc"])) or None)
        for fault in faults
    ]
    return _invalid("invalid-request", findings)


def _reason(fault: Mapping[str, Any]) -> str:
    return str(fault.get("ctx", {}).get("error", fault["msg"]))[:LONGEST_SHOWN]


def _place(location: Iterable[Any]) -> tuple[str | int, ...]:
    """Leave out where in the request a key stands; what it is called tells enough."""
    parts = tuple(location)
    return parts[1:] if parts and parts[0] in {"body", "query", "path", "header"} else parts


def _of_framework(error: HTTPException) -> Problem:
    otherwise = "malformed-request" if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else "internal-error"
    kind = OF_STATUS.get(error.status_code, otherwise)
    detail = {404: "no resource has this path", 405: "the resource does not know this method"}.get(
        error.status_code, str(error.detail)
    )
    return Problem(kind=kind, detail=detail, headers=error.headers or {})


def _cut(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters and an ellipsis, without what looks like a secret."""
    shown = redacted(text[: most + MARGIN])
    return shown if len(text) <= most else f"{shown[:most]}..."
