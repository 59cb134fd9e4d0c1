"""Who may ask the server for what: tokens, roles, counts; and what it tells of tokens and the audit log."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from planner_graph.errors import InvalidInputError
from planner_graph.server import access
from planner_graph.server.access import Access, require_usable_token, role_needed
from planner_graph.server.app import build_app
from planner_graph.server.context import open_context
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import Limits, ServerSettings
from planner_graph.store import audit, tokens
from planner_graph.store.audit import Action, Actor, Entry
from planner_graph.types import Role
from tests.asgi import Recorder, client, open_socket, open_stream
from tests.team import PLANNER

GUARDED = ServerSettings(auth=True)
AGENTS = Agents(bodies={}, reference=None, load=lambda _: {})


async def make(database, role=Role.VIEWER, name=None, **options):
    async with database.pool.connection() as conn:
        row, token = await tokens.create(conn, name or role.value, role, **options)
    return row, token


async def revoke(database, name):
    async with database.pool.connection() as conn:
        await tokens.revoke(conn, name)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def server(database, settings=GUARDED, **options):
    """A client of a server without runs."""
    agents = Agents(bodies={}, reference=None, load=lambda _: {})
    async with (
        open_context(database, PLANNER, agents, settings) as context,
        client(build_app(context), **options) as http,
    ):
        yield http


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/", None),
        ("GET", "/js/app.js", None),
        ("GET", "/api/v2/health/live", None),
        ("GET", "/api/v2/health/ready", None),
        ("GET", "/metrics", Role.VIEWER),
        ("GET", "/api/v2/openapi.json", Role.VIEWER),
        ("GET", "/api/v2/workflows", Role.VIEWER),
        ("GET", "/api/v2/healthy", Role.VIEWER),
        ("POST", "/api/v2/plans", Role.VIEWER),
        ("POST", "/api/v2/plans/", Role.OPERATOR),
        ("POST", "/api/v2/campaigns", Role.OPERATOR),
        ("POST", "/api/v2/workflows/1/control", Role.OPERATOR),
        ("DELETE", "/api/v2/anything", Role.OPERATOR),
        ("GET", "/api/v2/audit", Role.ADMIN),
        ("GET", "/api/v2/tokens/", Role.ADMIN),
        ("DELETE", "/api/v2/tokens/1", Role.ADMIN),
    ],
)
def test_what_a_request_needs_follows_from_its_method_and_path(method, path, role):
    assert role_needed(method, path) is role


async def test_no_route_of_the_api_is_open_but_those_of_health(database):
    async with open_context(database, PLANNER, AGENTS, GUARDED) as context:
        document = build_app(context).openapi()
    open_to_all = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if role_needed(method.upper(), path) is None
    }
    needing_less = {
        path
        for path, methods in document["paths"].items()
        if {"post", "put", "patch", "delete"} & set(methods) and role_needed("POST", path) is Role.VIEWER
    }
    assert open_to_all == {("GET", "/api/v2/health/live"), ("GET", "/api/v2/health/ready")}
    assert needing_less == {"/api/v2/plans"}


async def test_without_tokens_everybody_is_local_and_an_admin(database):
    async with server(database, ServerSettings()) as http:
        answer = await http.get("/api/v2/me")
    assert (answer.status_code, answer.json()) == (200, {"name": "local", "role": "admin"})


async def test_a_token_that_is_given_counts_even_if_none_is_asked_for(database):
    _, token = await make(database)
    async with server(database, ServerSettings()) as http:
        me, wrong = (
            await http.get("/api/v2/me", headers=bearer(token)),
            await http.get("/api/v2/me", headers=bearer("x")),
        )
        audit_log = await http.get("/api/v2/audit", headers=bearer(token))
    assert me.json() == {"name": "viewer", "role": "viewer"}
    assert (wrong.status_code, audit_log.status_code) == (401, 403)


@pytest.mark.parametrize(
    ("headers", "detail", "invalid"),
    [
        ([], "send a bearer token in the header Authorization; 'planner-graph token create' makes one", False),
        ([("Authorization", "Bearer pg_wrong")], "the token is unknown", True),
        ([("Authorization", "Bearer")], "the token is unknown", True),
        ([("Authorization", "Basic YTpi")], "send one token, in the header", False),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], "send one token, in the header", False),
        ([("Authorization", "Bearer \xff")], "the token is unknown", True),
    ],
)
async def test_without_a_good_token_nothing_is_told(database, headers, detail, invalid):
    async with server(database) as http:
        answer = await http.get("/api/v2/me", headers=[(name, value.encode("latin-1")) for name, value in headers])
        page, health = await http.get("/"), await http.get("/api/v2/health/live")
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthorized")
    assert answer.json()["detail"].startswith(detail)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="planner-graph"')
    assert ('error="invalid_token"' in answer.headers["www-authenticate"]) is invalid
    assert "x-request-id" in answer.headers
    assert (page.status_code, health.status_code) == (200, 200)


async def test_expired_and_revoked_tokens_open_nothing_from_the_next_request_on(database):
    (_, expiring), (_, revoked) = await make(database, name="a", expires_in_seconds=60), await make(database, name="b")
    async with server(database) as http:
        before = [(await http.get("/api/v2/me", headers=bearer(token))).status_code for token in (expiring, revoked)]
        async with database.pool.connection() as conn:
            await conn.execute("UPDATE api_tokens SET created_at = '2000-01-01', expires_at = NOW() WHERE name = 'a'")
        await revoke(database, "b")
        after = [(await http.get("/api/v2/me", headers=bearer(token))) for token in (expiring, revoked)]
    assert before == [200, 200]
    assert [answer.status_code for answer in after] == [401, 401]
    assert [answer.json()["detail"] for answer in after] == ["the token 'a' is expired", "the token 'b' is revoked"]


async def test_each_role_may_do_what_the_ones_before_it_may(database):
    made = {role: (await make(database, role))[1] for role in Role}
    app = Access(Recorder(), database=database, settings=GUARDED)
    statuses = {}
    async with client(app) as http:
        for role, token in made.items():
            statuses[role] = [
                (await http.request(method, path, headers=bearer(token))).status_code
                for method, path in (
                    ("GET", "/api/v2/workflows"),
                    ("POST", "/api/v2/workflows"),
                    ("GET", "/api/v2/audit"),
                )
            ]
        refused = await http.get("/api/v2/audit", headers=bearer(made[Role.OPERATOR]))
    assert statuses == {
        Role.VIEWER: [200, 403, 403],
        Role.OPERATOR: [200, 200, 403],
        Role.ADMIN: [200, 200, 200],
    }
    assert refused.json()["detail"] == "this needs the role 'admin', and the token 'operator' has 'operator'"
    assert refused.json()["role_needed"] == "admin"


async def test_a_websocket_brings_its_token_as_a_subprotocol_and_nothing_below_sees_it(database):
    row, token = await make(database)
    app = Recorder()
    offered = ["planner-graph.v1", f"planner-graph.token.{token}"]
    sent = await open_socket(Access(app, database=database, settings=GUARDED), subprotocols=offered)

    assert [message["type"] for message in sent] == ["websocket.accept"]
    [scope] = app.scopes
    assert scope["subprotocols"] == ["planner-graph.v1"]
    assert token not in repr(scope)
    assert scope["state"]["actor"] == Actor(principal=row.name, role=Role.VIEWER, remote_address="127.0.0.1")


@pytest.mark.parametrize(("offered", "status"), [([], 401), (["planner-graph.token.pg_wrong"], 401)])
async def test_a_websocket_without_a_good_token_is_refused_before_it_opens(database, offered, status):
    app = Recorder()
    sent = await open_socket(Access(app, database=database, settings=GUARDED), subprotocols=offered)
    assert (sent[0]["type"], sent[0]["status"], app.scopes) == ("websocket.http.response.start", status, [])
    assert json.loads(sent[1]["body"])["type"] == "/problems/unauthorized"


ENDINGS = {
    "http": {"type": "http.response.body", "body": b"", "more_body": False},
    "websocket": {"type": "websocket.close", "code": 1008, "reason": "the token has ended"},
}


@pytest.mark.parametrize(("kind", "call"), [("http", open_stream), ("websocket", open_socket)])
async def test_what_goes_on_ends_when_its_token_does(database, monkeypatch, kind, call):
    monkeypatch.setattr(access, "CHECK_SECONDS", 0)
    _, token = await make(database, name="ann")
    starts = {"http": {"type": "http.response.start", "status": 200, "headers": []}}.get(
        kind, {"type": "websocket.accept"}
    )
    first, go_on = asyncio.Event(), asyncio.Event()

    async def stream(_, __, send):
        await send(starts)
        first.set()
        await go_on.wait()
        await send({"type": "more"})
        raise AssertionError("it has ended")

    app = Access(stream, database=database, settings=GUARDED)
    under_way = asyncio.create_task(call(app, headers=[("authorization", f"Bearer {token}")]))
    await first.wait()
    await revoke(database, "ann")
    go_on.set()

    assert await under_way == [starts, ENDINGS[kind]]


async def test_requests_are_counted_per_token_else_per_address(database):
    (_, ann), (_, bob) = await make(database, name="ann"), await make(database, name="bob")
    settings = ServerSettings(limits=Limits(requests_per_second=0.001, burst=2))
    app = Access(Recorder(), database=database, settings=settings)

    async def statuses(headers, address="127.0.0.1", times=3):
        async with client(app, address) as http:
            return [(await http.get("/api/v2/me", headers=headers)).status_code for _ in range(times)]

    assert await statuses(bearer(ann)) == [200, 200, 429]
    assert await statuses(bearer(bob), times=1) == [200]
    assert await statuses({}) == [200, 200, 429]
    assert await statuses({}, "192.0.2.1", times=1) == [200]
    assert await statuses(bearer("wrong")) == [401, 401, 429]
    assert await statuses(bearer(bob), times=1) == [429]  # from where so many wrong ones came
    assert await statuses(bearer(bob), "192.0.2.1", times=1) == [200]


async def test_who_asks_too_often_is_told_when_to_come_again(database):
    limits = Limits(requests_per_second=0.001, burst=1)
    async with server(database, ServerSettings(limits=limits)) as http:
        await http.get("/api/v2/me")
        answer = await http.get("/api/v2/me")
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 1000
    assert "x-request-id" in answer.headers


async def test_tokens_are_listed_and_revoked_by_an_admin_and_that_is_logged(database):
    (row, _), (_, admin) = await make(database, name="ann"), await make(database, Role.ADMIN)
    async with server(database, headers=bearer(admin)) as http:
        listed = (await http.get("/api/v2/tokens")).json()["items"]
        revoked = await http.delete(f"/api/v2/tokens/{row.token_id}")
        unknown = await http.delete("/api/v2/tokens/nobody")
        entries = (await http.get("/api/v2/audit")).json()["items"]

    assert [(token["name"], token["state"]) for token in listed] == [("ann", "usable"), ("admin", "usable")]
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert (unknown.status_code, unknown.json()["detail"].split(";")[0]) == (404, "no token 'nobody' in this database")
    assert [(entry["principal"], entry["action"], entry["subject"], entry["outcome"]) for entry in entries] == [
        ("admin", "revoke_token", "nobody", "refused"),
        ("admin", "revoke_token", row.token_id, "done"),
    ]
    assert entries[1]["request_id"] == revoked.headers["x-request-id"]
    assert entries[1]["remote_address"] == "127.0.0.1"


async def test_the_audit_log_is_read_page_by_page(database):
    actor = Actor(principal="ann", role=Role.OPERATOR)
    async with database.pool.connection() as conn:
        for number in range(5):
            await audit.write(conn, Entry(actor=actor, action=Action.START, subject=str(number)))
    subjects, cursor = [], ""
    async with server(database, ServerSettings()) as http:
        while cursor is not None:
            page = (
                await http.get("/api/v2/audit", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
            ).json()
            subjects += [entry["subject"] for entry in page["items"]]
            cursor = page["next_cursor"]
    assert subjects == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("cursor", ["x", "-1", "\u0664", "9" * 30, "0" * 5_000, "1;DROP"])
async def test_a_cursor_that_is_none_is_refused(database, cursor):
    async with server(database, ServerSettings()) as http:
        answer = await http.get("/api/v2/audit", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-cursor")


async def test_a_server_that_asks_for_tokens_does_not_start_without_a_good_one(database):
    with pytest.raises(InvalidInputError, match=r"asks for tokens, .* 'planner-graph token create NAME --role admin'"):
        await require_usable_token(database, GUARDED)
    await require_usable_token(database, ServerSettings())
    await make(database)
    await require_usable_token(database, GUARDED)
