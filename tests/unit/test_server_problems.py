"""What clients are told of errors."""

import json

import psycopg
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from planner_graph.errors import (
    AmbiguousRunError,
    CampaignError,
    CommandRefusedError,
    DatabaseUnavailableError,
    Finding,
    PlanChangedError,
    RunHeldError,
    RunNotFoundError,
    RunNotResumableError,
    SchemaVersionError,
    TokenNotFoundError,
    UnboundAgentsError,
)
from planner_graph.server.problems import KINDS, OF_ERRORS, OF_STATUS, ProblemError, problem_of

FINDING = Finding(problem="it is wrong", remedy="mend it", key="tasks[0]", file="secret/path.yaml")


def members(error):
    response = problem_of(error).response("/here")
    assert response.media_type == "application/problem+json"
    told = json.loads(bytes(response.body))
    assert told["status"] == response.status_code
    assert told["instance"] == "/here"
    return told


@pytest.mark.parametrize(
    ("error", "status", "kind", "evidence"),
    [
        (RunNotFoundError("abc"), 404, "run-not-found", {}),
        (AmbiguousRunError("4f1c", ["a", "b"]), 409, "ambiguous-run", {"candidates": ["a", "b"]}),
        (UnboundAgentsError(["x"], ["y"]), 422, "unbound-agents", {"agents": ["x"]}),
        (ProblemError("forbidden", "no", role_needed="admin"), 403, "forbidden", {"role_needed": "admin"}),
        (HTTPException(404), 404, "not-found", {}),
        (HTTPException(418, "tea"), 400, "malformed-request", {}),
        (psycopg.OperationalError("host=db password=hush"), 503, "unavailable", {}),
        (DatabaseUnavailableError("db.example.org", "is away", "wait"), 503, "unavailable", {}),
        (KeyError("hush"), 500, "internal-error", {}),
    ],
)
def test_each_error_becomes_a_problem_with_its_evidence(error, status, kind, evidence):
    told = members(error)
    assert (told["status"], told["type"]) == (status, f"/problems/{kind}")
    assert {name: told[name] for name in evidence} == evidence
    assert told["detail"]
    assert "hush" not in json.dumps(told)
    assert "db.example.org" not in json.dumps(told)


@pytest.mark.parametrize(
    "error",
    [
        RunNotFoundError("abc"),
        TokenNotFoundError("ann"),
        RunHeldError("abc", "host/1"),
        CommandRefusedError("abc", "pause", "it has ended"),
        RunNotResumableError("abc", "it has ended"),
        PlanChangedError("abc", ["agent x is new"]),
        SchemaVersionError(found=1, expected=2),
    ],
)
def test_who_asks_over_http_is_told_no_commands(error):
    assert "planner-graph " in str(error)
    assert "planner-graph " not in members(error)["detail"]


def test_no_more_is_found_fault_with_than_can_be_told_quickly():
    assert len(members(CampaignError([FINDING] * 2_000))["findings"]) == 1_000


def test_findings_are_told_without_the_names_of_files():
    told = members(CampaignError([FINDING]))
    assert told["findings"] == [{"problem": "it is wrong", "remedy": "mend it", "key": "tasks[0]", "agents": []}]
    assert "secret" not in json.dumps(told)


def test_what_is_wrong_with_a_request_is_told_by_key():
    fault = {
        "type": "value_error",
        "loc": ("body", "tasks", 2, "type"),
        "msg": "Value error, it is odd",
        "input": "hush",
    }
    told = members(RequestValidationError([fault]))
    assert told["findings"] == [{"problem": "it is odd", "remedy": "", "key": "tasks[2].type", "agents": []}]
    assert "hush" not in json.dumps(told)


def test_evidence_never_takes_the_place_of_a_standard_member():
    told = members(ProblemError("not-found", "gone", status=200, type="x"))
    assert (told["status"], told["type"]) == (404, "/problems/not-found")


def test_text_that_is_no_unicode_does_not_keep_a_problem_from_being_told():
    assert "half" in members(ProblemError("not-found", "half \ud800"))["detail"]


def test_every_kind_that_is_given_is_known():
    given = {kind for _, kind, _ in OF_ERRORS} | set(OF_STATUS.values())
    assert given <= set(KINDS)
    assert {status: KINDS[kind][0] for status, kind in OF_STATUS.items()} == {status: status for status in OF_STATUS}
