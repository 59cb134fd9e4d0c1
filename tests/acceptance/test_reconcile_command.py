"""``reconcile`` on a real database: what it says, what it leaves, how it ends."""

import time

import psycopg
import pytest

from tests.acceptance.conftest import WORKSHOP
from tests.acceptance.test_interruptions import Stage

AGENTS = f"{WORKSHOP}:agents"
SOUND = "id: sound\nbrief: x\ndeliverables: [summary]\n"


@pytest.fixture
def conn(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def finished(stored):
    shown = stored("run", stored.write("c.yaml", SOUND), "--agents", AGENTS, "--json")
    return shown.document["workflow_execution_id"]


def killed(stored, conn):
    """Give a run that was killed when both its checkpoint and its tables knew that its second agent was at work."""
    stage = Stage(stored)
    stage.wait_for_checkpoint_of("digger")
    deadline = time.monotonic() + 30
    while conn.execute("SELECT FROM agent_runs WHERE agent_name = 'author'").rowcount == 0:
        assert time.monotonic() < deadline, "the tables never say that the author is at work"
        time.sleep(0.01)
    stage.running.process.kill()
    stage.running.end()
    return stage


def test_where_nothing_differs_it_says_so(stored):
    run_id = finished(stored)
    shown = stored("reconcile", run_id[:8])
    assert (shown.code, shown.out, shown.err) == (0, f"run {run_id}: equal\n", "")
    every = stored("reconcile", "--all")
    assert (every.code, every.out, every.err) == (0, "1 run: 1 equal\n", "")


def test_a_run_that_was_killed_is_paused_and_can_be_resumed(stored, conn):
    stage = killed(stored, conn)
    dry = stored("reconcile", stage.run_id(), "--dry-run")
    assert dry.code == 1
    assert f"run {stage.run_id()}: different\n" in dry.out
    line = "  the run, status: the tables said 'running', the checkpoint says 'paused'"
    assert f"{line} (not repaired)\n" in dry.out
    assert stored("status", "--json").document["status"] == "running"
    shown = stored("reconcile", stage.run_id())
    assert shown.code == 0
    assert shown.out.startswith(f"run {stage.run_id()}: repaired\n")
    assert f"{line}\n" in shown.out
    assert "  agent 'author', standing: the tables said 'running', the checkpoint says 'waiting'\n" in shown.out
    status = stored("status", "--json").document
    assert (status["status"], status["left_behind"]) == ("paused", False)
    assert stored("reconcile", stage.run_id()).out == f"run {stage.run_id()}: equal\n"
    stage.open_gate()
    assert stage.resume().code == 0
    assert stage.calls.read_text().split() == ["digger", "author", "author"]


def test_a_run_that_is_being_executed_is_left_to_its_process(stored):
    stage = Stage(stored)
    refused = stored("reconcile", stage.run_id())
    assert (refused.code, refused.out) == (2, "")
    assert f"run '{stage.run_id()}' is executed by process" in refused.err
    assert "wait for it" in refused.err
    every = stored("reconcile", "--all")
    assert every.code == 0
    assert every.out == f"run {stage.run_id()}: left alone: another process is executing it\n1 run: 1 left alone\n"
    stage.open_gate()
    assert stage.running.end().code == 0


def test_all_runs_for_machines(stored, conn):
    sound, broken, behind = [finished(stored) for _ in range(3)]
    conn.execute("UPDATE execution_plans SET plan_hash = repeat('0', 64) WHERE workflow_execution_id = %s", [broken])
    conn.execute("UPDATE execution_plans SET completed_agents = '{digger}' WHERE workflow_execution_id = %s", [behind])
    shown = stored("reconcile", "--all", "--json")
    assert shown.code == 1
    document = shown.document
    assert document["dry_run"] is False
    assert [(run["workflow_execution_id"], run["outcome"], run["written"]) for run in document["runs"]] == [
        (sound, "equal", False),
        (broken, "not compared", False),
        (behind, "repaired", True),
    ]
    assert "the checkpoint was written by plan 0000" in document["runs"][1]["reason"]
    [difference] = document["runs"][2]["differences"]
    assert (difference["agent"], difference["field"], difference["table"], difference["checkpoint"]) == (
        None,
        "completed_agents",
        ["digger"],
        ["digger", "summarist"],
    )
    told = stored("reconcile", "--all")
    assert told.code == 1
    assert told.out.startswith(f"run {broken}: not compared: the checkpoint was written by plan 0000")
    assert told.out.endswith("3 runs: 2 equal, 1 not compared\n")


def test_an_end_that_nobody_can_account_for_is_said_and_left(stored, conn):
    stage = killed(stored, conn)
    conn.execute("UPDATE execution_plans SET status = 'completed', ended_at = NOW()")
    shown = stored("reconcile", stage.run_id())
    assert shown.code == 1
    assert shown.out == (
        f"run {stage.run_id()}: different\n"
        "  the run, status: the tables said 'completed', the checkpoint says 'paused'"
        " (left as it is: nobody can know which is right)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [((), "neither a run nor --all is given"), (("4f1c", "--all"), "a run and --all cannot go together")],
)
def test_it_must_be_told_which_runs(stored, arguments, problem):
    shown = stored("reconcile", *arguments)
    assert (shown.code, shown.out) == (2, "")
    assert problem in shown.err
    assert "name one run, or use --all" in shown.err


def test_a_run_that_is_not_there(stored):
    shown = stored("reconcile", "4f1c0000")
    assert (shown.code, shown.out) == (2, "")
    assert "no run '4f1c0000' in this database" in shown.err
    assert stored("reconcile", "--all").out == "0 runs\n"
