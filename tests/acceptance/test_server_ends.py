"""The server is stopped, killed and started again; its runs are paused, left or gone on with."""

import json
import signal
from contextlib import ExitStack

import pytest

from tests.acceptance.served import Served


@pytest.fixture
def start(dsn, tmp_path):
    """Start servers on one database, one after the other or side by side."""
    with ExitStack() as stack:

        def started(*options):
            made = Served(dsn, tmp_path, *options)
            stack.callback(made.close)
            return made

        yield started


def at_work(run):
    return run["counts"]["running"] == 1 and run["counts"]["completed"] == 1


def test_a_server_that_is_stopped_lets_agents_end_and_pauses_its_runs_for_others(start):
    first, other = start("--max-runs", "1"), start("--no-recover")
    with first.shut():
        cancelled = first.start("post")
        first.wait(cancelled, at_work)
        assert other.run(cancelled)["holder"] == first.run(cancelled)["holder"]
        assert other.control(cancelled, action="cancel", reason="enough").json()["status"] == "cancelling"
    other.ended(cancelled)
    events = first.client.get(f"/workflows/{cancelled}/events").json()["items"]
    assert {"by": "local", "reason": "enough"} in [event["data"] for event in events]
    with first.shut():
        run_id, waiting = first.start("post", "verdict"), first.start("facts")
        first.wait(run_id, lambda run: at_work(run) and run["questions"])
        first.process.send_signal(signal.SIGTERM)
        first.hear("once more to stop at once")
        ready = first.client.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]) == (503, {"server": "the server is being stopped"})
    assert first.end() == 4
    paused = other.run(run_id)
    assert (paused["status"], paused["counts"]["completed"]) == ("paused", 2)
    assert paused["status_reason"] == "the server was stopped; resume it to go on"
    assert other.run(waiting)["status"] == "pending"
    for run in (run_id, waiting):
        assert other.control(run, action="resume").status_code == 202
    other.ended(waiting)


def test_runs_that_were_left_or_lost_go_on_in_the_next_server(start):
    """A second signal leaves them, a kill loses them."""
    first = start()
    with first.shut():
        run_id = first.start("post")
        first.wait(run_id, at_work)
        first.process.send_signal(signal.SIGINT)
        first.hear("once more to stop at once")
        assert first.end(signal.SIGINT) == 4
        second = start()
        second.wait(run_id, lambda run: at_work(run) and run["holder"] is not None)
        second.process.kill()
        second.process.wait()
        third = start()
    ended = third.ended(run_id)
    assert ended["status"] == "completed"
    *earlier, last = statuses(third, run_id, "author")
    assert (set(earlier), last) == ({"interrupted"}, "completed")
    assert statuses(third, run_id, "digger") == ["completed"]


def test_no_more_runs_than_allowed_are_executed_and_their_deliverables_are_written(start, tmp_path):
    served = start("--max-runs", "1", "--output", "out")
    with served.shut():
        first, second, third = served.start("post"), served.start("facts"), served.start("facts")
        served.wait(first, at_work)
        assert [served.run(run)["status"] for run in (second, third)] == ["pending", "pending"]
        assert served.control(second, action="pause").json()["status"] == "paused"
        assert served.control(third, action="cancel").json()["status"] == "cancelled"
        assert served.control(second, action="resume").status_code == 202
    assert served.ended(second)["status"] == "completed"
    assert served.run(third)["status"] == "cancelled"
    assert served.end(signal.SIGTERM) == 0
    assert json.loads((tmp_path / "out" / second / "facts.json").read_text())["count"] == 2
    assert sorted(folder.name for folder in (tmp_path / "out").iterdir()) == sorted([first, second])


def statuses(served, run_id, agent):
    """Give how the attempts of an agent ended, in order."""
    return [
        attempt["status"] for attempt in served.client.get(f"/workflows/{run_id}/agents/{agent}").json()["attempts"]
    ]
