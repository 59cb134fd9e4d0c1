"""The factories that LangGraph's server asks for graphs: with a database, without one, and with one that is away."""

import asyncio
import logging
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import interrupt
from langgraph_sdk.runtime import _ExecutionRuntime, _ReadRuntime

from planner_graph import AgentFactory, Campaign, CampaignOrchestrator, PlanMirror
from planner_graph.errors import DatabaseUnavailableError, PlanError, RunNotResumableError, UnboundAgentsError
from planner_graph.store.database import DSN_VARIABLE
from planner_graph.store.repository import Repository
from planner_graph.studio import Studio
from planner_graph.types import RunStatus
from tests.catalogs import catalog, spec
from tests.fakes import Notebook

AWAY = "postgresql://127.0.0.1:1/nobody"
SELECT = {"post": ["a", "b"], "film": ["a", "c"]}
RUN: Any = _ExecutionRuntime(access_context="threads.create_run", store=InMemoryStore())
LOOK: Any = _ReadRuntime(access_context="assistants.read", store=InMemoryStore())
READ: Any = _ReadRuntime(access_context="threads.read", store=InMemoryStore())
POST: Any = {"campaign": {"id": "c", "type": "post"}}


def studio_of(notes, **others):
    team = catalog(spec("a"), spec("b", after=["a"]), spec("c", after=["a"]), select=SELECT)
    return Studio(AgentFactory(notes.bodies("abc", **others)), catalog=team)


@pytest.fixture
def studio():
    return studio_of(Notebook())


def both(studio):
    return studio.campaigns(), studio.plan(Campaign(id="c", type="post"), name="post")


async def run(factory, saver, thread="1"):
    """Run a graph as the server does: a copy of it, with the server's own checkpointer."""
    async with factory({"configurable": {}}, RUN) as graph:
        copied = graph.copy(update={"checkpointer": saver, "store": InMemoryStore()})
        return await copied.ainvoke(POST, {"configurable": {"thread_id": thread}})


@pytest.mark.parametrize("which", [0, 1], ids=["campaigns", "plan"])
async def test_without_a_database_runs_simply_run(studio, monkeypatch, which):
    monkeypatch.delenv(DSN_VARIABLE, raising=False)
    final = await run(both(studio)[which], InMemorySaver())
    assert final["result"]["status"] == "completed"


@pytest.mark.parametrize("which", [0, 1], ids=["campaigns", "plan"])
async def test_with_a_database_runs_are_in_its_tables(studio, monkeypatch, dsn, database, which):
    monkeypatch.setenv(DSN_VARIABLE, dsn)
    factory, saver = both(studio)[which], InMemorySaver()
    await asyncio.gather(*(run(factory, saver, thread) for thread in "123"))
    rows = await Repository(database).list_runs()
    assert {row.status for row in rows} == {RunStatus.COMPLETED}
    assert sorted(row.thread_id for row in rows) == ["1", "2", "3"]


async def test_a_run_whose_checkpoints_the_server_keeps_cannot_be_resumed_by_others(monkeypatch, dsn, database):
    """It would begin anew, with another thread beside the server's."""
    monkeypatch.setenv(DSN_VARIABLE, dsn)
    notes = Notebook()
    await run(studio_of(notes, b=lambda _: interrupt("well?")).campaigns(), InMemorySaver())
    [row] = await Repository(database).list_runs()
    assert row.status is RunStatus.PAUSED
    notes.events.clear()
    with pytest.raises(RunNotResumableError, match="its checkpoints are elsewhere; whoever began it goes on with it"):
        await CampaignOrchestrator(database, notes.bodies("ab")).resume(row.run_id)
    assert (notes.started, (await Repository(database).get_run(row.run_id)).status) == ([], RunStatus.PAUSED)


async def test_graphs_of_a_studio_share_one_mirror(studio, monkeypatch, dsn):
    monkeypatch.setenv(DSN_VARIABLE, dsn)
    found = []
    for factory in (*both(studio), both(studio)[0]):
        async with factory({"configurable": {}}, RUN) as graph:
            found += graph.config["callbacks"]
    assert len(found) == 3
    assert len(set(map(id, found))) == 1


async def test_a_mirror_that_broke_is_opened_anew(studio, monkeypatch, dsn, database):
    monkeypatch.setenv(DSN_VARIABLE, dsn)
    factory = studio.campaigns()
    async with factory({"configurable": {}}, RUN) as graph:
        [first] = graph.config["callbacks"]
    monkeypatch.setattr(PlanMirror, "broken", property(lambda mirror: mirror is first))
    assert (await run(factory, InMemorySaver()))["result"]["status"] == "completed"
    assert first.report("1").told == 0
    assert [row.status for row in await Repository(database).list_runs()] == [RunStatus.COMPLETED]


async def test_a_database_that_is_away_is_said_to_who_runs_and_not_missed_by_who_looks(studio, monkeypatch):
    monkeypatch.setenv(DSN_VARIABLE, AWAY)
    for factory in both(studio):
        async with factory({"configurable": {}}, LOOK) as graph:
            assert "a" in graph.get_graph().nodes
        with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1"):
            await run(factory, InMemorySaver())


def agents(drawn):
    return {name for name in drawn.nodes if len(name) == 1}


async def test_who_looks_gets_what_was_made_when_the_server_started(studio, monkeypatch):
    """LangGraph's server asks at every look, and complains where that takes a tenth of a second."""
    factories = both(studio)
    monkeypatch.setattr("langgraph.graph.StateGraph.compile", lambda *_, **__: pytest.fail("it is compiled again"))
    for factory in factories:
        found = []
        for context in (LOOK, READ, LOOK):
            async with factory({"configurable": {}}, context) as graph:
                found.append(graph)
        assert found[0] is found[1] is found[2]


async def test_a_campaign_in_the_configuration_is_drawn(studio):
    factory = studio.campaigns()
    for kind, planned in SELECT.items():
        configured: Any = {"campaign": {"type": kind}, "strategy": "parallel"}
        async with factory({"configurable": configured}, LOOK) as graph:
            assert agents(graph.get_graph(xray=True)) == set(planned)
    async with factory({"configurable": {}}, LOOK) as graph:
        assert agents(graph.get_graph()) == {"a", "b", "c"}, "one who looks changes nothing for others"


@pytest.mark.parametrize("configured", [{"type": "novel"}, {"typ": "post"}, "post"])
async def test_a_campaign_that_cannot_be_planned_leaves_the_picture_of_all_agents(studio, caplog, configured):
    with caplog.at_level(logging.WARNING):
        async with studio.campaigns()({"configurable": {"campaign": configured}}, LOOK) as graph:
            assert agents(graph.get_graph()) == {"a", "b", "c"}
    assert "cannot be planned" in caplog.text


def test_a_plan_that_cannot_be_served_is_refused_when_the_server_starts(studio):
    with pytest.raises(PlanError):
        studio.plan(Campaign(type="novel"), name="novel")
    lame = Studio(AgentFactory({"a": lambda _: 1}), catalog=studio.planner.catalog)
    with pytest.raises(UnboundAgentsError):
        lame.plan(Campaign(type="post"), name="post")
