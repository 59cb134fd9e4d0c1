"""Fixtures for all tests."""

import signal
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.databases", "tests.langgraph_server", "tests.chaos_report"]


@pytest.fixture(autouse=True)
def signals_as_usual() -> Iterator[None]:
    """Ctrl-C as in a terminal: a shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
