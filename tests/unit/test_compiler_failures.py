"""Whom a failure concerns, and whom it does not."""

import asyncio
import threading

import pytest

from planner_graph.compiler.compiler import compile_plan
from tests.catalogs import spec
from tests.fakes import WAYS, Notebook, planned, run
from tests.plans import BLOG, make_plan

STRATEGIES = ("sequential", "parallel")


def failing(*agents, notes=None):
    notes = notes or Notebook()
    return {agent: notes.body(agent, raises=[ValueError("no luck")]) for agent in agents}


def statuses(plan, *broken, how="invoke"):
    notes = Notebook()
    final = run(compile_plan(plan, notes.bodies(plan.by_agent, **failing(*broken, notes=notes))), how=how)
    return {agent: final[agent]["status"] for agent in plan.by_agent}, notes


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_hard_descendants_of_a_failed_agent_are_skipped_and_their_bodies_never_called(how, strategy):
    found, notes = statuses(make_plan(BLOG, strategy=strategy), "editor", how=how)
    assert found == {
        "planner": "completed",
        "researcher": "completed",
        "writer": "completed",
        "editor": "failed",
        "image": "completed",
        "seo": "skipped",
        "social_media": "skipped",
    }
    assert not {"seo", "social_media"} & set(notes.started)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_failing_agent_leaves_its_running_siblings_alone(how):
    failed = threading.Event()

    def broken(_):
        failed.set()
        raise ValueError

    async def sibling(_):
        await asyncio.to_thread(failed.wait, 30)
        for _turn in range(20):  # long enough for a cancellation to arrive
            await asyncio.sleep(0)
        return 1

    plan = planned(spec("broken", max_retries=0), spec("sibling"))
    final = run(compile_plan(plan, {"broken": broken, "sibling": sibling}), how=how)
    assert (final["broken"]["status"], final["sibling"]["status"]) == ("failed", "completed")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["soft", "optional"])
def test_a_soft_or_optional_dependant_of_a_failed_agent_runs(kind, strategy):
    plan = planned(spec("a", max_retries=0), spec("b", after={kind: ["a"]}), strategy=strategy)
    assert statuses(plan, "a")[0] == {"a": "failed", "b": "completed"}


def test_a_soft_dependant_of_a_skipped_agent_runs():
    plan = planned(spec("a", max_retries=0), spec("b", after=["a"]), spec("c", after={"soft": ["b"]}))
    assert statuses(plan, "a")[0] == {"a": "failed", "b": "skipped", "c": "completed"}


def test_a_soft_dependant_waits_for_the_end_of_what_it_depends_on():
    notes = Notebook()
    plan = planned(spec("a"), spec("b", after=["a"]), spec("c", after={"soft": ["b"]}))
    run(compile_plan(plan, notes.bodies(plan.by_agent)))
    assert notes.started == ["a", "b", "c"]


def test_one_failed_hard_dependency_among_many_is_enough_to_be_skipped():
    plan = planned(spec("a"), spec("b", max_retries=0), spec("c"), spec("d", after={"hard": ["a", "b"], "soft": ["c"]}))
    assert statuses(plan, "b")[0]["d"] == "skipped"


def test_reasons_say_in_words_what_happened():
    plan = planned(spec("writer", max_retries=0), spec("editor", after=["writer"]), spec("seo", after=["editor"]))
    final = run(compile_plan(plan, Notebook().bodies(plan.by_agent, **failing("writer"))))
    cause = "ValueError after 1 attempt: no luck"
    assert final["writer"]["reason"] == cause
    assert final["editor"]["reason"] == f"hard dependency 'writer' failed: {cause}"
    assert final["seo"]["reason"] == f"hard dependency 'editor' was skipped: agent 'writer' failed: {cause}"
    root = {"type": "DependencyFailed", "message": f"agent 'writer' failed: {cause}"}
    assert final["editor"]["error"] == final["seo"]["error"] == root


def test_a_skipped_agents_record():
    plan = planned(spec("a", max_retries=0), spec("b", after=["a"]))
    record = run(compile_plan(plan, Notebook().bodies("ab", **failing("a"))))["b"]
    expected = {"status": "skipped", "output": None, "attempts": 0, "started_at": None, "usage": None}
    assert {key: record[key] for key in expected} == expected
    assert record["ended_at"]


def test_the_root_cause_travels_down_a_long_chain_without_growing():
    names = [f"agent{n}" for n in range(60)]
    chain = {name: names[n - 1 : n] if n else [] for n, name in enumerate(names)}
    final = run(compile_plan(make_plan(chain, strategy="sequential"), Notebook().bodies(names, **failing("agent0"))))
    assert {final[name]["error"]["message"] for name in names[1:]} == {
        "agent 'agent0' failed: ValueError after 1 attempt: no luck"
    }
    assert max(len(final[name]["reason"]) for name in names) < 150
    assert final["result"]["status"] == "failed"


def test_the_cause_named_is_the_first_dependency_in_the_plans_order():
    plan = planned(spec("x", max_retries=0), spec("y", max_retries=0), spec("z", after=["y", "x"]))
    final = run(compile_plan(plan, Notebook().bodies("xyz", **failing("x", "y"))))
    assert final["z"]["reason"].startswith("hard dependency 'x' failed")


def test_all_agents_may_fail_at_once():
    agents = "abcdef"
    plan = planned(*(spec(agent, max_retries=0) for agent in agents))
    final = run(compile_plan(plan, failing(*agents)))
    assert final["result"]["status"] == "failed"
    assert {final[agent]["status"] for agent in agents} == {"failed"}
