"""How often clients may ask, how large and how deep a body may be."""

import asyncio
import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_graph.server.limits import Bodies, Rates, is_deeper, is_utf8, network_of
from planner_graph.server.problems import ProblemError
from planner_graph.server.settings import Limits
from tests.asgi import Recorder, client

SMALL = Limits(body_bytes=100, depth=3)


async def sent(body, limits=SMALL, **headers):
    app = Recorder()
    async with client(Bodies(app, limits=limits)) as http:
        given = {"Content-Type": "application/json"} | headers
        answer = await http.post("/api/v2/plans", content=body, headers=given)
    return answer, app.bodies


async def chunks(*parts):
    for part in parts:
        yield part


@pytest.mark.parametrize("body", [b"", b"x" * 100, b'{"a": [[1], {}]}', '"ä"'.encode()])
async def test_a_body_within_the_limits_reaches_the_route_as_it_was(body):
    answer, bodies = await sent(body)
    assert (answer.status_code, bodies) == (200, [body])


async def test_a_body_in_chunks_reaches_the_route_in_one_piece():
    answer, bodies = await sent(chunks(b"[1,", b"", b"2]"))
    assert (answer.status_code, bodies) == (200, [b"[1,2]"])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8; x=y",
    ],
)
async def test_json_is_taken_however_its_type_is_written(content_type):
    answer, bodies = await sent(b"{}", **{"Content-Type": content_type})
    assert (answer.status_code, bodies) == (200, [b"{}"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/problem+json"},
        {"Content-Type": "application/merge-patch+json"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "identity, br"},
    ],
)
async def test_a_body_of_another_type_is_refused(headers):
    answer, bodies = await sent(b"{}", **headers)
    assert (answer.status_code, answer.json()["type"], bodies) == (415, "/problems/unsupported-media-type", [])
    assert ("Accept-Encoding" if "Content-Encoding" in headers else "Accept-Post") in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_body_that_means_nothing_may_have_any_type(method):
    app = Recorder()
    async with client(Bodies(app, limits=SMALL)) as http:
        assert (await http.request(method, "/api/v2/me", content=b"x")).status_code == 200


async def test_two_types_are_refused_and_no_body_needs_one():
    app = Recorder()
    async with client(Bodies(app, limits=SMALL)) as http:
        two = [("Content-Type", "application/json"), ("Content-Type", "application/json")]
        assert (await http.post("/api/v2/plans", content=b"{}", headers=two)).status_code == 415
        assert (await http.post("/api/v2/plans", headers=[("Content-Type", "text/plain")])).status_code == 200
        assert (await http.post("/api/v2/plans")).status_code == 200


@pytest.mark.parametrize("length", ["101", "9" * 30])
async def test_a_body_that_says_it_is_too_large_is_not_read(length):
    never = Recorder()

    async def receive():
        raise AssertionError("nobody should read it")

    answers = []

    async def send(message):
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", length.encode())]}
    await Bodies(never, limits=SMALL)(scope, receive, send)
    assert (answers[0]["status"], never.scopes) == (413, [])
    assert (b"connection", b"close") in answers[0]["headers"]


async def test_a_body_that_grows_too_large_is_read_no_further():
    read = []

    async def endless():
        while True:
            read.append(1)
            yield b"x" * 30

    app = Recorder()
    messages = endless()

    async def receive():
        return {"type": "http.request", "body": await anext(messages), "more_body": True}

    answers = []

    async def send(message):
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}
    await Bodies(app, limits=SMALL)(scope, receive, send)
    problem = json.loads(answers[1]["body"])
    assert (answers[0]["status"], problem["type"], len(read), app.scopes) == (413, "/problems/body-too-large", 4, [])


async def test_a_body_that_does_not_come_is_waited_for_no_longer():
    async def receive():
        await asyncio.Event().wait()

    answers = []

    async def send(message):
        answers.append(message)

    app = Recorder()
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"9")]}
    await Bodies(app, limits=Limits(body_seconds=0.01))(scope, receive, send)
    assert (answers[0]["status"], json.loads(answers[1]["body"])["type"]) == (408, "/problems/request-timeout")
    assert (b"connection", b"close") in answers[0]["headers"]
    assert app.scopes == []


async def test_a_client_that_goes_away_in_the_middle_gets_no_answer():
    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        raise AssertionError("nobody is there")

    app = Recorder()
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"9")]}
    await Bodies(app, limits=SMALL)(scope, receive, send)
    assert app.scopes == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"[[[[]]]]", "the JSON of the body is nested deeper than 3 levels"),
        (b'{"a": {"b": {"c": {}}}}', "the JSON of the body is nested deeper than 3 levels"),
        (b"[" * 100, "the JSON of the body is nested deeper than 3 levels"),
        (b'"\xff"', "the body is no UTF-8 text"),
        ("[]".encode("utf-16"), "the body is no UTF-8 text"),
        ("[]".encode("utf-16-le"), "the body is no UTF-8 text"),
        ("[]".encode("utf-32-be"), "the body is no UTF-8 text"),
    ],
)
async def test_a_body_that_is_too_deep_or_no_text_cannot_be_read(body, detail):
    answer, bodies = await sent(body)
    assert (answer.status_code, answer.json()["detail"], bodies) == (400, detail, [])


def depth_of(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


TEXTS = st.text(alphabet='ab"\\[]{}ä', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_depth_is_told_without_parsing(value, ascii_only):
    text, depth = json.dumps(value, ensure_ascii=ascii_only).encode(), depth_of(value)
    assert is_utf8(text)
    assert not is_deeper(text, depth)
    assert depth == 0 or is_deeper(text, depth - 1)


@pytest.mark.parametrize("piece", [b"[", b"[]", b"]", b'"', b'\\"', b"{]", b"][", b'["', b"[]]", b"\\"])
def test_no_text_takes_long_and_none_that_is_let_through_overflows_the_parser(piece):
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    deeper = is_deeper(text, 64)
    assert time.process_time() - began < 2
    if not deeper:
        with suppress(json.JSONDecodeError):  # a RecursionError is another one
            json.loads(text)


async def test_who_asks_too_often_is_told_when_to_come_again():
    rates = Rates(Limits(requests_per_second=0.001, burst=3))
    for _ in range(3):
        await rates.check("ann")
        await rates.count("ann")
    for call in (rates.check, rates.count):
        with pytest.raises(ProblemError, match="a client may send 3 requests in 3000 s") as refused:
            await call("ann")
        assert 1 <= int(refused.value.problem.headers["Retry-After"]) <= 3000
    await rates.count("bob")


async def test_checking_alone_counts_nothing():
    rates = Rates(Limits(requests_per_second=0.001, burst=1))
    for _ in range(5):
        await rates.check("ann")


def test_all_addresses_of_a_network_are_one_client():
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
