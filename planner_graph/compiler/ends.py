"""The first and the last node of a compiled plan.

The first one refuses a campaign the plan cannot run on, and forgets an earlier run; the last one sums up.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.types import Command, Send

from planner_graph.compiler.boards import DataflowBoards, invocation_of
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.state import KEPT, AgentRecord, build_result
from planner_graph.documents import key_text
from planner_graph.errors import CampaignError, Finding
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.selection import CAMPAIGN
from planner_graph.types import Strategy
from planner_graph.values import FaultyValueError, portable_json

REMEDY = "pass campaign.model_dump(mode='json')"
"""What gives a campaign as the graph wants it."""


Update = dict[str, Any]


def entry(plan: ExecutionPlan) -> Runnable[Any, Update]:
    """Build the node that begins a run of ``plan``."""

    def begin(state: Mapping[str, Any], config: RunnableConfig) -> Update:
        findings = check_campaign(plan, state.get("campaign"))
        if findings:
            raise CampaignError(findings)
        invocation_of(config).begin(config, state["campaign"])
        # New input on a thread that was used before must not see what the run before left there.
        left_over = [name for name in (*plan.by_agent, "result", KEPT) if state.get(name) is not None]
        return {"plan_hash": plan.hash, **dict.fromkeys(left_over)}

    return _inline(begin)


def dataflow_entry(plan: ExecutionPlan, boards: DataflowBoards, loop: BackgroundLoop) -> Runnable[Any, Any]:
    """Build the node that begins a run of ``plan`` and sends all of its agents into one superstep."""
    begin = entry(plan)

    async def send(state: Mapping[str, Any], config: RunnableConfig) -> Update | Command[str]:
        update = await begin.ainvoke(state, config)
        boards.begin(config, {"campaign": state["campaign"]})
        return sent(plan, update)

    def send_for_sync(state: Mapping[str, Any], config: RunnableConfig) -> Update | Command[str]:
        return loop.run(send(state, config))

    return RunnableLambda(send_for_sync, send)


def sent(plan: ExecutionPlan, update: Update) -> Update | Command[str]:
    """Give what the entry node of ``plan`` gives: ``update``, and where no edges lead on, who is to start.

    They go in execution order, which is topological: LangGraph takes them first in, first out, so that under any limit
    of its own the earliest unfinished one never waits for a later one.
    """
    if plan.strategy is not Strategy.ADAPTIVE:
        return update
    return Command(update=update, goto=[Send(step.agent, {}) for step in plan.steps])


def end(plan: ExecutionPlan) -> Runnable[Any, Update]:
    """Build the node that ends a run of ``plan``."""

    def finish(state: Mapping[str, Any], config: RunnableConfig) -> Update:
        records: dict[str, AgentRecord] = {agent: state[agent] for agent in plan.by_agent}
        result = build_result(plan, state["campaign"], records)
        invocation_of(config).following.result = result
        return {"result": result}

    return _inline(finish)


def check_campaign(plan: ExecutionPlan, campaign: Any) -> list[Finding]:
    """Report everything for which ``plan`` cannot run on ``campaign``, the graph's input."""
    if not isinstance(campaign, dict):
        return [Finding(problem=f"the input 'campaign' is a {type(campaign).__name__}", remedy=REMEDY)]
    try:
        portable_json(campaign)
    except FaultyValueError as error:
        return [
            Finding(problem=problem, remedy=remedy, key=key_text(("campaign", *path)))
            for path, problem, remedy in error.faults
        ]
    return [*_not_plain(campaign), *_not_provided(plan, campaign)]


def _not_plain(value: Any, path: tuple[str | int, ...] = ("campaign",)) -> Iterator[Finding]:
    """Report values that a checkpoint could not hold as plain JSON."""
    kind = type(value)
    if kind is dict:
        for key, child in value.items():
            if type(key) is str:
                yield from _not_plain(child, (*path, key))
            else:
                yield Finding(problem=f"the key {key!r} is no text", remedy=REMEDY, key=key_text(path))
    elif kind is list:
        for position, child in enumerate(value):
            yield from _not_plain(child, (*path, position))
    elif value is not None and kind not in {str, int, float, bool}:
        yield Finding(problem=f"a {kind.__name__} is not plain JSON", remedy=REMEDY, key=key_text(path))


def _not_provided(plan: ExecutionPlan, campaign: Mapping[str, Any]) -> Iterator[Finding]:
    """Report values that the plan counts on the campaign for, and that this campaign does not bring along."""
    provided = campaign.get("provided") or {}
    if not isinstance(provided, dict):
        problem = f"'provided' is a {type(provided).__name__}"
        yield Finding(problem=problem, remedy="write a mapping of names to values", key="campaign.provided")
        return
    users = {name: f"agent {step.agent!r} reads" for step in plan.steps for name in _from_campaign(step.inputs)}
    users |= {name: "the deliverables name" for name in _from_campaign(plan.deliverables) if name not in users}
    for name, user in users.items():
        if name not in provided:
            problem = f"the plan was made for a campaign that provides {name!r}, which {user}; this one does not"
            yield Finding(problem=problem, remedy="provide it, or plan this campaign anew", key="campaign.provided")


def _from_campaign(sources: Mapping[str, str]) -> list[str]:
    return [name for name, source in sources.items() if source == CAMPAIGN]


def _inline(node: Callable[[Mapping[str, Any], RunnableConfig], Update]) -> Runnable[Any, Update]:
    """Give a node that needs no thread under ``ainvoke``: the pool may be full of bodies that were given up on."""

    async def without_thread(state: Mapping[str, Any], config: RunnableConfig) -> Update:
        return node(state, config)

    return RunnableLambda(node, without_thread)
