"""The declaration of one agent: what it needs, what it gives, how long it takes, how it may fail.

A spec says nothing about the code that does the work; that is bound later, by name, in an agent factory.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from planner_graph.types import AgentName, DependencyKind
from planner_graph.values import JsonObject, Label, PositiveSeconds, Seconds, Value

RESERVED_NAMES = frozenset({"plan", "finish", "campaign", "plan_hash", "result", "configuration"})
"""Names that the compiled graph uses for its own nodes, channels and inputs."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


def check_agent_name(name: str) -> str:
    """Return ``name`` if an agent may be called so; raise ``ValueError`` with the remedy otherwise."""
    if name in RESERVED_NAMES:
        raise ValueError(f"agent name {name!r} is reserved by the compiled graph; choose another name")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"agent name {name!r} is not allowed; use a letter, then up to 99 letters, digits, '_', '.' or '-' "
            "(LangGraph reserves '|', ':' and names in double underscores)"
        )
    return name


Name = Annotated[AgentName, AfterValidator(check_agent_name)]


class Dependency(Value):
    """One agent that another one depends on, and in which way."""

    agent: Name
    kind: DependencyKind = DependencyKind.HARD


class Input(Value):
    """A named value an agent reads: an output of another agent, or something the campaign provides."""

    name: Label
    required: bool = True


class Backoff(Value):
    """How long to wait before the next attempt: ``initial * factor**n``, at most ``max``, spread by ``jitter``."""

    initial_seconds: Seconds = 1.0
    factor: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = 2.0
    max_seconds: Seconds = 60.0
    jitter: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        0.1, description="Part of the wait that is random, 0 to 1."
    )

    def seconds(self, retry: int, chance: float) -> float:
        """Give the seconds to wait before retry number ``retry`` (1-based), for a ``chance`` in [0, 1)."""
        full = self.initial_seconds
        for _ in range(retry - 1):
            full = min(full * self.factor, self.max_seconds)
            if full >= self.max_seconds:
                break
        full = min(full, self.max_seconds)
        return full * (1 - self.jitter * chance)


def _dependencies(value: Any) -> Any:
    """Spread the short forms: a list of names, or names by kind."""
    if isinstance(value, Mapping) and "agent" not in value:
        return [
            {"agent": agent, "kind": kind}
            for kind, agents in value.items()
            for agent in (agents if isinstance(agents, list | tuple) else [agents])
        ]
    if isinstance(value, list | tuple):
        return [{"agent": item} if isinstance(item, str) else item for item in value]
    return value


def _inputs(value: Any) -> Any:
    """Spread the short form: a list of names."""
    if isinstance(value, list | tuple):
        return [{"name": item} if isinstance(item, str) else item for item in value]
    return value


class AgentSpec(Value):
    """Everything the planner and the compiler know about an agent.

    Durations are seconds. ``outputs`` defaults to one output with the agent's own name. ``resources`` says how much of
    each named pool one attempt holds, for example ``{"llm_requests": 1}``.
    """

    name: Name
    type: Label = "generic"
    description: str = ""
    capabilities: tuple[Label, ...] = ()
    dependencies: Annotated[
        tuple[Dependency, ...],
        BeforeValidator(
            _dependencies,
            json_schema_input_type=list[str | Dependency] | dict[DependencyKind, list[str]],
        ),
    ] = Field((), description="Agents this one depends on: names (hard), {agent, kind}, or names by kind.")
    inputs: Annotated[
        tuple[Input, ...], BeforeValidator(_inputs, json_schema_input_type=list[str | Input])
    ] = Field((), description="Values this agent reads, by name; a bare name is required.")
    outputs: tuple[Label, ...] = Field((), description="Values this agent gives; defaults to one with its own name.")
    estimate_seconds: PositiveSeconds = 180.0
    parallel_safe: bool = Field(True, description="Whether it may run beside other agents that are not parallel safe.")
    resources: dict[Label, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    max_retries: Annotated[int, Field(ge=0, le=100)] = Field(3, description="Attempts after the first one.")
    backoff: Backoff = Backoff()
    timeout_seconds: PositiveSeconds = Field(1800.0, description="Time limit of one attempt.")
    fallback: Name | None = Field(None, description="Agent that takes over when all attempts are used up.")
    cost_estimate_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    configuration: JsonObject = Field(default_factory=dict, description="Given to the body as it is.")

    @model_validator(mode="before")
    @classmethod
    def _default_outputs(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("outputs") and "name" in data:
            return {**data, "outputs": [data["name"]]}
        return data

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        for what, names in (
            ("dependency", [d.agent for d in self.dependencies]),
            ("input", [i.name for i in self.inputs]),
            ("output", list(self.outputs)),
        ):
            for position, name in enumerate(names):
                if name in names[:position]:
                    raise ValueError(f"{what} {name!r} is named twice; name it once")
        for name in (*self.outputs, *(i.name for i in self.inputs)):
            if name in {"campaign", "configuration"}:
                raise ValueError(f"{name!r} is reserved for what every body receives; choose another name")
        return self
