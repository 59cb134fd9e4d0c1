"""What tells the code of an agent from other code."""

import functools
import subprocess
import sys

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from planner_graph.agents.factory import AgentFactory
from planner_graph.compiler.identity import body_identity, work_of, works_of
from planner_graph.types import AgentName


def writer(inputs):
    return {"text": inputs["topic"]}


def other(_):
    return {"text": "another"}


def made(seconds, helper=None):
    def body(inputs):
        return helper(inputs) if helper else seconds

    return body


class State(TypedDict):
    """What a graph works on."""

    text: str


class Caller:
    """A body that is an object."""

    def __call__(self, _):
        return 1

    def method(self, _):
        return 2


def graph_of(node):
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile()


BODIES = {
    "function": lambda: writer,
    "another function": lambda: other,
    "stand-in": lambda: lambda _: {"text": "x"},
    "another stand-in": lambda: lambda _: {"text": "y"},
    "closure": lambda: made(1),
    "closure with another value": lambda: made(2),
    "closure with a function": lambda: made(1, writer),
    "closure with another function": lambda: made(1, other),
    "default": lambda: lambda _, n=1: n,
    "another default": lambda: lambda _, n=2: n,
    "partial": lambda: functools.partial(made, 1),
    "another partial": lambda: functools.partial(made, 2),
    "object": Caller,
    "method": lambda: Caller().method,
    "runnable": lambda: RunnableLambda(writer),
    "another runnable": lambda: RunnableLambda(other),
    "chain": lambda: RunnableLambda(writer) | RunnableLambda(other),
    "another chain": lambda: RunnableLambda(other) | RunnableLambda(writer),
    "graph": lambda: graph_of(writer),
    "another graph": lambda: graph_of(other),
    "built-in": lambda: len,
}


def test_bodies_that_do_something_else_are_told_apart_and_the_same_one_is_known_again():
    first = {name: body_identity(make()) for name, make in BODIES.items()}
    assert len(set(first.values())) == len(BODIES)
    assert first == {name: body_identity(make()) for name, make in BODIES.items()}


def test_a_key_is_the_same_in_every_process():
    program = (
        "from tests.unit.test_identity import BODIES, body_identity;"
        "print([body_identity(make()) for make in BODIES.values()])"
    )
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)  # noqa: PLW1510
        assert shown.stdout.strip() == str([body_identity(make()) for make in BODIES.values()]), shown.stderr


def test_a_function_that_refers_to_itself_is_no_endless_loop():
    def body(inputs):
        return body(inputs) if inputs else others

    others = [body]
    assert body_identity(body) == body_identity(body)


def test_other_outputs_are_other_work_in_whatever_order_they_are_named():
    assert work_of(["a", "b"], writer) == work_of(["b", "a"], writer)
    assert work_of(["a"], writer) != work_of(["b"], writer)


@pytest.mark.parametrize("reference", ["tests.unit.test_identity:writer", "tests.unit.test_identity:nothing"])
def test_a_reference_is_as_good_as_what_it_names_and_one_that_names_nothing_is_no_work(reference):
    factory = AgentFactory({"writer": reference})
    expected = {"writer": work_of(["text"], writer)} if reference.endswith("writer") else {}
    assert works_of({AgentName("writer"): ("text",), AgentName("unbound"): ("x",)}, factory) == expected
