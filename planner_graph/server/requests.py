"""What clients send, checked before any route sees it."""

from enum import StrEnum
from typing import Annotated, Any, Self

from fastapi import Body as BodyParameter
from fastapi import Depends, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from planner_graph.types import RunStatus, Strategy
from planner_graph.values import Json, Label, Line, Text

LARGEST_SEQUENCE = 2**63 - 1
"""The largest number of an event that the database knows."""

MOST_ITEMS = 500
MOST_EVENTS = 1_000

CAMPAIGN: Any = {
    "id": "spring",
    "type": "blog_creation",
    "brief": "On the spring sale",
    "content_types": ["image"],
}


class Body(BaseModel):
    """Base of all bodies: no keys but the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CampaignBody(Body):
    """A campaign, as in a campaign file."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"campaign": CAMPAIGN}]})

    campaign: dict[str, Any] = Field(description="The campaign, with the keys of a campaign file.")


class PlanBody(Body):
    """What is to be planned: a campaign, or one that was stored, by its id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"campaign": CAMPAIGN, "strategy": "adaptive"}]})

    campaign: dict[str, Any] | None = Field(default=None, description="The campaign, with the keys of a campaign file.")
    campaign_id: Line | None = Field(default=None, description="The id of a campaign that was stored.")
    strategy: Strategy | None = Field(default=None, description="By default what the campaign says, else adaptive.")

    @model_validator(mode="after")
    def _one_campaign(self) -> Self:
        if (self.campaign is None) == (self.campaign_id is None):
            raise ValueError("give either campaign or campaign_id")
        return self


class Action(StrEnum):
    """What can be asked of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"

    @property
    def answers(self) -> bool:
        """Whether it answers an agent that asks."""
        return self in {Action.APPROVE, Action.REJECT}


class ControlBody(Body):
    """What is asked of a run, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "pause", "reason": "the brief has changed"},
                {"action": "approve", "agent": "reviewer", "reason": "well written"},
            ]
        }
    )

    action: Action
    reason: Text | None = Field(default=None, max_length=1_000, description="Why; kept with the run.")
    agent: Label | None = Field(default=None, description="Who is answered; for approve and reject.")
    answer: Json = Field(default=None, description="What approve answers, if not true.")
    question: Label | None = Field(default=None, description="The id of one of several questions of the agent.")

    @model_validator(mode="after")
    def _fits_action(self) -> Self:
        if self.action.answers and self.agent is None:
            raise ValueError(f"{self.action.value} needs the agent that is answered")
        given = self.model_fields_set
        if not self.action.answers and given & {"agent", "answer", "question"}:
            raise ValueError(f"agent, answer and question have no meaning for {self.action.value}")
        if self.action is Action.REJECT and "answer" in given:
            raise ValueError("reject answers false; leave answer out")
        return self

    @property
    def value(self) -> Any:
        """What the agent is answered."""
        if self.action is Action.REJECT:
            return False
        return self.answer if "answer" in self.model_fields_set else True


class ControlQuery(Body):
    """The short form of a command, without a body: ``?action=pause&reason=tea``."""

    action: Action | None = Field(default=None, description="What is asked, where there is no body.")
    reason: Text | None = Field(default=None, max_length=1_000, description="Why; kept with the run.")


def wanted_control(
    query: Annotated[ControlQuery, Query()], body: Annotated[ControlBody | None, BodyParameter()] = None
) -> ControlBody:
    """Return what is asked of a run: the body, or else what the query says.

    Raises:
        RequestValidationError: neither says it, or both do, or an answer lacks its agent.
    """
    if body is not None:
        if query.model_fields_set:
            raise _refused("say it in the body or in the query, not in both")
        return body
    if query.action is None:
        raise _refused('name an action: {"action": "pause"} as the body, or ?action=pause')
    if query.action.answers:
        raise _refused(f"{query.action.value} needs the agent that is answered: say it in the body")
    return ControlBody(action=query.action, reason=query.reason)


def _refused(message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("query", "action"), "msg": message}])


Control = Annotated[ControlBody, Depends(wanted_control)]


class ListQuery(Body):
    """Which runs to list."""

    status: tuple[RunStatus, ...] = Field(default=(), max_length=20, description="In one of these states.")
    campaign: Line | None = Field(default=None, description="Of the campaign with this id.")
    strategy: Strategy | None = Field(default=None, description="Planned by this strategy.")
    created_after: AwareDatetime | None = Field(default=None, description="Accepted after this time.")
    limit: int = Field(default=50, ge=1, le=MOST_ITEMS, description="How many to list at most.")
    cursor: str | None = Field(default=None, description="The next_cursor of the page before.")


class EventsQuery(Body):
    """Which events to give."""

    after: int = Field(default=0, ge=0, le=LARGEST_SEQUENCE, description="Those after this number.")
    limit: int = Field(default=200, ge=1, le=MOST_EVENTS, description="How many to give at most.")


class HistoryQuery(Body):
    """Whose history to give, and how much of it."""

    agent: Label | None = Field(default=None, description="Only this agent, with its latest runs.")
    last: int = Field(default=100, ge=1, le=1_000, description="How many of the latest runs of each agent to look at.")


Listing = Annotated[ListQuery, Query()]
Events = Annotated[EventsQuery, Query()]
Past = Annotated[HistoryQuery, Query()]
