"""Plans made by the planner: the core campaigns, the times, and everything that can stand in the way."""

from typing import Any

import pytest
from pydantic import ValidationError

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.errors import CampaignError, PlanError
from planner_graph.planning.contents import Estimate
from planner_graph.planning.planner import MasterPlanner, PlannerSettings
from planner_graph.types import Strategy
from tests.catalogs import catalog, spec

CORE = catalog(
    spec("planner", seconds=120),
    spec("researcher", after=["planner"], seconds=180),
    spec("writer", after=["planner", "researcher"], seconds=300),
    spec("editor", after=["writer"], seconds=180),
    spec("seo", after=["writer", "editor"], seconds=120),
    spec("image", after=["planner"], seconds=240),
    spec("social_media", after=["editor", "seo"], seconds=90),
)
EVERYTHING = Campaign(type="all")
TWO = catalog(spec("a"), spec("b", after=["a"]))


def make(campaign=EVERYTHING, known=CORE, strategy=None, **settings):
    return MasterPlanner(known, settings=PlannerSettings(**settings)).create_execution_plan(campaign, strategy)


def agents(plan):
    return [step.agent for step in plan.steps]


def problems(known, strategy=None, **campaign):
    findings = MasterPlanner(known).findings(Campaign.model_validate(campaign), strategy)
    return [str(finding) for finding in findings]


def test_a_sequential_plan_runs_one_agent_after_the_other_dependencies_first():
    plan = make(strategy="sequential")
    assert agents(plan) == ["planner", "researcher", "writer", "editor", "seo", "image", "social_media"]
    assert [step.order for step in plan.steps] == [1, 2, 3, 4, 5, 6, 7]
    assert plan.parallel_groups == {}


def test_a_sequential_plan_is_expected_to_take_the_sum_and_the_buffer():
    plan = make(strategy="sequential")
    assert plan.duration.predicted == plan.duration.work == 120 + 180 + 300 + 180 + 120 + 240 + 90
    assert plan.estimated_duration_minutes == 20 + 5  # 1230 s are 20 whole minutes


def test_a_parallel_plan_runs_level_by_level_with_groups():
    plan = make(strategy="parallel")
    assert agents(plan) == ["planner", "researcher", "image", "writer", "editor", "seo", "social_media"]
    assert [step.level for step in plan.steps] == [0, 1, 1, 2, 3, 4, 5]
    assert plan.parallel_groups == {1: ("researcher", "image")}


def test_a_parallel_plan_is_expected_to_take_the_slowest_of_each_level_and_the_buffer():
    plan = make(strategy="parallel")
    assert plan.duration.predicted == 120 + 240 + 300 + 180 + 120 + 90
    assert plan.duration.critical_path == 120 + 180 + 300 + 180 + 120 + 90
    assert plan.estimated_duration_minutes == 17 + 5  # 1050 s are 17 whole minutes


@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
@pytest.mark.parametrize("kind", ["blog_creation", "content_repurposing", "integrated_campaign"])
def test_in_built_in_campaigns_nothing_runs_before_what_it_depends_on(kind, strategy):
    plan = make(Campaign(type=kind, include_images=True), Catalog.builtin(), strategy)
    position = {step.agent: step.order for step in plan.steps}
    assert all(position[before] < step.order for step in plan.steps for before in step.waits_for)


def test_the_buffer_is_a_setting():
    assert make(strategy="sequential", buffer_seconds=0).estimated_duration_minutes == 20
    assert make(strategy="sequential", buffer_seconds=30).estimated_duration_minutes == 21  # 1230 s + 30 s


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "5 minutes"])
def test_a_senseless_buffer_is_refused(seconds):
    with pytest.raises(ValidationError, match="buffer_seconds"):
        PlannerSettings(buffer_seconds=seconds)


