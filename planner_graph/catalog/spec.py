"""The declaration of one agent: what it needs, what it gives, how long it takes, how it may fail.

A spec says nothing about the code that does the work; that is bound later, by name, in an agent factory.
"""

import builtins
import re
from collections.abc import Container, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from planner_graph.errors import nearest
from planner_graph.types import AgentName, DependencyKind, Effects
from planner_graph.values import (
    Amount,
    Count,
    Fault,
    FaultyValueError,
    Flag,
    JsonObject,
    Label,
    PositiveAmount,
    PositiveSeconds,
    Seconds,
    Share,
    Text,
    Value,
    without_repeats,
)

RESERVED_NAMES = frozenset(
    {
        # nodes, channels and inputs of the compiled graph
        "campaign",
        "configuration",
        "finish",
        "plan",
        "plan_hash",
        "result",
        # words of LangGraph
        "checkpoint_id",
        "checkpoint_map",
        "checkpoint_ns",
        "configurable",
        "thread_id",
    }
)
"""Names no agent may have."""

RESERVED_VALUES = frozenset({"campaign", "configuration"})
"""Names no input or output may have: every body receives values so called."""

NAME_PATTERN = "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"
"""What an agent's name looks like, as a regular expression that JSON Schema understands too."""

_NAME = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")

ERROR_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
"""What the name of a class of errors looks like, as a regular expression that JSON Schema understands too."""

_ERROR_NAME = re.compile(ERROR_NAME_PATTERN.removesuffix("$") + r"\Z")

_BUILT_IN_ERRORS = tuple(
    name
    for name, item in vars(builtins).items()
    if isinstance(item, type) and issubclass(item, Exception) and item.__name__ == name  # no second name, as IOError
)

_KINDS = tuple(kind.value for kind in DependencyKind)


def check_agent_name(name: str) -> str:
    """Return ``name`` if an agent may be called so.

    Raises:
        FaultyValueError: it is reserved, or holds characters that LangGraph or a key path gives a meaning.
    """
    if name in RESERVED_NAMES:
        raise FaultyValueError.single(f"agent name {name!r} is reserved by the compiled graph", "choose another name")
    if not _NAME.match(name):
        raise FaultyValueError.single(
            f"agent name {name[:120]!r} is not allowed",
            "use a letter, then up to 99 letters, digits, '_', '.' or '-' "
            "(LangGraph reserves '|', ':' and names in double underscores)",
        )
    return name


REPORTED_NAMES = "reported_names"
"""Key in a validation's context: names of agents that are not allowed and that have been reported where declared."""


def _check_name(name: str, info: ValidationInfo) -> str:
    """Check the name of an agent, unless it has been reported already: one bad name is one finding."""
    return name if name in _reported(info) else check_agent_name(name)


def _reported(info: ValidationInfo) -> Container[str]:
    names: Container[str] = (info.context or {}).get(REPORTED_NAMES, ())
    return names


def _check_value_name(name: str) -> str:
    if name in RESERVED_VALUES:
        raise FaultyValueError.single(f"{name!r} is reserved for what every body receives", "choose another name")
    return name


def _spread_dependencies(value: Any, info: ValidationInfo) -> Any:
    """Spread the short forms: a list of names, or names by kind."""
    if isinstance(value, list | tuple):
        return [item if isinstance(item, Mapping | Dependency) else {"agent": item} for item in value]
    if not isinstance(value, Mapping):
        return value
    spread: dict[str, dict[str, str]] = {}
    faults: list[Fault] = []
    for kind, agents in value.items():
        if kind not in _KINDS:
            hint = nearest(kind, _KINDS) if isinstance(kind, str) else ""
            remedy = hint or f"use {', '.join(_KINDS)}"
            faults.append(Fault((kind,), f"unknown kind of dependency {kind!r}", remedy))
        elif not isinstance(agents, list | tuple):
            faults.append(Fault((kind,), f"the {kind} dependencies are not a list", "write a list of agent names"))
        else:
            faults += _spread_kind(str(kind), agents, spread, info)
    if faults:
        raise FaultyValueError(faults)
    return list(spread.values())


