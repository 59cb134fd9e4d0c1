"""A team of agents to which everything can happen: retries, a fallback, questions, chat models, long outputs."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.types import Command, interrupt

from planner_graph.campaign import Campaign
from planner_graph.compiler.compiler import compile_plan
from planner_graph.mirror.handler import PlanMirror
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.saver import checkpointer
from planner_graph.types import RunId
from tests.catalogs import catalog, spec
from tests.fakes import ScriptedChatModel

AGENTS = ("brief", "facts", "draft", "edit", "publish")
AT_ONCE = {"initial_seconds": 0}
SPECS = (
    spec("brief", max_retries=0),
    spec("facts", after=["brief"], gives=["sources"], max_retries=0, fallback="archive"),
    spec("archive", gives=["sources"], max_retries=0),
    spec("draft", after=["brief"], max_retries=1, backoff=AT_ONCE),
    spec("edit", after=["facts", "draft"], max_retries=0),
    spec("publish", after=["edit"], max_retries=0),
)
PLANNER = MasterPlanner(catalog(*SPECS, select={"all": AGENTS}))
CAMPAIGN = Campaign(id="campaign", type="all")
USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
LONG = "long " * 1_000


class Team:
    """Bodies that follow orders: ``failing`` lists the errors that an agent raises, one per call.

    Those ``asking`` put a question, those at a gate wait for it to open; ``calls`` are all that there were. The first
    agent gives a long output, and drafts are made by a chat model.
    """

    def __init__(self, *, failing: Mapping[str, list[Exception]] | None = None, asking: tuple[str, ...] = ()) -> None:
        self.failing = {agent: list(errors) for agent, errors in (failing or {}).items()}
        self.asking = asking
        self.gates: dict[str, asyncio.Event] = {}
        self.arrived: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []
        self.bodies: dict[str, Any] = {agent.name: self.body(agent.name, agent.outputs[0]) for agent in SPECS}

    def shut(self, agent: str) -> None:
        self.gates[agent], self.arrived[agent] = asyncio.Event(), asyncio.Event()

    def body(self, agent: str, output: str) -> Any:
        async def work(_: dict[str, Any]) -> dict[str, Any]:
            self.calls.append(agent)
            if agent == "draft":
                answer = AIMessage("text", usage_metadata=USAGE, response_metadata={"model_name": "small"})
                await ScriptedChatModel(replies=[answer]).ainvoke("write")
            if agent in self.gates:
                self.arrived[agent].set()
                await self.gates[agent].wait()
            if self.failing.get(agent):
                raise self.failing[agent].pop(0)
            if agent in self.asking:
                return {output: interrupt(f"{agent}?")}
            return {output: LONG if agent == "brief" else {"by": agent, "number": 1e30, "half": 0.5}}

        return work


class Orchestrated:
    """Runs a team through the orchestrator; there, an answer to a question is given to the graph itself."""

    def __init__(self, database: Database, team: Team, strategy: str) -> None:
        self.database = database
        self.team = team
        self.strategy = strategy
        self.run_id = RunId("")

    async def go(self, on_event: Any = None) -> None:
        """Begin, or go on."""
        if not self.run_id:
            await self.accept()
        await self.orchestrator().execute(self.run_id, on_event=on_event)

    async def accept(self) -> RunId:
        self.run_id, _ = await self.orchestrator().accept(CAMPAIGN, strategy=self.strategy)
        return self.run_id

    def orchestrator(self) -> CampaignOrchestrator:
        return CampaignOrchestrator(self.database, self.team.bodies, planner=PLANNER)

    async def answer(self, answers: Any) -> None:
        row = await Repository(self.database).get_run(self.run_id)
        await self.invoke(Command(resume=answers), row.thread_id)

    async def invoke(self, given: Any, thread_id: str, saver: Any = None, durability: Any = None) -> None:
        plan = PLANNER.create_execution_plan(CAMPAIGN, self.strategy)
        graph = compile_plan(plan, self.team.bodies, checkpointer=saver or checkpointer(self.database))
        names = {"thread_id": thread_id, "workflow_execution_id": self.run_id}
        async with PlanMirror(self.database) as mirror:
            await graph.ainvoke(given, {"callbacks": [mirror], "configurable": names}, durability=durability)


class Mirrored(Orchestrated):
    """Invokes the graph of a team with a mirror among its callbacks."""

    async def go(self, on_event: Any = None, saver: Any = None, durability: Any = None) -> None:
        given = None if self.run_id else {"campaign": CAMPAIGN.model_dump(mode="json")}
        self.run_id = self.run_id or RunId(str(uuid.uuid4()))
        assert on_event is None
        await self.invoke(given, "thread", saver, durability)

    async def answer(self, answers: Any) -> None:
        await self.invoke(Command(resume=answers), "thread")
