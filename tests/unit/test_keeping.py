"""Which agents need not run again under another plan."""

import pytest

from planner_graph.campaign import Campaign
from planner_graph.planning.keeping import keep, keep_before
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName, AgentStatus
from tests.catalogs import catalog, spec
from tests.fakes import planned
from tests.plans import make_plan

COMPLETED, FAILED, SKIPPED = AgentStatus.COMPLETED, AgentStatus.FAILED, AgentStatus.SKIPPED


def kept(old, new, stopped=(), **ended):
    return keep(planned(*old), planned(*new), named(ended), stopped=stopped)


def named(ended):
    return {AgentName(agent): status for agent, status in ended.items()}


def test_the_same_plan_keeps_all():
    agents = [spec("a"), spec("b", after=["a"]), spec("c", after=["b"])]
    found = kept(agents, agents, a=FAILED, b=SKIPPED)
    assert (found.kept, dict(found.again), found.gone) == (("a", "b"), {}, ())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "other"}, "its type changed"),
        ({"gives": ["x"]}, "its outputs changed"),
        ({"configuration": {"tone": "dry"}}, "its configuration changed"),
        ({"needs": ["topic"]}, "its inputs changed"),
    ],
)
def test_who_would_do_something_else_runs_again_and_so_does_what_follows(change, reason):
    old = [spec("a"), spec("b", after=["a"])]
    new = [spec("a", **change), spec("b", after=["a"])]
    before, after = (planned(*agents, provided={"topic": 1}) for agents in (old, new))
    found = keep(before, after, named({"a": COMPLETED, "b": COMPLETED}))
    assert found.again == {"a": reason, "b": "'a' runs again"}


@pytest.mark.parametrize(
    "change", [{"max_retries": 9}, {"timeout_seconds": 9}, {"seconds": 9}, {"resources": {"x": 1}}]
)
def test_what_only_concerns_how_it_runs_leaves_a_completed_agent_alone(change):
    assert kept([spec("a")], [spec("a", **change)], a=COMPLETED).kept == ("a",)


@pytest.mark.parametrize("change", [{"max_retries": 9}, {"timeout_seconds": 9}, {"backoff": {"factor": 3}}])
def test_a_failed_one_runs_again_with_other_rules_for_its_attempts(change):
    assert list(kept([spec("a")], [spec("a", **change)], a=FAILED).again) == ["a"]


@pytest.mark.parametrize("read", [True, False])
def test_an_optional_dependency_that_runs_again_matters_to_an_agent_that_read_it(read):
    old = [spec("a"), spec("b", after={"optional": ["a"]})]
    new = [spec("a", type="x"), spec("b", after={"optional": ["a"]})]
    plans, ended = (planned(*old), planned(*new)), named({"a": COMPLETED, "b": COMPLETED})
    found = keep(*plans, ended, read=named({"b": ["a"] if read else []}))
    assert found.again == {"a": "its type changed"} | ({"b": "it read what 'a' gave, which runs again"} if read else {})


def with_fallback(fallback):
    agents = [spec("a", gives=["x"], fallback="spare" if fallback else None), spec("b", needs=["x"])]
    spares = [spec("spare", gives=["x"])] if fallback else []
    known = catalog(*agents, *spares, select={"all": ["a", "b"]})
    return MasterPlanner(known).create_execution_plan(Campaign(id="c", type="all"))


@pytest.mark.parametrize("added", [True, False], ids=["added", "removed"])
@pytest.mark.parametrize(("status", "again"), [(COMPLETED, []), (FAILED, ["b"])])
def test_a_fallback_matters_only_where_it_has_something_to_do(added, status, again):
    old, new = with_fallback(not added), with_fallback(added)
    found = keep(old, new, named({"a": status, "b": COMPLETED}))
    assert list(found.again) == again


def test_whoever_was_stopped_is_looked_at_again():
    agents = [spec("a"), spec("b")]
    found = kept(agents, agents, a=FAILED, b=SKIPPED, stopped=["b"])
    assert found.again == {"b": "it had been stopped because another agent failed"}


def test_what_ended_and_is_not_planned_any_more_is_named():
    found = kept([spec("a"), spec("b")], [spec("b")], a=COMPLETED, b=COMPLETED)
    assert (found.kept, found.gone) == (("b",), ("a",))


def ran(plan, **others):
    return {agent: AgentStatus(others.get(agent, "completed")) for agent in plan.by_agent}


