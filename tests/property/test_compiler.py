"""Random plans with random failures, against rules that are worked out a second time, another way."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from planner_graph.compiler.compiler import compile_plan
from tests.fakes import INPUT, FakeClock, Notebook
from tests.plans import make_plan
from tests.property.dags import bounded, dags

KINDS = ("hard", "soft", "optional")
TIMES = ("started_at", "ended_at")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A DAG, the kind of each of its edges, and the agents that fail."""

    edges: dict[str, list[str]]
    kinds: dict[tuple[str, str], str]
    broken: frozenset[str]

    def before(self, agent: str, kind: str) -> list[str]:
        return [other for other in self.edges[agent] if self.kinds[agent, other] == kind]


@st.composite
def cases(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> Case:
    edges = draw(dags(max_size=12).filter(bool))
    pairs = [(agent, other) for agent, others in edges.items() for other in others]
    return Case(
        edges=edges,
        kinds={pair: draw(st.sampled_from(kinds)) for pair in pairs},
        broken=frozenset(draw(st.lists(st.sampled_from(list(edges)), max_size=4))),
    )


def executed(case: Case, strategy: str) -> tuple[dict[str, Any], Notebook]:
    """Run the case and give its final state, and what its bodies noted."""
    notes = Notebook()
    plan = make_plan(case.edges, kinds=case.kinds, strategy=strategy)
    broken = {agent: notes.body(agent, gives=f"by {agent}", raises=[ValueError("no luck")]) for agent in case.broken}
    whole = {agent: notes.body(agent, gives=f"by {agent}") for agent in case.edges}
    graph = compile_plan(plan, {**whole, **broken}, clock=FakeClock())
    keys = [*case.edges, "result"]
    return asyncio.run(graph.ainvoke(INPUT, output_keys=keys)), notes


def expected(case: Case) -> dict[str, str]:
    """Work out the status of each agent: settle those whose hard dependencies are settled, until none is left."""
    status: dict[str, str] = {}
    while len(status) < len(case.edges):
        for agent in case.edges:
            hard = [status.get(other) for other in case.before(agent, "hard")]
            if agent in status or None in hard:
                continue
            skipped = any(other != "completed" for other in hard)
            status[agent] = "skipped" if skipped else "failed" if agent in case.broken else "completed"
    return status


def outcome(statuses: dict[str, str]) -> str:
    found = list(statuses.values())
    if "failed" not in found:
        return "completed"
    return "partial_success" if found.count("completed") > found.count("failed") else "failed"


def roots(case: Case, statuses: dict[str, str], agent: str) -> set[str]:
    """Give the failed agents from which hard edges lead to ``agent`` through skipped ones."""
    reached: set[str] = set()
    for other in case.before(agent, "hard"):
        if statuses[other] == "failed":
            reached.add(other)
        elif statuses[other] == "skipped":
            reached |= roots(case, statuses, other)
    return reached


def without_times(final: dict[str, Any], agents: Any) -> dict[str, Any]:
    return {agent: {key: value for key, value in final[agent].items() if key not in TIMES} for agent in agents}


STRATEGIES = st.sampled_from(["sequential", "parallel"])


@given(cases(), STRATEGIES)
@settings(bounded)
def test_every_agent_has_exactly_one_record_whose_status_follows_the_rules(case, strategy):
    final, notes = executed(case, strategy)
    statuses = expected(case)
    assert {agent: final[agent]["status"] for agent in case.edges} == statuses
    ran = [agent for agent, status in statuses.items() if status != "skipped"]
    assert sorted(notes.started) == sorted(ran)
    assert list(final["result"]["agents"]) == list(make_plan(case.edges, kinds=case.kinds, strategy=strategy).by_agent)


@given(cases(), STRATEGIES)
@settings(bounded)
def test_no_agent_starts_before_all_it_waits_for_have_ended(case, strategy):
    _, notes = executed(case, strategy)
    for agent in notes.started:
        for other in case.before(agent, "hard") + case.before(agent, "soft"):
            if other in notes.started:
                assert notes.events.index(("end", other)) < notes.events.index(("start", agent))


@given(cases(), STRATEGIES)
@settings(bounded)
def test_a_body_gets_the_outputs_of_its_completed_dependencies_and_no_others(case, strategy):
    _, notes = executed(case, strategy)
    statuses = expected(case)
    for agent, (inputs,) in notes.inputs.items():
        waited = case.before(agent, "hard") + case.before(agent, "soft")
        certain = {other for other in waited if statuses[other] == "completed"}
        possible = certain | {other for other in case.before(agent, "optional") if statuses[other] == "completed"}
        found = set(inputs) - {"campaign", "configuration"}
        assert certain <= found <= possible
        assert all(inputs[other] == f"by {other}" for other in found)


@given(cases(), STRATEGIES)
@settings(bounded)
def test_a_run_ends_as_its_agents_did(case, strategy):
    final, _ = executed(case, strategy)
    assert final["result"]["status"] == outcome(expected(case))


@given(cases(), STRATEGIES)
@settings(bounded)
def test_a_skipped_agent_names_a_root_cause_and_its_reason_stays_short(case, strategy):
    final, _ = executed(case, strategy)
    statuses = expected(case)
    for agent, status in statuses.items():
        if status == "skipped":
            causes = {
                f"agent {root!r} failed: ValueError after 1 attempt: no luck" for root in roots(case, statuses, agent)
            }
            assert final[agent]["error"]["message"] in causes
            assert len(final[agent]["reason"]) < 150


@given(cases(kinds=("hard", "soft")))
@settings(bounded)
def test_sequential_and_parallel_give_the_same_records(case):
    one, _ = executed(case, "sequential")
    other, _ = executed(case, "parallel")
    assert without_times(one, case.edges) == without_times(other, case.edges)
    assert one["result"]["status"] == other["result"]["status"]
    assert one["result"]["deliverables"] == other["result"]["deliverables"]
