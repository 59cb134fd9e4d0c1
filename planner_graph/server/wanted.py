"""From what clients send to the campaign that they want, or all that is wrong with it; and to its plan on paper."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from planner_graph import documents
from planner_graph.campaign import Campaign
from planner_graph.documents import NOWHERE
from planner_graph.errors import CampaignError, Finding
from planner_graph.planning.forecast import forecast
from planner_graph.planning.planner import MasterPlanner
from planner_graph.server.context import Context
from planner_graph.server.requests import PlanBody
from planner_graph.server.responses import DryRun, Prediction
from planner_graph.types import Strategy


async def wanted_campaign(body: PlanBody, context: Context) -> Campaign:
    """Give the campaign that a request brings along or names.

    Raises:
        CampaignError: something is wrong with it; all findings at once.
        CampaignNotFoundError: no campaign of that name is stored.
    """
    if body.campaign is not None:
        return await context.work(read_campaign, body.campaign, context.planner, body.strategy)
    return await context.repository.stored_campaign(body.campaign_id or "")


def read_campaign(data: dict[str, Any], planner: MasterPlanner, strategy: Strategy | None = None) -> Campaign:
    """Make a campaign of what a client sent; sources are looked for in the server's working directory only.

    Raises:
        CampaignError: something is wrong with it, or it cannot be planned; all findings at once.
    """
    given = {key: value for key, value in data.items() if key != "$schema"}
    campaign, findings = documents.validate(Campaign, replace(NOWHERE, data=given), given)
    campaign = campaign or Campaign()
    sources, found = _sources(campaign)
    findings += found
    # what is said of a faulty campaign as a whole may be a consequence of its faults
    findings += [told for told in planner.findings(campaign, strategy) if told.key is not None or not findings]
    if findings:
        raise CampaignError(findings)
    return campaign.model_copy(update={"sources": sources})


def dry_run(campaign: Campaign, planner: MasterPlanner, strategy: Strategy | None) -> bytes:
    """Plan a campaign, say how long it should take under each strategy, and give all of it as JSON.

    Raises:
        PlanError: it cannot be planned.
    """
    plan = planner.create_execution_plan(campaign, strategy)
    predictions = list(_predictions(campaign, planner))
    return to_json(
        DryRun(
            plan=plan.for_people().model_dump(mode="json"),
            plan_hash=plan.hash,
            explanation=plan.explain(),
            mermaid=plan.to_mermaid(),
            predictions=predictions,
        )
    )


def _predictions(campaign: Campaign, planner: MasterPlanner) -> Iterator[Prediction]:
    for strategy in Strategy:
        plan = planner.create_execution_plan(campaign, strategy)
        yield Prediction(
            strategy=strategy,
            makespan_seconds=plan.duration.predicted,
            p90_seconds=round(forecast(plan, {}, 0.0).p90_seconds_left, 3),
        )


def _sources(campaign: Campaign) -> tuple[tuple[str, ...], list[Finding]]:
    """Give the sources as absolute paths; a client of the server may not name files outside its folder."""
    folder = Path.cwd().resolve()
    paths: list[str] = []
    findings: list[Finding] = []
    for number, source in enumerate(campaign.sources):
        path = (folder / source).resolve()
        if not path.is_relative_to(folder):
            problem = f"{source!r} leads out of the folder that the server works in"
            findings.append(campaign.finding(("sources", number), problem, "name a file or folder in it"))
        paths.append(str(path))
    return tuple(paths), findings
