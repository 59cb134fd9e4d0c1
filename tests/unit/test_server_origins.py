"""Under which names the server answers, and to which pages."""

from typing import Any

import pytest

from planner_graph.server.origins import Origins
from planner_graph.server.settings import ServerSettings
from tests.asgi import Recorder, client, exchange, open_socket

PLANS = "https://plans.example.org"


def guarded(**settings):
    return Origins(Recorder(), settings=ServerSettings(**settings))


@pytest.mark.parametrize(
    ("host", "bound", "status"),
    [
        ("localhost:8124", "127.0.0.1", 200),
        ("LOCALHOST", "127.0.0.1", 200),
        ("127.0.0.1:1", "127.0.0.1", 200),
        ("[::1]:8124", "127.0.0.1", 200),
        ("plans.example.org", "127.0.0.1", 200),
        ("evil.example", "127.0.0.1", 403),
        ("localhost.evil.example", "127.0.0.1", 403),
        ("evil.example:8124@localhost", "127.0.0.1", 403),
        ("localhost@evil.example", "127.0.0.1", 403),
        ("localhost/evil", "127.0.0.1", 403),
        ("", "127.0.0.1", 403),
        ("192.0.2.7", "127.0.0.1", 403),
        ("192.0.2.7:8124", "192.0.2.7", 200),
        ("192.0.2.8", "192.0.2.7", 403),
        ("192.0.2.8", "0.0.0.0", 200),  # noqa: S104  # nothing is bound
        ("[2001:db8::1]", "::", 200),
        ("evil.example", "0.0.0.0", 403),  # noqa: S104  # nothing is bound
    ],
)
async def test_only_names_of_this_server_are_answered(host, bound, status):
    async with client(guarded(host=bound, origins=(PLANS,))) as http:
        answer = await http.get("/api/v2/me", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["type"] == "/problems/forbidden"
        assert "--origin" in answer.json()["detail"]


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
async def test_a_request_and_a_websocket_name_their_host_once(hosts):
    given = [("host", host) for host in hosts]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "scheme": "http"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in given]
    answered = await exchange(guarded(), scope, {"type": "http.request"})
    assert answered[0]["status"] == 400


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "FROB"])
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8124", True),
        ("HTTP://LOCALHOST:8124", True),
        (PLANS, True),
        ("https://localhost:8124", False),
        ("http://localhost", False),
        ("http://localhost:8124.evil.example", False),
        ("https://evil.example", False),
        ("https://plans.example.org.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
async def test_pages_of_others_change_nothing(method, origin, allowed):
    app = guarded(origins=(PLANS,))
    async with client(app) as http:
        answer = await http.request(method, "/api/v2/workflows", headers={} if origin is None else {"Origin": origin})
    assert answer.status_code == (200 if allowed else 403)
    assert len(app.app.scopes) == allowed


async def test_pages_of_others_may_ask_but_only_allowed_ones_may_read():
    async with client(guarded(origins=(PLANS,))) as http:
        evil = await http.get("/api/v2/me", headers={"Origin": "https://evil.example"})
        plans = await http.get("/api/v2/me", headers={"Origin": PLANS})
    assert (evil.status_code, plans.status_code) == (200, 200)
    assert "access-control-allow-origin" not in evil.headers
    assert plans.headers["access-control-allow-origin"] == PLANS
    assert plans.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in plans.headers


async def test_browsers_that_ask_first_are_answered_before_anybody_wants_a_token():
    app = guarded(origins=(PLANS,))
    asks = {"Origin": PLANS, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with client(app) as http:
        answer = await http.options("/api/v2/workflows", headers=asks)
    assert (answer.status_code, app.app.scopes) == (204, [])
    assert answer.headers["access-control-allow-origin"] == PLANS
    assert "Authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("origin", "opened"),
    [("http://localhost:8124", True), (PLANS, True), (None, True), ("https://evil.example", False)],
)
async def test_pages_of_others_open_no_websocket(origin, opened):
    sent = await open_socket(guarded(origins=(PLANS,)), headers=[("origin", origin)] if origin else [])
    if opened:
        assert [message["type"] for message in sent] == ["websocket.accept"]
    else:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 403)
