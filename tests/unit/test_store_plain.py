import json
from typing import Any

import pytest

from planner_graph.store.plain import MAX_DEPTH, beginning, exact_number, plain_json, preview


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


@pytest.mark.parametrize("number", [0, -7, 2**53 - 1, 1e30, -1e300])
def test_numbers_come_back_as_they_were(number):
    written_out = str(int(number))
    assert repr(exact_number(written_out)) == repr(number)
