"""What an agent makes of how those it depends on ended, and fallbacks that take over."""

from typing import Any

import pytest

from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import PlanError
from tests.catalogs import spec
from tests.fakes import FakeClock, Notebook, planned, run

STRATEGIES = ("sequential", "parallel", "adaptive")
AT_ONCE = {"initial_seconds": 0}


def finished(specs, notes, strategy="adaptive", how="ainvoke", fails=(), **campaign):
    """Run a plan in which the agents in ``fails`` fail at every attempt."""
    plan = planned(*specs, strategy=strategy, **campaign)
    bodies: dict[str, Any] = {
        name: notes.body(name, gives=f"by {name}", raises=[OSError("no luck")] * 9 if name in fails else ())
        for name in plan.by_agent
    }
    return run(compile_plan(plan, bodies, clock=FakeClock()), how=how)


def only(*names):
    """Ask for nothing but these agents, so that a fallback is selected as fallback alone."""
    return {"type": None, "deliverables": list(names)}


ENDS = ("completed", "failed", "skipped", "fallback took over", "fallback failed too")


def dependency(end):
    """Give the agents whose ``before`` ends in this way, and who fails."""
    after = {"soft": ["first"]} if end != "skipped" else ["first"]
    backed = end.startswith("fallback")
    specs = [
        spec("first", max_retries=0),
        spec("before", after=after, gives=["value"], max_retries=1, fallback="spare" if backed else None),
    ]
    if backed:
        specs.append(spec("spare", gives=["value"], max_retries=0))
    fails = {
        "completed": (),
        "failed": ("before",),
        "skipped": ("first",),
        "fallback took over": ("before",),
        "fallback failed too": ("before", "spare"),
    }[end]
    return specs, fails


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["hard", "soft", "optional"])
def test_each_kind_of_dependency_with_each_way_it_can_end(kind, end, strategy):
    """``gate`` makes sure that an optional dependency has ended, one way or the other, when its user starts."""
    specs, fails = dependency(end)
    notes = Notebook()
    gate = spec("gate", after={"soft": ["before"]})
    after: Any = [{"agent": "before", "kind": kind}, {"agent": "gate", "kind": "soft"}]
    everything = [*specs, gate, spec("user", after=after)]
    final = finished(everything, notes, strategy, fails=fails, **only("first", "value", "gate", "user"))
    value = {"completed": "by before", "fallback took over": "by spare"}.get(end)
    if kind == "hard" and value is None:
        assert final["user"]["status"] == "skipped"
        assert "user" not in notes.started
        assert final["user"]["reason"].startswith("hard dependency 'before' ")
    else:
        assert final["user"]["status"] == "completed"
        assert notes.inputs["user"][0].get("value") == value
    assert final["before"]["status"] == {"completed": "completed", "skipped": "skipped"}.get(end, "failed")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_fallback_takes_over_when_attempts_are_used_up_and_says_for_whom(how, strategy):
    notes = Notebook()
    specs = [
        spec("writer", gives=["text"], max_retries=2, backoff=AT_ONCE, fallback="template"),
        spec("template", gives=["text"]),
        spec("editor", after=["writer"]),
    ]
    final = finished(specs, notes, strategy, how, fails=["writer"], **only("text", "editor"))
    assert notes.started == ["writer"] * 3 + ["template", "editor"]
    assert (final["writer"]["status"], final["writer"]["replaces"]) == ("failed", None)
    assert (final["template"]["status"], final["template"]["replaces"]) == ("completed", "writer")
    assert final["result"]["status"] == "completed"
    assert final["result"]["deliverables"] == {"text": "by template", "editor": "by editor"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_fallback_that_is_not_needed_does_not_run_and_says_so(strategy):
    notes = Notebook()
    specs = [spec("writer", gives=["text"], fallback="template"), spec("template", gives=["text"])]
    final = finished(specs, notes, strategy, **only("text"))
    assert notes.started == ["writer"]
    template = final["template"]
    assert (template["status"], template["reason"]) == ("skipped", "not needed: 'writer' completed")
    assert (template["replaces"], template["error"], template["attempts"]) == (None, None, 0)
    assert final["result"]["deliverables"] == {"text": "by writer"}
    assert final["result"]["status"] == "completed"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_agent_that_was_skipped_needs_no_fallback(strategy):
    notes = Notebook()
    specs = [
        spec("planner", max_retries=0),
        spec("writer", after=["planner"], gives=["text"], fallback="template"),
        spec("template", gives=["text"]),
    ]
    final = finished(specs, notes, strategy, fails=["planner"], **only("planner", "text"))
    assert notes.started == ["planner"]
    assert final["template"]["reason"] == "not needed: 'writer' was skipped"
    assert final["result"]["missing"] == ["planner", "text"]
    assert final["result"]["status"] == "failed"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("broken", [0, 1, 2, 3])
def test_a_fallback_may_have_a_fallback(broken, strategy):
    notes = Notebook()
    chain = ["first", "second", "third"]
    specs = [
        spec(name, gives=["text"], max_retries=0, fallback=after)
        for name, after in zip(chain, [*chain[1:], None], strict=True)
    ]
    user = spec("user", after=["first"], needs=["text"])
    final = finished([*specs, user], notes, strategy, fails=chain[:broken], **only("user"))
    tried = chain[: broken + 1]
    if broken == len(chain):
        assert notes.started == chain
        assert final["user"]["status"] == "skipped"
        assert final["result"]["status"] == "failed"
    else:
        assert notes.started == [*tried, "user"]
        assert notes.inputs["user"][0]["text"] == f"by {chain[broken]}"
        assert final["result"]["status"] == "completed"


def test_a_fallback_gets_its_own_inputs_and_waits_for_its_own_dependencies():
    notes = Notebook()
    specs = [
        spec("glossary"),
        spec("writer", gives=["text"], max_retries=0, fallback="template"),
        spec("template", needs=["glossary"], gives=["text"]),
    ]
    finished(specs, notes, fails=["writer"], **only("text"))
    assert notes.inputs["template"][0]["glossary"] == "by glossary"


def test_a_fallback_takes_no_time_in_the_plan_and_no_slot_in_a_run_that_goes_well():
    notes = Notebook()
    specs = [
        spec("writer", gives=["text"], fallback="template", seconds=60),
        spec("template", gives=["text"], seconds=3600, resources={"gpu": 1}),
    ]
    plan = planned(*specs, strategy="adaptive", **only("text"))
    assert plan.duration.predicted == plan.duration.critical_path == 60
    assert finished(specs, notes, **only("text"))["result"]["status"] == "completed"


@pytest.mark.parametrize(
    ("fields", "limits", "problem"),
    [
        ({"resources": {"gpu": 2}}, {"gpu": 1}, "agent 'a' needs 2 of 'gpu', but the limit is 1"),
        ({"resources": {"gpu": 2}, "parallel_safe": False}, {"gpu": 1}, "agent 'a' needs 2 of 'gpu'"),
        ({"resources": {"r_per_minute": 90}}, {"r_per_minute": 60}, "agent 'a' needs 90 of 'r_per_minute'"),
        ({"fallback": "b", "gives": ["a"]}, {"tpu": 1}, "agent 'b' needs 3 of 'tpu', but the limit is 1"),
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_need_that_can_never_be_met_is_refused_when_planning(fields, limits, problem, strategy):
    specs = [spec("a", **fields), spec("b", gives=["a"], resources={"tpu": 3})]
    chosen = specs if "fallback" in fields else specs[:1]
    with pytest.raises(PlanError, match=problem):
        planned(*chosen, strategy=strategy, limits={"resources": limits}, **only("a"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_name_of_a_resource_collides_with_the_place_for_agents_that_are_not_parallel_safe(strategy):
    """Whatever a resource is called, it is another one."""
    notes = Notebook()
    names = ["parallel_unsafe", "unsafe", "_"]
    specs = [
        spec("a", resources=dict.fromkeys(names, 0.5), parallel_safe=False),
        spec("b", resources=dict.fromkeys(names, 0.5)),
    ]
    limits = {"resources": dict.fromkeys(names, 0.5)}
    assert finished(specs, notes, strategy, limits=limits)["result"]["status"] == "completed"


def test_a_fallback_that_needs_the_agent_it_replaces_is_refused():
    specs = [spec("before", gives=["value"], fallback="spare"), spec("spare", after=["before"], gives=["value"])]
    with pytest.raises(PlanError, match="agent 'spare' is the fallback of 'before', but cannot run without it"):
        planned(*specs, **only("value"))
