"""An agent blocks the event loop of its run: the server answers all the same, and ends when it is asked to."""

import json
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.acceptance.served import Served

AGENTS = Path(__file__).with_name("blocking_agents.py")
SECONDS = "8"
FOREVER = "600"
"""Longer than the test may take."""

REQUESTS = 50
LIMIT_SECONDS = 0.1


@pytest.fixture
def start(dsn, tmp_path):
    """Start servers on one database, one after the other."""
    with ExitStack() as stack:

        def started(*options):
            made = Served(dsn, tmp_path, "--agents", f"{AGENTS}:agents", *options)
            stack.callback(made.close)
            return made

        yield started


def at_work(run):
    return run["counts"]["running"] == 1


def blocked(server, product="nap", seconds=SECONDS):
    """Give a run whose agent blocks."""
    run_id = server.start(product, brief=seconds)
    server.wait(run_id, at_work)
    return run_id


def timed(ask, *arguments, **options):
    began = time.perf_counter()
    answer = ask(*arguments, **options)
    return answer, time.perf_counter() - began


@pytest.mark.parametrize("product", ["nap", "sum"])
def test_health_is_answered_within_a_tenth_of_a_second(start, product):
    """Other programs may take the processors for a moment: nine in ten in time, and none by far too late."""
    server = start()
    run_id = blocked(server, product)
    took = []
    for _ in range(REQUESTS):
        answer, seconds = timed(server.client.get, "/health/live")
        assert answer.status_code == 200
        took.append(seconds)
    assert server.run(run_id)["status"] == "running"
    assert sorted(took)[REQUESTS * 9 // 10] < LIMIT_SECONDS, took
    assert max(took) < 1.0, took
    assert server.ended(run_id)["status"] == "completed"


def test_every_route_answers(start):
    server = start()
    run_id = blocked(server)
    for path in ("", "/progress", "/plan", "/schedule", "/agents/sleeper", "/events"):
        answer, seconds = timed(server.client.get, f"/workflows/{run_id}{path}")
        assert (answer.status_code, seconds < 2) == (200, True), (path, seconds)
    for path in ("/workflows", "/health/ready", "/catalog", "/history", "/me"):
        answer, seconds = timed(server.client.get, path)
        assert (answer.status_code, seconds < 2) == (200, True), (path, seconds)
    address = f"{server.url.replace('http', 'ws')}/api/v2/workflows/{run_id}/live"
    with connect(address) as socket:
        assert json.loads(socket.recv(2))["type"] == "snapshot"
    other = server.start("nap", brief="0")
    assert server.run(other)["left_behind"] is False
    cancelled = server.control(other, action="cancel")
    assert cancelled.json()["status"] in {"cancelled", "cancelling"}
    paused, seconds = timed(server.control, run_id, action="pause")
    assert (paused.json()["status"], seconds < 2) == ("pausing", True)
    assert server.run(run_id)["counts"]["running"] == 1  # all of that came while the agent blocked
    assert server.wait(run_id, lambda run: run["status"] in {"paused", "completed"})
    assert server.ended(other)["status"] == "cancelled"


def test_one_signal_waits_for_the_agent_and_two_for_nothing(start):
    first = start()
    run_id = blocked(first)
    first.process.send_signal(signal.SIGINT)
    first.hear("once more to stop at once")
    assert first.run(run_id)["status"] in {"running", "pausing"}
    assert first.process.wait(60) in {0, 4}
    second = start("--no-recover")
    assert second.run(run_id)["status"] in {"paused", "completed"}
    run_id = blocked(second, seconds=FOREVER)
    second.process.send_signal(signal.SIGINT)
    second.hear("once more to stop at once")
    second.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert second.process.wait(60) == 4
    assert time.monotonic() - began < 15
    third = start("--no-recover")
    assert third.wait(run_id, lambda run: run["left_behind"])["status"] == "running"
