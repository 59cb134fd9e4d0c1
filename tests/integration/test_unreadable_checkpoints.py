"""A checkpoint that somebody else changed runs no code, and one that is damaged is a finding, whatever reads it."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypedDict

import ormsgpack
import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from psycopg.types.json import Jsonb

from planner_graph import (
    AgentFactory,
    Campaign,
    CampaignOrchestrator,
    Catalog,
    MasterPlanner,
    agent,
    full_output,
)
from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import AllowedTypeError, CheckpointUnreadableError
from planner_graph.mirror.checkpoint import read_checkpoint
from planner_graph.mirror.reconcile import reconcile, reconcile_all
from planner_graph.serializer import CheckpointSerializer
from planner_graph.server.app import build_app
from planner_graph.server.context import open_context
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import ServerSettings
from planner_graph.store.database import open_database
from planner_graph.store.repository import Repository
from planner_graph.store.saver import checkpointer
from tests.asgi import client
from tests.catalogs import spec
from tests.stored_types import Draft


@agent(outputs=["notes"])
def reader(_):
    """Reads."""
    return {"notes": ["a", "b"]}


@agent(outputs=["letter"], inputs=["notes"])
def writer(inputs):
    """Asks, then writes."""
    return interrupt({"may": inputs["notes"]})


AGENTS = AgentFactory.of(reader, writer)
PLANNER = MasterPlanner(Catalog.of(reader, writer))
CAMPAIGN = Campaign(deliverables=("letter",), brief="x")


def orchestrator(database):
    return CampaignOrchestrator(database, AGENTS, planner=PLANNER)


async def waiting_run(database, strategy="sequential"):
    """Give a run whose writer asks; under ``adaptive``, the record of its reader is a write of the same superstep."""
    run_id, _ = await orchestrator(database).accept(CAMPAIGN, strategy=strategy)
    await orchestrator(database).execute(run_id)
    return run_id


def attack(made, nested=lambda x: x):
    return ormsgpack.packb(nested(ormsgpack.Ext(0, ormsgpack.packb(["os", "system", f"touch {made}"]))))


def within_an_interrupt(value):
    return [ormsgpack.Ext(2, ormsgpack.packb(["langgraph.types", "Interrupt", {"value": value, "id": "a" * 32}]))]


NESTED = {
    "top": lambda x: x,
    "list": lambda x: [1, x],
    "map": lambda x: {"status": {"a": [x]}},
    "interrupt": within_an_interrupt,
}

BLOBS = "UPDATE checkpoint_blobs SET type = %s, blob = %s WHERE thread_id = %s AND channel = 'reader'"
WRITES = "UPDATE checkpoint_writes SET type = %s, blob = %s WHERE thread_id = %s AND channel = '__interrupt__'"
RECORDS = "UPDATE checkpoint_writes SET type = %s, blob = %s WHERE thread_id = %s AND channel = 'reader'"


async def change(database, sql, *values):
    async with database.pool.connection() as conn:
        changed = await conn.execute(sql, values)
    assert changed.rowcount > 0


async def thread_of(database, run_id):
    return (await Repository(database).get_run(run_id)).thread_id


@asynccontextmanager
async def served(database):
    agents = Agents(bodies=AGENTS, reference=None, load=lambda _: AGENTS)
    async with (
        open_context(database, PLANNER, agents, ServerSettings(recover=False)) as context,
        client(build_app(context)) as http,
    ):
        yield http


async def require_found(database, run_id, code):
    """Hold all that reads a checkpoint against what it must say of this one."""
    readers = {
        "read_checkpoint": lambda: read_checkpoint(database, run_id),
        "full_output": lambda: full_output(database, run_id, "reader"),
        "reconcile": lambda: reconcile(database, run_id),
        "resume": lambda: orchestrator(database).resume(run_id),
        "recover": lambda: orchestrator(database).recover(run_id),
        "rerun": lambda: orchestrator(database).rerun(run_id, "writer"),
        "answer": lambda: orchestrator(database).answer(run_id, "writer", "yes"),
        "replan": lambda: orchestrator(database).replan(run_id, Campaign(deliverables=("notes",), brief="y")),
    }
    for name, reads in readers.items():
        with pytest.raises(CheckpointUnreadableError) as caught:
            await reads()
        assert caught.value.code == code, name
        assert str(caught.value).startswith(f"the checkpoint of thread '{await thread_of(database, run_id)}' cannot")
    [one] = [one for one in await reconcile_all(database) if one.run_id == run_id]
    assert "cannot be read" in (one.problem or "")
    assert one.problem_code == code
    async with served(database) as http:
        shown = await http.get(f"/api/v2/workflows/{run_id}")
        assert (shown.status_code, shown.json()["status"]) == (200, "paused")
        assert shown.json()["checkpoint_problem"]["reason_code"] == code
        assert "cannot be read" in shown.json()["checkpoint_problem"]["detail"]
        assert "resume" not in shown.json()["allowed_actions"]
        for path in ("", "/agents", "/agents/writer", "/agents/reader", "/progress", "/events", "/schedule", "/plan"):
            answer = await http.get(f"/api/v2/workflows/{run_id}{path}")
            assert answer.status_code in {200, 404}, (path, answer.text)
        for body in ({"action": "resume"}, {"action": "approve", "agent": "writer"}):
            refused = await http.post(f"/api/v2/workflows/{run_id}/control", json=body)
            assert (refused.status_code, refused.json()["type"]) == (409, "/problems/checkpoint-unreadable")
            assert refused.json()["reason_code"] == code
    assert (await Repository(database).get_run(run_id)).status == "paused"


@pytest.mark.parametrize("where", [BLOBS, WRITES], ids=["blobs", "writes"])
@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
async def test_bytes_that_name_a_function_run_nothing_and_are_found(database, tmp_path, where, nested):
    run_id, made = await waiting_run(database), tmp_path / "made"
    await change(database, where, "msgpack", attack(made, nested), await thread_of(database, run_id))
    await require_found(database, run_id, "foreign_type")
    assert not made.exists()


DAMAGE: Mapping[str, tuple[str, bytes | None, str]] = {
    "noise": ("msgpack", b"\xc1\x00\xff", "damaged"),
    "cut": ("msgpack", ormsgpack.packb({"status": "completed" * 20})[:-7], "damaged"),
    "empty": ("msgpack", b"", "damaged"),
    "text": ("msgpack", ormsgpack.packb("completed"), "damaged"),
    "list": ("msgpack", ormsgpack.packb([1, 2]), "damaged"),
    "number": ("msgpack", ormsgpack.packb(5), "damaged"),
    "other keys": ("msgpack", ormsgpack.packb({"status": "completed"}), "damaged"),
    "pickle": ("pickle", b"\x80\x04K\x05.", "unknown_format"),
    "unknown kind": ("msgpuck", b"\x90", "unknown_format"),
    "json": ("json", b"{", "damaged"),
    "bytes": ("bytes", b"abc", "damaged"),
}


async def test_a_record_in_the_writes_of_a_superstep_is_read_as_safely(database, tmp_path):
    made = tmp_path / "made"
    for kind, content, code in (("msgpack", attack(made), "foreign_type"), ("msgpack", b"\x05", "damaged")):
        run_id = await waiting_run(database, "adaptive")
        await change(database, RECORDS, kind, content, await thread_of(database, run_id))
        await require_found(database, run_id, code)
    assert not made.exists()


@pytest.mark.parametrize("where", [BLOBS, WRITES], ids=["blobs", "writes"])
@pytest.mark.parametrize(("kind", "content", "code"), DAMAGE.values(), ids=DAMAGE)
async def test_damage_is_found(database, where, kind, content, code):
    run_id = await waiting_run(database)
    await change(database, where, kind, content, await thread_of(database, run_id))
    await require_found(database, run_id, code)


async def test_a_value_that_is_gone_is_found(database):
    run_id = await waiting_run(database)
    await change(
        database,
        "DELETE FROM checkpoint_blobs WHERE thread_id = %s AND channel = 'reader'",
        await thread_of(database, run_id),
    )
    await require_found(database, run_id, "missing")


@pytest.mark.parametrize(
    "column",
    [
        {},
        [],
        5,
        "text",
        {"v": 4},
        {"v": "x", "channel_versions": []},
        {"v": 4, "id": "a", "ts": "now", "channel_versions": "x", "versions_seen": 5, "channel_values": []},
    ],
    ids=str,
)
async def test_a_damaged_row_of_a_checkpoint_is_found(database, column):
    run_id = await waiting_run(database)
    sql = "UPDATE checkpoints SET checkpoint = %s WHERE thread_id = %s"
    await change(database, sql, Jsonb(column), await thread_of(database, run_id))
    await require_found(database, run_id, "damaged")


async def test_other_runs_are_as_they_were(database, tmp_path):
    damaged, sound = await waiting_run(database), await waiting_run(database)
    await change(database, BLOBS, "msgpack", attack(tmp_path / "made"), await thread_of(database, damaged))
    found = {one.run_id: one for one in await reconcile_all(database)}
    assert (found[sound].settled, found[damaged].settled) == (True, False)
    await orchestrator(database).answer(sound, "writer", "yes")
    outcome = await orchestrator(database).resume(sound)
    assert outcome.status == "completed"


async def test_the_state_of_a_graph_is_read_as_safely(database, tmp_path):
    run_id, made = await waiting_run(database), tmp_path / "made"
    thread_id = await thread_of(database, run_id)
    await change(database, BLOBS, "msgpack", attack(made), thread_id)
    plan = PLANNER.create_execution_plan(CAMPAIGN, "sequential")
    graph = compile_plan(plan, AGENTS, checkpointer=checkpointer(database))
    config: Any = {"configurable": {"thread_id": thread_id}}
    with pytest.raises(CheckpointUnreadableError):
        await checkpointer(database).aget_tuple(config)
    with pytest.raises(CheckpointUnreadableError):
        await graph.aget_state(config)
    with pytest.raises(CheckpointUnreadableError):
        [_ async for _ in graph.aget_state_history(config)]
    with pytest.raises(CheckpointUnreadableError):
        await graph.ainvoke(None, config)
    assert not made.exists()


async def test_a_question_of_a_named_type_is_stored_and_read_where_it_is_named(database):
    @agent(outputs=["letter"])
    def asker(_):
        """Asks for a draft."""
        return interrupt({"draft": Draft("title", 3)}).title

    plain, named = AgentFactory.of(asker), AgentFactory.of(asker, allowed_types=["tests.stored_types:Draft"])
    planner = MasterPlanner(Catalog.of(asker))
    failed = await CampaignOrchestrator(database, plain, planner=planner).run(CAMPAIGN)
    assert failed.status == "failed"
    assert failed.result is not None
    reason = failed.result["agents"]["asker"]["reason"]
    assert reason is not None
    assert "question.draft: a tests.stored_types:Draft is not allowed in checkpoints" in reason

    owner = CampaignOrchestrator(database, named, planner=planner)
    paused = await owner.run(CAMPAIGN)
    assert paused.status == "paused"
    [question] = (await read_checkpoint(owner.database, paused.run_id)).questions
    assert question.value == {"draft": Draft("title", 3)}
    with pytest.raises(CheckpointUnreadableError, match=r"name 'tests\.stored_types:Draft' in allowed_types"):
        await read_checkpoint(database, paused.run_id)
    assert (await reconcile(database.allowing([Draft]), paused.run_id)).settled


def titled(_):
    return {"draft": Draft("title")}


class Titles(TypedDict, total=False):
    draft: Any
    letter: str


async def slow(state):
    await asyncio.sleep(30)
    return {"letter": state["draft"].title}


@pytest.mark.parametrize("durability", ["async", "sync"])
async def test_a_graph_that_cannot_be_stored_fails_its_agent_and_what_others_give_is_stored(database, durability):
    builder = StateGraph(Titles)
    builder.add_node("titled", titled)
    builder.add_node("slow", slow)
    for source, target in pairwise([START, "titled", "slow", END]):
        builder.add_edge(source, target)
    specs = [
        spec("graph", outputs=["letter"]),
        spec("other", outputs=["notes"]),
        spec("last", after=["other"], outputs=["end"]),
    ]
    bodies: dict[str, Any] = {
        "graph": builder.compile(),
        "other": lambda _: {"notes": "n"},
        "last": lambda _: {"end": "e"},
    }
    played = CampaignOrchestrator(database, bodies, planner=MasterPlanner(Catalog.of(*specs)), durability=durability)
    start = time.monotonic()
    outcome = await played.run(Campaign(deliverables=("letter", "notes", "end"), brief="x"), strategy="parallel")
    assert outcome.result is not None
    assert time.monotonic() - start < 25
    agents = outcome.result["agents"]
    assert {name: agents[name]["status"] for name in agents} == {
        "graph": "failed",
        "other": "completed",
        "last": "completed",
    }
    assert "tests.stored_types:Draft is not allowed in checkpoints" in str(agents["graph"]["reason"])
    state = await read_checkpoint(database, outcome.run_id)
    assert state.result == outcome.result
    assert (await reconcile(database, outcome.run_id)).differences == ()


async def test_a_damaged_checkpoint_of_a_graph_within_an_agent_refuses_resuming(database, tmp_path):
    made = tmp_path / "made"
    builder = StateGraph(Titles)
    builder.add_node("noted", lambda _: {"draft": ["a"]})
    builder.add_node("asks", lambda state: {"letter": interrupt(state["draft"])})
    for source, target in pairwise([START, "noted", "asks", END]):
        builder.add_edge(source, target)
    bodies: dict[str, Any] = {"graph": builder.compile()}
    played = CampaignOrchestrator(
        database, bodies, planner=MasterPlanner(Catalog.of(spec("graph", outputs=["letter"])))
    )
    run_id = (await played.run(CAMPAIGN)).run_id
    blobs = "UPDATE checkpoint_blobs SET type = %s, blob = %s WHERE thread_id = %s AND channel = 'draft'"
    await change(database, blobs, "msgpack", attack(made), await thread_of(database, run_id))
    for reads in (played.resume, played.require_readable):
        with pytest.raises(CheckpointUnreadableError, match="os:system"):
            await reads(run_id)
    row = await Repository(database).get_run(run_id)
    assert row.status == "paused"
    assert not made.exists()


async def test_a_record_of_an_earlier_version_is_read(database):
    run_id = await waiting_run(database)
    record = {
        "status": "completed",
        "output": {"notes": ["a"]},
        "error": None,
        "reason": None,
        "attempts": 1,
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": "2026-01-01T00:00:01+00:00",
    }
    await change(database, BLOBS, "msgpack", ormsgpack.packb(record), await thread_of(database, run_id))
    assert await full_output(database, run_id, "reader") == {"notes": ["a"]}


async def test_types_are_named_in_the_environment_and_where_a_database_is_opened(dsn, monkeypatch):
    monkeypatch.setenv("PLANNER_GRAPH_ALLOWED_TYPES", "shop.models:Order, tests.stored_types:Draft,")
    async with open_database(dsn, allowed_types=[Draft]) as opened:
        serializer = checkpointer(opened).serde
    assert isinstance(serializer, CheckpointSerializer)
    assert set(serializer.allowed_types) == {("tests.stored_types", "Draft"), ("shop.models", "Order")}
    monkeypatch.setenv("PLANNER_GRAPH_ALLOWED_TYPES", "Draft")
    with pytest.raises(AllowedTypeError, match="'Draft' cannot be used; write it as module:Class"):
        async with open_database(dsn):
            pass
