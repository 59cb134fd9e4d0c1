"""What a value from outside may hold, and what is said about what it may not."""

from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from planner_graph.values import (
    LARGEST_INTEGER,
    MAX_DEPTH,
    Amount,
    Count,
    FaultyValueError,
    Flag,
    Json,
    Label,
    Line,
    PositiveAmount,
    Share,
    Text,
    Value,
    portable_json,
    without_repeats,
)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, 1e300, LARGEST_INTEGER, -LARGEST_INTEGER, "", "\n\t😀", [], {}, {"a": [{"b": None}]}],
)
def test_plain_json_passes_unchanged(value: Any) -> None:
    assert portable_json(value) is value


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        (float("nan"), (), "nan is not a JSON number"),
        ({"a": [1, float("-inf")]}, ("a", 1), "-inf is not a JSON number"),
        ([LARGEST_INTEGER + 1], (0,), "an integer is larger than 2**53 - 1"),
        ({"a": {"b": "x\0"}}, ("a", "b"), "the text holds a NUL or half a surrogate pair"),
        (["\ud83d"], (0,), "the text holds a NUL or half a surrogate pair"),
        ({"a": {"k\0": 1}}, ("a", "k\0"), "the key holds a NUL or half a surrogate pair"),
        (nested(MAX_DEPTH + 1), (0,) * MAX_DEPTH, "nested deeper than 50 levels"),
    ],
)
def test_what_some_reader_would_change_is_refused_with_its_place(value: Any, path: Any, problem: str) -> None:
    with pytest.raises(FaultyValueError) as caught:
        portable_json(value)
    (fault,) = caught.value.faults
    assert fault.path == path
    assert fault.problem.startswith(problem)
    assert fault.remedy


def test_all_faults_of_a_value_are_told_in_its_order() -> None:
    with pytest.raises(FaultyValueError) as caught:
        portable_json({"a": float("nan"), "b": [float("inf"), "\0"], "c": 2**60})
    assert [fault.path for fault in caught.value.faults] == [("a",), ("b", 0), ("b", 1), ("c",)]


def test_nesting_up_to_the_limit_passes() -> None:
    assert portable_json(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


def test_nesting_far_beyond_the_limit_needs_no_recursion() -> None:
    with pytest.raises(FaultyValueError, match="nested deeper"):
        portable_json(nested(100_000))


@pytest.mark.parametrize(
    ("kind", "accepted", "refused"),
    [
        (Flag, [True, False], [1, 0, "true", "no", None]),
        (Count, [0, 7], [-1, True, 1.0, "3", None, float("nan")]),
        (Amount, [0, 0.5, 10**9], [-0.1, True, "3", float("nan"), float("inf"), 10**10]),
        (PositiveAmount, [1e-9, 3], [0, -1, "1", float("inf")]),
        (Share, [0, 0.5, 1], [-0.1, 1.1, "0", float("nan")]),
        (Text, ["", "two\nlines"], ["\0", "\udc00", 3, None]),
        (Line, ["", "one line"], ["two\nlines", "x" * 101, 3]),
        (Label, ["a", "x" * 100, "Größe"], ["", " a", "a ", "a\nb", "a\x1b[0m", "x" * 101, 3, None]),
        (Json, [None, {"a": [1]}], [float("nan"), {"a": b"bytes"}, object()]),
    ],
)
def test_a_field_takes_exactly_its_kind_of_value(kind: Any, accepted: list[Any], refused: list[Any]) -> None:
    field = TypeAdapter[Any](kind)
    for value in accepted:
        assert field.validate_python(value) == value
    for value in refused:
        with pytest.raises(ValidationError):
            field.validate_python(value)


def test_repeated_names_are_told_by_position() -> None:
    names = TypeAdapter[Any](Annotated[tuple[str, ...], without_repeats("output")])
    assert names.validate_python(["a", "b"]) == ("a", "b")
    with pytest.raises(ValidationError) as caught:
        names.validate_python(["a", "b", "a", "a"])
    error = caught.value.errors()[0]["ctx"]["error"]
    assert [(fault.path, fault.problem) for fault in error.faults] == [
        ((2,), "output 'a' is named twice"),
        ((3,), "output 'a' is named twice"),
    ]


def test_a_value_is_frozen_and_closed() -> None:
    class Point(Value):
        x: int = 0

    with pytest.raises(ValidationError, match="frozen"):
        Point().x = 1
    with pytest.raises(ValidationError, match="Extra"):
        Point(y=1)  # type: ignore[call-arg]
