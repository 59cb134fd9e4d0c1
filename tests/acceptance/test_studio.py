"""Compiled plans in LangGraph's own server, asked by LangGraph's own client, as Studio asks it."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from langgraph_sdk import get_sync_client

from planner_graph import AgentFactory, Campaign, Catalog, MasterPlanner
from planner_graph.store import leases
from planner_graph.store.database import open_database
from planner_graph.types import RunId
from tests.acceptance.studio_agents import ANSWER, RULES, team
from tests.langgraph_server import ROOT

STRATEGIES = ("sequential", "parallel", "adaptive")
EXAMPLE = ROOT / "examples" / "blog_campaign"
PATIENCE = 60


@pytest.fixture
def client(langgraph_server):
    with get_sync_client(url=langgraph_server.url) as opened:
        yield opened


@pytest.fixture
def thread(client):
    return client.threads.create()["thread_id"]


class Gate:
    """A gate at which an agent waits, in whatever process, until it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: list[int] = []
        os.mkfifo(path)

    def open(self) -> None:
        """Let through who waits, and who comes."""
        self._held.append(os.open(self.path, os.O_RDWR))

    def close(self) -> None:
        for held in self._held:
            os.close(held)


@pytest.fixture
def gates(tmp_path):
    """Two gates; whoever still waits there when the test is over goes on."""
    made = [Gate(tmp_path / name) for name in ("left", "right")]
    yield made
    for gate in made:
        gate.open()
        gate.close()


def started(client, thread, agent, given, **options):
    """Start a run, and give its id once ``agent`` is at work in it."""
    created: list[Any] = []
    stream = client.runs.stream(
        thread,
        "team",
        input={"campaign": given},
        stream_mode=["custom"],
        on_run_created=created.append,
        on_disconnect="continue",
        **options,
    )
    with contextlib.closing(stream):
        for part in stream:
            if part.event == "custom" and (part.data["event"], part.data["agent"]) == ("agent_started", agent):
                return created[0]["run_id"]
    raise AssertionError(f"the run ended before {agent!r} began")


def gated(gate, brief):
    return {"type": "gated", "brief": brief, "provided": {"gate": str(gate.path)}}


def assistant_of(client, graph):
    [found] = [
        each for each in client.assistants.search(graph_id=graph) if each["metadata"].get("created_by") == "system"
    ]
    return found["assistant_id"]


def dag(plan):
    """Give the edges of a plan as its Mermaid picture draws them: source, target, whether the line is dashed."""
    lines = re.findall(r"^  a_(\S+) (-\S+) a_(\S+)$", plan.to_mermaid(), re.MULTILINE)
    return [(source.replace("_5F", "_"), target, arrow == "-.->") for source, arrow, target in lines]


def between_agents(drawn):
    agents = {node["id"] for node in drawn["nodes"] if "planner_graph_agent" in node.get("metadata", {})}
    return [
        (edge["source"], edge["target"], bool(edge.get("conditional")))
        for edge in drawn["edges"]
        if {edge["source"], edge["target"]} <= agents
    ]


def test_it_lists_what_the_folder_serves(client):
    assert {"campaign", "blog_campaign", "team"} <= {each["graph_id"] for each in client.assistants.search()}