def test_times_of_each_step_say_where_it_lies_and_how_far_it_may_slip():
    timings = {step.agent: step.timing for step in make(strategy="parallel").steps}
    image = timings.pop("image")
    assert (image.earliest_start, image.earliest_end) == (120, 360)
    assert (image.latest_start, image.latest_end) == (750, 990)
    assert (image.slack_seconds, image.critical) == (630, False)
    assert [(timing.earliest_start, timing.slack_seconds, timing.critical) for timing in timings.values()] == [
        (0, 0, True),
        (120, 0, True),
        (300, 0, True),
        (600, 0, True),
        (780, 0, True),
        (900, 0, True),
    ]


def test_the_critical_path_is_the_same_whatever_the_strategy():
    for strategy in ("sequential", "parallel"):
        plan = make(strategy=strategy)
        assert plan.critical_path == ("planner", "researcher", "writer", "editor", "seo", "social_media")


def test_times_that_no_binary_fraction_holds_add_up_exactly():
    names = [f"n{number}" for number in range(10)]
    odd = [spec(name, after=names[:number][-1:], seconds=1.001) for number, name in enumerate(names)]
    plan = make(EVERYTHING, catalog(*odd, spec("aside", seconds=10.01)))
    assert plan.duration.critical_path == 10.01
    assert plan.steps[-1].timing.earliest_start == 9.009
    assert all(step.timing.slack_seconds == 0 and step.timing.critical for step in plan.steps)


def test_a_step_that_may_slip_by_a_microsecond_is_not_critical():
    plan = make(EVERYTHING, catalog(spec("a", seconds=1), spec("b", seconds=1.000001)))
    assert [(step.timing.slack_seconds, step.timing.critical) for step in plan.steps] == [(1e-06, False), (0, True)]


def test_estimates_come_from_the_estimator():
    class Slow:
        def estimate(self, spec):
            return Estimate(seconds=7, p90_seconds=9, source=f"{spec.name} was timed")

    plan = MasterPlanner(TWO, estimator=Slow()).create_execution_plan(EVERYTHING)
    assert plan.duration.work == 14
    assert plan.steps[1].estimate == Estimate(seconds=7, p90_seconds=9, source="b was timed")


def test_declared_estimates_reckon_with_a_slower_tenth():
    estimate = make(EVERYTHING, catalog(spec("a", seconds=100))).steps[0].estimate
    assert estimate == Estimate(seconds=100, p90_seconds=190, source="declared in the catalog")


def test_the_slower_tenth_is_never_faster():
    estimate = make(EVERYTHING, catalog(spec("a", seconds=1e-9))).steps[0].estimate
    assert estimate.p90_seconds >= estimate.seconds


def test_a_step_holds_what_the_spec_declares():
    fields: dict[str, Any] = {
        "type": "writer",
        "parallel_safe": False,
        "resources": {"gpu": 1, "cpu": 2},
        "max_retries": 1,
        "backoff": {"initial_seconds": 5},
        "timeout_seconds": 9,
        "fallback": "b",
        "cost_estimate_usd": 0.5,
    }
    known = catalog(spec("a", **fields), spec("b", gives=["a"]), select={"t": ["a"]})
    step = make(Campaign(type="t"), known).steps[0].model_dump(mode="json")
    assert {name: step[name] for name in fields} | {"backoff": {"initial_seconds": 5}} == fields
    assert step["backoff"]["initial_seconds"] == 5


def test_the_campaigns_configuration_lies_over_the_specs_key_by_key():
    known = catalog(spec("a", configuration={"tone": "dry", "words": 900}))
    plan = make(Campaign(type="all", configuration={"a": {"words": 400}}), known)
    assert plan.steps[0].configuration == {"tone": "dry", "words": 400}


def test_the_plan_keeps_what_the_run_must_heed():
    limits = {"max_parallel": 2, "resources": {"gpu": 1}}
    campaign = Campaign.model_validate({"type": "all", "limits": limits, "provided": {"z": 1, "y": 2}})
    plan = make(campaign)
    assert (plan.max_parallel, plan.resources, plan.provided) == (2, {"gpu": 1}, ("y", "z"))


