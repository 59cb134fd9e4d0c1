"""What a server does when something takes long or goes wrong that is not the client's fault."""

import logging
import threading
import uuid
from contextlib import asynccontextmanager

from planner_graph.campaign import Campaign
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.planning.planner import MasterPlanner
from planner_graph.server.app import build_app
from planner_graph.server.context import open_context
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import ServerSettings
from planner_graph.store.commands import Command
from planner_graph.types import RunId
from tests.asgi import client, open_socket
from tests.plans import make_plan
from tests.team import PLANNER


def nowhere(reference):
    raise InvalidInputError([Finding(problem=f"no file /home/ann/{reference}", remedy="write it")])


@asynccontextmanager
async def serving(database):
    """The context and the application of a server that finds the code of no run."""
    agents = Agents(bodies={}, reference=None, load=nowhere)
    async with open_context(database, PLANNER, agents, ServerSettings(recover=False)) as context:
        yield context, build_app(context)


async def test_a_campaign_is_looked_at_beside_the_event_loop(database, monkeypatch):
    threads = []

    def findings(*_):
        threads.append(threading.current_thread())
        return []

    monkeypatch.setattr(MasterPlanner, "findings", findings)
    body = {"campaign": {"deliverables": ["summary"], "brief": "facts"}}
    async with serving(database) as (_, app), client(app) as http:
        for path in ("plans", "campaigns", "workflows"):
            await http.post(f"/api/v2/{path}", json=body)
    assert len(threads) == 3
    assert threading.main_thread() not in threads


async def test_a_run_whose_code_cannot_be_loaded_is_not_resumed_and_only_the_log_says_why(database, caplog):
    run_id = RunId(str(uuid.uuid4()))
    async with serving(database) as (context, app), client(app) as http:
        await context.repository.accept_run(
            run_id, Campaign(), make_plan({"a": []}), agents_reference="secret.py:agents"
        )
        await context.repository.command(run_id, Command.PAUSE, by="ann")
        answer = await http.post(f"/api/v2/workflows/{run_id}/control", json={"action": "resume"})
        row = await context.repository.get_run(run_id)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unbound-agents")
    assert "secret.py" not in answer.text
    assert "/home/ann/secret.py:agents" in caplog.text
    assert row.status == "paused"


async def test_a_fault_that_keeps_a_websocket_from_opening_is_logged(database, monkeypatch, caplog):
    async def mark(_):
        raise ZeroDivisionError("between us")

    async with serving(database) as (context, app):
        monkeypatch.setattr(context.repository, "mark", mark)
        with caplog.at_level(logging.ERROR):
            start, body = await open_socket(app, "/api/v2/workflows/abcd/live")
    assert start["status"] == 500
    assert b"between us" not in body["body"]
    assert "between us" in caplog.text
