"""``plan``, ``draw`` and ``catalog``: what they show, and what they do without."""

import hashlib
import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from planner_graph.planning.plan import ExecutionPlan
from tests.acceptance.conftest import PROGRAM, WORKSHOP, Ended

BLOG = "id: launch\ntype: blog_creation\n"
HEAVY = ["langgraph", "langchain_core", "psycopg", "psycopg_pool"]


def test_a_plan_is_shown_in_order_with_estimates_slack_and_critical_path(command):
    shown = command("plan", command.write("blog.yaml", BLOG + "include_images: true\n"))
    assert (shown.code, shown.err) == (0, "")
    lines = [line.rstrip() for line in shown.out.splitlines()]
    assert lines[0].split() == ["#", "agent", "level", "group", "estimate", "slack", "after"]
    assert lines[1].split() == ["1", "planner", "0", "2", "min", "critical"]
    assert "critical path (15 min): planner -> researcher -> writer -> editor -> seo" in lines
    assert any(line.startswith("campaign launch: 7 agents, strategy adaptive") for line in lines)


def test_the_json_of_a_plan_is_its_canonical_bytes_and_a_newline(command):
    file = command.write("blog.yaml", BLOG)
    done = subprocess.run([PROGRAM, "plan", file, "--json"], cwd=command.folder, capture_output=True, check=True)
    plan = ExecutionPlan.from_json(done.stdout)
    assert done.stdout == plan.canonical_json() + b"\n"
    assert hashlib.sha256(done.stdout[:-1]).hexdigest() == plan.hash
    assert done.stderr == b""


def test_the_strategy_of_the_command_line_wins(command):
    file = command.write("blog.yaml", BLOG + "strategy: parallel\n")
    assert command("plan", file, "--strategy", "sequential", "--json").document["strategy"] == "sequential"
    assert command("plan", file, "--json").document["strategy"] == "parallel"


def test_a_plan_explains_itself(command):
    shown = command("plan", command.write("blog.yaml", BLOG), "--explain")
    assert shown.code == 0
    assert "in because: campaign type 'blog_creation' (rule 'blog_creation')" in shown.out


def test_a_plan_takes_json_catalogs_and_declared_agents(command):
    campaign = command.write("w.json", json.dumps({"deliverables": ["post.html", "gold"]}))
    catalog = command.write("more.yaml", "agents: {miner: {outputs: [gold], estimate_seconds: 5}}")
    shown = command("plan", campaign, "--catalog", catalog, "--no-builtin", "--agents", f"{WORKSHOP}:agents", "--json")
    assert [step["agent"] for step in shown.document["steps"]] == ["miner", "digger", "author"]


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        ([], "flowchart "),
        (["--format", "dot"], "digraph "),
        (["--format", "svg"], "<svg "),
    ],
)
def test_a_picture_goes_to_the_screen(command, arguments, beginning):
    shown = command("draw", command.write("blog.yaml", BLOG), *arguments)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(beginning)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("p.svg", b"<svg "), ("p.dot", b"digraph "), ("p.gv", b"digraph "), ("p.mmd", b"flowchart ")],
)
def test_a_picture_goes_to_a_file_whose_name_says_the_format(command, name, beginning):
    shown = command("draw", command.write("blog.yaml", BLOG), "--output", f"new/{name}")
    assert (shown.code, shown.out, shown.err) == (0, "", f"wrote new/{name}\n")
    assert (command.folder / "new" / name).read_bytes().startswith(beginning)
    assert command.files() == ["blog.yaml", "new", f"new/{name}"]


@pytest.mark.parametrize("name", ["p.pdf", "p.PNG", "p.svgz", "p.txt"])
def test_a_file_whose_ending_is_of_another_format_is_refused(command, name):
    shown = command("draw", command.write("blog.yaml", BLOG), "-o", name)
    assert (shown.code, shown.out) == (2, "")
    assert f"--output: cannot draw a .{name.partition('.')[2].lower()} file" in shown.err
    assert ".svg, .dot, .gv, .mmd, .mermaid" in shown.err
    assert command.files() == ["blog.yaml"]
    assert command("draw", "blog.yaml", "-o", name, "--format", "svg").code == 0


def test_a_picture_beyond_what_mermaid_draws_is_reported(command):
    names = [f"a{number}" for number in range(40)]
    agents = {name: {"dependencies": names[max(0, place - 20) : place]} for place, name in enumerate(names)}
    catalog = command.write("k.json", json.dumps({"agents": agents, "rules": {"all": {"select": names}}}))
    campaign = command.write("c.yaml", "deliverables: [a39]\n")
    shown = command("draw", campaign, "--no-builtin", "--catalog", catalog)
    assert shown.code == 0
    assert "of which Mermaid draws 500 (maxEdges)" in shown.err


def test_an_svg_is_well_formed(command):
    shown = command("draw", command.write("blog.yaml", BLOG), "-f", "svg")
    assert ET.fromstring(shown.out).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  # our own


def test_the_catalog_lists_its_agents_and_rules(command):
    shown = command("catalog", "list")
    names = [line.split()[0] for line in shown.out.splitlines() if line]
    assert {"planner", "researcher", "writer", "editor", "seo", "image", "social_media"} <= set(names)
    document = command("catalog", "list", "--json").document
    assert names == ["agent", *document["agents"], "rule", *document["rules"]]


