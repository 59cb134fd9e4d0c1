"""Compiled graphs as bodies of agents."""

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    campaign: dict[str, Any]
    a: str


def subgraph(*nodes):
    """Chain functions into a graph that serves as body of an agent ``a``."""
    builder, before = StateGraph(State), START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    builder.add_edge(before, END)
    return builder.compile()
