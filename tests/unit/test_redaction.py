"""Secrets are taken out of what is logged or answered."""

import base64
import json
import logging
import time
import timeit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planner_graph.redaction import RedactingFormatter, redacted, redacted_json
from planner_graph.server.problems import ProblemError

TOKEN = "pg_" + "a-Z_0" * 8 + "abc"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (f"Bearer {TOKEN}", "Bearer pg_***"),
        (f"planner-graph.token.{TOKEN}, v1", "planner-graph.token.pg_***, v1"),
        ("postgres://ann:ge:heim@host/x", "postgres://ann:***@host/x"),
        ("postgresql://host/x", "postgresql://host/x"),
        ("host=x password = geheim user=y", "host=x password = *** user=y"),
        (r"password='ge\'h eim' user=y", "password='***' user=y"),
        ("pg_dump, pg_stat_activity", "pg_dump, pg_stat_activity"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_all_else_stays(text, safe):
    assert redacted(text) == safe


SECRETS = {
    "https://ann:s3cret@host/": "https://ann:***@host/",
    "postgres://u:p@ss@host/x": "postgres://u:***@host/x",
    "postgres://u:pa/ss@host/x": "postgres://u:***@host/x",
    "redis://:s3cret@host:6379/0": "redis://:***@host:6379/0",
    "https://0123456789abcdef0123456789abcdef@sentry.io/12": "https://***@sentry.io/12",
    "root:s3cret@tcp(127.0.0.1:3306)/db": "root:***@tcp(127.0.0.1:3306)/db",
    "host=x password = s3cret user=y": "host=x password = *** user=y",
    "Server=x;Password=s3cret;User Id=y": "Server=x;Password=***;User Id=y",
    "connect(host=x, password=s3cret, user=y)": "connect(host=x, password=***, user=y)",
    "PGPASSWORD=s3cret psql": "PGPASSWORD=*** psql",
    "password: s3cret": "password: ***",
    "DB_PASSWORD: 's3cret'": "DB_PASSWORD: '***'",
    "{'password': 's3cret', 'pin': 1}": "{'password': '***', 'pin': 1}",
    '{"api_key": "s3cret", "n": 1}': '{"api_key": "***", "n": 1}',
    r"{\"password\": \"s3cret\", \"n\": 1}": r"{\"password\": \"***\", \"n\": 1}",
    "token=s3cret secret=s3cret2": "token=*** secret=***",
    "client_secret=s3cret, grant_type=x": "client_secret=***, grant_type=x",
    "accessToken: s3cret-12": "accessToken: ***",
    "x-api-key: s3cret": "x-api-key: ***",
    "Incorrect API key provided: sk-proj-s3cretS3CRET123. See": "Incorrect API key provided: sk-***. See",
    "sk-ant-api03-s3cretS3CRET123": "sk-***",
    "sk_live_s3cretS3CRET": "sk_live_***",
    "AKIAIOSFODNN7EXAMPLE": "AKIA***",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "aws_secret_access_key = ***",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_***",
    "github_pat_11ABCDEFG0abcdefghijkl_mnop": "github_pat_***",
    "xoxb-123456789012-abcdefABCDEF": "xoxb-***",
    "key AIzaSyA-1234567890abcdefghijklmnopqrstuv is bad": "key AIza*** is bad",
    "hf_abcdefghijklmnopqrstuvwxyz012345": "hf_***",
    "hooks.slack.com/services/T000/B000/XXXX": "hooks.slack.com/services/***",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s3cret-def_g": "***",
    "Bearer s3cret123": "Bearer ***",
    "Authorization: Bearer swordfish": "Authorization: Bearer ***",
    "Authorization: Basic dXNlcjpwYXNz": "Authorization: Basic ***",
    "headers={'Authorization': 'Bearer swordfish'}": "headers={'Authorization': 'Bearer ***'}",
    "Set-Cookie: session=s3cret; Path=/": "Set-Cookie: session=***",
    "https://x.com/a?api_key=s3cret&signature=s3cret&page=2": "https://x.com/a?api_key=***&signature=***&page=2",
    "https://s3/x?X-Amz-Date=1&X-Amz-Signature=9f8": "https://s3/x?X-Amz-Date=1&X-Amz-Signature=***",
    "https://blob/x?sv=1&sig=s3cret%3D": "https://blob/x?sv=1&sig=***",
    "-----BEGIN RSA PRIVATE KEY-----\nMII/s3cret+\n-----END RSA PRIVATE KEY----- end": (
        "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY----- end"
    ),
    "['psql', '--password', 's3cret x', '-v'] ended": "['psql', '--password', '***', '-v'] ended",
    "Command 'run --db-password s3cret -v' returned": "Command 'run --db-password *** -v' returned",
    "Headers([('x-api-key', 's3cret99'), ('accept', 'x')])": "Headers([('x-api-key', '***'), ('accept', 'x')])",
    "[(b'x-api-key', b's3cret99')]": "[(b'x-api-key', b'***')]",
    "Ocp-Apim-Subscription-Key: s3cret99": "Ocp-Apim-Subscription-Key: ***",
    f"shpat_{'0a' * 16}": "shpat_***",
    f"dapi{'0a' * 16}": "dapi***",
    f"key-{'0a' * 16}": "key-***",
    f"{'0a' * 16}-us21": "***-us21",
    "pat-eu1-550e8400-e29b-41d4-a716-446655440000": "pat-eu1-***",
    f"r8_{'aB3' * 12}": "r8_***",
    f"nvapi-{'aB3-' * 12}": "nvapi-***",
    f"EAA{'aB3' * 30}": "EAA***",
    "https://api.telegram.org/bot123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/getMe": (
        "https://api.telegram.org/bot123456789:***/getMe"
    ),
    "https://discord.com/api/webhooks/1234567890/abcDEF-ghiJKL_1234567890": (
        "https://discord.com/api/webhooks/1234567890/***"
    ),
    "-----BEGIN PRIVATE KEY-----\nMII/s3cret, cut sh": "-----BEGIN PRIVATE KEY-----***",
}

HARMLESS = [
    "See https://host:8080/x@y, http://[::1]:8080/@x and https://medium.com/@user/post.",
    "Write to ann@example.com; https://host/path?email=a@b.c&page=2 lists all.",
    "The password: it must have 8 characters. Password: required. Enter your password, then the token.",
    "Our secret: quality. The key: patience. A secret: we tested 14 locks. Token: 12345.",
    "Tokens: 512, max_tokens=100, completion_tokens: 80, eos_token='</s>', next_page_token is absent",
    "Unexpected token: '}' at line 3; invalid token 'identifier'",
    "risk-averse-people-are-task-force-members in a sk-learn-something-new course, xoxo-hugs-and-kisses",
    "The bearer of bad news met Bearer authentication required and basic information, Basic Authentication.",
    "compass: north, bypass=abc, keyboard: x, monkey=3, author=Ann, primary key: id, keyword: bicycle lock 2024",
    "Pass: 12, fail: 3. Signature: v2. Cookie: a small file. Authorization: required.",
    "def login(user: str, password: str, token: Optional[str] = None) -> Token:\n    token = get_token(user)",
    "password=os.environ['PW'], token=self.token, api_key=None, password=password, secret=${SECRET}, pwd=<password>",
    "api_key: process.env.API_KEY, password = getpass('Password: ')\nif token == 'abcdefgh1': raise",
    '<input type="password" name="password"><label for="token">Token</label>',
    "550e8400-e29b-41d4-a716-446655440000",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 and 3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
    "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 40).decode(),
    "ghosts pg_dump pg_stat_activity sk-SK AKIA AIza eyJ xoxb- ghp_ Bearer",
    "https://x.com/a?key=value&code=200&utm_source=newsletter&utm_campaign=spring_sale_2026",
    "Give --password or --api-key; --password is required, --token must not be empty, --password --verbose",
    "fields = ['password', 'username'], ('token', 'the word'), ['max_tokens', '4096']",
    '{"token": "hello", "logprob": -0.1, "signature": "Ann", "secret": "we test every lock"}',
]


@pytest.mark.parametrize(("text", "safe"), SECRETS.items(), ids=range(len(SECRETS)))
def test_each_kind_of_secret_is_hidden(text, safe):
    assert redacted(text) == safe
    assert redacted(f"it failed: {text}")[len("it failed: ") :] == safe
    assert redacted(json.dumps({"error": text})).count("s3cret") == 0


@pytest.mark.parametrize("text", HARMLESS, ids=range(len(HARMLESS)))
def test_prose_code_hashes_and_pictures_stay_as_they_are(text):
    assert redacted(text) == text
    assert redacted_json({"post": text}) == {"post": text}


@given(
    st.lists(
        st.sampled_from([*SECRETS, *HARMLESS, "password=", '"', "'", "\\", "://", "@", ":", " ", "token: ", "x"]),
        max_size=8,
    )
)
@example(["AKIAIOSFODNN7EXAMPLE", "sk-ant-api03-s3cretS3CRET123"])
def test_what_was_hidden_once_is_not_changed_again(parts):
    once = redacted("".join(parts))
    assert redacted(once) == once


OPENERS = (
    "password=",
    "password=(",
    'api_key="',
    "token: '",
    "\\",
    "a",
    ",",
    "get(",
    "{",
    "://",
    "@",
    "?sig=",
    "Bearer ",
    "eyJ",
)


@given(st.lists(st.sampled_from([*OPENERS, "-----BEGIN PRIVATE KEY-----"]), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_long_text_takes_time_linear_in_its_length(parts):
    unit = "".join(parts)
    times = []
    for size in (4_000, 16_000):
        text = unit * (size // len(unit))
        started = time.thread_time()
        redacted(text)
        times.append(time.thread_time() - started)
    assert times[1] < max(9 * times[0], 0.1), unit


def test_text_without_secrets_takes_some_microseconds():
    """An agent's error and its preview have some 1,000 characters each."""
    text = "Our new bicycle lock keeps every bike safe in the city, day and night: it is the best. " * 12
    assert min(timeit.repeat(lambda: redacted(text), number=100, repeat=7)) / 100 < 0.0002


def test_values_are_hidden_by_the_names_of_their_keys():
    given = {"password": "swordfish", "login": [{"api_key": "abc", "user": "ann"}], "n": 1, "url": "ftp://a:b@c/"}
    safe = {"password": "***", "login": [{"api_key": "***", "user": "ann"}], "n": 1, "url": "ftp://a:***@c/"}
    assert redacted_json(given) == safe
    numbers = {"password": 12345678, "api_key": ["abc", "def"], "max_tokens": 4096, "token": 7, "api key": True}
    assert redacted_json(numbers) == {**numbers, "password": "***", "api_key": ["***", "***"]}


def test_a_log_record_hides_it_even_in_its_traceback():
    error = ValueError(TOKEN)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "token %s", (TOKEN,), (ValueError, error, None))
    text = RedactingFormatter().format(record)
    assert TOKEN not in text
    assert text.count("pg_***") == 2


def test_a_problem_hides_it():
    body = ProblemError("not-found", f"no run {TOKEN!r}", run=TOKEN).problem.response(f"/api/v2/workflows/{TOKEN}").body
    assert TOKEN.encode() not in bytes(body)
    assert bytes(body).count(b"pg_***") == 3


def test_a_problem_shows_the_beginning_of_a_very_long_path_and_takes_no_time_for_the_rest():
    path = "/api/v2/workflows/" + "postgres://:" * 5_200
    problem = ProblemError("not-found", f"no run {path!r}").problem
    started = time.thread_time()
    body = json.loads(bytes(problem.response(path).body))
    assert time.thread_time() - started < 0.05
    assert body["instance"] == path[:500] + "..."
    assert len(body["detail"]) < 5_000


def test_a_problem_stays_json_whatever_is_hidden_in_it():
    detail = 'it says password=abc\\"x" and {"api_key": "k\\"ey"}, postgres://u:p"w@h'
    body = bytes(ProblemError("not-found", detail, more={"password": "x", "list": [detail]}).problem.response("/").body)
    assert json.loads(body)["more"] == {"password": "***", "list": [redacted(detail)]}
