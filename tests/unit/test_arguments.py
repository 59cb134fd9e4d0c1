"""What functions and other callables are called with, and which cannot be bodies."""

import functools
from typing import Any, Optional

import pytest
from langchain_core.runnables import RunnableConfig

from planner_graph import AgentContext
from planner_graph.compiler.arguments import Arguments, Role, arguments_of
from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import AgentBindingError
from tests import isolated
from tests.catalogs import spec
from tests.fakes import WAYS, planned, run, thread

IN, X, C = Role.INPUTS, Role.CONTEXT, Role.CONFIG


class Agent:
    def __call__(self, inputs, config):
        return [inputs, config]

    def method(self, inputs, config: RunnableConfig, context):
        return [inputs, config, context]

    def nothing(self):
        return 1


def typed(inputs, settings: RunnableConfig): ...
def optional(inputs, settings: Optional[RunnableConfig] = None): ...  # noqa: UP045  # as LangGraph's users write it
def union(inputs, settings: RunnableConfig | None = None): ...
def as_text(inputs, settings: "RunnableConfig | None"): ...
def first(config, inputs): ...
def typed_first(settings: RunnableConfig, inputs, context): ...
def all_three(inputs, context, config): ...
def other_way(inputs, config, context): ...
def with_default(inputs, config=None): ...
def behind_a_default(inputs, flag=True, config=None): ...  # noqa: FBT002
def by_keyword(inputs, *, config, context): ...
def all_by_keyword(*, inputs, config): ...
def typed_by_keyword(inputs, *, me: AgentContext, options=1): ...
def typed_context_first(me: AgentContext, inputs): ...
def typed_context_default(inputs, me: AgentContext | None = None): ...
def anything(*args, **kwargs): ...
def anything_and_config(*args, config): ...
def single(config): ...
def prefixed(prefix, inputs, config): ...
def two(inputs, context): ...
def with_option(inputs, option=1): ...
def langgraphs(state, config): ...
def three(a, b, c): ...
def needs_tone(a, *, tone): ...


@pytest.mark.parametrize(
    ("body", "positional", "keywords"),
    [
        (lambda inputs: inputs, (IN,), {}),
        (two, (IN, X), {}),
        (with_option, (IN,), {}),
        (lambda inputs=None: inputs, (IN,), {}),
        (langgraphs, (IN, C), {}),
        (typed, (IN, C), {}),
        (optional, (IN,), {"settings": C}),
        (union, (IN,), {"settings": C}),
        (as_text, (IN, C), {}),
        (first, (C, IN), {}),
        (typed_first, (C, IN, X), {}),
        (all_three, (IN, X, C), {}),
        (other_way, (IN, C, X), {}),
        (with_default, (IN,), {"config": C}),
        (behind_a_default, (IN,), {"config": C}),
        (by_keyword, (IN,), {"config": C, "context": X}),
        (all_by_keyword, (), {"inputs": IN, "config": C}),
        (typed_by_keyword, (IN,), {"me": X}),
        (typed_context_first, (X, IN), {}),
        (typed_context_default, (IN,), {"me": X}),
        (anything, (IN,), {}),
        (anything_and_config, (IN,), {"config": C}),
        (single, (IN,), {}),
        (functools.partial(prefixed, "a"), (IN, C), {}),
        (functools.partial(by_keyword, context=1), (IN,), {"config": C}),
        (Agent(), (IN, C), {}),
        (Agent().method, (IN, C, X), {}),
        (dict, (IN,), {}),
        (len, (IN,), {}),
    ],
)
def test_each_parameter_gets_what_it_says(body, positional, keywords):
    assert arguments_of("a", body) == Arguments(positional=positional, keywords=keywords)


def yields(_):
    yield 1


async def yields_async(_):
    yield 1


class Yielding:
    def __call__(self, _):
        yield 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda: 1, "'<lambda>' takes no inputs; give it a parameter for them"),
        (lambda **rest: rest, "'<lambda>' takes no inputs; give it a parameter for them"),
        (lambda *, option=1: option, "'<lambda>' takes no inputs; give it a parameter for them"),
        (functools.partial(lambda inputs: inputs, 1), "takes no inputs; give it a parameter for them"),
        (Agent().nothing, "'Agent.nothing' takes no inputs; give it a parameter for them"),
        (Agent, "'Agent' is a class; bind an instance of it"),
        (Agent.method, "'Agent.method' is a method of a class; bind that of an instance"),
        (
            three,
            "nothing gives the parameter 'c'; a body takes its inputs, a context and a config; give it",
        ),
        (needs_tone, "nothing gives the parameter 'tone'; a body takes its inputs, a context and a config; "),
        (yields, "'yields' yields, and an agent has one result; collect it and return it"),
        (yields_async, "'yields_async' yields, and an agent has one result; collect it and return it"),
        (functools.partial(yields), "yields, and an agent has one result; collect it and return it"),
        (Yielding(), "yields, and an agent has one result; collect it and return it"),
    ],
)
def test_what_cannot_be_called_so_is_refused_when_it_is_compiled(body, message):
    plan = planned(spec("a"))
    with pytest.raises(AgentBindingError) as refused:
        compile_plan(plan, {"a": body})
    assert message in str(refused.value)


async def async_with_config(inputs, config):
    return thread_of(inputs, config)


def thread_of(_, config):
    return config["configurable"]["thread_id"]


def with_all(inputs, context, *, config: RunnableConfig):
    assert (context.agent, context.run_id) == ("a", inputs["campaign"]["id"])
    return config["configurable"]["thread_id"]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("body", [thread_of, async_with_config, with_all])
def test_the_config_reaches_the_body(body, how):
    given: Any = {"campaign": {"id": "t-9"}}
    config: Any = {**thread(), "configurable": {"thread_id": "t-9"}}
    assert run(compile_plan(planned(spec("a")), {"a": body}), given, config, how=how)["a"]["output"] == {"a": "t-9"}


def test_the_plain_part_of_the_config_reaches_a_process_of_its_own():
    config: Any = {"configurable": {"thread_id": "t-9", "client": object()}, "tags": ["x"], "metadata": {"team": "web"}}
    graph = compile_plan(planned(spec("a", isolation="process")), {"a": isolated.knows_its_config})
    thread_id, names, tags, team = run(graph, config=config)["a"]["output"]["a"]
    assert (thread_id, team) == ("t-9", "web")
    assert "x" in tags
    assert "client" not in names
