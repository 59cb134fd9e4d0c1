"""The first and the last node of a compiled plan.

The first one refuses a campaign the plan cannot run on, and forgets an earlier run; the last one sums up.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, ensure_config

from planner_graph.campaign import Campaign
from planner_graph.compiler.boards import invocation_of, open_board, plan_of
from planner_graph.compiler.bridge import BackgroundLoop
from planner_graph.compiler.outcome import build_result
from planner_graph.compiler.state import PLAN, AgentRecord
from planner_graph.documents import key_text
from planner_graph.errors import CampaignError, Finding
from planner_graph.planning.contents import CAMPAIGN
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import Strategy
from planner_graph.values import FaultyValueError, portable_json

REMEDY = "pass campaign.model_dump(mode='json')"
"""What gives a campaign as the graph wants it."""

NO_CAMPAIGN = "the input has no campaign"
"""What is wrong with an empty input, where no campaign is known."""

Update = dict[str, Any]

Plans = Callable[[Mapping[str, Any]], tuple[ExecutionPlan, Update]]
"""Gives the plan of a run that begins with this state, and what is to be kept of that in the state."""


class Entry(Runnable[Any, Update]):
    """The node that begins a run: it finds the plan, and refuses a campaign that this cannot run on.

    No function: LangChain remembers functions and what they refer to, here the loop, for longer than the graph lives.
    """

    def __init__(self, plans: Plans, loop: BackgroundLoop) -> None:
        self.plans = plans
        self.loop = loop

    def invoke(self, input: Mapping[str, Any], config: RunnableConfig | None = None, **_: Any) -> Update:  # noqa: A002
        """Begin a run for a sync caller."""
        return self.loop.run(self.ainvoke(input, config))

    async def ainvoke(
        self,
        input: Mapping[str, Any],  # noqa: A002  # the name is Runnable's
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Update:
        """Begin a run on the state that LangGraph gives the node."""
        plan, update = self.plans(input)
        campaign: Any = update.get("campaign", input.get("campaign"))
        findings = check_campaign(plan, campaign)
        if findings:
            raise CampaignError(findings)
        here = config or ensure_config()
        invocation = invocation_of(here)
        invocation.known_plan = plan
        invocation.begin(here, campaign)
        if plan.strategy is Strategy.ADAPTIVE:
            open_board(here, {"campaign": campaign})
        # New input on a thread that was used before must not see what the run before left there.
        left_over = [name for name, value in input.items() if value is not None and name not in _RENEWED]
        return {**dict.fromkeys(left_over), **update, "plan_hash": plan.hash}


_RENEWED = {"campaign", PLAN, "plan_hash"}
"""Channels that each run writes anew."""


def laid_over(defaults: Campaign | None, state: Mapping[str, Any]) -> Update:
    """Give the campaign of a state, completed by ``defaults``; nothing where there are none, or no campaign.

    Only what the input says is taken from it, key by key of the campaign; an empty input says nothing.
    """
    given = state.get("campaign")
    given = {} if given is None else given
    if defaults is None or not isinstance(given, dict):
        return {}
    return {"campaign": {**defaults.model_dump(mode="json"), **given}}


def end() -> Runnable[Any, Update]:
    """Build the node that ends a run."""

    def finish(state: Mapping[str, Any], config: RunnableConfig) -> Update:
        plan = plan_of(config)
        records: dict[str, AgentRecord] = {agent: state[agent] for agent in plan.by_agent}
        result = build_result(plan, state["campaign"], records)
        invocation_of(config).following.result = result
        return {"result": result}

    async def without_thread(state: Mapping[str, Any], config: RunnableConfig) -> Update:
        return finish(state, config)  # the pool may be full of bodies that were given up on

    return RunnableLambda(finish, without_thread)


def check_campaign(plan: ExecutionPlan, campaign: Any) -> list[Finding]:
    """Report everything for which ``plan`` cannot run on ``campaign``, the graph's input."""
    if campaign is None:
        return [Finding(problem=NO_CAMPAIGN, remedy=f"{REMEDY} under 'campaign'")]
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
    sources = [product.sources for product in plan.products] or [plan.deliverables]
    users |= {name: "the deliverables name" for part in sources for name in _from_campaign(part) if name not in users}
    for name, user in users.items():
        if name not in provided:
            problem = f"the plan was made for a campaign that provides {name!r}, which {user}; this one does not"
            yield Finding(problem=problem, remedy="provide it, or plan this campaign anew", key="campaign.provided")


def _from_campaign(sources: Mapping[str, str]) -> list[str]:
    return [name for name, source in sources.items() if source == CAMPAIGN]
