"""The same as ``test_studio`` asks, by LangGraph's JavaScript client in Node: several threads at once."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from planner_graph import AgentFactory, Campaign, Catalog, MasterPlanner
from tests.acceptance.studio_agents import ANSWER, RULES
from tests.langgraph_server import ROOT

SDK = "@langchain/langgraph-sdk@1.15.0"
SCRIPT = Path(__file__).with_name("sdk.mjs")
EXAMPLE = ROOT / "examples" / "blog_campaign"
LONGEST_SECONDS = 100
INSTALL_SECONDS = 60
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")
"""What npm says of a machine without a network; of anything else the test fails."""


@pytest.fixture(scope="session")
def sdk(request):
    """The folder that the client is installed in; it is kept for the next session."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node here")
    folder = Path(request.config.cache.mkdir(SDK.rpartition("/")[2].replace("@", "-")))
    if not (folder / "node_modules" / "@langchain").exists():
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", SDK]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            said = str(error.stderr or "")
            if isinstance(error, subprocess.CalledProcessError) and not any(sign in said for sign in UNREACHABLE):
                pytest.fail(f"npm cannot install {SDK}: {said[-300:]}")
            pytest.skip(f"npm does not reach its registry, where {SDK} is: {said[-300:] or error}")
    return folder


@pytest.fixture(scope="module")
def learnt(sdk, langgraph_server, tmp_path_factory):
    """What the script learnt."""
    gate = tmp_path_factory.mktemp("gates") / "gate"
    os.mkfifo(gate)
    command = ["node", SCRIPT, langgraph_server.url, sdk, gate]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_lists_the_graphs(learnt):
    assert {"campaign", "blog_campaign", "team"} <= set(learnt["graphs"])


def test_it_draws_the_plan(learnt):
    declared = AgentFactory.load(f"{EXAMPLE / 'agents.py'}:agents").declared
    planner = MasterPlanner(Catalog.builtin().extended(*declared))
    plan = planner.create_execution_plan(Campaign.load(EXAMPLE / "campaign.yaml"))
    drawn = [(edge["source"], edge["target"]) for edge in learnt["drawn"]["edges"]]
    between = [edge for edge in drawn if set(edge) <= set(plan.by_agent)]
    assert between == [(other.agent, step.agent) for step in plan.steps for other in step.dependencies]
    assert {"assistant:agent", "assistant:tools"} <= {node["id"] for node in learnt["xray"]["nodes"]}


def test_it_reads_the_schemas(learnt):
    fields = learnt["schemas"]["input_schema"]["properties"]["campaign"]["properties"]
    assert fields["type"]["anyOf"][0]["enum"] == list(RULES)
    assert "strategy" in learnt["schemas"]["context_schema"]["properties"]


def test_it_streams_a_run(learnt):
    streamed = learnt["streamed"]
    assert streamed["values"][-1]["result"]["deliverables"] == {"draft": "about cats", "page": "about cats"}
    assert {name for update in streamed["updates"] for name in update} == {"plan", *RULES["letter"], "finish"}
    assert {task["name"] for task in streamed["tasks"]} >= set(RULES["letter"])
    assert [event["agent"] for event in streamed["custom"] if event["event"] == "agent_ended"] == RULES["letter"]


def test_it_hears_the_tokens_of_an_agent(learnt):
    assert "".join(learnt["words"]) == ANSWER


def test_it_answers_an_agent(learnt):
    assert [question["value"] for question in learnt["asked"]["__interrupt__"]] == [{"publish": "about dogs"}]
    assert learnt["answered"]["result"]["deliverables"] == {
        "draft": "about dogs",
        "verdict": "fine",
        "page": "about dogs | fine",
    }


def test_it_cancels_a_run_and_goes_on_with_it(learnt):
    assert learnt["cancelled"] == "interrupted"
    assert learnt["resumed"]["result"]["deliverables"] == {
        "draft": "about birds",
        "passed": "about birds",
        "page": "about birds | about birds",
    }


def test_it_is_told_in_words_what_is_wrong(learnt):
    assert "unknown campaign type 'novel'" in learnt["refused"]
