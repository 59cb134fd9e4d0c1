"""What every answer carries, and that no error gets past."""

import json
import re

import pytest

from planner_graph.server.headers import SECURITY, ResponseHeaders
from tests.asgi import Recorder, client, open_socket

PRIVATE = ("/api/v2",)


async def asked(app, path="/api/v2/me", **headers):
    async with client(ResponseHeaders(app, private=PRIVATE)) as http:
        return await http.get(path, headers=headers)


async def test_every_answer_binds_browsers_and_has_a_number():
    app = Recorder()
    answer = await asked(app)
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert app.scopes[0]["state"]["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_policy_lets_nothing_stand_inline_or_come_from_elsewhere():
    policy = dict(part.split(" ", 1) for part in SECURITY["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["frame-ancestors"]) == ("'self'", "'self'", "'none'")
    assert "unsafe" not in SECURITY["Content-Security-Policy"]


@pytest.mark.parametrize(("given", "kept"), [("trace-1.a_b", True), ("a b", False), ("x" * 65, False), ("", False)])
async def test_the_number_that_a_proxy_gave_is_kept_if_it_is_plain(given, kept):
    answer = await asked(Recorder(), **{"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) is kept


async def test_a_route_decides_what_browsers_keep():
    async def app(_, __, send):
        headers = [(b"etag", b'"1"'), (b"x-frame-options", b"SAMEORIGIN")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    private, page = await asked(app), await asked(app, "/index.html")
    assert private.headers["cache-control"] == "no-cache"
    assert "cache-control" not in page.headers
    assert page.headers["x-frame-options"] == "SAMEORIGIN"


async def test_what_raises_is_logged_and_answered_without_what_it_was(caplog):
    async def app(*_):
        raise ZeroDivisionError("between us")

    answer = await asked(app, "/api/v2/a%0Ab")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert "between us" not in answer.text
    assert answer.headers["content-security-policy"]
    [record] = caplog.records
    assert record.getMessage() == f"request {answer.headers['x-request-id']} to /api/v2/a b failed"
    assert record.exc_info[0] is ZeroDivisionError


async def test_websockets_have_a_number_too():
    sent = await open_socket(ResponseHeaders(Recorder(), private=PRIVATE))
    assert b"x-request-id" in dict(sent[0]["headers"])


async def test_a_websocket_that_is_closed_before_it_opens_is_answered_with_a_problem():
    async def app(_, __, send):
        await send({"type": "websocket.close", "code": 1000})

    start, body = await open_socket(ResponseHeaders(app, private=PRIVATE), "/api/v2/nothing")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert json.loads(body["body"])["type"] == "/problems/not-found"
