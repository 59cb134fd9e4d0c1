"""What is kept from one attempt to the next: answers of humans, and what a subgraph has done.

These tests fail if LangGraph renames what :mod:`planner_graph.compiler.attempt` reaches for.
"""

from typing import Any

import pytest
from langgraph._internal import _constants
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from planner_graph.compiler import attempt
from planner_graph.compiler.compiler import compile_plan
from tests.catalogs import spec
from tests.fakes import planned, run, thread
from tests.subgraphs import subgraph

TWICE = planned(spec("a", max_retries=1, backoff={"initial_seconds": 0}))


def test_langgraph_still_uses_the_keys_we_reach_for():
    ours = (attempt.SCRATCHPAD, attempt.RESUMING, attempt.CHECKPOINTER)
    theirs = (_constants.CONFIG_KEY_SCRATCHPAD, _constants.CONFIG_KEY_RESUMING, _constants.CONFIG_KEY_CHECKPOINTER)
    assert ours == theirs


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("saver", "done"), [(None, ["first", "second", "first", "second"]), (InMemorySaver, ["first", "second", "second"])]
)
def test_a_subgraph_goes_on_from_its_last_checkpoint_if_there_is_one(how, saver, done):
    log = []

    def first(_):
        log.append("first")
        return {}

    def second(_):
        log.append("second")
        if log.count("second") == 1:
            raise ConnectionError
        return {"a": "done"}

    graph = compile_plan(TWICE, {"a": subgraph(first, second)}, checkpointer=saver and saver())
    final = run(graph, config=thread(), how=how)
    assert (final["a"]["output"], final["a"]["attempts"]) == ({"a": "done"}, 2)
    assert log == done


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_subgraph_may_ask_a_human_and_keeps_the_answer_for_its_next_attempt(how):
    asked = []

    def node(_):
        asked.append(interrupt("may I?"))
        if len(asked) == 1:
            raise ConnectionError
        return {"a": asked[-1]}

    graph = compile_plan(TWICE, {"a": subgraph(node)}, checkpointer=InMemorySaver())
    run(graph, config=thread(), how=how)
    final = run(graph, Command(resume="yes"), thread(), how=how)
    assert (final["a"]["output"], final["a"]["attempts"], asked) == ({"a": "yes"}, 2, ["yes", "yes"])


class SyncOnly(BaseCheckpointSaver[Any]):
    def get_tuple(self, config): ...


class Both(SyncOnly):
    async def aget_tuple(self, config): ...


@pytest.mark.parametrize(
    ("saver", "expected"), [(SyncOnly(), True), (Both(), False), (InMemorySaver(), False), (None, False)]
)
def test_savers_without_async_methods_are_recognised(saver, expected):
    config: Any = {"configurable": {attempt.CHECKPOINTER: saver}}
    assert attempt.has_sync_checkpointer(config) is expected
    assert attempt.has_sync_checkpointer({}) is False


def test_a_config_from_outside_langgraph_is_left_as_it_is_but_for_the_mark():
    given: Any = {"tags": ["x"], "configurable": {"thread_id": "t"}}
    assert attempt.next_attempt(given) == {"tags": ["x"], "configurable": {"thread_id": "t", attempt.RESUMING: True}}
    assert attempt.next_attempt({}) == {"configurable": {attempt.RESUMING: True}}
    assert given == {"tags": ["x"], "configurable": {"thread_id": "t"}}