@pytest.mark.parametrize(
    ("asked", "own", "chosen"),
    [
        (None, None, Strategy.ADAPTIVE),
        (None, Strategy.SEQUENTIAL, Strategy.SEQUENTIAL),
        ("parallel", Strategy.SEQUENTIAL, Strategy.PARALLEL),
        (Strategy.SEQUENTIAL, None, Strategy.SEQUENTIAL),
    ],
)
def test_the_callers_strategy_goes_before_the_campaigns_and_that_before_the_default(asked, own, chosen):
    assert make(Campaign(type="all", strategy=own), TWO, asked).strategy is chosen


def test_the_same_wish_gives_the_same_plan_whatever_the_order_of_its_keys():
    one = Campaign.model_validate({"id": "c", "type": "all", "provided": {"x": 1, "y": 2}})
    other = Campaign.model_validate({"provided": {"y": 2, "x": 1}, "type": "all", "id": "c"})
    assert make(one).canonical_json() == make(other).canonical_json()


def test_a_plan_can_be_ten_thousand_agents_deep():
    names = [f"n{number}" for number in range(10_000)]
    deep = [spec(name, needs=names[:number][-1:]) for number, name in enumerate(names)]
    plan = make(Campaign(deliverables=(names[-1],)), catalog(*reversed(deep)))
    assert (agents(plan), plan.duration.critical_path) == (names, 600_000)


def test_circular_dependencies_are_refused_and_named_in_full():
    known = catalog(spec("writer", after=["editor"]), spec("editor", after=["seo"]), spec("seo", after=["writer"]))
    with pytest.raises(PlanError) as caught:
        make(EVERYTHING, known)
    assert str(caught.value) == (
        "plan has 1 problem:\n"
        "  agents.writer.dependencies: circular dependency: writer needs editor needs seo needs writer; "
        "remove one of these dependencies or make it optional"
    )


def test_an_agent_that_depends_on_itself_is_reported_once():
    assert problems(catalog(spec("a", after=["a"])), type="all") == [
        "agents.a.dependencies[0]: agent 'a' depends on itself; remove the dependency"
    ]


def test_a_circle_among_agents_that_nobody_needs_does_not_matter():
    known = catalog(spec("a", after=["b"]), spec("b", after=["a"]), spec("c"), select={"t": ["c"]})
    assert agents(make(Campaign(type="t"), known)) == ["c"]


@pytest.mark.parametrize(
    ("wanted", "remedy"),
    [
        ("paralel", "did you mean 'parallel'?"),
        ("adaptiv", "did you mean 'adaptive'?"),
        ("fastest", "choose one of: sequential, parallel, adaptive"),
    ],
)
def test_an_unknown_strategy_is_a_finding(wanted, remedy):
    assert problems(TWO, wanted, type="all") == [f"strategy: unknown strategy {wanted!r}; {remedy}"]


