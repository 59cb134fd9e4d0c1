"""``run``, ``resume``, ``status``, ``runs`` and ``db`` on a real database."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from planner_graph.store.upgrades import SCHEMA_VERSION
from tests.acceptance.conftest import WORKSHOP

AGENTS = f"{WORKSHOP}:agents"
RUN_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SOUND = "id: sound\nbrief: Facts, please\ndeliverables: [facts, post.html, summary, header.png]\n"
HALF = "id: half\nbrief: x\ndeliverables: [summary, trailer]\n"
HOPELESS = "id: hopeless\ndeliverables: [trailer]\n"


def words(line: str) -> list[str]:
    return line.split()


def test_a_run_shows_its_agents_and_writes_its_deliverables(stored):
    shown = stored("run", stored.write("c.yaml", SOUND), "--agents", AGENTS, "--output", "out/new")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert words(lines[1]) == ["agent", "status", "attempts", "time"]
    assert [words(line)[:3] for line in lines[2:6]] == [
        [name, "completed", "1"] for name in ("digger", "painter", "author", "summarist")
    ]
    assert re.fullmatch(rf"run {RUN_ID} completed after \d+\.\d s, 4 of 4 agents ended", lines[-1])
    folder = stored.folder / "out" / "new"
    assert json.loads((folder / "facts.json").read_text()) == {"about": "Facts, please", "count": 2}
    assert (folder / "post.html").read_text() == "<p>Facts, please</p>"
    assert (folder / "summary.md").read_text() == "2 facts"
    assert (folder / "header.png").read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert (folder / "plan.svg").read_text().startswith("<svg ")
    assert sorted(path.name for path in folder.iterdir()) == [
        "facts.json", "header.png", "plan.svg", "post.html", "summary.md"
    ]  # fmt: skip
    for name in ("facts.json", "post.html", "summary.md", "header.png", "plan.svg"):
        assert str(folder / name) in shown.out


def test_where_there_is_no_terminal_each_event_is_a_line_on_standard_error(stored):
    shown = stored("run", stored.write("c.yaml", HOPELESS), "--agents", AGENTS)
    told = [re.sub(r"\d+\.\d s", "T", line.partition(" ")[2]) for line in shown.err.splitlines()[1:]]
    assert re.fullmatch(rf"run {RUN_ID}: 2 agents, strategy adaptive, expected 2 s", told[0].replace("T", "2 s"))
    assert told[1:] == [
        "filmer: started, estimate 1 s",
        "filmer: attempt 1 failed: OSError: no camera\\x1b[2J; attempt 2 in T",
        "filmer: attempt 2 started, estimate 1 s",
        "filmer: attempt 2 failed: OSError: no camera\\x1b[2J",
        "filmer: failed after T: OSError after 2 attempts: no camera\\x1b[2J (1 of 2)",
        "cutter: skipped: hard dependency 'filmer' failed: OSError after 2 attempts: no camera\\x1b[2J (2 of 2)",
    ]


def test_a_run_without_output_writes_no_file_and_says_how_to_get_them(stored):
    shown = stored("run", stored.write("c.yaml", SOUND), "--agents", AGENTS)
    assert shown.code == 0
    assert stored.files() == ["c.yaml"]
    [wanted] = re.findall(r"planner-graph (status .* --output) DIR", shown.out)
    written = stored(*wanted.split(), "later")
    assert written.code == 0
    assert (stored.folder / "later" / "post.html").read_text() == "<p>Facts, please</p>"


@pytest.mark.parametrize(("text", "code", "status"), [(HALF, 3, "partial_success"), (HOPELESS, 1, "failed")])
def test_a_failure_shows_in_the_exit_code_and_says_why_and_what_to_do(stored, text, code, status):
    shown = stored("run", stored.write("c.yaml", text), "--agents", AGENTS)
    assert shown.code == code
    assert "OSError after 2 attempts: no camera\\x1b[2J" in shown.out
    assert re.search(r"^trailer +missing$", shown.out, re.MULTILINE)
    assert f" {status} after " in shown.out
    run_id = re.findall(RUN_ID, shown.out)[0]
    assert f"then redo that part: planner-graph rerun {run_id} --from " in shown.out
    ended = stored("resume", run_id)
    assert (ended.code, ended.out) == (2, "")
    assert f"cannot be resumed: it has ended as '{status}'" in ended.err


def test_the_json_of_a_run_stands_alone_whatever_the_agents_print(stored):
    shown = stored("run", stored.write("c.yaml", HALF), "--agents", AGENTS, "--output", "out", "--json")
    assert shown.code == 3
    assert {"the workshop opens", "a word from the digger"} <= set(shown.err.splitlines())
    document = shown.document
    assert (document["status"], document["campaign_id"], document["missing"]) == (
        "partial_success",
        "half",
        ["trailer"],
    )
    assert document["deliverables"] == {"summary": "2 facts"}
    assert document["files"] == {"summary": str(stored.folder / "out" / "summary.md")}
    assert document["agents"]["filmer"]["status"] == "failed"
    assert document["agents"]["cutter"]["attempts"] == 0
    assert stored("status", "--json").document == document | {"files": {}}


def test_status_shows_the_latest_run_unless_one_is_named(stored):
    first = stored("run", stored.write("a.yaml", SOUND), "--agents", AGENTS, "--json").document
    second = stored("run", stored.write("b.yaml", HOPELESS), "--agents", AGENTS, "--json").document
    assert stored("status", "--json").document == second
    assert stored("status", first["workflow_execution_id"][:8], "--json").document == first
    shown = stored("status")
    assert shown.code == 0
    assert f"run {second['workflow_execution_id']} failed" in shown.out


def test_runs_are_listed_newest_first(stored):
    assert "no runs yet" in stored("runs").err
    ids = [
        stored("run", stored.write("c.yaml", text), "--agents", AGENTS, "--json").document["workflow_execution_id"]
        for text in (SOUND, HOPELESS)
    ]
    shown = stored("runs")
    assert [words(line)[:3] for line in shown.out.splitlines()] == [
        ["run", "status", "agents"],
        [ids[1], "failed", "0/2"],
        [ids[0], "completed", "4/4"],
    ]
    assert [run["workflow_execution_id"] for run in stored("runs", "--json", "-n", "1").document["runs"]] == [ids[1]]
    assert [run["status"] for run in stored("runs", "--json", "--status", "completed").document["runs"]] == [
        "completed"
    ]


def test_the_strategy_and_the_declarations_in_python_reach_the_run(stored):
    catalog = stored.write("k.yaml", "agents: {digger: {estimate_seconds: 77}, post_office: {outputs: [mail]}}")
    arguments = [stored.write("c.yaml", SOUND), "--agents", AGENTS, "--catalog", catalog, "--strategy", "sequential"]
    planned = stored("plan", *arguments, "--json").document
    shown = stored("run", *arguments, "--json")
    assert planned["strategy"] == "sequential"
    assert {step["agent"]: step["estimate"]["seconds"] for step in planned["steps"]}["digger"] == 1
    assert stored("status", "--json").document["plan_hash"] == shown.document["plan_hash"]
    assert shown.document["execution_info"]["strategy"] == "sequential"


def test_a_database_is_checked_and_upgraded(command, empty_dsn):
    missing = command("db", "check", "--dsn", empty_dsn)
    assert (missing.code, missing.out) == (2, "")
    assert "run 'planner-graph db upgrade'" in missing.err
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT to_regclass('campaigns')").fetchone() == (None,)
    upgraded = command("db", "upgrade", "--dsn", empty_dsn)
    assert (upgraded.code, upgraded.err) == (0, "")
    assert upgraded.out.endswith(f"version {SCHEMA_VERSION}, fits this program\n")
    checked = command("db", "check", "--json", PLANNER_GRAPH_DSN=empty_dsn)
    assert (checked.code, checked.document["schema_version"], checked.document["needed_version"]) == (
        0,
        SCHEMA_VERSION,
        SCHEMA_VERSION,
    )


def test_without_a_dsn_the_private_server_is_used_and_stopped_again(command):
    campaign = command.write("c.yaml", "deliverables: [header.png]")
    with TemporaryDirectory(prefix="postgres-") as home:  # the folders of tests are too deep for a socket
        command.environment["PLANNER_GRAPH_HOME"] = home
        assert command("run", campaign, "--agents", AGENTS).code == 0
        assert f"embedded in {home}" in command("db", "check").out
        assert not (Path(home) / "data" / "postmaster.pid").exists()
