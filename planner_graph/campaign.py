"""A campaign: what is asked for, independent of which agents exist.

Comes from YAML, from JSON or from Python. A campaign names a type (the catalog's rules map it to agents), deliverables
(outputs to produce, whoever produces them), or both.
"""

import hashlib
from collections.abc import Collection, Iterable
from os.path import expanduser
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import Field, PrivateAttr, model_validator

from planner_graph import documents
from planner_graph.documents import NOWHERE, Document, KeyPath
from planner_graph.errors import CampaignError, Finding
from planner_graph.redaction import without_secrets
from planner_graph.types import Strategy
from planner_graph.values import (
    Count,
    Flag,
    Json,
    JsonObject,
    Label,
    Line,
    PositiveAmount,
    PositiveSeconds,
    Text,
    Value,
    without_repeats,
)


class Task(Value):
    """One listed piece of work of a campaign; its type may call for further agents."""

    type: Label = Field(description="Kind of work, for example image_generation; the catalog's rules map it to agents.")
    title: Text = ""
    description: Text = ""
    parameters: JsonObject = Field(default_factory=dict)


class Limits(Value):
    """Bounds within which a campaign must be done."""

    max_parallel: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="Most agents that run at one time."
    )
    resources: dict[Label, PositiveAmount] = Field(
        default_factory=dict, description="Capacity of each named pool, for example llm_requests: 8."
    )
    timeout_seconds: PositiveSeconds | None = Field(default=None, description="Time limit of the whole run.")
    budget_usd: PositiveAmount | None = Field(
        default=None, description="Most that the cost estimates of the selected agents may add up to."
    )
    fail_fast: Flag = Field(
        default=False, description="Start no further agent once one has failed that no fallback makes up for."
    )


Durability = Literal["async", "sync", "exit"]
"""When LangGraph stores the checkpoints of a run."""


class Campaign(Value):
    """What is wanted from a run.

    ``id`` defaults to a name derived from the content, so that the same campaign has the same id everywhere.
    ``provided`` holds values the campaign brings along, by input name: agents that would produce them are not needed.
    ``sources`` are paths of files or folders; read from a file, they are made absolute against its folder.
    """

    id: Line = Field(default="", description="Defaults to a name derived from the content.")
    name: Text = ""
    type: Label | None = Field(default=None, description="Kind of campaign; the catalog's rules map it to agents.")
    content_types: Annotated[tuple[Label, ...], without_repeats("content type")] = Field(
        default=(), description="Kinds of content wanted, for example blog_post, image, social_media."
    )
    include_images: Flag = False
    tasks: tuple[Task, ...] = Field(
        default=(), description="Listed pieces of work; their types may call for further agents."
    )
    deliverables: Annotated[tuple[Label, ...], without_repeats("deliverable")] = Field(
        default=(), description="Products or outputs to produce, whichever agents give them."
    )
    provided: dict[Label, Json] = Field(
        default_factory=dict, description="Values the campaign brings along, by input name."
    )
    configuration: dict[Label, JsonObject] = Field(default_factory=dict, description="Configuration by agent name.")
    brief: Text = Field(default="", description="What is wanted, in words; every agent receives it.")
    sources: tuple[Text, ...] = Field(default=(), description="Files or folders, relative to the folder of this file.")
    limits: Limits = Limits()
    strategy: Strategy | None = Field(
        default=None, description="How the agents are wired; the planner's default if absent."
    )

    durability: Durability | None = Field(
        default=None,
        description="When checkpoints are stored. sync: before an agent starts that reads them. async: beside the "
        "agents. exit: when the run ends or stops. By default async.",
    )

    _document: Document = PrivateAttr(default_factory=lambda: NOWHERE)

    @property
    def file(self) -> str | None:
        """Path of the document this campaign was read from, for messages."""
        return self._document.file

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
        """Read a campaign and all that is wrong with it; the campaign then lacks its faulty parts.

        Raises:
            DocumentError: the file cannot be read or is neither YAML nor JSON.
        """
        document = documents.read(path)
        data = {key: value for key, value in document.data.items() if key != "$schema"}
        campaign, findings = documents.validate(cls, document, data)
        campaign = campaign or cls()
        folder = Path(path).resolve().parent
        # unlike Path.expanduser, this one leaves the name of an unknown user as it is
        sources = tuple(str(folder / expanduser(source)) for source in campaign.sources)  # noqa: PTH111
        campaign = campaign.model_copy(update={"sources": sources})
        campaign._document = document  # noqa: SLF001  # its own class
        return campaign, documents.told([*document.findings, *findings])

    def finding(self, path: KeyPath, problem: str, remedy: str = "", *, agents: Iterable[str] = ()) -> Finding:
        """Build a finding about the key at ``path``, with file and line if the campaign was read from a file."""
        return self._document.finding(path, problem, remedy, agents=agents)

    def for_people(self, secrets: Collection[str]) -> dict[str, Any]:
        """Return the campaign as plain values with placeholders in place of those that go by one of these names."""
        plain = self.model_dump(mode="json")
        configuration = {agent: without_secrets(given, secrets) for agent, given in self.configuration.items()}
        return plain | {"provided": without_secrets(plain["provided"], secrets), "configuration": configuration}

    @model_validator(mode="after")
    def _derive_id(self) -> Self:
        if not self.id:
            content = rfc8785.dumps(self.model_dump(mode="json", exclude={"id"}, exclude_defaults=True))
            # the value is frozen, and not yet handed out
            object.__setattr__(self, "id", f"campaign-{hashlib.sha256(content).hexdigest()[:12]}")
        return self
