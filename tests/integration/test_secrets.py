"""Values that the catalog names as secrets, and what looks like one in errors, reach agents and no person."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from planner_graph import (
    AgentFactory,
    AgentSpec,
    Campaign,
    CampaignOrchestrator,
    Catalog,
    MasterPlanner,
    Rule,
)
from planner_graph.cli.account import account_json, read_account
from planner_graph.cli.delivery import write
from planner_graph.cli.screen import console
from planner_graph.cli.summary import account_text
from planner_graph.mirror.checkpoint import full_output, read_checkpoint
from planner_graph.mirror.reconcile import reconcile
from planner_graph.server.app import build_app
from planner_graph.server.context import open_context
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import ServerSettings
from planner_graph.types import AgentName
from tests.asgi import client


def spec(**fields: Any) -> AgentSpec:
    return AgentSpec.model_validate(fields)


def rule(**fields: Any) -> Rule:
    return Rule.model_validate(fields)


PROVIDED, CONFIGURED, MADE, QUOTED = "swordfish-provided", "swordfish-configured", "swordfish-made", "swordfish-dsn"
SECRETS = (PROVIDED, CONFIGURED, MADE)

CATALOG = Catalog.of(
    spec(name="login", inputs=["account"], outputs=["session"], configuration={"pin": None}),
    spec(name="poster", inputs=["session"], outputs=["post"]),
    spec(name="broken", inputs=["account"], outputs=["report"], max_retries=0),
    spec(name="after", dependencies=["broken"]),
    rules=[rule(name="all", select=("login", "poster", "broken", "after"))],
    secrets=["account", "session", "pin"],
)
CAMPAIGN = Campaign(
    id="secret-campaign",
    provided={"account": {"key": PROVIDED}},
    configuration={"login": {"pin": CONFIGURED}},
    deliverables=("session", "post", "report"),
)
seen: list[Any] = []


async def login(inputs):
    seen.append((inputs["account"]["key"], inputs["configuration"]["pin"]))
    return {"session": MADE}


async def poster(inputs):
    seen.append(inputs["session"])
    return {"post": "our post; see https://ann:swordfish-dsn@host/x, with the key sk-abcdefgh12345678"}


async def broken(inputs):
    raise ConnectionError(f"{inputs['account']['key']} is refused by postgresql://ann:{QUOTED}@host/x")


BODIES = {"login": login, "poster": poster, "broken": broken, "after": broken}


@asynccontextmanager
async def ended_run(database):
    """Run the campaign, and give its id and a client of a server that knows it."""
    seen.clear()
    planner = MasterPlanner(CATALOG)
    orchestrator = CampaignOrchestrator(database, AgentFactory(BODIES), planner=planner)
    outcome = await orchestrator.run(CAMPAIGN)
    agents = Agents(bodies=AgentFactory(BODIES), reference=None, load=lambda _: AgentFactory(BODIES))
    settings = ServerSettings(recover=False)
    async with open_context(database, planner, agents, settings) as context, client(build_app(context)) as http:
        yield outcome.run_id, http


async def test_agents_get_the_values_and_the_checkpoint_keeps_them(database):
    async with ended_run(database) as (run_id, _):
        assert seen == [(PROVIDED, CONFIGURED), MADE]
        assert await full_output(database, run_id, "login") == {"session": MADE}
        assert "sk-abcdefgh12345678" in (await full_output(database, run_id, "poster"))["post"]


async def test_no_answer_of_the_server_shows_one_to_any_role(database):
    async with ended_run(database) as (run_id, http):
        paths = ["", "/progress", "/plan", "/schedule", "/events", *(f"/agents/{agent}" for agent in BODIES)]
        answers = [await http.get(f"/api/v2/workflows/{run_id}{path}") for path in paths]
        body = {"campaign": CAMPAIGN.model_dump(mode="json")}
        answers += [
            await http.get("/api/v2/catalog"),
            await http.get("/api/v2/workflows"),
            await http.get("/api/v2/audit"),
        ]
        answers += [await http.post(f"/api/v2/{path}", json=body) for path in ("plans", "campaigns")]
    text = "".join(answer.text for answer in answers)
    for secret in (*SECRETS, QUOTED, "sk-abcdefgh12345678"):
        assert secret not in text
    assert text.count("(secret)") >= 8
    assert answers[0].json()["result"]["deliverables"]["session"] == "(secret)"
    assert "https://ann:***@host/x, with the key sk-***" in answers[0].json()["result"]["deliverables"]["post"]


async def test_the_tables_that_people_read_hold_none_and_equal_the_checkpoint(database):
    async with ended_run(database) as (run_id, _):
        async with database.pool.connection() as conn:
            for table in ("run_events", "agent_runs", "workflow_state_live"):
                query = f"SELECT to_jsonb(t)::text AS row FROM {table} t"  # noqa: S608  # our own names
                rows = await (await conn.execute(query)).fetchall()
                text = "".join(row["row"] for row in rows)
                assert text
                assert not [secret for secret in (*SECRETS, QUOTED, "sk-abcdefgh") if secret in text], table
        found = await reconcile(database, run_id)
        assert found.differences == ()
        records = (await read_checkpoint(database, run_id)).records
    reason = records[AgentName("broken")]["reason"]
    assert reason == "ConnectionError after 1 attempt: (secret) is refused by postgresql://ann:***@host/x"
    assert reason in str(records[AgentName("after")]["reason"])


async def test_the_command_line_shows_none_and_writes_the_product_for_its_owner_only(database, tmp_path):
    async with ended_run(database) as (run_id, _):
        account = await read_account(database, run_id, datetime.now(UTC))
    with console().capture() as captured:
        console().print(*account_text(account))
    shown = captured.get() + json.dumps(account_json(account))
    assert not [secret for secret in (*SECRETS, QUOTED) if secret in shown]
    files = write(account, tmp_path).files
    assert files["session"].read_text() == MADE
    assert files["session"].stat().st_mode & 0o077 == 0
    assert "ann:swordfish-dsn@host" in files["post"].read_text()
