"""``db prune``, and what other commands say of a run whose checkpoints it removed."""

import json

import psycopg
import pytest

from tests.acceptance.test_runs import AGENTS, SOUND


def age(stored, days):
    """Let all runs have ended so many days ago."""
    sql = "UPDATE execution_plans SET started_at = started_at - make_interval(days => %s),"
    sql += " ended_at = ended_at - make_interval(days => %s)"
    with psycopg.connect(stored.environment["PLANNER_GRAPH_DSN"], autocommit=True) as conn:
        conn.execute(sql, [days, days])


def test_prune_removes_checkpoints_of_old_runs_and_the_rest_of_the_program_knows(stored):
    run = stored("run", stored.write("c.yaml", SOUND), "--agents", AGENTS, "--json").document
    run_id = run["workflow_execution_id"]
    young = stored("db", "prune", "--older-than", "30d")
    age(stored, 31)
    dry = stored("db", "prune", "--older-than", "30d", "--dry-run", "--json")
    told = stored("db", "prune", "--older-than", "30d", "--dry-run")
    done = stored("db", "prune", "--older-than", "30d", "--json")
    again = stored("db", "prune", "--older-than", "30d")
    status, kept = stored("status", run_id), stored("status", run_id, "--json", "--output", "out").document
    reconciled = stored("reconcile", run_id)
    served = stored("db", "prune", "--older-than", "30d", "--audit-older-than", "1d", "--dry-run")

    assert [ended.code for ended in (young, dry, told, done, again, status, reconciled, served)] == [0] * 8
    assert (done.document["idempotency_keys"], done.document["audit_entries"]) == (0, None)
    assert served.out.endswith("\nwould remove 0 entries of the audit log\n")
    assert young.out.startswith("removed the checkpoints of 0 runs that ended before ")
    rows = sum(done.document["rows"].values())
    assert rows > 10
    assert told.out.startswith("would remove the checkpoints of 1 run that ended before ")
    assert told.out.endswith(f" UTC: {rows} rows, {done.document['bytes'] / 1024:.1f} KiB\n")
    assert (done.document["runs"], done.document["skipped"]) == ([run_id], [])
    assert {**dry.document, "before": 0, "dry_run": False} == {**done.document, "before": 0}
    assert again.out.endswith(": 0 rows, 0 bytes\n")
    assert "its checkpoints were removed on " in status.out
    assert kept["deliverables"] == run["deliverables"]
    assert (stored.folder / "out" / "post.html").exists()
    assert f"run {run_id}: left alone: its checkpoint was removed on " in reconciled.out


@pytest.mark.parametrize("span", ["30", "1.5h", "3w", "-1d"])
def test_a_span_that_cannot_be_read_is_bad_input(command, span):
    ended = command("db", "prune", f"--older-than={span}", "--dsn", "postgresql://nobody@127.0.0.1:1/x")
    assert ended.code == 2
    assert ended.err == (
        f"error: --older-than: {span!r} is no span of time\n"
        "    write a whole number and d, h or m for days, hours or minutes: 30d, 12h, 90m\n"
    )


def test_without_a_span_nothing_is_removed(command):
    assert command("db", "prune").code == 2
    assert json.dumps(command.files()) == "[]"
