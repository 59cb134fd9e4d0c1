import json
from typing import Any

import pytest

from planner_graph.store.plain import MAX_DEPTH, exact_number, plain_json, preview


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


def test_a_small_output_is_shown_whole():
    assert preview({"title": "x" * 80}, 100) == {"title": "x" * 80}


def test_of_a_large_output_the_beginning_is_shown():
    shown = preview({"post": "x" * 10_000_000}, 100)
    assert shown == {"preview": '{"post": ' + '"' + "x" * 90, "truncated": True}


def test_an_output_nested_beyond_measure_is_shown_too():
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    assert preview(value, 50_000)["truncated"]


def test_a_preview_holds_nothing_that_postgres_refuses():
    assert preview("\ud800" * 20, 10) == {"preview": '"' + "\ufffd" * 9, "truncated": True}
    assert preview({"a": "\x00"}, 100) == {"a": "\ufffd"}


@pytest.mark.parametrize("number", [0, -7, 2**53 - 1, 1e30, -1e300])
def test_numbers_come_back_as_they_were(number):
    written_out = str(int(number))
    assert repr(exact_number(written_out)) == repr(number)