def _spread_kind(
    kind: str, agents: Iterable[Any], spread: dict[str, dict[str, str]], info: ValidationInfo
) -> list[Fault]:
    """Add the agents of one kind to ``spread``; return what is wrong with them."""
    faults = []
    for position, agent in enumerate(agents):
        path = (kind, position)
        try:
            if not isinstance(agent, str):
                faults.append(Fault(path, "an agent's name is not text", "write the name of an agent"))
            elif _check_name(agent, info) in spread:
                faults.append(Fault(path, f"dependency {agent!r} is named twice", "name it once"))
            else:
                spread[agent] = {"agent": agent, "kind": kind}
        except FaultyValueError as error:
            faults += [Fault(path, fault.problem, fault.remedy) for fault in error.faults]
    return faults


_GROUPS = {"one_of": {"required": False, "one_of": True}, "optional": {"required": False}}
"""What stands for each name in a group of inputs, by the key of the group."""


def _spread_inputs(value: Any) -> Any:
    """Spread the short forms: a list of names, and groups of names that are not required."""
    if not isinstance(value, list | tuple):
        return value
    spread: list[Any] = []
    faults: list[Fault] = []
    for position, item in enumerate(value):
        if isinstance(item, Mapping) and "name" not in item and not _GROUPS.keys().isdisjoint(item):
            faults += _spread_group(position, item, spread)
        else:
            spread.append(item if isinstance(item, Mapping | Input) else {"name": item})
    if faults:
        raise FaultyValueError(faults)
    return spread


def _spread_group(position: int, group: Mapping[Any, Any], spread: list[Any]) -> list[Fault]:
    """Add the inputs of one group to ``spread``; return what is wrong with the group."""
    if len(group) != 1:
        return [Fault((position,), "a group of inputs has one key", f"use one of {', '.join(_GROUPS)}")]
    [(key, names)] = group.items()
    if not isinstance(names, list | tuple) or not names:
        return [Fault((position, key), f"{key!r} is no list of inputs", "write a list of names")]
    faults = []
    for place, name in enumerate(names):
        if isinstance(name, str):
            spread.append({"name": name, **_GROUPS[key]})
        else:
            faults.append(Fault((position, key, place), "an input's name is not text", "write the name of an input"))
    return faults


def _check_error_name(name: str) -> str:
    if not _ERROR_NAME.match(name):
        raise FaultyValueError.single(f"{name!r} names no class of errors", "write package.module.Class")
    if "." not in name and name not in _BUILT_IN_ERRORS:
        hint = nearest(name, _BUILT_IN_ERRORS)
        remedy = "write package.module.Class" + (f", or {hint}" if hint else "")
        raise FaultyValueError.single(f"no built-in error is called {name!r}", remedy)
    return name


