"""``history``, and plans whose estimates come from it, on a real database."""

import psycopg
import pytest

from planner_graph.agents.factory import AgentFactory
from planner_graph.compiler.identity import work_of
from tests.acceptance.conftest import WORKSHOP
from tests.past_runs import attempt, past_run, skipped, usage

AGENTS = f"{WORKSHOP}:agents"
WORKSHOP_AGENTS = AgentFactory.load(AGENTS)
SOUND = "id: sound\nbrief: x\ndeliverables: [summary]\n"
HALF = "id: half\nbrief: x\ndeliverables: [summary, trailer]\n"


@pytest.fixture
def conn(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def test_before_the_first_run_there_is_none(stored):
    shown = stored("history")
    assert (shown.code, shown.out) == (0, "")
    assert "no runs yet; start one with: planner-graph run FILE" in shown.err
    assert stored("history", "--json").document == {"agents": []}
    unknown = stored("history", "digger")
    assert (unknown.code, unknown.out) == (2, "")
    assert "agent 'digger' was in no run in the database" in unknown.err
    assert "no agent has, so far" in unknown.err


def test_what_ran_is_history(stored):
    campaign = stored.write("c.yaml", HALF)
    ids = [stored("run", campaign, "--agents", AGENTS, "--json").document["workflow_execution_id"] for _ in range(2)]
    shown = stored("history")
    assert shown.code == 0
    assert [line.split()[:5] for line in shown.out.splitlines()] == [
        ["agent", "runs", "success", "attempts", "median"],
        ["cutter", "0"],
        ["digger", "2", "100", "%", "1"],
        ["filmer", "2", "0", "%", "2"],
        ["summarist", "2", "100", "%", "1"],
    ]
    figures = {agent["agent"]: agent for agent in stored("history", "--json").document["agents"]}
    assert figures["cutter"]["skipped"] == 2
    assert 0 <= figures["summarist"]["queue_seconds"]["median"] < 60
    assert figures["filmer"]["latest_error"]["workflow_execution_id"] == ids[1]
    detail = stored("history", "filmer", "--json", "--last", "1").document
    assert [run["workflow_execution_id"] for run in detail["latest_runs"]] == [ids[1]]
    assert (detail["runs"], detail["attempts"], detail["duration_seconds"]) == (1, {"mean": 2.0, "most": 2}, None)


def test_one_agent_is_shown_with_its_figures_and_its_runs(stored, conn):
    ids = [past_run(conn, attempt("digger", 1, 3, usage=usage(50, 0.5)), start=1000 * number) for number in range(2)]
    past_run(conn, skipped("digger", 1))
    shown = stored("history", "digger")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[1] == "runs         2, 2 successful (100 %), skipped in 1 more"
    assert "duration     median 2.0 s, P90 2.0 s" in lines
    assert "tokens       50 a run, 100 together (98 in, 2 out)" in lines
    assert "cost         $0.50 a run, $1.00 together" in lines
    assert [line.split() for line in lines[-2:]] == [
        [run_id[:8], "completed", "1", "2.0", "s", "1.0", "s"] for run_id in reversed(ids)
    ]


def test_an_unknown_agent_is_refused_with_the_one_that_may_be_meant(stored, conn):
    past_run(conn, attempt("digger", 1, 3))
    shown = stored("history", "diger")
    assert (shown.code, shown.out) == (2, "")
    assert "did you mean 'digger'?" in shown.err
    assert "'planner-graph history' lists those that did" in stored("history", "zzz").err


def estimates(document):
    return {step["agent"]: (step["estimate"]["seconds"], step["estimate"]["source"]) for step in document["steps"]}


DECLARED = {"digger": (1, "declared in the catalog"), "summarist": (2, "declared in the catalog")}
LEARNT = {"digger": (40, "median of the last 5 runs"), "summarist": (2, "declared in the catalog")}


def five_runs_of_the_digger(conn, work=None):
    """Store runs of the digger of the workshop, or of other code under its name."""
    [declared] = [spec for spec in WORKSHOP_AGENTS.declared if spec.name == "digger"]
    key = work or work_of(declared.outputs, WORKSHOP_AGENTS["digger"])
    for number in range(5):
        past_run(conn, attempt("digger", 1, 21 + 10 * number, work=key), start=1000 * number)


def test_other_code_of_the_same_name_estimates_nobody(stored, conn):
    five_runs_of_the_digger(conn, work="another1")
    campaign = stored.write("c.yaml", SOUND)
    assert estimates(stored("plan", campaign, "--agents", AGENTS, "--json", "--history").document) == DECLARED
    shown = stored("run", campaign, "--agents", AGENTS, "--json")
    assert estimates(stored_plan(conn, shown.document)) == DECLARED
    lines = [line.split() for line in stored("history").out.splitlines()]
    assert ["digger", "(code", "another1)"] in [line[:3] for line in lines]


def test_a_plan_takes_its_estimates_from_history_if_asked_to(stored, conn, dsn):
    five_runs_of_the_digger(conn)
    arguments = ("plan", stored.write("c.yaml", SOUND), "--agents", AGENTS)
    assert estimates(stored(*arguments, "--json").document) == DECLARED
    assert estimates(stored(*arguments, "--json", "--history").document) == LEARNT
    assert estimates(stored(*arguments, "--json", "--history", "--min-runs", "6").document) == DECLARED
    explained = stored(*arguments, "--explain", "--history", "--dsn", dsn, PLANNER_GRAPH_DSN="nowhere")
    assert "digger (40 s, median of the last 5 runs; critical)" in explained.out
    assert "summarist (2 s, declared in the catalog; critical)" in explained.out
    twice = {stored(*arguments, "--json", "--history").out for _ in range(2)}
    assert len(twice) == 1


def test_a_picture_shows_estimates_from_history_if_asked_to(stored, conn):
    five_runs_of_the_digger(conn)
    arguments = ("draw", stored.write("c.yaml", SOUND), "--agents", AGENTS)
    assert "40 s" not in stored(*arguments).out
    assert "40 s" in stored(*arguments, "--history").out


def stored_plan(conn, shown):
    statement = "SELECT plan, plan_hash FROM execution_plans WHERE workflow_execution_id = %s"
    [(plan, plan_hash)] = conn.execute(statement, (shown["workflow_execution_id"],)).fetchall()
    assert shown["plan_hash"] == plan_hash
    return plan


def test_a_run_is_planned_with_history_and_that_plan_is_stored(stored, conn):
    five_runs_of_the_digger(conn)
    arguments = ("run", stored.write("c.yaml", SOUND), "--agents", AGENTS, "--json")
    planned = stored("plan", *arguments[1:], "--history").document
    shown = stored(*arguments)
    assert shown.code == 0
    assert stored_plan(conn, shown.document) == planned
    assert estimates(planned) == LEARNT
    assert "digger: started, estimate 40 s" in shown.err
    assert estimates(stored_plan(conn, stored(*arguments, "--no-history").document)) == DECLARED
    assert estimates(stored_plan(conn, stored(*arguments, "--min-runs", "20").document)) == DECLARED


@pytest.mark.parametrize("command_line", [("plan", "--history"), ("run",), ("draw", "--history")])
def test_faults_of_the_input_are_told_without_a_database(command, command_line):
    name, *options = command_line
    campaign = command.write("c.yaml", "deliverables: [sumary]")
    shown = command(name, campaign, "--agents", AGENTS, "--dsn", "postgresql://nobody@127.0.0.1:1/x", *options)
    assert (shown.code, shown.out) == (2, "")
    assert "did you mean 'summary'?" in shown.err
    assert "127.0.0.1" not in shown.err


def test_options_that_contradict_each_other_are_refused(command):
    campaign = command.write("c.yaml", SOUND)
    for arguments, remedy in (
        (("plan", campaign, "--min-runs", "3"), "add --history"),
        (("draw", campaign, "--dsn", "x"), "add --history"),
        (("run", campaign, "--no-history", "--min-runs", "3"), "leave one of them out"),
    ):
        shown = command(*arguments, "--agents", AGENTS)
        assert (shown.code, shown.out) == (2, "")
        assert remedy in shown.err