@pytest.mark.parametrize("xray", [False, True])
def test_the_graph_of_the_example_is_its_plan_edge_for_edge(client, xray):
    planner = MasterPlanner(Catalog.builtin().extended(*AgentFactory.load(f"{EXAMPLE / 'agents.py'}:agents").declared))
    plan = planner.create_execution_plan(Campaign.load(EXAMPLE / "campaign.yaml"))
    drawn = client.assistants.get_graph("blog_campaign", xray=xray)
    assert between_agents(drawn) == dag(plan)
    about = {node["id"]: node["metadata"] for node in drawn["nodes"] if node["id"] in plan.by_agent}
    assert about == {
        step.agent: {
            "planner_graph_agent": step.agent,
            "agent_type": step.type,
            "estimate_seconds": step.estimate.seconds,
            "parallel_group_id": step.parallel_group_id,
            "critical": step.timing.critical,
        }
        for step in plan.steps
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_assistant_that_holds_a_campaign_shows_its_plan_and_any_other_all_agents(client, strategy):
    everyone = client.assistants.get_graph("team")
    assert {agent for agents in RULES.values() for agent in agents} <= {node["id"] for node in everyone["nodes"]}
    made = client.assistants.create("team", context={"campaign": {"type": "gated"}, "strategy": strategy}, name="gated")
    assert made["context"]["strategy"] == strategy
    provided = {"type": "gated", "provided": {"gate": "/gate"}}
    made = client.assistants.create("team", context={"campaign": provided, "strategy": strategy}, name="gated")
    plan = MasterPlanner(team).create_execution_plan(Campaign.model_validate(provided), strategy)
    for xray in (False, True):
        drawn = client.assistants.get_graph(made["assistant_id"], xray=xray)
        assert between_agents(drawn) == dag(plan)
        assert {node["id"] for node in drawn["nodes"]} == {"__start__", "plan", *plan.by_agent, "finish", "__end__"}


def test_xray_shows_an_agent_that_is_a_graph_from_inside(client):
    assert "assistant" in {node["id"] for node in client.assistants.get_graph("team")["nodes"]}
    inside = {node["id"] for node in client.assistants.get_graph("team", xray=True)["nodes"]}
    assert {"assistant:agent", "assistant:tools"} <= inside
    assert list(client.assistants.get_subgraphs(assistant_of(client, "team"))) == ["assistant"]


def test_the_form_asks_for_a_campaign_and_the_configuration_for_a_strategy(client):
    schemas = client.assistants.get_schemas(assistant_of(client, "team"))
    form = schemas["input_schema"]["properties"]["campaign"]["properties"]
    assert form["type"]["anyOf"][0]["enum"] == list(RULES)
    assert "verdict" in form["deliverables"]["items"]["enum"]
    assert {"content_types", "brief", "sources"} <= form.keys()
    assert schemas["context_schema"]["properties"]["strategy"]["enum"] == list(STRATEGIES)
    assert list(schemas["output_schema"]["properties"]) == ["result"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_streams_values_updates_tasks_and_events(client, thread, strategy):
    modes = ["values", "updates", "tasks", "custom"]
    given = {"campaign": {"type": "filmed", "brief": "cats"}}
    parts = list(client.runs.stream(thread, "team", input=given, context={"strategy": strategy}, stream_mode=modes))
    told = {mode: [part.data for part in parts if part.event == mode] for mode in modes}
    result = told["values"][-1]["result"]
    assert result["deliverables"] == {"draft": "about cats", "page": "about cats"}
    assert (result["missing"], result["status"]) == (["film"], "partial_success")
    assert result["agents"]["filmer"]["status"] == "failed"
    assert {name for update in told["updates"] for name in update} == {"plan", *RULES["filmed"], "finish"}
    ended = {task["name"]: task["result"] for task in told["tasks"] if "result" in task}
    assert ended["drafter"]["drafter"]["output"] == {"draft": "about cats"}
    events = [(event["event"], event["agent"], event.get("attempt")) for event in told["custom"]]
    assert [event for event in events if event[1] == "filmer"] == [
        ("agent_started", "filmer", 1),
        ("attempt_failed", "filmer", 1),
        ("agent_started", "filmer", 2),
        ("attempt_failed", "filmer", 2),
        ("agent_ended", "filmer", None),
    ]
    began = next(event["at"] for event in told["custom"] if event["agent"] == "drafter")
    assert began == result["agents"]["drafter"]["started_at"]
    assert all(event["at"] for event in told["custom"])


def test_the_example_runs_on_any_campaign(client, thread, tmp_path):
    source = tmp_path / "cats.md"
    source.write_text("# Cats\n\nCats sleep for most of the day. A cat that sleeps is a happy cat.\n" * 3)
    campaign = {"type": "content_repurposing", "brief": "Introduce cats: how they sleep.", "sources": [str(source)]}
    campaign |= {"deliverables": ["social.json"]}
    final = client.runs.wait(thread, "campaign", input={"campaign": campaign}, context={"strategy": "parallel"})
    assert final["result"]["status"] == "completed"
    assert final["result"]["deliverables"]["social.json"]["posts"]
    assert "image" not in final["result"]["agents"]


@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
def test_an_agent_asks_and_goes_on_with_the_answer(client, thread, strategy):
    given = {"campaign": {"type": "reviewed", "brief": "dogs"}}
    asked = client.runs.wait(thread, "team", input=given, context={"strategy": strategy})
    assert [question["value"] for question in asked["__interrupt__"]] == [{"publish": "about dogs"}]
    state = client.threads.get_state(thread)
    assert client.threads.get(thread)["status"] == "interrupted"
    assert "reviewer" in state["next"]
    final = client.runs.wait(thread, "team", command={"resume": "fine"}, context={"strategy": strategy})
    assert final["result"]["deliverables"] == {
        "draft": "about dogs",
        "verdict": "fine",
        "page": "about dogs | fine",
    }


def test_the_servers_own_checkpointer_calls_nothing_that_stored_bytes_name(client, thread, tmp_path, langgraph_server):
    """What ``langgraph.json`` sets; without LANGGRAPH_STRICT_MSGPACK the command runs when the run is resumed."""
    made = tmp_path / "made"
    given = {"campaign": {"type": "trapped", "provided": {"trap": str(made)}}}
    asked = client.runs.wait(thread, "team", input=given)
    assert asked["__interrupt__"]
    client.threads.get_state(thread)
    client.threads.get_history(thread)
    final = client.runs.wait(thread, "team", command={"resume": "well"})
    assert final["result"]["agents"]["trapper"]["status"] == "completed"
    assert not made.exists()
    blocked = [line for line in langgraph_server.log if "Blocked deserialization of os.system" in line]
    assert blocked, "the server has read the bytes"


@pytest.mark.parametrize("strategy", ["sequential", "adaptive"])
def test_a_run_that_is_cancelled_goes_on_where_it_was(client, thread, gates, strategy):
    run = started(client, thread, "porter", gated(gates[0], "birds"), context={"strategy": strategy})
    client.runs.cancel(thread, run, wait=True)
    assert client.runs.get(thread, run)["status"] == "interrupted"
    gates[0].open()
    told = [part.data for part in client.runs.stream(thread, "team", input=None, stream_mode=["custom"])]
    final = client.threads.get_state(thread)["values"]["result"]
    assert final["deliverables"] == {
        "draft": "about birds",
        "passed": "about birds",
        "page": "about birds | about birds",
    }
    assert "drafter" not in {event.get("agent") for event in told}, "what had ended does not run again"


def test_two_threads_at_once(client, gates):
    threads = {gate: client.threads.create()["thread_id"] for gate in gates}
    runs = {gate: started(client, threads[gate], "porter", gated(gate, gate.path.name)) for gate in gates}
    for gate in reversed(gates):  # the one that began first ends last
        gate.open()
        final = client.runs.join(threads[gate], runs[gate])
        draft = f"about {gate.path.name}"
        assert final["result"]["deliverables"] == {"draft": draft, "passed": draft, "page": f"{draft} | {draft}"}


@pytest.mark.parametrize(
    ("campaign", "words"),
    [
        ({"type": "novel"}, "unknown campaign type 'novel'; the catalog knows: letter, reviewed"),
        ({"typ": "letter"}, "campaign.typ: unknown key 'typ'; remove it, did you mean 'type'?"),
        ("a letter", "'campaign' is a str"),
    ],
)
def test_a_bad_input_is_refused_in_words(client, thread, campaign, words):
    given = client.runs.wait(thread, "team", input={"campaign": campaign}, raise_error=False)
    assert words in given["__error__"]["message"]
    assert client.threads.get(thread)["status"] == "error"


@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_breakpoints_history_and_forks_work_at_each_agent(client, thread, strategy):
    given = {"campaign": {"type": "letter", "brief": "fish"}}
    by = {"strategy": strategy}
    client.runs.wait(thread, "team", input=given, context=by, interrupt_before=["publisher"])
    state = client.threads.get_state(thread)
    assert state["next"] == ["publisher"]
    done = client.runs.wait(thread, "team", input=None)["result"]
    assert done["deliverables"] == {"draft": "about fish", "page": "about fish"}
    before = next(each for each in client.threads.get_history(thread) if each["next"] == ["publisher"])
    other = {**before["values"]["drafter"], "output": {"draft": "about sharks"}}
    forked = client.threads.update_state(
        thread, {"drafter": other}, as_node="drafter", checkpoint_id=before["checkpoint"]["checkpoint_id"]
    )
    final = client.runs.wait(thread, "team", input=None, checkpoint=forked["checkpoint"])
    assert final["result"]["deliverables"] == {"draft": "about sharks", "page": "about sharks"}


@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
def test_a_record_may_be_given_by_hand_its_output_is_enough_and_what_is_none_is_refused(client, thread, strategy):
    given = {"campaign": {"type": "reviewed", "brief": "voles"}}
    client.runs.wait(thread, "team", input=given, context={"strategy": strategy})
    drafted = client.threads.get_state(thread)["values"].get("drafter")
    with pytest.raises(httpx.HTTPStatusError, match="reviewer: Input should be a valid dictionary; give a record as"):
        client.threads.update_state(thread, {"reviewer": "fine"}, as_node="reviewer")
    client.threads.update_state(thread, {"reviewer": {"output": {"verdict": "by hand"}}}, as_node="reviewer")
    final = client.runs.wait(thread, "team", input=None)
    assert final["result"]["deliverables"] == {
        "draft": "about voles",
        "verdict": "by hand",
        "page": "about voles | by hand",
    }
    if strategy == "parallel":
        assert client.threads.get_state(thread)["values"]["drafter"] == drafted


def test_an_agent_that_is_langgraphs_own_streams_its_tokens(client, thread):
    question = [{"role": "user", "content": "What is everything?"}]
    given = {"campaign": {"type": "talk", "provided": {"messages": question}}}
    parts = list(
        client.runs.stream(thread, "team", input=given, stream_mode=["messages-tuple", "values"], stream_subgraphs=True)
    )
    chunks = [part.data for part in parts if part.event.startswith("messages|assistant:")]
    words = [chunk["content"] for chunk, _ in chunks if chunk["type"] == "AIMessageChunk" and chunk["content"]]
    assert "".join(words) == ANSWER
    assert len(words) == len(ANSWER.split())
    assert {about["langgraph_node"] for _, about in chunks} >= {"agent", "tools"}
    final = [part.data for part in parts if part.event == "values"][-1]
    assert final["result"]["deliverables"]["dialogue"][-1] == ANSWER


def rows(server, query, *values):
    with psycopg.connect(server.dsn, row_factory=psycopg.rows.dict_row) as conn:
        return conn.execute(query, values).fetchall()


PLANS = "SELECT * FROM execution_plans WHERE thread_id LIKE %s ORDER BY created_at"


def test_runs_are_in_the_tables_like_any_other(client, thread, langgraph_server):
    given = {"campaign": {"type": "reviewed", "brief": "mice"}}
    client.runs.wait(thread, "team", input=given)
    [row] = rows(langgraph_server, PLANS, f"{thread}%")
    assert (row["status"], row["status_reason"]) == ("paused", "waiting for an answer to: reviewer")
    client.runs.wait(thread, "team", command={"resume": "good"})
    client.runs.wait(thread, "team", input={"campaign": {"type": "letter", "brief": "rats"}})
    first, second = rows(
        langgraph_server,
        "SELECT * FROM execution_plans WHERE campaign->>'brief' = ANY(%s) ORDER BY created_at",
        ["mice", "rats"],
    )
    assert first["workflow_execution_id"] == row["workflow_execution_id"]
    assert (first["status"], sorted(first["completed_agents"])) == ("completed", sorted(RULES["reviewed"]))
    assert (second["status"], sorted(second["completed_agents"])) == ("completed", sorted(RULES["letter"]))
    assert first["result"]["deliverables"] == {
        "draft": "about mice",
        "verdict": "good",
        "page": "about mice | good",
    }


def run_at_work(server, thread, agent):
    """Give the id of the run of a thread once the tables say that ``agent`` is at work: they follow with a delay."""
    working = """
        SELECT workflow_execution_id FROM execution_plans JOIN workflow_state_live USING (workflow_execution_id)
        WHERE thread_id LIKE %s AND %s = ANY(current_agents_running)
    """
    with psycopg.connect(server.dsn, autocommit=True) as conn:
        conn.execute("LISTEN planner_graph")
        while not (found := conn.execute(working, (f"{thread}%", agent)).fetchall()):
            assert list(conn.notifies(timeout=PATIENCE, stop_after=1)), "nothing is written"
    return str(found[0][0])


async def test_a_run_that_another_process_takes_over_writes_nothing_more_and_fails(
    client, thread, gates, langgraph_server
):
    run = started(client, thread, "porter", gated(gates[0], "owls"))
    run_id = run_at_work(langgraph_server, thread, "porter")
    async with open_database(langgraph_server.dsn) as database:
        async with database.pool.connection() as conn:
            taken = await leases.acquire(conn, RunId(run_id), take_over=True)
        gates[0].open()
        final = client.runs.join(thread, run)
        assert f"run {run_id!r}" in str(final)
        assert client.threads.get(thread)["status"] == "error"
        [row] = rows(langgraph_server, PLANS, f"{thread}%")
        assert row["status"] == "running", "its end is not recorded by who lost it"
        async with database.pool.connection() as conn:
            await leases.release(conn, taken)
