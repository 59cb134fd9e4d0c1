"""What is stored of a join is what it was when it was handed over."""

from copy import deepcopy

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.joins import Join
from tests.fakes import INPUT, Notebook, run, thread
from tests.plans import make_plan

UNEVEN = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a", "b", "c"]}


class Watching(InMemorySaver):
    """Keeps every checkpoint as it is handed over, and as it was at that moment."""

    def __init__(self):
        super().__init__()
        self.kept = []

    async def aput(self, config, checkpoint, *others):
        self.kept.append((checkpoint, deepcopy(checkpoint)))
        return await super().aput(config, checkpoint, *others)

    def put(self, config, checkpoint, *others):
        self.kept.append((checkpoint, deepcopy(checkpoint)))
        return super().put(config, checkpoint, *others)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("strategy", ["parallel", "sequential", "adaptive"])
def test_no_checkpoint_changes_after_it_was_handed_over(strategy, how):
    saver = Watching()
    graph = compile_plan(make_plan(UNEVEN, strategy=strategy), Notebook().bodies(UNEVEN), checkpointer=saver)
    assert run(graph, INPUT, thread(), how=how)["result"]["status"] == "completed"
    assert len(saver.kept) >= 3
    for now, then in saver.kept:
        assert now["channel_values"] == then["channel_values"]


def test_a_join_that_is_read_leaves_its_checkpoint_alone():
    stored = {"a"}
    join = Join(str, {"a", "b"}).from_checkpoint(stored)
    assert join.update(["b"])
    assert (stored, join.is_available()) == ({"a"}, True)
