"""What would happen is listed before it does, and effects outside of a run are not repeated without being asked for."""

import psycopg

TABLES = ("campaigns", "execution_plans", "agent_runs", "run_events", "run_leases", "checkpoints")

NEWS = """
from pathlib import Path
from planner_graph import agent


def note(name):
    with Path("calls").open("a") as calls:
        calls.write(name + " ")


@agent(outputs=["facts"], effects="none")
def digger(_):
    note("digger")
    return {"facts": 2}


@agent(inputs=["facts"], outputs=["post"], configuration={"tone": "dry"})
def author(inputs):
    note("author")
    return f"{inputs['facts']}"


@agent(inputs=["post"], outputs=["sent"], effects="external")
def mailer(inputs):
    note("mailer")
    return "sent"


agents = [digger, author, mailer]
"""
CAMPAIGN = "id: c\ndeliverables: [sent]\n"


def rows(dsn):
    with psycopg.connect(dsn) as conn:
        found = {}
        for table in TABLES:
            [(found[table],)] = conn.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
        return found


def by_agent(listed):
    return {one["agent"]: one for one in listed}


def test_what_would_run_is_listed_and_nothing_is_written(stored, dsn):
    stored.write("news.py", NEWS)
    stored.write("c.yaml", CAMPAIGN)
    before = rows(dsn)
    dry = stored("run", "c.yaml", "--agents", "news.py:agents", "--output", "out", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert [one["agent"] for one in dry.document["runs"]] == ["digger", "author", "mailer"]
    assert (dry.document["kept"], dry.document["workflow_execution_id"]) == ([], None)
    assert by_agent(dry.document["effects"])["mailer"] == {
        "agent": "mailer",
        "effects": "external",
        "again": False,
        "same_key": False,
    }
    assert rows(dsn) == before
    assert "calls" not in stored.files()

    ran = stored("run", "c.yaml", "--agents", "news.py:agents", "--json")
    run, before = ran.document["workflow_execution_id"], rows(dsn)
    dry = stored("rerun", run, "--from", "author", "--dry-run")
    assert dry.code == 0, dry.err
    assert "it was asked to" in dry.out
    assert "external effect of 'mailer' would happen again" in dry.out
    assert "idempotent effect of 'author' would happen again, as a new run has new keys" in dry.out
    assert "dry run: 2 agents would run, 1 kept; nothing was written" in dry.out
    assert rows(dsn) == before

    refused = stored("rerun", run, "--from", "author")
    assert refused.code == 2
    assert f"agent 'mailer' changed something outside of run {run}, and would again" in refused.err
    assert "add --yes to repeat that" in refused.err
    assert rows(dsn) == before
    assert (stored.folder / "calls").read_text().split() == ["digger", "author", "mailer"]

    again = stored("rerun", run, "--from", "author", "--yes", "--json")
    assert again.code == 0, again.err
    assert (stored.folder / "calls").read_text().split()[3:] == ["author", "mailer"]
    ended = stored("resume", run, "--dry-run")
    assert (ended.code, ended.out) == (2, "")


def test_a_dry_run_makes_no_tables(command, empty_dsn):
    command.write("news.py", NEWS)
    command.write("c.yaml", CAMPAIGN)
    dry = command("run", "c.yaml", "--agents", "news.py:agents", "--dsn", empty_dsn, "--dry-run")
    assert dry.code == 0, dry.err
    assert "external effect of 'mailer' would happen once" in dry.out
    refused = command("resume", "4f1c", "--dsn", empty_dsn, "--dry-run")
    assert refused.code == 2
    with psycopg.connect(empty_dsn) as conn:
        assert conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall() == [(0,)]
