"""What a body is called with: its inputs, the context of its attempt, LangGraph's config; found when compiled."""

import functools
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from inspect import Parameter
from typing import Any, get_args

from langchain_core.runnables import RunnableConfig

from planner_graph.compiler.current import AgentContext
from planner_graph.errors import AgentBindingError


class Role(StrEnum):
    """What one argument of a body is."""

    INPUTS = "inputs"
    CONTEXT = "context"
    CONFIG = "config"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arguments:
    """What a function is called with: by position, in order, and by keyword."""

    positional: tuple[Role, ...] = (Role.INPUTS,)
    keywords: Mapping[str, Role] = field(default_factory=dict)

    def wants(self, role: Role) -> bool:
        """Whether the function takes such an argument."""
        return role in self.positional or role in self.keywords.values()

    def of(self, values: Mapping[Role, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a call, by position and by keyword."""
        return [values[role] for role in self.positional], {name: values[role] for name, role in self.keywords.items()}


_TYPES = {Role.CONFIG: RunnableConfig, Role.CONTEXT: AgentContext}
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def arguments_of(agent: str, body: Any) -> Arguments:
    """Return what a function, or another callable, is called with.

    The first positional parameter gets the inputs, the second required one the context. A parameter called ``config``
    or typed ``RunnableConfig`` gets the config wherever it stands, one typed ``AgentContext`` the context. Those by
    keyword alone may be called ``inputs`` and ``context``.

    Raises:
        AgentBindingError: the function cannot be called so, or it yields instead of returning.
    """
    _check_kind(agent, body)
    try:
        parameters = [*inspect.signature(body).parameters.values()]
    except (ValueError, TypeError):  # some built-ins have no signature
        return Arguments()
    roles: dict[str, Role] = {}
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    for parameter in positional:
        role = _role_of(parameter, roles, alone=len(positional) == 1)
        if role is None:
            break  # it has a default, and so have all that follow; a config among them is given by keyword
        roles[parameter.name] = role
    by_position = tuple(roles.values())
    for parameter in parameters:
        if parameter.name not in roles and (role := _by_keyword(agent, parameter)):
            roles[parameter.name] = role
    if Role.INPUTS not in roles.values():
        if not any(each.kind is Parameter.VAR_POSITIONAL for each in parameters):
            raise AgentBindingError(agent, f"{_name(body)} takes no inputs; give it a parameter for them")
        return Arguments(keywords=roles)
    return Arguments(positional=by_position, keywords=dict([*roles.items()][len(by_position) :]))


def _check_kind(agent: str, body: Any) -> None:
    called = body.func if isinstance(body, functools.partial) else body
    call = called if inspect.isroutine(called) else getattr(called, "__call__", None)  # noqa: B004  # its type matters
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise AgentBindingError(agent, f"{_name(body)} yields, and an agent has one result; collect it and return it")
    if isinstance(called, type) and any("__call__" in vars(kind) for kind in called.__mro__):
        raise AgentBindingError(agent, f"{_name(body)} is a class; bind an instance of it")
    first = next(iter(_parameters(called)), None)
    if inspect.isfunction(called) and "." in called.__qualname__ and first == "self":
        raise AgentBindingError(agent, f"{_name(body)} is a method of a class; bind that of an instance")


def _parameters(body: Any) -> list[str]:
    try:
        return [*inspect.signature(body).parameters]
    except (ValueError, TypeError):
        return []


def _role_of(parameter: Parameter, given: Mapping[str, Role], *, alone: bool) -> Role | None:
    """Return the role of the next positional parameter, or ``None`` if it is not given by position."""
    named = _named_role(parameter)
    required = parameter.default is Parameter.empty
    if named and (not alone or _is_typed(parameter, _TYPES[named])):
        return named if required or not given else None
    if Role.INPUTS not in given.values():
        return Role.INPUTS
    return Role.CONTEXT if required and Role.CONTEXT not in given.values() else None


def _by_keyword(agent: str, parameter: Parameter) -> Role | None:
    """Return what a parameter gets by keyword, or ``None`` if it can do without.

    Raises:
        AgentBindingError: it cannot, and nothing gives it.
    """
    if parameter.kind in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}:
        return None
    role = _named_role(parameter)
    if parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty and role is None:
        role = {"inputs": Role.INPUTS, "context": Role.CONTEXT}.get(parameter.name)
    if role is None and parameter.default is Parameter.empty:
        problem = f"nothing gives the parameter {parameter.name!r}; a body takes its inputs, a context and a config"
        raise AgentBindingError(agent, f"{problem}; give it a default, or bind it with functools.partial")
    if parameter.kind is Parameter.POSITIONAL_ONLY and role is not None:
        raise AgentBindingError(agent, f"the parameter {parameter.name!r} has a default and no keyword; swap the two")
    return role


def _named_role(parameter: Parameter) -> Role | None:
    """Return the role that a parameter's name or type says."""
    if parameter.name == "config" and not _is_typed(parameter, AgentContext):
        return Role.CONFIG
    return next((role for role, kind in _TYPES.items() if _is_typed(parameter, kind)), None)


def _is_typed(parameter: Parameter, kind: Any) -> bool:
    """Tell whether a parameter is typed so, or so or otherwise; annotations may be text."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        return bool(re.search(rf"\b{kind.__name__}\b", annotation))
    return annotation is kind or kind in get_args(annotation)


def _name(body: Any) -> str:
    return repr(getattr(body, "__qualname__", None) or body)