def test_the_list_says_in_words_when_a_rule_applies(command):
    rules = """rules:
  a: {when: {campaign_type: [launch, start], include_images: true}, select: [writer]}
  b: {when: {agents: [writer, editor]}, select: [seo]}
  c: {select: [seo]}
"""
    shown = command("catalog", "list", "--catalog", command.write("mine.yaml", rules))
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert "a campaign_type launch or start, include_images True writer" in lines
    assert "b agents writer and editor seo" in lines
    assert "c always seo" in lines


def test_the_catalog_shows_one_agent_as_it_could_be_declared(command):
    mine = command.write("mine.yaml", "agents:\n  writer: {estimate_seconds: 7}\n")
    shown = command("catalog", "show", "writer", "--catalog", mine)
    assert shown.out.startswith("writer:\n")
    assert "  estimate_seconds: 7.0\n" in shown.out
    document = command("catalog", "show", "writer", "--catalog", mine, "--json").document
    assert (document["name"], document["estimate_seconds"]) == ("writer", 7)


def test_an_agent_that_does_not_exist_is_answered_with_the_nearest_one(command):
    shown = command("catalog", "show", "writr")
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == "error: unknown agent 'writr'\n    did you mean 'writer'?\n"


def test_a_sound_catalog_is_called_sound(command):
    shown = command("catalog", "check", command.write("mine.yaml", "agents: {a: {}}"), "--no-builtin")
    assert (shown.code, shown.out, shown.err) == (0, "the catalog is sound: 1 agent, no rules\n", "")


def test_what_is_wrong_with_a_catalog_can_be_read_by_machines(command):
    file = command.write("mine.yaml", "agents:\n  a: {dependencies: [b]}\n  b: {dependencies: [a]}\n")
    shown = command("catalog", "check", file, "--no-builtin", "--json")
    assert (shown.code, shown.err) == (2, "")
    [finding] = shown.document["findings"]
    assert (finding["file"], finding["agents"]) == ("mine.yaml", ["a", "b", "a"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "blog.yaml"],
        ["plan", "blog.yaml", "--json"],
        ["plan", "blog.yaml", "--explain"],
        ["draw", "blog.yaml", "--format", "svg"],
        ["catalog", "list"],
        ["catalog", "show", "writer"],
        ["catalog", "check"],
        ["--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_planning_loads_neither_langgraph_nor_a_database_driver(command, arguments):
    command.write("blog.yaml", BLOG)
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write(repr([m for m in {HEAVY} if m in sys.modules])))\n"
        "from planner_graph.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=command.folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]"
    assert done.stdout


def test_the_version_is_shown(command):
    shown = command("--version")
    assert shown.code == 0
    assert shown.out.startswith("planner-graph 0.")


def test_a_reader_that_has_seen_enough_causes_no_traceback(command):
    command.write("blog.yaml", BLOG)
    lines = (
        f"set -o pipefail; {PROGRAM} plan blog.yaml --explain | true; echo $?",
        f"{PROGRAM} catalog list --json | head -n 1",
        f"{PROGRAM} catalog list | head -n 1",
    )
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=command.folder, capture_output=True, text=True, check=False
    )
    code, json_line, table_line = done.stdout.splitlines()
    assert done.stderr == ""
    assert code in {"0", "141"}
    assert json_line == "{"
    assert table_line.split()[0] == "agent"


@pytest.mark.parametrize("text", ["type: content_repurposing\n", '{\n\t"type": "content_repurposing"\n}'])
def test_a_campaign_comes_from_standard_input(command, text):
    assert piped(command, text, "plan", "-", "--json").document["campaign_type"] == "content_repurposing"


def test_a_catalog_comes_from_standard_input(command):
    campaign = command.write("c.yaml", "deliverables: [a]\n")
    plan = piped(command, "agents: {a: {}}", "plan", campaign, "--no-builtin", "--catalog", "-", "--json").document
    assert [step["agent"] for step in plan["steps"]] == ["a"]


def test_mistakes_in_standard_input_are_found_there(command):
    refused = piped(command, "typ: x\n", "plan", "-")
    assert (refused.code, refused.err.splitlines()[0]) == (2, "error: <stdin>:1: typ: unknown key 'typ'")


def test_standard_input_is_read_once(command):
    refused = piped(command, "agents: {a: {}}", "plan", "-", "--catalog", "-")
    assert refused.code == 2
    assert "standard input is named twice" in refused.err


def test_agents_of_installed_packages_are_planned_with_what_they_declare(command):
    lines = "from planner_graph import agent\n@agent(outputs=['headline'])\ndef wizard(inputs): return 'text'"
    command.write("wizards.py", lines)
    about = command.folder / "wizards-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wizards\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[planner_graph.agents]\nwizard = wizards:wizard\n")
    command.environment["PYTHONPATH"] = str(command.folder)
    campaign = command.write("c.yaml", "deliverables: [headline]\n")
    planned = command("plan", campaign, "--json")
    assert planned.code == 0, planned.err
    assert [step["agent"] for step in planned.document["steps"]] == ["wizard"]
    assert "wizard" in command("catalog", "list").out


def piped(command, text, *arguments):
    """Run the command with ``text`` on standard input."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        input=text,
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)