def test_running_again_from_an_agent_keeps_all_but_that_and_what_follows_from_it():
    plan = make_plan({"a": [], "b": ["a"], "c": ["b"], "beside": ["a"], "end": ["c", "beside"]})
    keeping = keep_before(plan, plan, ran(plan), [AgentName("b")])
    assert keeping.kept == ("a", "beside")
    assert keeping.again == {"b": "it was asked to", "c": "'b' runs again", "end": "'c' runs again"}


def test_running_again_repeats_what_had_failed_or_was_skipped_too():
    plan = make_plan({"a": [], "bad": ["a"], "after": ["bad"], "b": ["a"]})
    keeping = keep_before(plan, plan, ran(plan, bad="failed", after="skipped"), [AgentName("b")])
    assert keeping.kept == ("a",)
    assert keeping.again[AgentName("bad")] == "it had ended as 'failed'"
    assert "after" in keeping.again


def test_running_again_keeps_a_fallback_that_had_nothing_to_do_unless_its_agent_runs_again():
    plan = planned(
        spec("a", fallback="spare"), spec("spare", gives=["a"]), spec("b", needs=["a"]), select={"all": "ab"}
    )
    ended, idle = ran(plan, spare="skipped"), [AgentName("spare")]
    assert keep_before(plan, plan, ended, [AgentName("b")], idle=idle).kept == ("a", "spare")
    assert keep_before(plan, plan, ended, [AgentName("a")], idle=idle).kept == ()


def test_running_again_reaches_an_agent_that_read_it_though_it_comes_earlier_in_the_plan():
    plan = planned(
        spec("a", after={"optional": ["late"]}),
        spec("b", after=["a"]),
        spec("first"),
        spec("late", after=["first"]),
        spec("beside"),
    )
    order = list(plan.by_agent)
    assert order.index(AgentName("a")) < order.index(AgentName("late")), "an optional dependency orders nothing"
    read = named({"a": ["late"]})
    keeping = keep_before(plan, plan, ran(plan), [AgentName("late")], read=read)
    assert keeping.kept == ("first", "beside")
    assert keeping.again == {
        "late": "it was asked to",
        "a": "it read what 'late' gave, which runs again",
        "b": "'a' runs again",
    }
    assert keep_before(plan, plan, ran(plan), [AgentName("late")]).kept == ("a", "first", "beside", "b")


def test_running_again_from_several_agents():
    plan = make_plan({"a": [], "b": ["a"], "c": [], "d": ["c"], "e": []})
    keeping = keep_before(plan, plan, ran(plan), [AgentName("b"), AgentName("c")])
    assert keeping.kept == ("a", "e")
    assert keeping.again == {"b": "it was asked to", "c": "it was asked to", "d": "'c' runs again"}


def repaired_plan(**changes):
    return planned(
        spec("before"),
        spec("a", after=["before"], gives=["x"], fallback="spare", **changes),
        spec("spare", gives=["x"], fallback="last"),
        spec("last", gives=["x"]),
        spec("b", needs=["x"]),
        spec("beside"),
        select={"all": ["before", "a", "b", "beside"]},
    )


REPAIRS = [({"a": "failed", "last": "skipped"}, ["last"]), ({"a": "failed", "spare": "failed"}, [])]


@pytest.mark.parametrize(("how", "idle"), REPAIRS)
def test_running_again_keeps_what_a_fallback_repaired_unless_it_follows_from_the_agent(how, idle):
    plan = repaired_plan()
    ended = ran(plan, **how)
    beside = keep_before(plan, plan, ended, [AgentName("beside")], idle=idle)
    assert sorted(beside.kept) == ["a", "b", "before", "last", "spare"]
    assert beside.again == {"beside": "it was asked to"}
    assert keep_before(plan, plan, ended, [AgentName("before")], idle=idle).kept == ("beside",)
    assert sorted(keep_before(plan, plan, ended, [AgentName("a")], idle=idle).kept) == ["before", "beside"]


def test_running_again_repeats_a_failure_for_which_no_fallback_made_up():
    plan = repaired_plan()
    ended = ran(plan, a="failed", spare="failed", last="failed", b="skipped")
    keeping = keep_before(plan, plan, ended, [AgentName("beside")])
    assert keeping.kept == ("before",)


def test_another_plan_keeps_what_a_fallback_repaired_whatever_its_attempts_are_now():
    old, new = repaired_plan(), repaired_plan(max_retries=9)
    idle = {"last": "skipped"}
    assert keep(old, new, ran(old, a="failed", **idle)).again == {}
    assert "a" in keep(old, new, ran(old, a="failed", spare="failed", last="failed", b="skipped")).again
