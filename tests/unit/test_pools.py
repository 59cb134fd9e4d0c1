"""Pools that a catalog declares: how they are written, what is wrong with them, what they mean for a plan."""

import pytest

from planner_graph.campaign import Campaign, Limits
from planner_graph.catalog import check
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.pool import Pool
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spelling import misspelt
from planner_graph.errors import CatalogError, PlanError
from planner_graph.planning.forecast import forecast
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from tests.catalogs import spec

LLM = {"llm": {"capacity": 8}}


def catalog_of(*agents, pools):
    return Catalog.of(*agents, rules=[Rule(name="all", select=tuple(agent.name for agent in agents))], pools=pools)


def plan_of(catalog, *, limits=None, **campaign):
    request = Campaign(include_images=True, limits=Limits(resources=limits or {}), **campaign)
    return MasterPlanner(catalog).create_execution_plan(request)


def told(catalog, *, limits=None, **campaign):
    """Give what is wrong with a campaign, as problem and remedy."""
    with pytest.raises(PlanError) as caught:
        plan_of(catalog, limits=limits, **campaign)
    return [(finding.key, finding.problem, finding.remedy) for finding in caught.value.findings]


def read(tmp_path, text):
    path = tmp_path / "catalog.yaml"
    path.write_text(text, encoding="utf-8")
    return Catalog.read(path)


def test_a_document_declares_pools(tmp_path):
    catalog, findings = read(tmp_path, "pools:\n  llm: {capacity: 8, scope: process}\n  gpu: {capacity: 1}\n")
    assert findings == []
    assert list(catalog.pools.values()) == [
        Pool(name="llm", capacity=8, scope="process"),
        Pool(name="gpu", capacity=1, scope="run"),
    ]
    assert catalog.file_of("pools.llm") == str(tmp_path / "catalog.yaml")


@pytest.mark.parametrize(
    ("entry", "key", "problem"),
    [
        ("{}", "pools.llm.capacity", "key 'capacity' is missing"),
        ("{capacity: 0}", "pools.llm.capacity", "0 is out of range"),
        ("{capacity: many}", "pools.llm.capacity", "'many' is not a number"),
        ("{capacity: .inf}", "pools.llm.capacity", "not a finite number"),
        ("{capacity: 1, scope: cluster}", "pools.llm.scope", "'cluster'"),
        ("{capacity: 1, scoop: run}", "pools.llm.scoop", "unknown key 'scoop'"),
        ("{capacity: 1, name: x}", "pools.llm.name", "unknown key 'name'"),
        ("8", "pools.llm", "'llm' is no mapping"),
    ],
)
def test_what_is_wrong_with_a_pool_is_reported_with_its_place(tmp_path, entry, key, problem):
    catalog, findings = read(tmp_path, f"pools:\n  gpu: {{capacity: 1}}\n  llm: {entry}\n")
    assert any((finding.key, finding.line) == (key, 3) and problem in finding.problem for finding in findings), findings
    assert "gpu" in catalog.pools


def test_a_section_that_is_nearly_pools_is_named(tmp_path):
    _, findings = read(tmp_path, "pool:\n  llm: {capacity: 8}\n")
    assert [(finding.problem, finding.remedy) for finding in findings] == [
        ("unknown key 'pool'", "remove it, did you mean 'pools'?")
    ]


def test_pools_in_python_are_values_or_mappings():
    pool = Pool(name="llm", capacity=8)
    assert Catalog.of(pools=[pool]).pools == Catalog.of(pools=LLM).pools == Catalog.of(pools={"llm": pool}).pools
    for given in ({"llm": {"capacity": -1}}, {"llm": 8}, [pool, pool]):
        with pytest.raises(CatalogError):
            Catalog.of(pools=given)


def test_a_later_layer_replaces_a_pool():
    base = Catalog.of(pools={"llm": {"capacity": 8, "scope": "process"}, "gpu": {"capacity": 1}})
    laid = base.extended(Catalog.of(pools={"llm": {"capacity": 2}, "new": {"capacity": 1}}))
    assert {name: (pool.capacity, pool.scope) for name, pool in laid.pools.items()} == {
        "llm": (2, "run"),
        "gpu": (1, "run"),
        "new": (1, "run"),
    }


def test_a_plan_has_the_pools_that_its_agents_use_as_low_as_the_campaign_wants_them():
    catalog = catalog_of(
        spec("a", resources={"llm": 1}),
        spec("b", resources={"web": 1, "own": 1}),
        pools={"llm": {"capacity": 8, "scope": "process"}, "web": {"capacity": 4}, "unused": {"capacity": 1}},
    )
    plan = plan_of(catalog, limits={"llm": 2, "own": 3})
    assert (plan.resources, plan.process_pools) == ({"llm": 2, "own": 3, "web": 4}, ("llm",))
    assert ExecutionPlan.from_json(plan.canonical_json()) == plan


