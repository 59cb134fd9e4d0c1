"""Campaigns that are kept, to be planned and run by their id."""

from fastapi import APIRouter

from planner_graph.server.context import Shared
from planner_graph.server.openapi import documented
from planner_graph.server.requests import CampaignBody
from planner_graph.server.responses import StoredCampaign
from planner_graph.server.wanted import read_campaign

router = APIRouter(tags=["campaigns"])


@router.post(
    "/campaigns",
    status_code=201,
    summary="Check a campaign and store it",
    responses=documented("invalid-campaign"),
)
async def store(body: CampaignBody, context: Shared) -> StoredCampaign:
    """Store a campaign that can be planned, in place of the one of the same id; runs keep the one they began with."""
    campaign = await context.work(read_campaign, body.campaign, context.planner)
    await context.repository.store_campaign(campaign)
    return StoredCampaign(id=campaign.id, campaign=campaign.for_people(context.planner.catalog.secrets))