def test_an_unknown_strategy_that_the_campaign_names_is_a_finding_of_its_file(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text("type: all\nstrategy: fastest\n")
    with pytest.raises(CampaignError) as caught:
        Campaign.load(path)
    assert [str(finding) for finding in caught.value.findings] == [
        f"{path}:2: strategy: 'fastest' is not one of sequential, parallel, adaptive; use one of them"
    ]


def test_a_need_beyond_a_limit_is_a_finding():
    known = catalog(spec("a", resources={"gpu": 2, "cpu": 1}), spec("b", resources={"gpu": 1}))
    limits = {"resources": {"gpu": 1.5, "tape": 1}}
    problem = "agent 'a' needs 2 of 'gpu', but the limit is 1.5"
    remedy = "raise limits.resources.gpu or lower the agent's need"
    assert problems(known, type="all", limits=limits) == [f"limits.resources.gpu: {problem}; {remedy}"]


def test_a_budget_that_the_estimates_exceed_is_a_finding():
    known = catalog(spec("a", cost_estimate_usd=0.07), spec("b", cost_estimate_usd=1))
    problem = (
        "limits.budget_usd: the agents' cost estimates add up to 1.07 USD, the budget is 1.069 USD; "
        "raise limits.budget_usd or ask for fewer deliverables"
    )
    assert problems(known, type="all", limits={"budget_usd": 1.069}) == [problem]
    assert problems(known, type="all", limits={"budget_usd": 1.07}) == []


def test_a_budget_is_not_exceeded_by_rounding():
    known = catalog(spec("a", cost_estimate_usd=0.1), spec("b", cost_estimate_usd=0.2))
    assert problems(known, type="all", limits={"budget_usd": 0.3}) == []


def test_only_selected_agents_count_against_limits():
    known = catalog(spec("a", cost_estimate_usd=9, resources={"gpu": 9}), spec("b"), select={"t": ["b"]})
    assert problems(known, type="t", limits={"budget_usd": 1, "resources": {"gpu": 1}}) == []


CONTRADICTORY_CATALOG = """\
agents:
  writer:
    dependencies: [editor, ghost]
    inputs: [facts]
  editor:
    dependencies: [writer]
  painter:
    outputs: [writer]
    resources: {gpu: 4}
    cost_estimate_usd: 2
rules:
  blog:
    when: {campaign_type: blog}
    select: [writer, editor, painter, nobody]
"""
IMPOSSIBLE_CAMPAIGN = """\
type: blog
content_types: [song]
deliverables: [gold]
configuration: {writr: {}}
limits: {budget_usd: 1, resources: {gpu: 1}}
"""
ALL_FINDINGS = """\
plan has 11 problems:
  catalog.yaml:3: agents.writer.dependencies[1]: agent 'writer' depends on an unknown agent 'ghost'; \
declare it or remove it
  catalog.yaml:8: agents.painter.outputs[0]: output 'writer' is already produced by agent 'writer'; rename one of \
them, or make one agent the fallback of the other
  catalog.yaml:14: rules.blog.select[3]: rule 'blog' selects an unknown agent 'nobody'; declare it or remove it
  strategy: unknown strategy 'fast'; choose one of: sequential, parallel, adaptive
  campaign.yaml:2: content_types[0]: unknown content type 'song'; the catalog knows: none
  campaign.yaml:4: configuration.writr: configuration for an unknown agent 'writr'; did you mean 'writer'?
  campaign.yaml:3: deliverables[0]: no agent produces the deliverable 'gold'; ask for an output that an agent of the \
catalog declares
  catalog.yaml:4: agents.writer.inputs[0]: agent 'writer' needs the input 'facts', which neither an agent nor the \
campaign gives; add 'facts' under 'provided' in the campaign, or make the input not required
  catalog.yaml:3: agents.writer.dependencies: circular dependency: writer needs editor needs writer; remove one of \
these dependencies or make it optional
  campaign.yaml:5: limits.resources.gpu: agent 'painter' needs 4 of 'gpu', but the limit is 1; raise \
limits.resources.gpu or lower the agent's need
  campaign.yaml:5: limits.budget_usd: the agents' cost estimates add up to 2 USD, the budget is 1 USD; raise \
limits.budget_usd or ask for fewer deliverables"""


def test_everything_that_stands_in_the_way_is_said_at_once_with_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog.yaml").write_text(CONTRADICTORY_CATALOG)
    (tmp_path / "campaign.yaml").write_text(IMPOSSIBLE_CAMPAIGN)
    with pytest.raises(PlanError) as caught:
        make(Campaign.load("campaign.yaml"), Catalog.load("catalog.yaml"), "fast")
    assert str(caught.value) == ALL_FINDINGS
