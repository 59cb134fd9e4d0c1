"""What commands say of a run whose checkpoint somebody has changed: why it cannot be read, and no traceback."""

import json

import ormsgpack
import psycopg
import pytest

AGENTS = """
from planner_graph import agent
from langgraph.types import interrupt

@agent(outputs=["decision"])
async def reviewer(_):
    "Asks whether to publish."
    return interrupt("publish?")

agents = [reviewer]
"""


@pytest.fixture
def asking(stored):
    """Give the id of a run that waits for an answer."""
    stored.write("bodies.py", AGENTS)
    stored.write("c.yaml", "id: show\ndeliverables: [decision]\n")
    shown = stored("run", "c.yaml", "--agents", "bodies.py:agents", "--json")
    assert shown.document["status"] == "paused"
    return shown.document["workflow_execution_id"]


def attacked(dsn, run_id, made):
    """Put bytes that name a command into the question of a run."""
    attack = ormsgpack.packb([ormsgpack.Ext(0, ormsgpack.packb(["os", "system", f"touch {made}"]))])
    with psycopg.connect(dsn) as conn:
        changed = conn.execute(
            "UPDATE checkpoint_writes SET blob = %s WHERE thread_id LIKE %s AND channel = '__interrupt__'",
            (attack, f"{run_id}%"),
        )
    assert changed.rowcount == 1


def test_no_command_runs_what_the_bytes_name_and_each_that_reads_them_says_why_not(stored, dsn, asking, tmp_path):
    made = tmp_path / "made"
    attacked(dsn, asking, made)
    says = "cannot be read: it wants os:system called, which is not allowed"
    for command in (
        ("reconcile", asking),
        ("resume", asking, "--agents", "bodies.py:agents"),
        ("rerun", asking, "--from", "reviewer", "--agents", "bodies.py:agents"),
        ("approve", asking, "reviewer"),
    ):
        shown = stored(*command)
        assert shown.code in {1, 2}, (command, shown)
        assert says in shown.out + shown.err, (command, shown)
        assert "Traceback" not in shown.out + shown.err
    every = stored("reconcile", "--all", "--json")
    [one] = every.document["runs"]
    assert (every.code, one["outcome"], one["reason_code"]) == (1, "not compared", "foreign_type")
    status = stored("status", asking, "--json")
    assert json.loads(status.out)["status"] == "paused"
    assert not made.exists()
