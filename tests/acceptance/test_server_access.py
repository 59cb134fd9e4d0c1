"""A real server that asks for tokens: who gets in, and that no secret gets out."""

import http.client
import json
import re
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.acceptance.test_runs import AGENTS

PASSWORD = "ge-heim-42"  # noqa: S105  # it is to be looked for
ANSWER = {"action": "approve", "agent": "nobody"}
FORWARDED = {"X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def guarded(stored, dsn):
    """A server that asks for tokens, with one of an operator; where it is, the token, and how to end it."""
    stored.environment["PLANNER_GRAPH_DSN"] = make_conninfo(dsn, password=PASSWORD)
    token = stored("token", "create", "ann", "--role", "operator").out.strip()
    running = stored.start("serve", "--port", "0", "--auth", "--agents", AGENTS)
    running.wait_for("serving on")
    [address] = re.findall(r"serving on (http://\S+);", running.err)
    return address, token, running


def rows(dsn, table):
    with psycopg.connect(dsn) as conn:
        return "\n".join(row for (row,) in conn.execute(f"SELECT to_jsonb(t)::TEXT FROM {table} t"))  # noqa: S608


def test_whoever_has_no_token_stays_out_and_no_secret_gets_out(guarded, dsn):
    address, token, running = guarded
    said = []
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}) as client:

        def ask(method, path, **options):
            said.append(client.request(method, path, **options))
            return said[-1]

        assert ask("GET", "/api/v2/me", headers={"Authorization": ""}).status_code == 401
        assert ask("GET", "/api/v2/me", headers={"Authorization": f"Bearer {token}x"}).status_code == 401
        assert ask("GET", "/api/v2/me").json() == {"name": "ann", "role": "operator"}
        assert ask("GET", "/api/v2/audit").status_code == 403
        assert ask("GET", "/api/v2/me", headers={"Host": "evil.example"}).status_code == 403
        assert ask("POST", "/api/v2/workflows", headers={"Origin": "https://evil.example"}).status_code == 403
        assert token not in ask("GET", f"/api/v2/workflows/{token}").text
        campaign = {"deliverables": ["summary"], "brief": "facts"}
        started = ask("POST", "/api/v2/workflows", json={"campaign": campaign}).json()
        run = f"/api/v2/workflows/{started['workflow_execution_id']}"
        assert ask("POST", f"{run}/control", json=ANSWER, headers=FORWARDED).status_code == 409
        assert connected(address, [f"planner-graph.token.{token}x"]) == 401
        assert connected(address, [f"planner-graph.token.{token}"]) == 101
        assert connected(address, [], f"/workflows/live?token={token}") == 401
        assert connected(address, [f"planner-graph.token.{token}"], "/nowhere") == 404
        assert is_cut_off_when_its_body_never_ends(address, token)
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("ALTER TABLE audit_log RENAME TO elsewhere")
            assert ask("POST", f"{run}/control", json={"action": "pause", "reason": "x"}).status_code == 500
            conn.execute("ALTER TABLE elsewhere RENAME TO audit_log")
    running.press_ctrl_c()
    ended = running.end()

    assert "UndefinedTable" in ended.err
    assert "WebSocket" not in ended.err, "those that are refused are no news"
    assert "handshake" not in ended.err
    everything = [ended.out, ended.err, *(answer.text + str(answer.headers) for answer in said)]
    everything += [rows(dsn, table) for table in ("run_events", "audit_log", "api_tokens", "execution_plans")]
    for text in everything:
        assert token not in text
        assert PASSWORD not in text
    logged = [json.loads(row) for row in rows(dsn, "audit_log").splitlines()]
    assert {entry["remote_address"] for entry in logged} == {None, "127.0.0.1"}, "nobody said that a proxy is believed"
    assert [(entry["principal"], entry["action"], entry["outcome"]) for entry in logged] == [
        ("local", "create_token", "done"),
        ("ann", "start", "done"),
        ("ann", "approve", "refused"),
    ]


def connected(address, subprotocols, path="/workflows/live"):
    """The status of the answer to a WebSocket that is opened."""
    url = f"{address.replace('http', 'ws', 1)}/api/v2{path}"
    try:
        with connect(url, subprotocols=list(map(Subprotocol, ["planner-graph.v1", *subprotocols]))):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def is_cut_off_when_its_body_never_ends(address, token):
    """Whether the server closes the connection of a client that sends more and more."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def endless():
        while True:
            yield b"[" * 65_536

    try:
        connection.request("POST", "/api/v2/plans", body=endless(), headers=headers, encode_chunked=True)
    except ConnectionError:
        return True
    finally:
        connection.close()
    return False


def test_a_server_that_others_reach_does_not_start_without_a_token(stored):
    ended = stored("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104  # it does not start
    assert (ended.code, ended.out) == (2, "")
    assert "error: the server at 0.0.0.0 asks for tokens, and there is none that is good" in ended.err
    assert "planner-graph token create NAME --role admin" in ended.err