def _not_in_retry_on(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    wanted = info.data.get("retry_on", ())
    problem, remedy = "error {!r} is in retry_on, too", "remove it from one of the two lists"
    faults = [Fault((place,), problem.format(name), remedy) for place, name in enumerate(names) if name in wanted]
    if faults:
        raise FaultyValueError(faults)
    return names


def _not_required(one_of: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # a field's validator
    if one_of and info.data.get("required"):
        raise FaultyValueError.single("an input that is one of several is not required", "add required: false")
    return one_of


def _own_name_if_empty(outputs: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    return outputs or ((info.data["name"],) if "name" in info.data else ())


Name = Annotated[AgentName, AfterValidator(_check_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
"""The name of an agent."""

ValueName = Annotated[Label, AfterValidator(_check_value_name)]
"""The name of an input or an output."""


ErrorName = Annotated[
    Label, AfterValidator(_check_error_name), WithJsonSchema({"type": "string", "pattern": ERROR_NAME_PATTERN})
]
"""The class of an error: ``package.module.Class``, or ``Class`` if it is built in."""

Isolation = Literal["process"]
"""How the body of an agent is kept apart from everything else."""

Approval = Literal["required"]
"""Whether a person must approve an agent before it runs."""


class Dependency(Value):
    """One agent that another one depends on, and in which way."""

    agent: Name
    kind: DependencyKind = Field(
        default=DependencyKind.HARD,
        description="hard: run only if it completed. soft: wait until it ended in any way. optional: never wait.",
    )


class Input(Value):
    """A named value an agent reads: an output of another agent, or something the campaign provides."""

    name: ValueName
    required: Flag = True
    one_of: Annotated[Flag, AfterValidator(_not_required)] = Field(
        default=False,
        description="Whether it is one of several of which at least one must exist; if none does, the first is made.",
    )


class InputGroup(Value):
    """Inputs that are not required, by name, in short: ``{optional: [...]}``, or ``{one_of: [...]}``.

    Of those under ``one_of`` at least one must exist; where nothing gives any of them, the first counts as required.
    """

    optional: list[ValueName] | None = None
    one_of: list[ValueName] | None = None


class Backoff(Value):
    """How long to wait before the next attempt: ``initial * factor**n``, at most ``max``, spread by ``jitter``."""

    initial_seconds: Seconds = 1.0
    factor: Annotated[float, Field(strict=True, ge=1, le=100, allow_inf_nan=False)] = 2.0
    max_seconds: Seconds = 60.0
    jitter: Share = Field(default=0.1, description="Part of the wait that is random, 0 to 1.")

    def seconds(self, retry: int, chance: float) -> float:
        """Give the seconds to wait before retry number ``retry`` (1-based), for a ``chance`` in [0, 1)."""
        full = min(self.initial_seconds, self.max_seconds)
        for _ in range(retry - 1):
            if full in {0, self.max_seconds}:
                break
            full = min(full * self.factor, self.max_seconds)
        return full * (1 - self.jitter * chance)


class AgentSpec(Value):
    """Everything the planner and the compiler know about an agent.

    Durations are seconds. ``outputs`` defaults to one output with the agent's own name. ``resources`` says how much of
    each named pool one attempt holds, for example ``{"llm_requests": 1}``.
    """

    name: Name
    type: Label = Field(default="generic", description="Kind of agent, for people and statistics.")
    description: Text = Field(
        default="", description="What the agent does; the system prompt of agents that are prompts."
    )
    capabilities: tuple[Label, ...] = ()
    dependencies: Annotated[
        tuple[Dependency, ...],
        without_repeats("dependency", lambda dependency: dependency.agent),
        BeforeValidator(
            _spread_dependencies,
            json_schema_input_type=list[Name | Dependency] | dict[DependencyKind, list[Name]],
        ),
    ] = Field(default=(), description="Agents this one depends on: names (hard), {agent, kind}, or names by kind.")
    inputs: Annotated[
        tuple[Input, ...],
        without_repeats("input", lambda item: item.name),
        BeforeValidator(_spread_inputs, json_schema_input_type=list[ValueName | Input | InputGroup]),
    ] = Field(
        default=(),
        description="Values this agent reads: names (required), {name, required}, {optional: names}, {one_of: names}.",
    )
    outputs: Annotated[tuple[ValueName, ...], without_repeats("output"), AfterValidator(_own_name_if_empty)] = Field(
        default=(), description="Values this agent gives; defaults to one with its own name."
    )
    estimate_seconds: PositiveSeconds = Field(default=180.0, description="How long one attempt usually takes.")
    parallel_safe: Flag = Field(
        default=True, description="Whether it may run beside other agents that are not parallel safe."
    )
    resources: dict[Label, PositiveAmount] = Field(
        default_factory=dict, description="How much of each named pool one attempt holds, for example llm_requests: 1."
    )
    max_retries: Annotated[Count, Field(le=100)] = Field(default=3, description="Attempts after the first one.")
    backoff: Backoff = Field(default=Backoff(), description="How long to wait between attempts.")
    retry_on: Annotated[tuple[ErrorName, ...], without_repeats("error")] = Field(
        default=(),
        description="Errors that are worth another attempt, as package.module.Class; subclasses are meant too.",
    )
    do_not_retry: Annotated[tuple[ErrorName, ...], without_repeats("error"), AfterValidator(_not_in_retry_on)] = Field(
        default=(),
        description="Errors that are not; if both lists know an error, the class nearest to its own decides.",
    )
    timeout_seconds: PositiveSeconds = Field(default=1800.0, description="Time limit of one attempt.")
    total_timeout_seconds: PositiveSeconds | None = Field(
        default=None, description="Time limit of all attempts and the waits between them; none if absent."
    )
    isolation: Isolation | None = Field(
        default=None, description="process: the function runs in a process of its own, which is killed when stopped."
    )
    approval: Approval | None = Field(
        default=None, description="required: a person must approve it before it runs; if rejected, it is skipped."
    )
    effects: Effects = Field(
        default=Effects.IDEMPOTENT,
        description="What it changes outside of the run. none: nothing. idempotent: a repetition with the same key "
        "changes nothing more. external: each repetition is a further effect.",
    )
    fallback: Name | None = Field(default=None, description="Agent that takes over when all attempts are used up.")
    cost_estimate_usd: Amount = Field(default=0.0, description="What one attempt usually costs.")
    configuration: JsonObject = Field(default_factory=dict, description="Given to the body as it is.")
