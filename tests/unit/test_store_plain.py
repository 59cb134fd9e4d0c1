import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer

from planner_graph.store.plain import (
    MAX_DEPTH,
    MOST_TEXTS,
    as_read,
    beginning,
    exact_number,
    jsonb,
    plain_json,
    preview,
)
from planner_graph.store.rows import AgentRunRow
from planner_graph.text import storable
from planner_graph.types import AgentName, AgentStatus


def test_json_stays_as_it_is():
    value: dict[str, Any] = {"a": [1, 2.5, None, True, "x", {"b": []}]}
    assert plain_json(value) == value


def test_what_is_no_json_becomes_text():
    value = {"a": float("nan"), "b": (1, {2}), 3: object, "c\x00": "\x00"}
    assert plain_json(value) == {"a": "nan", "b": [1, "{2}"], "3": "<class 'object'>", "c\ufffd": "\ufffd"}


def test_deep_nesting_ends_in_an_ellipsis():
    value: list[Any] = []
    for _ in range(10 * MAX_DEPTH):
        value = [value]
    assert json.dumps(plain_json(value)).count("[") == MAX_DEPTH


def test_a_small_value_is_its_own_preview():
    value = {"title": "x" * 80 + "\x00"}
    assert beginning(value, 100) is None
    assert preview(value, 100) == {"title": "x" * 80 + "\ufffd"}


def test_a_large_value_has_a_beginning():
    value = {"post": "x" * 10_000_000}
    assert beginning(value, 100) == '{"post": ' + '"' + "x" * 90
    assert preview(value, 100) == {"preview": '{"post": ' + '"' + "x" * 90, "truncated": True}


def test_a_value_nested_beyond_measure_has_one_too():
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    text = beginning(value, 50_000)
    assert text is not None
    assert len(text) == 50_000


def test_a_beginning_holds_nothing_that_postgres_refuses():
    assert beginning("\ud800" * 20, 10) == '"' + "\ufffd" * 9


@given(st.dictionaries(st.text(), st.text(), max_size=2 * MOST_TEXTS), st.integers(1, 200))
def test_a_beginning_is_that_of_the_whole_json(value, limit):
    """Small dicts of texts, which are encoded otherwise, are no different."""
    whole = storable(json.dumps(value, ensure_ascii=False))
    assert beginning(value, limit) == (whole[:limit] if len(whole) > limit else None)


@pytest.mark.parametrize("number", [1, 2**64, -(2**70)])
def test_rows_are_encoded_as_they_are_whatever_numbers_they_hold(number):
    """The fast encoder takes 64 bits, the other one no dataclasses."""
    began = datetime(2030, 1, 1, 12, tzinfo=UTC)
    row = AgentRunRow(
        agent_name=AgentName("ä"),
        execution=1,
        attempt=number,
        status=AgentStatus.RUNNING,
        started_at=began,
        ended_at=None,
        usage={"calls": number},
    )
    dumper = Transformer().get_dumper(jsonb(None), PyFormat.TEXT)
    [read] = json.loads(bytes(dumper.dump(jsonb([row])) or b""))
    assert datetime.fromisoformat(read.pop("started_at")) == began
    assert read == {
        "agent_name": "ä",
        "execution": 1,
        "attempt": number,
        "status": "running",
        "ended_at": None,
        "error": None,
        "reason": None,
        "usage": {"calls": number},
    }


LARGE = [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 1_234_567_890_123_456_789]


@pytest.mark.parametrize("number", [0, -7, 2**53 - 1, *LARGE, 1e30, -1e300, 2e20, 1.2345678901234568e18])
def test_numbers_come_back_as_they_were(number):
    written_out = f"{Decimal(repr(number)):f}"
    assert repr(exact_number(written_out)) == repr(number)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1))
def test_what_is_read_back_is_known_for_what_was_written(number):
    read = json.loads(f"{Decimal(repr(number)):f}", parse_int=exact_number)
    assert as_read({"a": [number]}) == {"a": [read]}
    assert read == number or (isinstance(number, int) and float(number) == read)
