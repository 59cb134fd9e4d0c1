"""A campaign: what is asked for, independent of which agents exist.

Comes from YAML, from JSON or from Python. A campaign names a type (the catalog's rules map it to agents), deliverables
(outputs to produce, whoever produces them), or both.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Self

import rfc8785
from pydantic import Field, PrivateAttr, model_validator

from planner_graph import documents
from planner_graph.errors import CampaignError, Finding
from planner_graph.types import Strategy
from planner_graph.values import Json, JsonObject, Label, PositiveSeconds, Value


class Task(Value):
    """One listed piece of work of a campaign; its type may call for further agents."""

    type: Label
    title: str = ""
    description: str = ""
    parameters: JsonObject = Field(default_factory=dict)


class Limits(Value):
    """Bounds within which a campaign must be done."""

    max_parallel: Annotated[int, Field(ge=1)] | None = Field(None, description="Most agents that run at one time.")
    resources: dict[Label, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="Capacity of each named pool, for example llm_requests: 8."
    )
    timeout_seconds: PositiveSeconds | None = Field(None, description="Time limit of the whole run.")
    budget_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Most that the cost estimates of the selected agents may add up to."
    )


class Campaign(Value):
    """What is wanted from a run.

    ``id`` defaults to a name derived from the content, so that the same campaign has the same id everywhere.
    ``provided`` holds values the campaign brings along, by input name: agents that would produce them are not needed.
    ``sources`` are paths of files or folders; read from a file, they are made absolute against its folder.
    """

    id: Label = ""
    name: str = ""
    type: Label | None = None
    content_types: tuple[Label, ...] = ()
    include_images: bool = False
    tasks: tuple[Task, ...] = ()
    deliverables: tuple[Label, ...] = ()
    provided: dict[Label, Json] = Field(default_factory=dict)
    configuration: dict[Label, JsonObject] = Field(default_factory=dict, description="Configuration by agent name.")
    brief: str = ""
    sources: tuple[str, ...] = ()
    limits: Limits = Limits()
    strategy: Strategy | None = None

    _file: str | None = PrivateAttr(None)

    @property
    def file(self) -> str | None:
        """Path of the document this campaign was read from, for messages."""
        return self._file

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a campaign from a YAML or JSON file.

        Raises:
            DocumentError: the file cannot be read or is neither YAML nor JSON.
            CampaignError: it does not describe a campaign; all findings at once.
        """
        campaign, findings = cls.read(path)
        if findings:
            raise CampaignError(findings)
        return campaign

    @classmethod
    def read(cls, path: str | Path) -> tuple[Self, list[Finding]]:
        """Read a campaign and all that is wrong with it; the campaign then lacks its faulty parts."""
        document = documents.read(path)
        campaign, findings = documents.validate(cls, document, document.data)
        folder = Path(path).resolve().parent
        campaign = campaign.model_copy(update={"sources": tuple(str(folder / source) for source in campaign.sources)})
        campaign._file = document.file
        return campaign, findings

    @model_validator(mode="before")
    @classmethod
    def _default_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("id"):
            try:
                digest = hashlib.sha256(rfc8785.dumps(data)).hexdigest()
            except (rfc8785.CanonicalizationError, RecursionError):
                return {**data, "id": "campaign"}
            return {**data, "id": f"campaign-{digest[:12]}"}
        return data
