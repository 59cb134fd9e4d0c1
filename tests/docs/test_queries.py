"""The queries of docs/mirror.md find what they promise, and the document names every column, event and setting."""

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from psycopg.rows import dict_row

from planner_graph import MirrorSettings, ModelPrice, PlanMirror, compile_plan, open_database
from planner_graph.mirror.progress import ProgressReport
from planner_graph.store.repository import Repository
from planner_graph.types import RunId
from tests.catalogs import spec
from tests.databases import TEMPLATE, fresh
from tests.fakes import ScriptedChatModel, planned
from tests.mirrors import accept

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "mirror.md").read_text()
README = re.findall(r"^```sql\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
QUERIES = dict(re.findall(r"^([^\n]+):\n\n```sql\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
YOUR_RUN = "3f0e8c1a-5b7d-4c2e-9a64-d1f2b3c4e5a6"
SECONDS = 30
AT_ONCE = {"initial_seconds": 0}
PRICES = {"small": ModelPrice(input_usd=1, output_usd=10)}
LATE = spec("writer", max_retries=1, backoff=AT_ONCE)
PRICED = [spec("researcher"), spec("writer", after=["researcher"], max_retries=1, backoff=AT_ONCE)]
SALE = [spec("researcher"), spec("writer", after=["researcher"]), spec("editor", after=["writer"])]
TEXT = "A long text. " * 200

FOUND: dict[str, list[dict[str, Any]]] = {
    "What runs now, and since when": [{"campaign_key": "sale", "agent_name": "writer", "attempt": 1}],
    "How far the runs are, and when they should end": [
        {"campaign_key": "sale", "completed": 1, "total_agents": 3, "current_agents_running": ["writer"]},
        {"campaign_key": "lost", "completed": 0, "total_agents": 1, "current_agents_running": []},
    ],
    "Which runs have not been heard of for a minute, as their process died or lost the database": [
        {"campaign_key": "lost"}
    ],
    "Who waits in a run, and for whom": [
        {"agent_name": "editor", "dependency_type": "hard", "waits_for": ["writer"]},
    ],
    "What is asked of people, and in which runs": [
        {"value": "Shall it go out?"},
        {"value": None},  # too long to be shown
    ],
    "Which agents failed today, and why": [
        {
            "agent_name": "writer",
            "attempts": 2,
            "error": "TimeoutError",
            "reason": "TimeoutError after 2 attempts: late",
        }
    ],
    "The slowest agents of the last 100 runs, by the attempts that completed": [
        {"agent_name": "researcher", "completed": 2},
        {"agent_name": "writer", "completed": 1},
    ],
    "Retries of each agent in the last week": [{"agent_name": "writer", "retries": 2, "executions": 3}],
    "Runs and agents that ended, hour by hour": [{"runs": 2, "completed": 1, "completed_agents": 2}],
    "What each campaign has cost in USD, and how many of its runs called models whose price is not known": [
        {"campaign_key": "launch", "runs": 1, "not_priced": 0}
    ],
    "Tokens by model": [{"model": "small", "input_tokens": 1000, "output_tokens": 100, "calls": 1}],
    "What happened in a run after event 3": [
        {"sequence": 4, "event": "agent_ended", "agent_name": "researcher"},
        {"sequence": 5, "event": "agent_started", "agent_name": "writer"},
    ],
    "What the agents of a run have given so far, and which outputs are shown in part": [
        {"agent_name": "researcher", "shortened": True}
    ],
}


@pytest.fixture(scope="module")
def runs(servers) -> Iterator[str]:
    """The address of a database with runs: one ended well, one badly, one asks, one goes on, one was lost."""
    for dsn in fresh(servers.address("embedded"), TEMPLATE):
        asyncio.run(lost(dsn))
        with PlanMirror(dsn, settings=MirrorSettings(output_preview=100)) as mirror:
            invoke(mirror, "launch", PRICED, {"researcher": asking_a_model, "writer": failing(ConnectionError())})
            invoke(mirror, "newsletter", [LATE], {"writer": failing(TimeoutError("late"), TimeoutError("late"))})
            invoke(mirror, "mailing", [spec("sender")], {"sender": lambda _: interrupt("Shall it go out?")})
            invoke(mirror, "poster", [spec("sender")], {"sender": lambda _: interrupt("Why? " * 5_000)})
            at_work, done = threading.Event(), threading.Event()
            bodies = {"researcher": lambda _: TEXT, "writer": working(at_work, done), "editor": lambda _: TEXT}
            sale = threading.Thread(target=invoke, args=(mirror, "sale", SALE, bodies, YOUR_RUN))
            sale.start()
            try:
                assert at_work.wait(SECONDS)
                wait_for_event(dsn, 5)
                yield dsn
            finally:
                done.set()
                sale.join(SECONDS)


def invoke(mirror: PlanMirror, campaign: str, specs: list[Any], bodies: Any, run: str | None = None) -> None:
    plan = planned(*specs, strategy="adaptive", id=campaign)
    graph = compile_plan(plan, bodies, checkpointer=InMemorySaver(), prices=PRICES)
    named = {"workflow_execution_id": run} if run else {}
    config: Any = {"callbacks": [mirror], "configurable": {"thread_id": campaign, **named}}
    graph.invoke({"campaign": {"id": campaign}}, config)
    assert mirror.report(campaign).problem is None


def asking_a_model(_: Any) -> str:
    usage: Any = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    reply = AIMessage("facts", usage_metadata=usage, response_metadata={"model_name": "small"})
    return ScriptedChatModel(replies=[reply]).invoke("facts?").text


def failing(*errors: Exception) -> Any:
    script = iter(errors)

    def body(_: Any) -> str:
        for error in script:
            raise error
        return "a text"

    return body


def working(at_work: threading.Event, done: threading.Event) -> Any:
    def body(_: Any) -> str:
        at_work.set()
        done.wait(SECONDS)
        return "a text"

    return body


async def lost(dsn: str) -> None:
    """Leave a run behind as a process does that dies, some minutes ago."""
    async with open_database(dsn) as database:
        run = await accept(database, planned(spec("sender"), id="lost"))
        await Repository(database).start_run(RunId(run))
        async with database.pool.connection() as conn:
            await conn.execute("UPDATE workflow_state_live SET last_heartbeat = NOW() - INTERVAL '5 minutes'")


def wait_for_event(dsn: str, sequence: int) -> None:
    """Wait until the run that goes on has this event in its log."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("LISTEN planner_graph")
        reached = "SELECT last_sequence >= %s FROM workflow_state_live WHERE workflow_execution_id = %s"
        for _ in range(SECONDS):
            if conn.execute(reached, [sequence, YOUR_RUN]).fetchone() == (True,):
                return
            list(conn.notifies(timeout=1, stop_after=1))
    raise AssertionError(f"event {sequence} has not come")


def rows(dsn: str, query: str) -> list[dict[str, Any]]:
    """Give the rows of a query, which may do nothing but read."""
    with psycopg.connect(dsn, row_factory=dict_row) as conn:
        conn.read_only = True
        return conn.execute(query.encode()).fetchall()


def test_the_document_has_the_queries_that_are_tried_here():
    assert list(QUERIES) == list(FOUND)
    assert len(QUERIES) == DOCUMENT.count("```sql")


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_of_the_document_finds_what_it_promises(title, runs):
    found = rows(runs, QUERIES[title])
    wanted = FOUND[title]
    shown = [{column: row[column] for column in wanted[0]} for row in found]
    assert sorted(shown, key=str) == sorted(wanted, key=str)


def test_the_cost_of_a_campaign_is_that_of_its_tokens(runs):
    [row] = rows(runs, next(query for title, query in QUERIES.items() if "cost" in title))
    assert float(row["cost_usd"]) == pytest.approx((1000 * 1 + 100 * 10) / 1_000_000)


def test_events_come_in_order(runs):
    assert [row["sequence"] for row in rows(runs, QUERIES["What happened in a run after event 3"])] == [4, 5]


@pytest.mark.parametrize("query", README)
def test_a_query_of_the_readme_finds_something(query, runs):
    assert rows(runs, query)


def described(table: str) -> list[str]:
    """Give the columns that the document describes of a table."""
    section = DOCUMENT.split(f"### {table}\n")[1].split("\n#")[0]
    first = section.split("| column | meaning |\n|---|---|\n")[1].split("\n\n")[0]
    return [name for line in first.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])]


@pytest.mark.parametrize("table", ["workflow_state_live", "execution_plans", "agent_runs", "run_answers", "run_events"])
def test_every_column_of_a_table_is_described(table, runs):
    columns = rows(runs, f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")  # noqa: S608
    assert sorted(described(table)) == sorted(row["column_name"] for row in columns)


@pytest.mark.parametrize(
    "constraint", ["run_events_event_known", "execution_plans_status_known", "agent_runs_status_known"]
)
def test_every_event_and_state_is_described(constraint, runs):
    query = f"SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = '{constraint}'"  # noqa: S608
    [row] = rows(runs, query)
    names = re.findall(r"'(\w+)'::text", row["text"])
    assert names
    assert [name for name in names if not has_row(name)] == []


def has_row(name: str) -> bool:
    """Tell whether a table of the document says what ``name`` means."""
    return re.search(rf"^\|[^|]*`{name}`[^|]*\|", DOCUMENT, re.MULTILINE) is not None


@pytest.mark.parametrize("name", [*MirrorSettings.model_fields, *ProgressReport.__annotations__])
def test_every_setting_and_every_field_of_a_report_is_described(name):
    assert has_row(name)


def test_the_defaults_of_settings_are_those_of_the_document():
    for name, value in MirrorSettings():
        [told] = re.findall(rf"^\| `{name}` \| ([\w.,]+) \|", DOCUMENT, re.MULTILINE)
        assert (told == "yes" if told in {"yes", "no"} else float(told.replace(",", ""))) == value
