"""Secrets are taken out of what is logged or answered."""

import logging

import pytest

from planner_graph.redaction import RedactingFormatter, redacted
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
        (r"password='ge\'h eim' user=y", "password=*** user=y"),
        ("pg_dump, pg_stat_activity", "pg_dump, pg_stat_activity"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_all_else_stays(text, safe):
    assert redacted(text) == safe


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