def test_a_plan_whose_agents_use_no_declared_pool_keeps_its_hash():
    agent = spec("a", resources={"own": 1})
    plain, declared = (catalog_of(agent, pools=pools) for pools in ({}, {"gpu": {"capacity": 1, "scope": "process"}}))
    assert plan_of(plain, limits={"own": 2}).hash == plan_of(declared, limits={"own": 2}).hash
    assert b"process_pools" not in plan_of(plain).canonical_json()


def test_a_pool_of_the_catalog_decides_over_makespan_and_forecast():
    agents = [spec(name, seconds=100, resources={"llm": 1}) for name in "abcd"]
    for scope in ("run", "process"):
        plan = plan_of(catalog_of(*agents, pools={"llm": {"capacity": 1, "scope": scope}}))
        assert plan.duration.predicted == 400
        assert forecast(plan, {}, 0).p50_seconds_left == pytest.approx(440, 0.1)


def test_a_limit_cannot_raise_a_capacity():
    catalog = catalog_of(spec("a", resources={"llm": 1}), pools=LLM)
    assert plan_of(catalog, limits={"llm": 8}).resources == {"llm": 8}
    assert told(catalog, limits={"llm": 9}) == [
        (
            "limits.resources.llm",
            "9 of 'llm' is more than the catalog's capacity of 8",
            "a limit can only lower it: write 8 or less, or raise the catalog's capacity",
        )
    ]


def test_a_need_that_no_capacity_meets_is_a_finding():
    catalog = catalog_of(
        spec("a", resources={"llm": 9, "calls_per_minute": 61}), pools={**LLM, "calls_per_minute": {"capacity": 60}}
    )
    assert [(finding.key, finding.problem, finding.remedy) for finding in check.findings(catalog)] == [
        (
            "agents.a.resources.llm",
            "agent 'a' needs 9 of 'llm', but its capacity is 8",
            "raise pools.llm.capacity or lower the agent's need",
        ),
        (
            "agents.a.resources.calls_per_minute",
            "agent 'a' needs 61 of 'calls_per_minute', but its capacity is 60",
            "raise pools.calls_per_minute.capacity or lower the agent's need",
        ),
    ]
    fits = catalog_of(spec("a", resources={"llm": 4}), pools=LLM)
    assert [problem for _, problem, _ in told(fits, limits={"llm": 2})] == [
        "agent 'a' needs 4 of 'llm', but the limit is 2"
    ]


@pytest.mark.parametrize("name", ["llms", "LLM", "l-lm", "lml"])
def test_a_misspelt_pool_is_a_finding(name):
    catalog = catalog_of(spec("a", resources={name: 1}), pools=LLM)
    assert [(finding.key, finding.problem, finding.remedy) for finding in check.findings(catalog)] == [
        (
            f"agents.a.resources.{name}",
            f"agent 'a' needs {name!r}, which is no declared pool",
            "declare it under pools, did you mean 'llm'?",
        )
    ]
    used = catalog_of(spec("a", resources={"llm": 1}), pools={})
    for known in (used, catalog_of(spec("a"), pools=LLM)):
        assert told(known, limits={name: 1}) == [
            (f"limits.resources.{name}", f"no agent uses a pool {name!r}", "remove the limit, did you mean 'llm'?")
        ]


@pytest.mark.parametrize("name", ["gpu", "other", "llm_per_minute", "llm_requests"])
def test_a_pool_of_another_name_is_another_pool(name):
    catalog = catalog_of(spec("a", resources={name: 1, "llm": 1}), pools=LLM)
    assert plan_of(catalog, limits={name: 1}).resources == {name: 1, "llm": 8}


def test_a_limit_may_set_what_no_catalog_does():
    plan = plan_of(catalog_of(spec("a", resources={"gpu_1": 1}), pools={"gpu_2": {"capacity": 1}}), limits={"gpu_1": 1})
    assert plan.resources == {"gpu_1": 1}


@pytest.mark.parametrize("name", ["brand_voices", "brandVoice", "brand_vocie"])
def test_a_misspelt_provided_value_is_a_finding(name):
    catalog = catalog_of(spec("a", uses=["brand_voice"]), pools={})
    assert told(catalog, provided={name: 1}) == [
        (f"provided.{name}", f"no agent reads or gives a value {name!r}", "remove it, did you mean 'brand_voice'?")
    ]
    assert plan_of(catalog, provided={"something_else": 1, "brand_voice": 1, "brand_voice_2": 3}).provided


def test_names_that_differ_in_a_number_or_a_rate_are_two_things():
    assert misspelt("gpu_1", ["gpu_2"]) is None
    assert misspelt("calls_per_minute", ["calls", "calls_per_hour"]) is None
    assert misspelt("cpu", ["gpu"]) is None
    assert misspelt("gpu", ["gpu", "gpus"]) is None
    assert misspelt("gpus", ["cpu", "gpu"]) == "gpu"
