"""Which errors are worth another attempt."""

import json

import pytest

from planner_graph.compiler.retry import is_worth_retrying
from planner_graph.errors import BodyCancelledError, OutputError


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        TimeoutError(),
        OSError(),
        RuntimeError(),
        ValueError(),
        json.JSONDecodeError("no", "", 0),
        BodyCancelledError("writer"),
        Exception(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_outside_world_are_worth_another_attempt(error):
    assert is_worth_retrying(error)


@pytest.mark.parametrize(
    "error",
    [
        TypeError(),
        KeyError(),
        IndexError(),
        AttributeError(),
        NameError(),
        UnboundLocalError(),
        ZeroDivisionError(),
        AssertionError(),
        ImportError(),
        ModuleNotFoundError(),
        NotImplementedError(),
        SyntaxError(),
        OutputError("writer", "no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_program_are_not(error):
    assert not is_worth_retrying(error)
