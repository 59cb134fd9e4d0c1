"""When a run that a mirror follows is expected to end, worked out from what it wrote last."""

from datetime import datetime, timedelta

from planner_graph.mirror.entries import Track
from planner_graph.mirror.standings import next_attempt_at
from planner_graph.planning.contents import Step
from planner_graph.planning.forecast import AgentStanding, forecast
from planner_graph.store.rows import AgentRunRow
from planner_graph.types import AgentStatus

SAMPLES = 8
"""How often the rest of the run is played through; few, as this is done again and again beside the agents."""


def expected_end(track: Track, now: datetime) -> datetime | None:
    """Give the median of the time at which the run ends; ``None`` if nothing is known of it yet."""
    ledger = track.ledger
    if ledger is None or track.plan is None:
        return None
    ended = {
        AgentStatus.COMPLETED: ledger.completed,
        AgentStatus.FAILED: ledger.failed,
        AgentStatus.SKIPPED: ledger.skipped,
    }
    standings = {agent: AgentStanding(status=status) for status, agents in ended.items() for agent in agents}
    for agent in (*ledger.running, *ledger.waiting):
        if row := ledger.latest(agent):
            standings[agent] = _standing(track.plan.by_agent[agent], row, now)
    left = forecast(track.plan, standings, now.timestamp(), samples=SAMPLES).p50_seconds_left
    return now + timedelta(seconds=left)


def _standing(step: Step, row: AgentRunRow, now: datetime) -> AgentStanding:
    """Give where an agent stands that has not ended, by its latest attempt."""
    if row.status is AgentStatus.RUNNING:
        return AgentStanding(status=row.status, started_at=(row.started_at or now).timestamp())
    again = next_attempt_at(step, row) if row.status is AgentStatus.FAILED else None
    if again is None:
        return AgentStanding()
    return AgentStanding(status=AgentStatus.RETRYING, next_attempt_at=again.timestamp())
