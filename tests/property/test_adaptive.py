"""Any DAG, however it is run: agents run after what they wait for, exactly once, and the same under each strategy."""

import asyncio
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from planner_graph.compiler.compiler import compile_plan
from planner_graph.types import Strategy
from tests.catalogs import spec
from tests.fakes import INPUT, Notebook, planned, run, thread, within
from tests.plans import make_plan
from tests.property.dags import bounded, dags

few = settings(bounded, max_examples=25)
PATIENCE = 30
some_dags = dags(7).filter(bool)


def moment(text):
    return datetime.fromisoformat(text)


@few
@given(some_dags, st.data())
def test_each_agent_runs_once_and_only_when_those_it_waits_for_have_ended(edges, data):
    pauses = {name: data.draw(st.integers(0, 3)) for name in edges}
    runs = dict.fromkeys(edges, 0)

    def body(name):
        async def work(_):
            runs[name] += 1
            for _turn in range(pauses[name]):
                await asyncio.sleep(0)
            return name

        return work

    limits = data.draw(st.sampled_from([{}, {"max_parallel": 1}, {"max_parallel": 2}, {"resources": {"gpu": 1}}]))
    specs = [
        spec(
            name,
            after=before,
            seconds=data.draw(st.integers(1, 3)),
            parallel_safe=data.draw(st.booleans()),
            resources={"gpu": 1} if data.draw(st.booleans()) else {},
        )
        for name, before in edges.items()
    ]
    graph = compile_plan(planned(*specs, strategy="adaptive", limits=limits), {name: body(name) for name in edges})
    config = data.draw(st.sampled_from([{}, {"max_concurrency": 1}, {"max_concurrency": 2}]))
    how = data.draw(st.sampled_from(["ainvoke", "invoke"]))
    final = within(PATIENCE, run, graph, config=config, how=how)
    assert runs == dict.fromkeys(edges, 1)
    for name, before in edges.items():
        for other in before:
            assert moment(final[other]["ended_at"]) <= moment(final[name]["started_at"])


def without_times(final):
    agents = {
        name: {**about, "started_at": None, "ended_at": None}
        for name, about in final.items()
        if name not in {"plan_hash", "result"}
    }
    result = final["result"]
    return agents, result["status"], result["deliverables"], result["missing"]


@few
@given(some_dags, st.data())
def test_all_strategies_give_the_same_records_apart_from_times(edges, data):
    """Deterministic bodies, some of which fail, some with a fallback; no optional dependencies, whose use is a race."""
    kinds = {name: data.draw(st.sampled_from(["hard", "soft"])) for name in edges}
    fails = {name for name in edges if data.draw(st.integers(0, 3)) == 0}
    backed = {name for name in edges if data.draw(st.integers(0, 2)) == 0}
    stand_ins = {name: f"for-{name}" for name in edges if name in backed}
    specs = [
        spec(
            name,
            after={kinds[name]: before},
            gives=[f"of-{name}"],
            max_retries=0,
            fallback=stand_ins.get(name),
        )
        for name, before in edges.items()
    ]
    specs += [spec(other, after=edges[name], gives=[f"of-{name}"]) for name, other in stand_ins.items()]

    def body(name):
        def work(inputs):
            if name in fails:
                raise LookupError(name)
            return [name, sorted(key for key in inputs if key.startswith("of-"))]

        return work

    bodies: dict[str, Any] = {each.name: body(each.name) for each in specs}
    found = []
    for strategy in Strategy:
        plan = planned(*specs, strategy=strategy, type=None, deliverables=[f"of-{name}" for name in edges])
        found.append(without_times(within(PATIENCE, run, compile_plan(plan, bodies), how="ainvoke")))
    assert found[0] == found[1] == found[2]


@few
@given(some_dags, st.data())
def test_a_run_goes_on_after_any_question_and_runs_nobody_twice(edges, data):
    asking = set(data.draw(st.lists(st.sampled_from(sorted(edges)), unique=True, min_size=1)))
    notes = Notebook()

    def asks(name):
        async def body(_):
            return interrupt(name)

        return body

    plan = make_plan(edges, strategy="adaptive")
    bodies = {name: asks(name) if name in asking else notes.body(name) for name in edges}
    saver = InMemorySaver()
    given: object = INPUT
    answers = 0
    while True:
        how = data.draw(st.sampled_from(["ainvoke", "invoke"]))
        graph = compile_plan(plan, bodies, checkpointer=saver)
        final = within(PATIENCE, run, graph, given, thread(), how=how)
        open_questions = final.get("__interrupt__", [])
        if not open_questions:
            break
        answered = data.draw(st.integers(1, len(open_questions)))
        answers += answered
        given = Command(resume={question.id: question.value for question in open_questions[:answered]})
    assert final["result"]["status"] == "completed"
    assert answers == len(asking)
    assert sorted(notes.started) == sorted(set(edges) - asking)
